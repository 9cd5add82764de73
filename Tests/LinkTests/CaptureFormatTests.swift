// The headers of capture files, byte for byte.

import Testing

@testable import Link

struct CaptureFormatTests {
    private func header(_ format: CaptureFormat, _ nanoseconds: UInt64, kept: Int, length: Int) -> [UInt8] {
        var file: [UInt8] = []
        format.appendRecordHeader(nanoseconds: nanoseconds, kept: kept, length: length, to: &file)
        return file
    }

    private func trailer(_ format: CaptureFormat, kept: Int, _ direction: CaptureDirection) -> [UInt8] {
        var file: [UInt8] = []
        format.appendRecordTrailer(kept: kept, direction, to: &file)
        return file
    }

    @Test("a pcap file begins as QEMU's filter-dump writes it")
    func pcapHeader() {
        #expect(
            CaptureFormat.pcap.fileHeader(interface: "n0", longest: 65536) == [
                0xd4, 0xc3, 0xb2, 0xa1,  // magic, microseconds
                2, 0, 4, 0,  // version 2.4
                0, 0, 0, 0, 0, 0, 0, 0,  // time zone, accuracy
                0, 0, 1, 0,  // longest frame
                1, 0, 0, 0,  // Ethernet
            ])
    }

    @Test("a pcap record: seconds, microseconds, kept, length; no trailer")
    func pcapRecord() {
        #expect(
            header(.pcap, 3_000_004_000, kept: 60, length: 1514) == [
                3, 0, 0, 0, 4, 0, 0, 0, 60, 0, 0, 0, 0xea, 5, 0, 0,
            ])
        #expect(trailer(.pcap, kept: 61, .inbound) == [])
    }

    @Test("a pcapng file begins with its section and one interface with a name, in nanoseconds")
    func pcapngHeader() {
        #expect(
            CaptureFormat.pcapng.fileHeader(interface: "net0x", longest: 96) == [
                0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0,
                0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 28, 0, 0, 0,
                1, 0, 0, 0, 44, 0, 0, 0, 1, 0, 0, 0, 96, 0, 0, 0,
                2, 0, 5, 0, 0x6e, 0x65, 0x74, 0x30, 0x78, 0, 0, 0,  // if_name
                9, 0, 1, 0, 9, 0, 0, 0,  // if_tsresol 10^-9
                0, 0, 0, 0, 44, 0, 0, 0,
            ])
    }

    @Test("a pcapng block is as long as it says, for every remainder of four", arguments: 0..<5)
    func pcapngBlock(kept: Int) {
        for direction in [CaptureDirection.inbound, .outbound] {
            let head = header(.pcapng, 1 << 33 | 5, kept: kept, length: 99)
            let tail = trailer(.pcapng, kept: kept, direction)
            let total = head.count + kept + tail.count
            #expect(total % 4 == 0 && head[4] == UInt8(total) && tail[tail.count - 4] == UInt8(total))
            #expect(Array(head[12..<20]) == [2, 0, 0, 0, 5, 0, 0, 0])
            #expect(tail[tail.count - 12] == (direction == .inbound ? 1 : 2))
        }
    }
}
