// Reader and writer: both byte orders, every truncation, nothing moved by a refused call.

import Bytes
import Testing

@Suite struct ByteCursorTests {
    @Test("big and little endian integers come back as written")
    func roundTrip() throws {
        var room = [UInt8](repeating: 0, count: 30)
        try room.withUnsafeMutableBytes { bytes in
            var writer = ByteWriter(bytes)
            try writer.big(UInt16(0x1234))
            try writer.big(UInt32(0xdead_beef))
            try writer.little(UInt64(0x0102_0304_0506_0708))
            try writer.zeros(2)
            #expect(
                Array(writer.written) == [
                    0x12, 0x34, 0xde, 0xad, 0xbe, 0xef, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0,
                ])
            var reader = ByteReader(writer.written)
            #expect(try reader.big(UInt16.self) == 0x1234)
            #expect(try reader.big(UInt32.self) == 0xdead_beef)
            #expect(try reader.little(UInt64.self) == 0x0102_0304_0506_0708)
            #expect(reader.remaining == 2)
        }
    }

    @Test("a read past the end throws, names both sizes and moves nothing", arguments: 0..<4)
    func truncated(count: Int) {
        let bytes = [UInt8](repeating: 7, count: count)
        bytes.withUnsafeBytes {
            var reader = ByteReader($0)
            #expect(throws: ByteError.truncated(offset: 0, needed: 4, available: count)) {
                try reader.big(UInt32.self)
            }
            #expect(reader.offset == 0)
            #expect(throws: ByteError.truncated(offset: 0, needed: -1, available: count)) { try reader.span(-1) }
        }
    }

    @Test("a write past the end throws and moves nothing")
    func full() {
        var room: [UInt8] = [1, 2, 3]
        room.withUnsafeMutableBytes { bytes in
            var writer = ByteWriter(bytes)
            #expect(throws: ByteWriteError.full(needed: 4, available: 3)) { try writer.big(UInt32(0)) }
            #expect(writer.offset == 0)
        }
        #expect(room == [1, 2, 3])
    }
}

@Suite struct SeededGeneratorTests {
    @Test("equal seeds give equal sequences, different seeds different ones")
    func repeatable() {
        var a = SeededGenerator(seed: 9)
        var b = SeededGenerator(seed: 9)
        var c = SeededGenerator(seed: 10)
        let first = (0..<8).map { _ in a.next() }
        #expect(first == (0..<8).map { _ in b.next() })
        #expect(first != (0..<8).map { _ in c.next() })
        #expect(Set(first).count == 8)
    }

    @Test("jitter stays within its spread, and without one changes nothing")
    func jitter() {
        var generator = SeededGenerator(seed: 1)
        for _ in 0..<100 {
            let interval = generator.jitter(.seconds(4), by: .seconds(1))
            #expect(interval >= .seconds(3) && interval <= .seconds(5))
        }
        #expect(generator.jitter(.seconds(4), by: .zero) == .seconds(4))
    }

    @Test("time saturates at the end of the clock")
    func saturates() {
        #expect(Instant(nanoseconds: .max) + .seconds(1) == Instant(nanoseconds: .max))
        #expect(Instant(nanoseconds: 5).since(Instant(nanoseconds: 9)) == Interval(nanoseconds: -4))
    }
}
