// The bytes that peers send: a word for each offset, so a lost, doubled or moved byte changes the digest.

import CNettle
import Glibc

/// A running SHA-256.
struct Digest {
    private var context = sha256_ctx()

    init() { nettle_sha256_init(&context) }

    mutating func add(_ bytes: UnsafeRawBufferPointer) {
        nettle_sha256_update(&context, bytes.count, bytes.bindMemory(to: UInt8.self).baseAddress)
    }

    /// 64 hexadecimal digits; the digest starts anew.
    mutating func finish() -> String {
        var bytes = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_SIZE))
        nettle_sha256_digest(&context, bytes.count, &bytes)
        let digits = Array("0123456789abcdef")
        return String(bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
    }
}

/// Fills `block` with the pattern from `offset` on (a multiple of 8).
func fillPattern(_ block: UnsafeMutableRawBufferPointer, offset: Int) {
    let words = block.bindMemory(to: UInt64.self)
    var index = UInt64(offset / 8)
    for position in 0..<words.count {
        words[position] = (index &* 0x9E37_79B9_7F4A_7C15).littleEndian
        index &+= 1
    }
}
