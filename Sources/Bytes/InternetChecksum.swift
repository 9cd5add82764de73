// The 16-bit one's complement sum that IP, ICMP, UDP and TCP share (RFC 1071), its incremental
// update (RFC 1624), and sum-while-copying. Sums are kept in memory order and turned once at the
// end (RFC 1071, 2 B): the sum of byte-swapped words is the byte-swapped sum.

/// A running internet checksum over spans of any length, odd ones included.
///
///     var sum = InternetChecksum()
///     sum.add(header); sum.add(word: 17)
///     packet.checksum = sum.checksum
public struct InternetChecksum: Equatable, Sendable {
    /// Memory-order words, not yet folded; grows by at most 2³³ per call: 2³⁰ calls do not overflow it.
    private var accumulator: UInt64 = 0
    /// An odd number of bytes has been added: the next span starts in the low half of a word.
    private var isOdd = false

    /// The sum of nothing.
    public init() {}

    /// Adds bytes as they lie on the wire.
    public mutating func add(_ bytes: UnsafeRawBufferPointer) {
        place(Self.sum(bytes), count: bytes.count)
    }

    /// Adds a 16-bit field given as a number. Only at an even offset.
    public mutating func add(word: UInt16) { accumulator &+= UInt64(word.bigEndian) }

    /// Adds a 32-bit field given as a number, an IPv4 address for example. Only at an even offset.
    public mutating func add(long: UInt32) {
        let value = long.bigEndian
        accumulator &+= UInt64(value & 0xffff) &+ UInt64(value >> 16)
    }

    /// Adds a 64-bit field given as a number, half of an IPv6 address for example. Only at an even offset.
    public mutating func add(quad: UInt64) {
        let value = quad.bigEndian
        accumulator &+= (value & 0xffff_ffff) &+ (value >> 32)
    }

    /// Copies `source` to the start of `room` and adds it; copies no more than fits.
    public mutating func copy(_ source: UnsafeRawBufferPointer, into room: UnsafeMutableRawBufferPointer) {
        let count = min(source.count, room.count)
        place(
            Self.copySum(UnsafeRawBufferPointer(rebasing: source[0..<count]), into: room), count: count)
    }

    private mutating func place(_ sum: UInt64, count: Int) {
        let folded = Self.fold(sum)
        accumulator &+= UInt64(isOdd ? folded.byteSwapped : folded)
        if count & 1 == 1 { isOdd.toggle() }
    }

    /// The folded sum as a number, before complementing: 0xffff over data with a right checksum in it.
    public var sum: UInt16 { UInt16(bigEndian: Self.fold(accumulator)) }

    /// The number to write into the checksum field.
    public var checksum: UInt16 { ~sum }

    /// The checksum of one span.
    public static func checksum(of bytes: UnsafeRawBufferPointer) -> UInt16 {
        ~UInt16(bigEndian: fold(sum(bytes)))
    }

    /// The checksum after a 16-bit field changed from `old` to `new` (RFC 1624, equation 3).
    public static func update(_ checksum: UInt16, old: UInt16, new: UInt16) -> UInt16 {
        let sum = UInt32(~checksum) &+ UInt32(~old) &+ UInt32(new)
        let once = (sum & 0xffff) &+ (sum >> 16)
        return ~UInt16(truncatingIfNeeded: (once & 0xffff) &+ (once >> 16))
    }

    private static func fold(_ value: UInt64) -> UInt16 {
        var sum = (value & 0xffff_ffff) &+ (value >> 32)
        sum = (sum & 0xffff) &+ (sum >> 16)
        sum = (sum & 0xffff) &+ (sum >> 16)
        sum = (sum & 0xffff) &+ (sum >> 16)
        return UInt16(truncatingIfNeeded: sum)
    }

    /// Sums 8 bytes a step: the words modulo 2⁶⁴, and their upper halves. Scalars on purpose: the optimiser makes vectors
    /// of them, and a debug build stays ten times faster than with SIMD types.
    private static func sum(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        guard let base = bytes.baseAddress else { return 0 }
        var (words, uppers): (UInt64, UInt64) = (0, 0)
        var offset = 0
        let whole = bytes.count & ~7
        while offset < whole {
            let word = base.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            words &+= word
            uppers &+= word &>> 32
            offset &+= 8
        }
        return halves(words, uppers) &+ tail(base + offset, bytes.count &- offset)
    }

    private static func copySum(_ bytes: UnsafeRawBufferPointer, into room: UnsafeMutableRawBufferPointer) -> UInt64 {
        guard let base = bytes.baseAddress, let target = room.baseAddress else { return 0 }
        var (words, uppers): (UInt64, UInt64) = (0, 0)
        var offset = 0
        let whole = bytes.count & ~7
        while offset < whole {
            let word = base.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            target.storeBytes(of: word, toByteOffset: offset, as: UInt64.self)
            words &+= word
            uppers &+= word &>> 32
            offset &+= 8
        }
        // The rest is copied first and summed from the copy: the source may change meanwhile.
        let rest = bytes.count &- offset
        (target + offset).copyMemory(from: base + offset, byteCount: rest)
        return halves(words, uppers) &+ tail(UnsafeRawPointer(target) + offset, rest)
    }

    /// The sum of both halves of all words. That of the lower ones is what is left of the words' sum without the upper
    /// ones, modulo 2⁶⁴ as they are: exact for 2³¹ words (16 GiB).
    private static func halves(_ words: UInt64, _ uppers: UInt64) -> UInt64 { words &- uppers &<< 32 &+ uppers }

    /// What is left of a step; an odd last byte is padded with zero (RFC 1071, 1).
    private static func tail(_ base: UnsafeRawPointer, _ count: Int) -> UInt64 {
        var sum: UInt64 = 0
        var offset = 0
        while offset &+ 4 <= count {
            sum &+= UInt64(base.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
            offset &+= 4
        }
        if offset &+ 2 <= count {
            sum &+= UInt64(base.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
            offset &+= 2
        }
        if offset < count {
            sum &+= UInt64(UInt16(littleEndian: UInt16(base.load(fromByteOffset: offset, as: UInt8.self))))
        }
        return sum
    }
}
