// What a DHCP server has granted, checked and with its times fixed (RFC 2131, 4.4.5).

import Bytes

/// A lease that can be used as it is.
public struct DHCPLease: Equatable, Sendable {
    /// The address with the length of its network.
    public var prefix: IPv4Prefix
    /// Who granted it (option 54).
    public var server: IPv4Address
    /// Option 3, in order of preference.
    public var routers: [IPv4Address]
    /// Option 121; when there are any, `routers` is not used (RFC 3442).
    public var classlessRoutes: [DHCPRoute]
    /// Option 6, in order of preference.
    public var nameServers: [IPv4Address]
    /// Option 119, or else the domain name as its only member.
    public var searchList: [DNSName]
    /// Option 12: what the server calls us.
    public var hostName: String?
    /// Option 15.
    public var domainName: String?
    /// Option 26, not yet limited to what the NIC can carry; `nil` below 68 (RFC 2132, 5.1).
    public var mtu: Int?
    /// When to ask the server for more (T1), when to ask any server (T2), and the end; `nil` = never.
    public var renewal: Instant?
    /// T2.
    public var rebinding: Instant?
    /// When the address must not be used any more; nil: never.
    public var end: Instant?

    /// The leased address alone, as the host's tables know it.
    var address: IPAddress { IPAddress(prefix.address) }

    /// The least length a lease is taken to have, so that no server can make us ask in a loop.
    static let minimumSeconds: UInt32 = 10

    /// Reads a DHCPACK (or an offer); `nil` when its address cannot be one of a host.
    /// - Parameters:
    ///   - server: who was asked, for replies without option 54.
    ///   - asked: when the request left: the lease counts from there (RFC 2131, 4.4.1).
    init?(_ message: DHCPMessage, server: IPv4Address?, asked: Instant) {
        let options = message.options
        let address = message.yourAddress
        guard address.isUnicast, !address.isLoopback, let server = options.serverIdentifier ?? server,
            let prefix = Self.prefix(address, mask: options.subnetMask), prefix.broadcast != address
        else { return nil }
        self.prefix = prefix
        self.server = server
        func isRouter(_ other: IPv4Address) -> Bool {
            other.isUnicast && !other.isLoopback && other != address && other != prefix.broadcast
        }
        routers = options.routers.filter(isRouter)
        // What a node sends to itself never leaves it, whatever a server says about the way there.
        classlessRoutes = options.classlessRoutes.filter {
            (isRouter($0.gateway) || $0.gateway.isUnspecified) && !$0.destination.address.isLoopback
                && $0.destination != IPv4Prefix(host: address)
        }
        nameServers = options.nameServers.filter(\.isUnicast)
        domainName = options.domainName
        hostName = options.hostName
        searchList =
            options.searchList.isEmpty ? [domainName.flatMap { DNSName($0) }].compactMap { $0 } : options.searchList
        mtu = options.interfaceMTU.flatMap { $0 >= 68 ? Int($0) : nil }
        setTimes(options, asked: asked)
    }

    /// Without a mask, the class of the address decides (RFC 950).
    private static func prefix(_ address: IPv4Address, mask: IPv4Address?) -> IPv4Prefix? {
        if let mask { return IPv4Prefix(address, mask: mask) }
        let first = address.rawValue >> 24
        return IPv4Prefix(address, length: first < 128 ? 8 : first < 192 ? 16 : 24)
    }

    /// T1 and T2 default to 0.5 and 0.875 of the lease; nonsense (T1 ≥ T2 or beyond the end) too. T1 is a minute at
    /// least, as the repetitions of RFC 2131, 4.4.5 are, or half of a lease that is shorter than two.
    private mutating func setTimes(_ options: DHCPOptions, asked: Instant) {
        guard let granted = options.leaseTime, granted != .max else { return }
        let length = UInt64(max(granted, Self.minimumSeconds))
        let second = min(UInt64(options.rebindingTime ?? .max), length * 7 / 8)
        var first = min(UInt64(options.renewalTime ?? .max), length / 2)
        if first >= second { first = length / 2 }
        first = max(first, min(60, length / 2))
        renewal = asked + .seconds(Int64(first))
        rebinding = asked + .seconds(Int64(second <= first ? length * 7 / 8 : second))
        end = asked + .seconds(Int64(length))
    }
}
