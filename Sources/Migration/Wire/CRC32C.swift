// CRC-32C (Castagnoli; RFC 3720, appendix B.4): the checksum of every frame. Eight bytes a step from eight tables.

/// A checksum that is fed piece by piece.
struct CRC32C {
    private var state: UInt32 = .max

    /// Of all bytes so far.
    var checksum: UInt32 { ~state }

    mutating func add(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress else { return }
        let table = Self.tables
        var crc = state
        var at = 0
        let whole = bytes.count & ~7
        while at < whole {
            let word = UInt64(littleEndian: base.loadUnaligned(fromByteOffset: at, as: UInt64.self)) ^ UInt64(crc)
            let low = UInt32(truncatingIfNeeded: word)
            let high = UInt32(truncatingIfNeeded: word >> 32)
            crc = table[Int(1792 + (low & 0xff))] ^ table[Int(1536 + (low >> 8 & 0xff))]
            crc ^= table[Int(1280 + (low >> 16 & 0xff))] ^ table[Int(1024 + (low >> 24))]
            crc ^= table[Int(768 + (high & 0xff))] ^ table[Int(512 + (high >> 8 & 0xff))]
            crc ^= table[Int(256 + (high >> 16 & 0xff))] ^ table[Int(high >> 24)]
            at += 8
        }
        while at < bytes.count {
            crc = crc >> 8 ^ table[Int((crc ^ UInt32(base.load(fromByteOffset: at, as: UInt8.self))) & 0xff)]
            at += 1
        }
        state = crc
    }

    /// Table k maps a byte to its effect k bytes later. Made once, never written again.
    private nonisolated(unsafe) static let tables: UnsafePointer<UInt32> = {
        let room = UnsafeMutablePointer<UInt32>.allocate(capacity: 8 * 256)
        for byte in 0..<256 {
            var crc = UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0x82f6_3b78 : crc >> 1 }
            room[byte] = crc
        }
        for index in 256..<8 * 256 { room[index] = room[index - 256] >> 8 ^ room[Int(room[index - 256] & 0xff)] }
        return UnsafePointer(room)
    }()
}
