// The tables that `ip addr`, `ip route` and `ip neigh` show, as values copied out of the host.

import Bytes
import Link

/// Where an interface stands with its DHCP server (RFC 2131, figure 5).
public enum DHCPStatus: String, Equatable, Sendable {
    /// RFC 2131, 4.4; `off` where DHCP is not used.
    case off, initial, selecting, requesting, rebooting, bound, renewing, rebinding, declined
}

/// An interface as `ip addr` shows it.
public struct InterfaceEntry: Equatable, Sendable {
    /// Names it in calls.
    public var id: InterfaceID
    /// As it was configured.
    public var name: String
    /// Its own address.
    public var mac: MACAddress
    /// As `setLink` said last.
    public var isUp: Bool
    /// The largest IP packet in bytes.
    public var mtu: Int
    /// With the networks they belong to.
    public var addresses: [IPPrefix]
    /// Where the client stands.
    public var dhcp: DHCPStatus
    /// When the lease ends; `nil` without a lease and for an infinite one.
    public var leaseEnds: Instant?
    /// Name servers and search list learnt on this interface.
    public var nameServers: [IPAddress]
    /// Domains that are tried behind a short name.
    public var searchList: [String]
    /// Since the interface was added.
    public var counters: InterfaceCounters
}

/// A route as `ip route` shows it.
public struct RouteEntry: Hashable, Sendable {
    /// Who put the route there.
    public enum Origin: String, Sendable {
        /// It follows from an address.
        case connected = "kernel"
        /// It came with a lease.
        case dhcp
        /// Somebody added it.
        case manual = "static"
    }

    /// The destination; `IPPrefix.everything` is the default route.
    public var destination: IPPrefix
    /// The next hop; `nil` when the destination is on the link.
    public var gateway: IPAddress?
    /// Where packets leave.
    public var interface: InterfaceID
    /// The lower is taken, among routes of the same length.
    public var metric: UInt32
    /// Who put it there.
    public var origin: Origin

    /// A route that somebody adds by hand, where nothing else is said.
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
    /// How much is known of it.
    public enum State: String, Sendable { case incomplete, reachable, stale, probe, failed }

    /// Of the network layer.
    public var address: IPAddress
    /// The link it is on.
    public var interface: InterfaceID
    /// `nil` while the address is not resolved.
    public var mac: MACAddress?
    /// How much is known of it.
    public var state: State
}
