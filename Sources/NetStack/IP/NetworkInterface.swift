// One interface of a host from the inside: what it is, what it has learnt, what waits to leave.

import Bytes
import Link

final class NetworkInterface {
    /// Bytes and packets of ready frames that may wait for the link, beside TCP's own.
    static let outputBytes = 256 << 10
    static let outputLimit = 512
    /// What the loopback interface carries at most: an IPv4 packet.
    static let loopbackMTU = 65535

    let id: InterfaceID
    let configuration: InterfaceConfiguration
    var isUp: Bool
    /// The largest IP packet in bytes: the configured one, or the lease's within what the NIC allows.
    var mtu: Int
    var addresses: [IPPrefix] = []
    /// As configured; a lease brings its own.
    var nameServers: [IPAddress] = []
    var dhcp: DHCPClient?
    var watches: [AddressWatch] = []
    var neighbours = NeighbourTable()
    var reassembly = Reassembly()
    var output: PacketQueue
    var counters = InterfaceCounters()
    var hop = HopCache()

    init(id: InterfaceID, _ configuration: InterfaceConfiguration, isUp: Bool = false, dhcp: DHCPClient? = nil) {
        self.id = id
        self.configuration = configuration
        self.isUp = isUp
        self.dhcp = dhcp
        mtu = configuration.mtu
        let span = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.outputBytes, alignment: 16)
        output = PacketQueue(span: span, limit: Self.outputLimit)
    }

    deinit { output.span.deallocate() }

    var isLoopback: Bool { id == .loopback }
    var mac: MACAddress { configuration.mac }
    var lease: DHCPLease? { dhcp?.lease }
    /// The lease whose address, routes and MTU are in effect.
    var applied: DHCPLease?

    /// The lease's first, then the configured ones.
    var knownNameServers: [IPAddress] { (lease?.nameServers.map { IPAddress($0) } ?? []) + nameServers }

    func owns(_ address: IPAddress) -> Bool {
        for prefix in addresses where prefix.address == address { return true }
        return false
    }

    /// The limited broadcast, or the directed one of an address here.
    func isBroadcast(_ address: IPAddress) -> Bool {
        if address.isBroadcast { return true }
        for prefix in addresses where prefix.broadcast == address { return true }
        return false
    }

    /// The source for packets that leave here: the address whose network holds `target`, else the first of its family.
    func source(towards target: IPAddress) -> IPAddress? {
        (addresses.first { $0.contains(target) } ?? addresses.first { $0.address.family == target.family })?.address
    }

    var nextDeadline: Instant? {
        var deadline = dhcp?.nextDeadline
        func consider(_ other: Instant?) {
            guard let other else { return }
            deadline = min(deadline ?? other, other)
        }
        consider(reassembly.nextDeadline)
        // ARP rests while the link is down: nobody could answer.
        guard isUp else { return deadline }
        consider(neighbours.nextDeadline)
        for watch in watches { consider(watch.nextDeadline) }
        return deadline
    }
}

/// The last destination of a TCP segment with the MAC it went to, so that a stream asks the routing and
/// neighbour tables once, not per segment.
struct HopCache {
    private var destination = IPAddress.any
    private var mac = MACAddress(rawValue: 0)
    private var until = Instant(nanoseconds: 0)

    func mac(for destination: IPAddress, now: Instant) -> MACAddress? {
        destination == self.destination && now < until ? mac : nil
    }

    mutating func remember(_ destination: IPAddress, _ mac: MACAddress, until: Instant) {
        self.destination = destination
        self.mac = mac
        self.until = until
    }

    /// Routes or neighbours changed.
    mutating func forget() { until = Instant(nanoseconds: 0) }
}
