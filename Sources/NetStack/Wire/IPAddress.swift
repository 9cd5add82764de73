// One address for both families, from the socket down to the route (RFC 4291): 16 bytes, an IPv4 address as
// ::ffff:a.b.c.d (2.5.5.2). Wire formats of one family keep their own type (IPv4Address). Nothing here knows interfaces.

/// The version of IP that carries an address.
public enum IPFamily: UInt8, Hashable, Sendable {
    /// RFC 791.
    case v4 = 4
    /// RFC 8200.
    case v6 = 6

    /// Bits of an address.
    public var bits: Int { self == .v4 ? 32 : 128 }
    /// Bytes of the header we write: no IPv4 options, no extension headers.
    public var headerSize: Int { self == .v4 ? IPv4Header.size : 40 }
}

/// An IPv4 or IPv6 address.
public struct IPAddress: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// The first eight bytes in host order: the first byte on the wire is the highest.
    public let high: UInt64
    /// The last eight bytes in host order.
    public let low: UInt64

    /// What the lower half of an IPv4 address has above it.
    private static let mapped: UInt64 = 0xffff

    /// Any 16 bytes.
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// Its mapped form.
    @inline(__always) public init(_ address: IPv4Address) {
        high = 0
        low = Self.mapped << 32 | UInt64(address.rawValue)
    }

    /// The IPv4 address a.b.c.d.
    public init(_ a: UInt8, _ b: UInt8, _ c: UInt8, _ d: UInt8) { self.init(IPv4Address(a, b, c, d)) }

    /// The text of an IPv4 address as ``IPv4Address`` takes it.
    public init?(_ text: some StringProtocol) {
        guard let address = IPv4Address(text) else { return nil }
        self.init(address)
    }

    /// 0.0.0.0: no address yet; where a socket is bound, every address of both families.
    public static let any = IPAddress(IPv4Address.any)
    /// 255.255.255.255, the limited broadcast.
    public static let broadcast = IPAddress(IPv4Address.broadcast)
    /// 127.0.0.1.
    public static let loopback = IPAddress(IPv4Address.loopback)

    /// IPv4 where it is mapped.
    @inline(__always) public var family: IPFamily { isIPv4 ? .v4 : .v6 }
    @inline(__always) var isIPv4: Bool { high == 0 && low &>> 32 == Self.mapped }

    /// The address as IPv4 writes it; `nil` for one of IPv6.
    @inline(__always) public var v4: IPv4Address? {
        isIPv4 ? IPv4Address(rawValue: UInt32(truncatingIfNeeded: low)) : nil
    }

    /// 0.0.0.0 or ::.
    public var isUnspecified: Bool { high == 0 && (low == Self.mapped << 32 || low == 0) }
    /// 255.255.255.255; IPv6 has none.
    public var isBroadcast: Bool { v4?.isBroadcast ?? false }
    /// In 127.0.0.0/8 (RFC 1122, 3.2.1.3 g), or ::1 (RFC 4291, 2.5.3).
    public var isLoopback: Bool { v4?.isLoopback ?? (high == 0 && low == 1) }
    /// In 224.0.0.0/4 (RFC 5771) or ff00::/8 (RFC 4291, 2.7).
    public var isMulticast: Bool { v4?.isMulticast ?? (high >> 56 == 0xff) }
    /// May be the address of one host: see ``IPv4Address/isUnicast``; of IPv6 all but :: and groups.
    public var isUnicast: Bool { v4?.isUnicast ?? !(isUnspecified || isMulticast) }

    public static func < (a: IPAddress, b: IPAddress) -> Bool { (a.high, a.low) < (b.high, b.low) }

    /// Dotted for IPv4, RFC 5952 for IPv6.
    public var description: String { v4?.description ?? canonicalText }

    /// RFC 5952, 4: lower case, no leading zeros, the first of the longest runs of two or more zero words as `::`.
    private var canonicalText: String {
        let words = [high, low].flatMap { half in stride(from: 48, through: 0, by: -16).map { half >> $0 & 0xffff } }
        var run = 0..<0
        var start = 0
        for (index, word) in words.enumerated() {
            if word != 0 { start = index + 1 } else if index + 1 - start > max(1, run.count) { run = start..<index + 1 }
        }
        func text(_ part: ArraySlice<UInt64>) -> String { part.map { String($0, radix: 16) }.joined(separator: ":") }
        guard !run.isEmpty else { return text(words[...]) }
        return text(words[..<run.lowerBound]) + "::" + text(words[run.upperBound...])
    }
}

/// An address with the length of its network part, as in `10.0.2.15/24`.
public struct IPPrefix: Hashable, Sendable, CustomStringConvertible {
    /// With its host part.
    public let address: IPAddress
    /// Bits of the network part, 0…32 or 0…128.
    public let length: Int

    /// `nil` when `length` does not fit the family of `address`.
    public init?(_ address: IPAddress, length: Int) {
        guard (0...address.family.bits).contains(length) else { return nil }
        self.init(network: address, bits: length)
    }

    /// The same network.
    public init(_ prefix: IPv4Prefix) { self.init(network: IPAddress(prefix.address), bits: prefix.length) }

    /// `address/length`; without a length it is the address alone.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, let address = IPAddress(first) else { return nil }
        guard parts.count == 2 else {
            self.init(host: address)
            return
        }
        guard (1...3).contains(parts[1].utf8.count), parts[1].utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }),
            let length = Int(parts[1])
        else { return nil }
        self.init(address, length: length)
    }

    /// 0.0.0.0/0, the destination of IPv4's default route.
    public static let everything = IPPrefix(network: .any, bits: 0)

    /// The single address, /32 or /128.
    public init(host address: IPAddress) { self.init(network: address, bits: address.family.bits) }

    private init(network: IPAddress, bits: Int) {
        address = network
        length = bits
    }

    /// The ones of the prefix in 128 bits: an IPv4 prefix covers the 96 bits that mark its family, too.
    private var mask: (high: UInt64, low: UInt64) {
        let bits = address.isIPv4 ? length &+ 96 : length
        return (~0 << max(0, 64 - bits), bits <= 64 ? 0 : ~0 << (128 - bits))
    }

    /// The address with its host part cleared.
    public var network: IPAddress { IPAddress(high: address.high & mask.high, low: address.low & mask.low) }
    /// The directed broadcast; none in /31 (RFC 3021) and /32, and none in IPv6.
    public var broadcast: IPAddress? {
        guard address.isIPv4, length <= 30 else { return nil }
        return IPAddress(high: address.high, low: address.low | ~mask.low)
    }
    /// The same length with the host part cleared.
    public var asNetwork: IPPrefix { IPPrefix(network: network, bits: length) }

    /// Never true of an address of the other family.
    public func contains(_ other: IPAddress) -> Bool {
        let mask = mask
        return (other.high ^ address.high) & mask.high == 0 && (other.low ^ address.low) & mask.low == 0
            && other.isIPv4 == address.isIPv4
    }

    public var description: String { "\(address)/\(length)" }
}

/// An address and a port of TCP or UDP.
public struct Endpoint: Hashable, Sendable, CustomStringConvertible {
    /// Unspecified: any.
    public var address: IPAddress
    /// In the host's order; 0: any.
    public var port: UInt16

    /// Any address and port.
    public init(_ address: IPAddress, _ port: UInt16) {
        self.address = address
        self.port = port
    }

    /// `10.0.2.2:80`, `[fe80::1]:80` (RFC 5952, 6).
    public var description: String { address.family == .v4 ? "\(address):\(port)" : "[\(address)]:\(port)" }
}

/// An end of a TCP connection.
public typealias TCPEndpoint = Endpoint
