// The header on the wire: golden bytes, every truncation, options that lie (RFC 9293, 3.1 and 3.2).

import Bytes
import Testing

@testable import NetStack

@Suite struct TCPHeaderTests {
    /// A SYN with every option this stack knows.
    private static let golden: [UInt8] = [
        0x9c, 0x40,  // source port 40000
        0x00, 0x50,  // destination port 80
        0x11, 0x22, 0x33, 0x44,  // sequence number
        0x55, 0x66, 0x77, 0x88,  // acknowledgement number
        0xa0, 0xd2,  // data offset 10 words; CWR ECE ACK SYN: 0x80 + 0x40 + 0x10 + 0x02
        0x72, 0x10,  // window 29200
        0xab, 0xcd,  // checksum
        0x00, 0x05,  // urgent pointer
        0x02, 0x04, 0x05, 0xb4,  // MSS 1460
        0x01, 0x03, 0x03, 0x07,  // NOP, window scale 7
        0x01, 0x01, 0x08, 0x0a,  // NOP, NOP, timestamps
        0xde, 0xad, 0xbe, 0xef,  // TSval
        0x01, 0x02, 0x03, 0x04,  // TSecr
    ]

    private static var goldenHeader: TCPHeader {
        var header = TCPHeader(
            sourcePort: 40_000, destinationPort: 80, sequence: 0x1122_3344, acknowledgement: 0x5566_7788,
            flags: [.syn, .ack, .ece, .cwr], window: 29_200)
        header.checksum = 0xabcd
        header.urgentPointer = 5
        header.maximumSegmentSize = 1460
        header.windowShift = 7
        header.timestamps = TCPTimestamps(value: 0xdead_beef, echo: 0x0102_0304)
        return header
    }

    private static func parse(_ bytes: [UInt8], length: Int? = nil) throws -> (header: TCPHeader, size: Int) {
        try bytes.withUnsafeBytes { try TCPHeader.parse($0, segmentLength: length ?? bytes.count) }
    }

    @Test("golden bytes are read")
    func read() throws {
        let (header, size) = try Self.parse(Self.golden)
        #expect(header == Self.goldenHeader)
        #expect(size == 40)
    }

    @Test("golden bytes are written")
    func write() {
        var room = [UInt8](repeating: 0xff, count: 60)
        let size = room.withUnsafeMutableBytes { Self.goldenHeader.write(into: $0) }
        #expect(size == 40)
        #expect(Array(room[..<40]) == Self.golden)
        for short in 0..<40 {
            room = [UInt8](repeating: 0xff, count: short)
            #expect(room.withUnsafeMutableBytes { Self.goldenHeader.write(into: $0) } == nil)
            #expect(room.allSatisfy { $0 == 0xff })
        }
    }

    @Test("every truncation is an error, by bytes and by the length that IP says")
    func truncated() {
        for length in 0..<40 {
            let wanted: TCPHeaderError =
                length < 20 ? .truncated(available: length) : .badDataOffset(words: 10, available: length)
            #expect(throws: wanted) { try Self.parse(Array(Self.golden[..<length])) }
            #expect(throws: wanted) { try Self.parse(Self.golden, length: length) }
        }
        #expect(throws: TCPHeaderError.truncated(available: 0)) { try Self.parse(Self.golden, length: -7) }
    }

    @Test("a data offset below five words is an error", arguments: 0..<5)
    func smallOffset(words: Int) {
        var bytes = Self.golden
        bytes[12] = UInt8(words) << 4
        #expect(throws: TCPHeaderError.badDataOffset(words: words, available: 40)) { try Self.parse(bytes) }
    }

    private static func withOptions(_ options: [UInt8]) -> [UInt8] {
        var bytes = Array(golden[..<20]) + options
        while bytes.count % 4 != 0 { bytes.append(0) }
        bytes[12] = UInt8(bytes.count / 4) << 4
        return bytes
    }

    @Test("unknown options are skipped by their length; known ones may come in any order")
    func unknownOptions() throws {
        let bytes = Self.withOptions([
            4, 2,  // SACK permitted
            30, 5, 1, 2, 3,  // multipath
            1,  // NOP
            3, 3, 14,  // window scale 14
            253, 4, 0, 0,  // experimental
            2, 4, 0x02, 0x18,  // MSS 536
        ])
        let header = try Self.parse(bytes).header
        #expect(header.windowShift == 14)
        #expect(header.maximumSegmentSize == 536)
        #expect(header.timestamps == nil)
    }

    @Test("RFC 9293 3.2: nothing is read behind the end of the option list")
    func endOfOptions() throws {
        let header = try Self.parse(Self.withOptions([0, 2, 4, 5, 0xb4, 9, 0, 0])).header
        #expect(header.maximumSegmentSize == nil)
    }

    @Test(
        "option lengths that lie are errors",
        arguments: [
            ([2, 0, 0, 0] as [UInt8], UInt8(2), 0), ([2, 1, 0, 0], 2, 1), ([2, 5, 0, 0], 2, 5),
            ([8, 255, 1, 1], 8, 255),
            ([1, 1, 1, 2], 2, 0), ([99, 0, 0, 0], 99, 0),
        ])
    func lyingOptions(options: [UInt8], kind: UInt8, length: Int) {
        #expect(
            performing: { try Self.parse(Self.withOptions(options)) },
            throws: { error in
                guard case .badOptionLength(kind, length, _)? = error as? TCPHeaderError else { return false }
                return true
            })
    }

    @Test("a known option of another length than its RFC gives is skipped")
    func oddLengths() throws {
        let header = try Self.parse(Self.withOptions([2, 3, 9, 3, 4, 9, 9, 8, 4, 1, 1])).header
        #expect(header.maximumSegmentSize == nil)
        #expect(header.windowShift == nil)
        #expect(header.timestamps == nil)
    }

    @Test("what is written is read back")
    func roundTrip() throws {
        var random = SeededGenerator(seed: 3)
        for _ in 0..<500 {
            var header = TCPHeader(
                sourcePort: .random(in: 0...(.max), using: &random),
                destinationPort: .random(in: 0...(.max), using: &random),
                sequence: .random(in: 0...(.max), using: &random),
                acknowledgement: .random(in: 0...(.max), using: &random),
                flags: TCPFlags(rawValue: .random(in: 0...(.max), using: &random)),
                window: .random(in: 0...(.max), using: &random))
            header.urgentPointer = .random(in: 0...(.max), using: &random)
            if Bool.random(using: &random) { header.maximumSegmentSize = .random(in: 0...(.max), using: &random) }
            if Bool.random(using: &random) { header.windowShift = .random(in: 0...(.max), using: &random) }
            if Bool.random(using: &random) { header.timestamps = TCPTimestamps(value: .max, echo: 7) }
            var room = [UInt8](repeating: 0, count: 60)
            let size = room.withUnsafeMutableBytes { header.write(into: $0) }
            #expect(size == header.size)
            let again = try Self.parse(Array(room[..<header.size]))
            #expect(again.header == header)
            #expect(again.size == header.size)
        }
    }

    @Test("any bytes are a header or an error")
    func noise() {
        var random = SeededGenerator(seed: 9)
        for _ in 0..<5000 {
            let bytes = (0..<Int.random(in: 0...64, using: &random)).map { _ in
                UInt8.random(in: 0...(.max), using: &random)
            }
            if let (_, size) = try? Self.parse(bytes) { #expect(size >= 20 && size <= min(60, bytes.count)) }
        }
    }
}
