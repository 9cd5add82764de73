// DHCP messages: passt's reply byte by byte, options in all their odd shapes, and broken ones.

import Bytes
import Link
import Testing

@testable import NetStack

@Suite struct DHCPMessageTests {
    /// The fixed part of a reply.
    static let fixed: [UInt8] =
        [
            0x02, 0x01, 0x06, 0x00,  // reply, Ethernet, 6 bytes, 0 hops
            0xde, 0xad, 0xbe, 0xef,  // transaction
            0x00, 0x00, 0x00, 0x00,  // 0 s, no broadcast flag
            0x00, 0x00, 0x00, 0x00,  // ciaddr
            0x0a, 0x63, 0x00, 0x01,  // yiaddr 10.99.0.1
            0x00, 0x00, 0x00, 0x00,  // siaddr
            0x00, 0x00, 0x00, 0x00,  // giaddr
            0x52, 0x54, 0x00, 0x12, 0x34, 0x56,  // chaddr
        ] + [UInt8](repeating: 0, count: 10 + 64 + 128)
        + [0x63, 0x82, 0x53, 0x63]  // magic cookie

    /// What passt writes behind it, in its order.
    static let options: [UInt8] = [
        0x35, 0x01, 0x02,  // 53: offer
        0x01, 0x04, 0xff, 0xff, 0xff, 0x00,  // 1: 255.255.255.0
        0x03, 0x04, 0x0a, 0x63, 0x00, 0xfe,  // 3: router 10.99.0.254
        0x06, 0x04, 0x0a, 0x63, 0x00, 0xfe,  // 6: name server 10.99.0.254
        0x1a, 0x02, 0xff, 0xf0,  // 26: MTU 65520
        0x77, 0x0d, 7, 0x65, 0x78, 0x61, 0x6d, 0x70, 0x6c, 0x65, 3, 0x6f, 0x72, 0x67, 0,  // 119: example.org
        0x0c, 0x05, 0x67, 0x75, 0x65, 0x73, 0x74,  // 12: guest
        0x33, 0x04, 0xff, 0xff, 0xff, 0xff,  // 51: for ever
        0x36, 0x04, 0x0a, 0x63, 0x00, 0xfe,  // 54: server 10.99.0.254
        0x51, 0x12, 0x04, 0xff, 0xff, 5, 0x67, 0x75, 0x65, 0x73, 0x74,  // 81: guest.example (not understood)
        7, 0x65, 0x78, 0x61, 0x6d, 0x70, 0x6c, 0x65, 0,
        0xff,
    ]

    static func read(_ bytes: [UInt8]) -> Result<DHCPMessage, WireError> {
        bytes.withUnsafeBytes { raw in
            do throws(WireError) { return .success(try DHCPMessage(raw)) } catch { return .failure(error) }
        }
    }

    @Test("passt's offer is read as it is meant")
    func passt() throws {
        let message = try Self.read(Self.fixed + Self.options).get()
        #expect(message.operation == .reply)
        #expect(message.transaction == 0xdead_beef)
        #expect(message.yourAddress == IPv4Address(10, 99, 0, 1))
        #expect(message.mac == MACAddress("52:54:00:12:34:56"))
        var options = DHCPOptions(.offer)
        options.subnetMask = IPv4Address(255, 255, 255, 0)
        options.routers = [IPv4Address(10, 99, 0, 254)]
        options.nameServers = [IPv4Address(10, 99, 0, 254)]
        options.interfaceMTU = 65520
        options.searchList = [DNSName("example.org")].compactMap { $0 }
        options.hostName = "guest"
        options.leaseTime = .max
        options.serverIdentifier = IPv4Address(10, 99, 0, 254)
        #expect(message.options == options)
    }

    @Test("every truncation of the fixed part and inside an option is refused")
    func truncated() {
        let whole = Self.fixed + Self.options
        var boundaries: Set<Int> = []
        var at = Self.fixed.count
        while whole[at] != 0xff {
            boundaries.insert(at)
            at += 2 + Int(whole[at + 1])
        }
        boundaries.insert(at)
        for count in 0..<whole.count {
            let result = Self.read(Array(whole.prefix(count)))
            if boundaries.contains(count) {
                // Some senders leave the end option out: cut between options is a message.
                #expect(throws: Never.self) { try result.get() }
            } else {
                #expect(throws: WireError.self, "\(count) bytes") { try result.get() }
            }
        }
    }

    @Test("foreign operations, hardware and BOOTP without a cookie are refused")
    func foreign() {
        for (index, field) in [
            (0, WireField.dhcpOperation), (1, .dhcpHardware), (2, .dhcpHardware), (236, .dhcpCookie),
        ] {
            var wrong = Self.fixed + Self.options
            wrong[index] = 9
            guard case .failure(.invalid(let found, _)) = Self.read(wrong) else {
                Issue.record("byte \(index) was accepted")
                continue
            }
            #expect(found == field)
        }
    }

    @Test("an option of a wrong length counts as missing, the others stay")
    func wrongLengths() throws {
        let options: [UInt8] = [
            53, 1, 5, 51, 3, 0, 0, 1, 1, 4, 255, 255, 0, 0, 6, 5, 1, 2, 3, 4, 5, 119, 2, 0xc0, 0, 121, 2, 33, 1, 255,
        ]
        let message = try Self.read(Self.fixed + options).get()
        #expect(message.options.messageType == .ack)
        #expect(message.options.leaseTime == nil)
        #expect(message.options.subnetMask == IPv4Address(255, 255, 0, 0))
        #expect(message.options.nameServers.isEmpty)
        #expect(message.options.searchList.isEmpty)
        #expect(message.options.classlessRoutes.isEmpty)
    }

    @Test("RFC 3396: parts of an option are joined, also over file and sname (option 52)")
    func joined() throws {
        var bytes = Self.fixed + [53, 1, 2, 52, 1, 3, 119, 3, 1, 0x61, 1, 255]
        let file: [UInt8] = [119, 2, 0x62, 0, 255]
        let name: [UInt8] = [3, 4, 10, 0, 0, 9, 255]
        bytes.replaceSubrange(108..<108 + file.count, with: file)
        bytes.replaceSubrange(44..<44 + name.count, with: name)
        let options = try Self.read(bytes).get().options
        #expect(options.searchList.map(\.description) == ["a.b"])
        #expect(options.routers == [IPv4Address(10, 0, 0, 9)])
    }

    @Test("RFC 3442: classless routes of every length, on-link ones too")
    func classless() throws {
        let option: [UInt8] = [
            121, 26,  //
            0, 10, 0, 0, 1,  // default via 10.0.0.1
            24, 10, 17, 0, 10, 0, 0, 2,  // 10.17.0.0/24 via 10.0.0.2
            32, 10, 0, 0, 1, 0, 0, 0, 0,  // 10.0.0.1/32 on the link
            7, 0xff, 0, 0,  // cut off: makes the whole option wrong
        ]
        var whole = option
        whole[1] = 22
        whole.removeLast(4)
        let routes = try Self.read(Self.fixed + whole + [255]).get().options.classlessRoutes
        let expected = [("0.0.0.0/0", "10.0.0.1"), ("10.17.0.0/24", "10.0.0.2"), ("10.0.0.1/32", "0.0.0.0")]
        #expect(
            routes
                == expected.compactMap { prefix, gateway in
                    guard let prefix = IPv4Prefix(prefix), let gateway = IPv4Address(gateway) else { return nil }
                    return DHCPRoute(prefix, via: gateway)
                })
        #expect(try Self.read(Self.fixed + option + [255]).get().options.classlessRoutes.isEmpty)
    }

    @Test("names with control characters are not taken")
    func text() throws {
        let options = try Self.read(Self.fixed + [12, 3, 0x61, 0x1b, 0x62, 15, 3, 0x61, 0x62, 0, 255]).get().options
        #expect(options.hostName == nil)
        #expect(options.domainName == "ab")
    }

    @Test("what is written is read back, long options in parts, padded to 300 bytes")
    func roundTrip() throws {
        var options = DHCPOptions(.request)
        options.parameterRequest = DHCPClient.parameters
        options.clientIdentifier = [1, 2, 3]
        options.requestedAddress = wireA
        options.maximumSize = 1472
        options.renewalTime = 5
        options.rebindingTime = 6
        options.leaseTime = 7
        options.hostName = "node"
        options.message = "no"
        options.searchList = (0..<30).compactMap { DNSName("domain-number-\($0).example") }
        options.classlessRoutes = (0...32).compactMap { length in
            IPv4Prefix(IPv4Address(rawValue: 0xdead_beef), length: length).map { DHCPRoute($0, via: wireB) }
        }
        var message = DHCPMessage(.request, transaction: 1, mac: macA, options: options)
        message.wantsBroadcast = true
        message.seconds = 3
        message.clientAddress = wireA
        message.relay = wireB
        message.nextServer = wireB
        #expect(try Self.read(bytes { try message.write(to: &$0) }).get() == message)
        message.options = DHCPOptions(.discover)
        #expect(bytes { try message.write(to: &$0) }.count == 300)
    }

    @Test("random bytes never trap")
    func noise() {
        var random = Bytes.SeededGenerator(seed: 8)
        for _ in 0..<2000 {
            let count = Int.random(in: 0...120, using: &random)
            let noise = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            _ = Self.read(Self.fixed + noise)
            _ = noise.withUnsafeBytes { raw in try? DNSMessage(raw) }
        }
    }
}
