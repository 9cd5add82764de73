// The bytes of a ramp, which any peer can make: words of 32 bits, big-endian, that count 0, 1, 2 and so on, and begin
// anew after 2³² of them (16 GiB). A stream has whole words. Each byte has its value by its place alone, and no two
// stretches are alike, so that one that is lost, repeated or changed shows within a word or two, wherever it is.

/// What a ramp has where.
enum RampStream {
    /// Bytes of a word.
    static let word = 4

    static func byte(at offset: UInt64) -> UInt8 {
        UInt8(truncatingIfNeeded: number(at: offset) >> (24 - UInt32(truncatingIfNeeded: offset % 4) * 8))
    }

    /// What the word that holds `offset` counts.
    private static func number(at offset: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: offset / 4) }

    /// Two words as they lie in memory.
    private static func pair(from number: UInt32) -> UInt64 {
        (UInt64(number) << 32 | UInt64(number &+ 1)).bigEndian
    }

    /// Writes the bytes from `offset` on.
    static func fill(_ room: UnsafeMutableRawBufferPointer, from offset: UInt64) {
        var at = min(room.count, lead(offset))
        for index in 0..<at { room[index] = byte(at: offset &+ UInt64(index)) }
        var next = number(at: offset &+ UInt64(at))
        while room.count - at >= 8 {
            room.storeBytes(of: pair(from: next), toByteOffset: at, as: UInt64.self)
            next &+= 2
            at += 8
        }
        for index in at..<room.count { room[index] = byte(at: offset &+ UInt64(index)) }
    }

    /// The first byte that is not what stands at its place, when `bytes` begin at `offset`; nil when all are right.
    static func firstFault(_ bytes: UnsafeRawBufferPointer, from offset: UInt64) -> Int? {
        var at = min(bytes.count, lead(offset))
        var next = number(at: offset &+ UInt64(at))
        if let fault = (0..<at).first(where: { bytes[$0] != byte(at: offset &+ UInt64($0)) }) { return fault }
        while bytes.count - at >= 8, bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self) == pair(from: next) {
            next &+= 2
            at += 8
        }
        return (at..<bytes.count).first { bytes[$0] != byte(at: offset &+ UInt64($0)) }
    }

    /// Bytes up to the next word.
    private static func lead(_ offset: UInt64) -> Int { Int((4 &- offset % 4) % 4) }
}
