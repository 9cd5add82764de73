// What the destination has of each page, as one word: 0 for zeros, a digest of what was sent otherwise. A dirty page whose
// word is the same is not sent again. The digest is no secret and no checksum; with 64 bits two contents of one page
// agree once in 2^64.

import Glibc

/// A word for each page; a page that nobody looked at costs no memory.
final class PageDigests {
    private let words: UnsafeMutablePointer<UInt64>?
    private let count: Int
    /// Made once, never written again.
    private nonisolated(unsafe) static let zeros: UnsafeRawPointer = {
        let page = UnsafeMutableRawPointer.allocate(byteCount: MigrationLimits.pageSize, alignment: 64)
        page.initializeMemory(as: UInt8.self, repeating: 0, count: MigrationLimits.pageSize)
        return UnsafeRawPointer(page)
    }()

    /// Every page is zeros at the destination.
    init(pageCount: Int) {
        words = calloc(max(1, pageCount), 8)?.assumingMemoryBound(to: UInt64.self)
        count = words == nil ? 0 : pageCount
    }

    deinit { free(words) }

    /// Takes the new word of a page; false when it is what the destination has. Without memory for the words every page
    /// is new.
    func update(_ page: Int, to word: UInt64) -> Bool {
        guard let words, page >= 0, page < count else { return true }
        if words[page] == word { return false }
        words[page] = word
        return true
    }

    /// What the destination has of a page is what it holds now.
    func isSame(_ page: Int, _ content: UnsafeRawBufferPointer) -> Bool {
        guard let words, page >= 0, page < count else { return false }
        return words[page] == (Self.isZero(content) ? 0 : Self.digest(content))
    }

    /// Whether a page holds zeros only.
    static func isZero(_ page: UnsafeRawBufferPointer) -> Bool {
        guard let start = page.baseAddress else { return true }
        return memcmp(start, zeros, min(page.count, MigrationLimits.pageSize)) == 0
    }

    /// The word of a page that is not zeros; never 0.
    static func digest(_ page: UnsafeRawBufferPointer) -> UInt64 {
        guard let base = page.baseAddress else { return 1 }
        let prime: UInt64 = 0x9e37_79b9_7f4a_7c15
        var (a, b, c, d) = (prime, ~prime, prime << 1, prime >> 1)
        for at in stride(from: 0, to: page.count & ~31, by: 32) {
            a = mix(a, base.loadUnaligned(fromByteOffset: at, as: UInt64.self))
            b = mix(b, base.loadUnaligned(fromByteOffset: at + 8, as: UInt64.self))
            c = mix(c, base.loadUnaligned(fromByteOffset: at + 16, as: UInt64.self))
            d = mix(d, base.loadUnaligned(fromByteOffset: at + 24, as: UInt64.self))
        }
        var word = mix(mix(mix(a, b), c), d)
        word = (word ^ word >> 32) &* prime
        return max(1, word ^ word >> 29)
    }

    /// One to one in `word` and in `sum`, and every bit reaches the low half within two steps.
    @inline(__always)
    private static func mix(_ sum: UInt64, _ word: UInt64) -> UInt64 {
        let product = (sum ^ word) &* 0xbf58_476d_1ce4_e5b9
        return product << 31 | product >> 33
    }
}
