// The tables that `ip addr`, `ip route` and `ip neigh` show, as values copied out of the host.

import Bytes
import Link

/// Where an interface stands with its DHCP server (RFC 2131, figure 5).
public enum DHCPStatus: String, Equatable, Sendable {
    case off, initial, selecting, requesting, rebooting, bound, renewing, rebinding, declined
}

/// An interface as `ip addr` shows it.
public struct InterfaceEntry: Equatable, Sendable {
    public var id: InterfaceID
    public var name: String
    public var mac: MACAddress
    public var isUp: Bool
    /// The largest IP packet in bytes.
    public var mtu: Int
    public var addresses: [IPPrefix]
    public var dhcp: DHCPStatus
    /// When the lease ends; `nil` without a lease and for an infinite one.
    public var leaseEnds: Instant?
    /// Name servers and search list learnt on this interface.
    public var nameServers: [IPAddress]
    public var searchList: [String]
    public var counters: InterfaceCounters
}

/// A route as `ip route` shows it.
public struct RouteEntry: Hashable, Sendable {
    /// Who put the route there.
    public enum Origin: String, Sendable {
        case connected = "kernel"
        case dhcp
        case manual = "static"
    }

    /// The destination; `IPPrefix.everything` is the default route.
    public var destination: IPPrefix
    /// The next hop; `nil` when the destination is on the link.
    public var gateway: IPAddress?
    public var interface: InterfaceID
    public var metric: UInt32
    public var origin: Origin

    public init(
        _ destination: IPPrefix, via gateway: IPAddress?, on interface: InterfaceID, metric: UInt32 = 0,
        origin: Origin = .manual
    ) {
        self.destination = destination.asNetwork
        self.gateway = gateway
        self.interface = interface
        self.metric = metric
        self.origin = origin
    }
}

/// A neighbour as `ip neigh` shows it (states named after RFC 4861, 7.3.2).
public struct NeighbourEntry: Equatable, Sendable {
    public enum State: String, Sendable { case incomplete, reachable, stale, probe, failed }

    public var address: IPAddress
    public var interface: InterfaceID
    /// `nil` while the address is not resolved.
    public var mac: MACAddress?
    public var state: State
}
