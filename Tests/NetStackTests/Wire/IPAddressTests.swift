// Addresses of both families as one type: text, kinds, prefixes, and the checksum over both.

import Bytes
import Testing

@testable import NetStack

@Suite struct IPAddressTests {
    private static let fe80 = UInt64(0xfe80) << 48

    @Test(
        "an IPv6 address is written as RFC 5952 says",
        arguments: [
            (0, 0, "::"), (0, 1, "::1"), (fe80, 1, "fe80::1"),
            (0x2001_0db8_0000_0000, 0x0001_0000_0000_0001, "2001:db8::1:0:0:1"),
            (0x2001_0db8_0000_0001, 0x0001_0001_0001_0001, "2001:db8:0:1:1:1:1:1"),
            (0x2001_0000_0000_0001, 0x0000_0000_0000_0001, "2001:0:0:1::1"), (0x00ab << 48, 0, "ab::"),
            (0x0001_0002_0003_0004, 0x0005_0006_0007_000a, "1:2:3:4:5:6:7:a"),
        ] as [(UInt64, UInt64, String)])
    func text(high: UInt64, low: UInt64, text: String) {
        #expect(IPAddress(high: high, low: low).description == text)
    }

    @Test("an IPv4 address is the same in both types, and the endpoint of an IPv6 address has brackets")
    func mapped() throws {
        let address = try #require(IPAddress("10.0.2.15"))
        #expect(address == IPAddress(10, 0, 2, 15))
        #expect(address.v4 == IPv4Address(10, 0, 2, 15))
        #expect(address.family == .v4)
        #expect(address.description == "10.0.2.15")
        #expect(address == IPAddress(high: 0, low: 0xffff_0a00_020f))
        #expect(IPAddress(high: Self.fe80, low: 1).v4 == nil)
        #expect(Endpoint(address, 80).description == "10.0.2.15:80")
        #expect(Endpoint(IPAddress(high: Self.fe80, low: 1), 80).description == "[fe80::1]:80")
    }

    @Test("both families have unspecified, loopback, group and host addresses")
    func kinds() {
        let group = IPAddress(high: 0xff02 << 48, low: 1)
        #expect(IPAddress.any.isUnspecified && IPAddress(high: 0, low: 0).isUnspecified)
        #expect(IPAddress.loopback.isLoopback && IPAddress(high: 0, low: 1).isLoopback)
        #expect(!IPAddress(high: 1, low: 1).isLoopback)
        #expect(group.isMulticast && IPAddress(224, 0, 0, 1).isMulticast)
        #expect(!group.isUnicast && !IPAddress(high: 0, low: 0).isUnicast && !IPAddress.broadcast.isUnicast)
        #expect(IPAddress(high: Self.fe80, low: 1).isUnicast && addressA.isUnicast)
    }

    @Test("a prefix holds addresses of its own family only; /0 and /128 are its ends")
    func prefixes() throws {
        let fe80 = try #require(IPPrefix(IPAddress(high: Self.fe80, low: 5), length: 10))
        #expect(fe80.contains(IPAddress(high: 0xfebf << 48, low: 9)))
        #expect(!fe80.contains(IPAddress(high: 0xfec0 << 48, low: 9)))
        #expect(fe80.asNetwork.description == "fe80::/10")
        #expect(fe80.broadcast == nil)
        let all = try #require(IPPrefix(IPAddress(high: 0, low: 0), length: 0))
        #expect(all.contains(IPAddress(high: Self.fe80, low: 1)) && !all.contains(addressA))
        #expect(IPPrefix.everything.contains(addressA) && !IPPrefix.everything.contains(IPAddress(high: 1, low: 1)))
        let host = IPPrefix(host: IPAddress(high: Self.fe80, low: 1))
        #expect(host.length == 128 && host.contains(host.address))
        #expect(!host.contains(IPAddress(high: Self.fe80, low: 2)))
        let half = try #require(IPPrefix(IPAddress(high: Self.fe80, low: .max), length: 64))
        #expect(half.network == IPAddress(high: Self.fe80, low: 0))
        #expect(IPPrefix(addressA, length: 33) == nil && IPPrefix(half.address, length: 129) == nil)
    }

    @Test("what IPv4's prefix answers, the prefix of both families answers", arguments: 0...32)
    func sameAsIPv4(length: Int) throws {
        let old = try #require(IPv4Prefix(IPv4Address(rawValue: 0xdead_beef), length: length))
        let new = IPPrefix(old)
        #expect(new.description == old.description && new.network == IPAddress(old.network))
        #expect(new.broadcast == old.broadcast.map { IPAddress($0) })
        for bit in 0..<32 {
            let other = IPv4Address(rawValue: 0xdead_beef ^ 1 << UInt32(bit))
            #expect(new.contains(IPAddress(other)) == old.contains(other))
        }
    }

    @Test("the pseudo header's sum is the plain loop of RFC 768 and RFC 8200, 8.1")
    func pseudoHeader() {
        var random = SeededGenerator(seed: 3)
        for step in 0..<2000 {
            let isIPv4 = step % 2 == 0
            let (from, to) = (Self.address(isIPv4, &random), Self.address(isIPv4, &random))
            let length = Int.random(in: 0...65_535, using: &random)
            var plain = UInt64(17 + length)
            for half in [from.high, from.low, to.high, to.low] {
                for shift in stride(from: 0, to: 64, by: 16) { plain += half >> UInt64(shift) & 0xffff }
            }
            // IPv4's own pseudo header has no ffff before its addresses.
            if isIPv4 { plain -= 2 * 0xffff }
            while plain > 0xffff { plain = plain & 0xffff + plain >> 16 }
            #expect(InternetChecksum.pseudoHeader(from: from, to: to, .udp, length: length).sum == UInt16(plain))
        }
    }

    private static func address(_ isIPv4: Bool, _ random: inout SeededGenerator) -> IPAddress {
        isIPv4
            ? IPAddress(IPv4Address(rawValue: .random(in: 0 ... .max, using: &random)))
            : IPAddress(high: random.next(), low: random.next())
    }
}
