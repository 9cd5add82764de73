// IPv4 addresses and prefixes as IPv4's own formats carry them: value, text, both directions (RFC 791, 3.2; RFC 4632,
// 3.1). Everything above the wire speaks of an IPAddress.

/// A 32-bit IPv4 address.
public struct IPv4Address: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// In host order: the first byte on the wire is the highest.
    public let rawValue: UInt32

    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// As it is written with dots.
    public init(_ a: UInt8, _ b: UInt8, _ c: UInt8, _ d: UInt8) {
        rawValue = UInt32(a) << 24 | UInt32(b) << 16 | UInt32(c) << 8 | UInt32(d)
    }

    /// Four decimal bytes joined by dots, as in `10.0.2.15`; no leading zeros, no short forms.
    public init?(_ text: some StringProtocol) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var value: UInt32 = 0
        for part in parts {
            guard (1...3).contains(part.utf8.count), part.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }),
                part.utf8.count == 1 || part.utf8.first != 0x30, let byte = UInt8(part)
            else { return nil }
            value = value << 8 | UInt32(byte)
        }
        rawValue = value
    }

    /// 0.0.0.0: no address yet, or any.
    public static let any = IPv4Address(rawValue: 0)
    /// 255.255.255.255, the limited broadcast.
    public static let broadcast = IPv4Address(rawValue: .max)
    /// 127.0.0.1.
    public static let loopback = IPv4Address(127, 0, 0, 1)

    /// 0.0.0.0.
    public var isUnspecified: Bool { rawValue == 0 }
    /// 255.255.255.255; whether it is a network's own broadcast, the network knows.
    public var isBroadcast: Bool { rawValue == .max }
    /// In 127.0.0.0/8 (RFC 1122, 3.2.1.3 g).
    public var isLoopback: Bool { rawValue >> 24 == 127 }
    /// In 224.0.0.0/4 (RFC 5771).
    public var isMulticast: Bool { rawValue >> 28 == 0xe }
    /// May be the address of one host: neither unspecified, multicast, reserved (240/4) nor broadcast.
    public var isUnicast: Bool { rawValue >> 24 != 0 && rawValue >> 28 < 0xe }

    public static func < (a: IPv4Address, b: IPv4Address) -> Bool { a.rawValue < b.rawValue }

    public var description: String {
        "\(rawValue >> 24).\(rawValue >> 16 & 0xff).\(rawValue >> 8 & 0xff).\(rawValue & 0xff)"
    }
}

/// An address with the length of its network part, as in `10.0.2.15/24`.
public struct IPv4Prefix: Hashable, Sendable, CustomStringConvertible {
    /// With its host part.
    public let address: IPv4Address
    /// Bits of the network part, 0…32.
    public let length: Int

    /// `nil` when `length` is outside 0…32.
    public init?(_ address: IPv4Address, length: Int) {
        guard (0...32).contains(length) else { return nil }
        self.address = address
        self.length = length
    }

    /// `nil` when the ones of `mask` are not contiguous from the left.
    public init?(_ address: IPv4Address, mask: IPv4Address) {
        let ones = (~mask.rawValue).leadingZeroBitCount
        guard ones == mask.rawValue.nonzeroBitCount else { return nil }
        self.address = address
        length = ones
    }

    /// `a.b.c.d/length`; without a length it is 32.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, let address = IPv4Address(first) else { return nil }
        guard parts.count == 2 else {
            self.init(address, length: 32)
            return
        }
        guard (1...2).contains(parts[1].utf8.count), parts[1].utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }),
            let length = UInt8(parts[1])
        else { return nil }
        self.init(address, length: Int(length))
    }

    /// 0.0.0.0/0, the destination of a default route.
    public static let everything = IPv4Prefix(network: .any, bits: 0)

    /// The single address `address`/32.
    public init(host address: IPv4Address) { self.init(network: address, bits: 32) }

    private init(network: IPv4Address, bits: Int) {
        address = network
        length = bits
    }

    /// As many ones as the network part has bits.
    public var mask: IPv4Address { IPv4Address(rawValue: length == 0 ? 0 : ~0 << UInt32(32 - length)) }
    /// The address with its host part cleared.
    public var network: IPv4Address { IPv4Address(rawValue: address.rawValue & mask.rawValue) }
    /// The directed broadcast; none in /31 (RFC 3021) and /32.
    public var broadcast: IPv4Address? {
        length > 30 ? nil : IPv4Address(rawValue: address.rawValue | ~mask.rawValue)
    }
    /// The same length with the host part cleared.
    public var asNetwork: IPv4Prefix { IPv4Prefix(network: network, bits: length) }

    /// `other` is of the same network.
    public func contains(_ other: IPv4Address) -> Bool { (other.rawValue ^ address.rawValue) & mask.rawValue == 0 }

    public var description: String { "\(address)/\(length)" }
}
