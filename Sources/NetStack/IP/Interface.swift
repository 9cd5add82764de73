// What names and describes an interface of a host: its identity, its configuration, its counters.

import Link

/// Names an interface of one `Host`; never used again after the interface is removed.
public struct InterfaceID: Hashable, Sendable {
    public let rawValue: UInt16
    public init(rawValue: UInt16) { self.rawValue = rawValue }
    /// `lo`, which every host has from the start.
    public static let loopback = InterfaceID(rawValue: 0)
}

/// How an interface is set up when it is added.
public struct InterfaceConfiguration: Sendable {
    /// As `ip addr` shows it, for example `eth0`.
    public var name: String
    /// Its own address.
    public var mac: MACAddress
    /// The largest IP packet in bytes until a lease says otherwise.
    public var mtu: Int
    /// What the NIC can carry at most: the limit for an MTU learnt by DHCP (option 26).
    public var maximumMTU: Int
    /// Ask for an address by DHCP whenever the link is up.
    public var dhcp: Bool

    /// - Parameters:
    ///   - name: as it is shown.
    ///   - mac: its own address.
    ///   - mtu: bytes of the largest IP packet for the time being.
    ///   - maximumMTU: what the link can carry; a lease may raise `mtu` up to it.
    ///   - dhcp: ask for an address whenever the link is up.
    public init(name: String, mac: MACAddress, mtu: Int = 1500, maximumMTU: Int = 65520, dhcp: Bool = true) {
        self.name = name
        self.mac = mac
        self.mtu = mtu
        self.maximumMTU = maximumMTU
        self.dhcp = dhcp
    }
}

/// What an interface has carried and why it dropped what it dropped. Frames and bytes (Ethernet
/// header included); every frame received is counted once in `received`, also when dropped.
public struct InterfaceCounters: Equatable, Sendable {
    /// Frames that arrived.
    public var received: UInt64 = 0
    /// Their bytes.
    public var receivedBytes: UInt64 = 0
    /// Frames that left.
    public var transmitted: UInt64 = 0
    /// Their bytes.
    public var transmittedBytes: UInt64 = 0
    /// Too short for its own headers, or a length field that the frame does not hold.
    public var malformed: UInt64 = 0
    /// Packets whose IP or transport checksum is wrong.
    public var badChecksum: UInt64 = 0
    /// Neither ours, broadcast nor a group we are in.
    public var notForUs: UInt64 = 0
    /// An EtherType or IP protocol that nobody here speaks.
    public var unknownProtocol: UInt64 = 0
    /// A source address that must not be on a wire (RFC 1122, 3.2.1.3), our own included.
    public var martian: UInt64 = 0
    /// Fragments refused or given up: too many, overlapping, too large, too late.
    public var fragmentsDropped: UInt64 = 0
    /// ARP that claims our address or an impossible one.
    public var arpRefused: UInt64 = 0
    /// Datagrams for a full receive queue.
    public var receiveQueueFull: UInt64 = 0
    /// Packets for a full output queue, or for a neighbour with too many already waiting.
    public var transmitQueueFull: UInt64 = 0
    /// Packets given up because the next hop did not answer ARP.
    public var neighbourFailed: UInt64 = 0
    /// ICMP errors not sent because of the rate limit (RFC 1812, 4.3.2.8).
    public var icmpSuppressed: UInt64 = 0

    /// All zero.
    public init() {}

    /// All frames and packets dropped on the way in.
    public var receiveDrops: UInt64 {
        malformed &+ badChecksum &+ notForUs &+ unknownProtocol &+ martian &+ fragmentsDropped &+ arpRefused
            &+ receiveQueueFull
    }
    /// All packets dropped on the way out.
    public var transmitDrops: UInt64 { transmitQueueFull &+ neighbourFailed &+ icmpSuppressed }
}
