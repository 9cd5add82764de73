// Golden bytes, truncations and round trips of the small headers: Ethernet, ARP, IPv4, ICMP, UDP.

import Bytes
import Link
import Testing

@testable import NetStack

/// Parses with a reader over `bytes`; the error if it throws.
func parse<T>(_ bytes: [UInt8], _ body: (inout ByteReader) throws(WireError) -> T) -> Result<T, WireError> {
    bytes.withUnsafeBytes { raw in
        var reader = ByteReader(raw)
        do throws(WireError) { return .success(try body(&reader)) } catch { return .failure(error) }
    }
}

/// Every shorter length is refused as truncated.
func expectTruncations<T>(
    _ bytes: [UInt8], of size: Int, _ body: (inout ByteReader) throws(WireError) -> T,
    sourceLocation: SourceLocation = #_sourceLocation
) {
    for count in 0..<size {
        switch parse(Array(bytes.prefix(count)), body) {
        case .failure(.truncated): break
        case let other: Issue.record("\(count) bytes gave \(other)", sourceLocation: sourceLocation)
        }
    }
}

@Suite struct EthernetHeaderTests {
    static let golden: [UInt8] = [
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff,  // destination: broadcast
        0x52, 0x54, 0x00, 0x12, 0x34, 0x56,  // source
        0x08, 0x06,  // ARP
    ]

    @Test("golden bytes, both directions")
    func both() throws {
        let header = try parse(Self.golden) { r throws(WireError) in try EthernetHeader(&r) }.get()
        #expect(header.destination == .broadcast)
        #expect(header.source == MACAddress("52:54:00:12:34:56"))
        #expect(header.type == .arp)
        #expect(bytes { try header.write(to: &$0) } == Self.golden)
    }

    @Test("every truncation is refused")
    func truncated() {
        expectTruncations(Self.golden, of: 14) { r throws(WireError) in try EthernetHeader(&r) }
    }

    @Test("an 802.3 length is not an EtherType", arguments: [0, 0x26, 0x5ff])
    func length(type: UInt16) {
        let frame = Self.golden.prefix(12) + [UInt8(type >> 8), UInt8(type & 0xff)]
        let result = parse(Array(frame)) { r throws(WireError) in try EthernetHeader(&r) }
        #expect(throws: WireError.invalid(field: .etherType, value: UInt64(type))) { try result.get() }
    }

    @Test("a group maps to its link group (RFC 1112, 6.4; RFC 2464, 7)")
    func group() {
        #expect(MACAddress(group: IPAddress(high: 0xff02 << 48, low: 0x1_ff02_0304)) == MACAddress("33:33:ff:02:03:04"))
        #expect(MACAddress(group: IPAddress(239, 129, 2, 3)) == MACAddress("01:00:5e:01:02:03"))
    }
}

@Suite struct ARPPacketTests {
    static let golden: [UInt8] = [
        0x00, 0x01, 0x08, 0x00,  // Ethernet, IPv4
        0x06, 0x04,  // address sizes
        0x00, 0x01,  // request
        0x9a, 0x55, 0x9a, 0x55, 0x9a, 0x55,  // sender: passt's MAC
        0x0a, 0x63, 0x00, 0xfe,  // 10.99.0.254, the gateway
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00,  // target: not known
        0x0a, 0x63, 0x00, 0x01,  // 10.99.0.1, the guest
    ]

    @Test("golden bytes, both directions")
    func both() throws {
        let packet = try parse(Self.golden) { r throws(WireError) in try ARPPacket(&r) }.get()
        let expected = ARPPacket(
            .request, senderMAC: MACAddress(0x9a, 0x55, 0x9a, 0x55, 0x9a, 0x55), sender: IPv4Address(10, 99, 0, 254),
            target: IPv4Address(10, 99, 0, 1))
        #expect(packet == expected)
        #expect(bytes { try packet.write(to: &$0) } == Self.golden)
    }

    @Test("every truncation is refused")
    func truncated() {
        expectTruncations(Self.golden, of: 28) { r throws(WireError) in try ARPPacket(&r) }
    }

    @Test("other hardware, protocols, sizes and operations are refused", arguments: [1, 3, 4, 5, 7])
    func foreign(at index: Int) {
        var wrong = Self.golden
        wrong[index] = 9
        let result = parse(wrong) { r throws(WireError) in try ARPPacket(&r) }
        #expect(throws: WireError.self) { try result.get() }
    }
}

@Suite struct IPv4HeaderTests {
    static let golden: [UInt8] = [
        0x45, 0x00, 0x00, 0x1c,  // version 4, 20 bytes, total length 28
        0x00, 0x00, 0x40, 0x00,  // identification 0, don't fragment
        0x40, 0x11, 0x26, 0xcf,  // TTL 64, UDP, checksum
        0x0a, 0x00, 0x00, 0x01,  // 10.0.0.1
        0x0a, 0x00, 0x00, 0x02,  // 10.0.0.2
    ]
    private static func read(_ bytes: [UInt8], _ length: Int) -> Result<IPv4Header, WireError> {
        parse(bytes) { r throws(WireError) in try IPv4Header(&r, packetLength: length) }
    }

    @Test("golden bytes, both directions")
    func both() throws {
        let header = try Self.read(Self.golden, 46).get()
        #expect(header == IPv4Header(from: addressA, to: addressB, .udp, payloadLength: 8))
        #expect(bytes { try header.write(to: &$0) } == Self.golden)
    }

    @Test("every truncation is refused")
    func truncated() {
        expectTruncations(Self.golden, of: 20) { r throws(WireError) in try IPv4Header(&r, packetLength: 46) }
    }

    @Test("a total length beyond the frame, or below the header, is refused")
    func totalLength() {
        #expect(throws: WireError.invalid(field: .ipTotalLength, value: 28)) { try Self.read(Self.golden, 27).get() }
        var short = Self.golden
        short[3] = 19
        #expect(throws: WireError.invalid(field: .ipTotalLength, value: 19)) { try Self.read(short, 46).get() }
    }

    @Test("every flipped bit is noticed")
    func flipped() {
        for bit in 0..<160 {
            var wrong = Self.golden
            wrong[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(throws: WireError.self, "bit \(bit)") { try Self.read(wrong, 1500).get() }
        }
    }

    @Test("options are skipped, and a header that claims more than is there is refused")
    func options() throws {
        var header = IPv4Header(from: addressA, to: addressB, .icmp, payloadLength: 4)
        header.timeToLive = 1
        var packet = bytes { try header.write(to: &$0) }
        packet[0] = 0x46
        packet[3] = 28
        packet += [0x94, 0x04, 0x00, 0x00]  // router alert
        packet[10] = 0
        packet[11] = 0
        let sum = packet.withUnsafeBytes { InternetChecksum.checksum(of: $0) }
        packet[10] = UInt8(sum >> 8)
        packet[11] = UInt8(sum & 0xff)
        let parsed = try Self.read(packet + [1, 2, 3, 4], 28).get()
        #expect(parsed.headerLength == 24)
        #expect(parsed.payloadLength == 4)
        #expect(throws: WireError.truncated(needed: 24, available: 23)) { try Self.read(packet.dropLast(), 28).get() }
        packet[0] = 0x44
        #expect(throws: WireError.invalid(field: .ipHeaderLength, value: 16)) { try Self.read(packet, 28).get() }
    }

    @Test("a fragment that is not the last carries a multiple of eight bytes")
    func fragments() throws {
        var header = IPv4Header(from: addressA, to: addressB, .udp, payloadLength: 16)
        header.dontFragment = false
        header.moreFragments = true
        header.fragmentOffset = 65528
        header.identification = 0xbeef
        #expect(try Self.read(bytes { try header.write(to: &$0) }, 36).get() == header)
        header.payloadLength = 15
        #expect(throws: WireError.invalid(field: .ipFragment, value: 15)) {
            try Self.read(bytes { try header.write(to: &$0) }, 36).get()
        }
    }

    @Test("what is written is read back, whatever the fields")
    func roundTrip() throws {
        var random = Bytes.SeededGenerator(seed: 5)
        for _ in 0..<300 {
            var header = IPv4Header(
                from: IPv4Address(rawValue: .random(in: 0 ... .max, using: &random)),
                to: IPv4Address(rawValue: .random(in: 0 ... .max, using: &random)),
                IPProtocol(rawValue: .random(in: 0...255, using: &random)),
                payloadLength: .random(in: 0...8189, using: &random) * 8)
            header.trafficClass = .random(in: 0...255, using: &random)
            header.identification = .random(in: 0 ... .max, using: &random)
            header.dontFragment = .random(using: &random)
            header.moreFragments = .random(using: &random)
            header.fragmentOffset = .random(in: 0...8191, using: &random) * 8
            header.timeToLive = .random(in: 0...255, using: &random)
            #expect(try Self.read(bytes { try header.write(to: &$0) }, 65535).get() == header)
        }
    }
}

@Suite struct ICMPHeaderTests {
    static let golden: [UInt8] = [
        0x08, 0x00,  // echo request
        0xf7, 0xfa,  // checksum
        0x00, 0x01,  // identifier
        0x00, 0x04,  // sequence
    ]

    @Test("golden bytes, both directions")
    func both() throws {
        let header = try parse(Self.golden) { r throws(WireError) in try ICMPHeader(&r) }.get()
        #expect(header == .echoRequest(identifier: 1, sequence: 4))
        #expect(icmpPayload(header, []) == Self.golden)
    }

    @Test("all kinds come back as written")
    func kinds() throws {
        let kinds: [ICMPHeader] = [
            .echoReply(identifier: 0xffff, sequence: 0), .echoRequest(identifier: 0, sequence: 0xffff),
            .unreachable(code: 4, nextHopMTU: 1400), .timeExceeded(code: 1), .parameterProblem(code: 0, pointer: 20),
        ]
        for kind in kinds {
            let result = parse(icmpPayload(kind, [1, 2, 3])) { r throws(WireError) in try ICMPHeader(&r) }
            #expect(try result.get() == kind)
        }
    }

    @Test("every truncation and every other type is refused")
    func refused() {
        expectTruncations(Self.golden, of: 8) { r throws(WireError) in try ICMPHeader(&r) }
        for type in 0...255 where ![0, 3, 8, 11, 12].contains(type) {
            let result = parse([UInt8(type), 0, 0, 0, 0, 0, 0, 0]) { r throws(WireError) in try ICMPHeader(&r) }
            #expect(throws: WireError.invalid(field: .icmpType, value: UInt64(type))) { try result.get() }
        }
    }
}

@Suite struct UDPHeaderTests {
    static let golden: [UInt8] = [
        0x00, 0x44, 0x00, 0x43,  // from 68 to 67
        0x00, 0x0a, 0xbe, 0xef,  // ten bytes with the header, checksum
    ]

    @Test("golden bytes, both directions")
    func both() throws {
        let header = try parse(Self.golden) { r throws(WireError) in try UDPHeader(&r, available: 10) }.get()
        #expect(header == UDPHeader(from: 68, to: 67, payloadLength: 2, checksum: 0xbeef))
        #expect(bytes { try header.write(to: &$0) } == Self.golden)
    }

    @Test("every truncation is refused")
    func truncated() {
        expectTruncations(Self.golden, of: 8) { r throws(WireError) in try UDPHeader(&r, available: 10) }
    }

    @Test("a length that lies is refused: below the header, beyond the packet", arguments: [0, 7, 11, 0xffff])
    func lies(length: UInt16) {
        var wrong = Self.golden
        wrong[4] = UInt8(length >> 8)
        wrong[5] = UInt8(length & 0xff)
        let result = parse(wrong) { r throws(WireError) in try UDPHeader(&r, available: 10) }
        #expect(throws: WireError.invalid(field: .udpLength, value: UInt64(length))) { try result.get() }
    }
}

@Suite struct IPv4AddressTests {
    @Test("text of addresses, both directions", arguments: ["0.0.0.0", "10.0.2.15", "255.255.255.255"])
    func text(text: String) throws {
        #expect(try #require(IPv4Address(text)).description == text)
    }

    @Test(
        "what is no dotted quad is refused",
        arguments: [
            "", "1", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1..2.3", "01.2.3.4", "+1.2.3.4", "1.2.3.4 ", "a.b.c.d",
        ])
    func refused(text: String) { #expect(IPv4Address(text) == nil) }

    @Test("prefixes: network, mask, broadcast, membership")
    func prefix() throws {
        let prefix = try #require(IPv4Prefix("10.0.2.15/24"))
        #expect(prefix.network == IPv4Address(10, 0, 2, 0))
        #expect(prefix.mask == IPv4Address(255, 255, 255, 0))
        #expect(prefix.broadcast == IPv4Address(10, 0, 2, 255))
        #expect(prefix.contains(IPv4Address(10, 0, 2, 200)))
        #expect(!prefix.contains(IPv4Address(10, 0, 3, 200)))
        #expect(prefix.asNetwork.description == "10.0.2.0/24")
        #expect(IPv4Prefix("1.2.3.4")?.length == 32)
        #expect(IPv4Prefix("1.2.3.4/31")?.broadcast == nil)
        #expect(IPv4Prefix.everything.contains(IPv4Address(9, 9, 9, 9)))
        #expect(IPv4Prefix.everything.mask == .any)
    }

    @Test("bad prefixes are refused", arguments: ["1.2.3.4/33", "1.2.3.4/", "1.2.3.4/-1", "1.2.3.4/+8", "1.2.3/8"])
    func badPrefix(text: String) { #expect(IPv4Prefix(text) == nil) }

    @Test("a mask with a hole is no mask")
    func mask() {
        #expect(IPv4Prefix(wireA, mask: IPv4Address(255, 0, 255, 0)) == nil)
        #expect(IPv4Prefix(wireA, mask: .any)?.length == 0)
        #expect(IPv4Prefix(wireA, mask: .broadcast)?.length == 32)
        #expect(IPv4Prefix(wireA, mask: IPv4Address(255, 255, 240, 0))?.length == 20)
    }
}
