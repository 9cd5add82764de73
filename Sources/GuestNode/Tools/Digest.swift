// SHA-256 (FIPS 180-4) by libnettle. The context is plain data, so a digest under way can be
// encoded like everything else a tool holds.

import CNettle

/// A SHA-256 over bytes that come in pieces.
struct Digest: @unchecked Sendable {
    var context = sha256_ctx()

    init() { nettle_sha256_init(&context) }

    mutating func update(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress else { return }
        nettle_sha256_update(&context, bytes.count, base.assumingMemoryBound(to: UInt8.self))
    }

    /// The digest of everything so far, as 64 hexadecimal digits.
    var text: String {
        var copy = context
        var digest = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_SIZE))
        nettle_sha256_digest(&copy, digest.count, &digest)
        return digest.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}

/// How many bytes went one way and, when asked for, what they hash to.
struct ByteTally: Sendable {
    var count: UInt64 = 0
    var digest: Digest?

    init(isHashed: Bool) { digest = isHashed ? Digest() : nil }

    mutating func add(_ bytes: UnsafeRawBufferPointer) {
        count &+= UInt64(bytes.count)
        digest?.update(bytes)
    }

    /// `sent 5 bytes sha256 …`; nil when no digest was asked for.
    func report(_ verb: String) -> String? { digest.map { "\(verb) \(count) bytes sha256 \($0.text)\n" } }
}
