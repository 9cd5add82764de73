// A host of the Internet, IPv4 today (RFC 1122): interfaces, routes and neighbours below, ICMP, UDP and TCP above,
// DHCP and DNS as its own clients. Whoever drives it brings frames, room for frames, and the time; the
// host never reads a clock, owns no descriptor and calls nobody back.
//
// One turn of the driver:  receive → (tools work on sockets) → advance → transmit until 0 → sleep
// until nextDeadline or the next frame.
//
// Here: what a host is made of, its interfaces and time. Beside it: Host+Receive, +Transmit,
// +Fragments, +ARP, +DHCP, +ICMP, +UDP, +Loopback, +Names, +NameStreams, +Tables; its errors in HostErrors.

import Bytes
import Link

/// A host of the Internet. Lives on one thread; whoever drives it does so in turns:
/// `receive`, work on sockets, `advance`, `transmit` until it returns 0, then sleep until `nextDeadline` or the next
/// frame.
public final class Host {
    /// Errors about packets we could not deliver: at most this many at once, and as many a second.
    static let icmpErrorBurst = 50
    /// Copied of every frame before it is looked at: Ethernet, the longest IPv4 header, and the first
    /// bytes of what it carries, for an ICMP error up to the transport header it quotes.
    static let headerRoom = 256

    /// The name sent with DHCP (option 12).
    public internal(set) var hostname: String
    /// TCP sockets.
    public let tcp: TCPLayer
    /// Grows whenever an interface, address, route or lease changes; cheap to poll.
    public internal(set) var tableGeneration: UInt64 = 0

    var attached: [NetworkInterface]
    /// All addresses of all interfaces: asked about twice for every packet.
    private(set) var locals: [IPAddress] = []
    var routing = RoutingTable()
    var echoes = EchoTable()
    var udp: UDPTable
    var resolver: Resolver
    var random: Randomness
    /// Queries whose answer was too long for a datagram.
    var nameStreams: [NameStream] = []
    var icmpErrors: RateLimit
    /// Private copy of the headers of the frame at hand. Only the copy is parsed.
    let headers: UnsafeMutableRawBufferPointer
    /// Where segments to ourselves are written; made when the first one is.
    var loopbackRoom: UnsafeMutableRawBufferPointer?
    /// The last `advance` carried something to ourselves: tools have something to do.
    var hasCarried = false
    var lastNow = Instant(nanoseconds: 0)
    var lastInterface: UInt16 = 0

    /// - Parameters:
    ///   - hostname: told to the DHCP server.
    ///   - randomness: secrets, identifiers, ports and retry jitter come from it: the system's, but for simulations.
    ///   - buffers: lends the memory of sockets.
    public init(hostname: String, randomness: Randomness, buffers: any BufferSource) {
        self.hostname = hostname
        random = randomness
        tcp = TCPLayer(randomness: random.child(), buffers: buffers)
        udp = UDPTable(buffers: buffers)
        resolver = Resolver(random.child())
        icmpErrors = RateLimit(burst: Self.icmpErrorBurst, perSecond: Self.icmpErrorBurst)
        headers = .allocate(byteCount: Self.headerRoom, alignment: 16)
        let lo = NetworkInterface(
            id: .loopback,
            InterfaceConfiguration(
                name: "lo", mac: MACAddress(rawValue: 0), mtu: NetworkInterface.loopbackMTU, dhcp: false),
            isUp: true)
        lo.addresses = [IPPrefix(.loopback, length: 8)].compactMap { $0 }
        attached = [lo]
        locals = [.loopback]
        tcp.paths = self
    }

    /// For simulations: all randomness follows from `seed`.
    public convenience init(hostname: String, seed: UInt64, buffers: any BufferSource) {
        self.init(hostname: hostname, randomness: .seeded(seed), buffers: buffers)
    }

    deinit {
        udp.closeAll()
        headers.deallocate()
        loopbackRoom?.deallocate()
    }

    /// Calls `body` with every part of lent memory that was written since the last call, as far as it is still lent: whoever
    /// lends it out knows what came back.
    public func takeWritten(_ body: (UnsafeMutableRawBufferPointer) -> Void) {
        tcp.rings.takeWritten(body)
        udp.takeWritten(body)
    }

    // MARK: Interfaces

    /// Adds an interface, link down.
    public func addInterface(_ configuration: InterfaceConfiguration) -> InterfaceID {
        lastInterface &+= 1
        let client = DHCPClient(mac: configuration.mac, hostname: hostname, seed: random.next())
        let id = InterfaceID(rawValue: lastInterface)
        attached.append(NetworkInterface(id: id, configuration, dhcp: configuration.dhcp ? client : nil))
        tableGeneration &+= 1
        return id
    }

    /// Removes an interface with its addresses, routes and neighbours.
    public func removeInterface(_ id: InterfaceID, now: Instant) {
        guard id != .loopback, let interface = interface(id) else { return }
        attached.removeAll { $0 === interface }
        routing.removeAll { $0.interface == id }
        pathsChanged(now)
        for prefix in interface.addresses where !isLocal(prefix.address) {
            tcp.addressLost(prefix.address, now: now)
        }
    }

    /// Link up starts DHCP, or re-checks the lease there is (INIT-REBOOT, RFC 2131, 3.2), and
    /// announces addresses; link down stops both and keeps addresses and sockets.
    public func setLink(_ id: InterfaceID, isUp: Bool, now: Instant) {
        guard let interface = interface(id), interface.isUp != isUp, !interface.isLoopback else { return }
        interface.isUp = isUp
        if isUp {
            interface.neighbours.restart(now: now)
            interface.watches = interface.addresses.map {
                AddressWatch($0.address, isLeased: $0.address == interface.lease?.address, now: now)
            }
            perform(interface.dhcp?.linkUp(now: now) ?? [], on: interface, now: now)
        } else {
            interface.neighbours.forget()
            interface.dhcp?.linkDown()
        }
        pathsChanged(now)
    }

    /// Gives an interface a fixed address; `gateway` becomes a default route.
    public func configure(
        _ id: InterfaceID, address: IPPrefix, gateway: IPAddress? = nil, nameServers: [IPAddress] = [],
        now: Instant
    ) throws(HostError) {
        guard let interface = interface(id) else { throw .noSuchInterface(id) }
        interface.addresses.removeAll { $0.address == address.address }
        interface.addresses.append(address)
        interface.nameServers += nameServers
        routing.add(RouteEntry(address, via: nil, on: id, origin: .connected))
        if let gateway {
            if !address.contains(gateway) {
                routing.add(RouteEntry(IPPrefix(host: gateway), via: nil, on: id))
            }
            routing.add(RouteEntry(.everything, via: gateway, on: id))
        }
        if interface.isUp, !interface.isLoopback {
            interface.watches.append(AddressWatch(address.address, isLeased: false, now: now))
        }
        pathsChanged(now)
    }

    func interface(_ id: InterfaceID) -> NetworkInterface? {
        for interface in attached where interface.id == id { return interface }
        return nil
    }

    /// Addresses, routes or MTUs are different now.
    func pathsChanged(_ now: Instant) {
        tableGeneration &+= 1
        relearnLocals()
        for interface in attached { interface.hop.forget() }
        tcp.pathsChanged(now: now)
    }

    func relearnLocals() { locals = attached.flatMap { $0.addresses.map(\.address) } }

    // MARK: Time

    /// Does what is due by `now`, and carries what the node sends to itself.
    public func advance(to now: Instant) {
        lastNow = max(lastNow, now)
        for interface in attached {
            if let actions = interface.dhcp?.advance(to: now), !actions.isEmpty {
                perform(actions, on: interface, now: now)
            }
            let lost = interface.reassembly.advance(to: now)
            interface.counters.fragmentsDropped &+= UInt64(lost)
            if interface.isUp { advanceARP(interface, now: now) }
        }
        resolver.advance(to: now)
        sendQueries(now)
        tcp.advance(to: now)
        advanceNameStreams(now)
        sendRefusals(now)
        hasCarried = carryLoopback(now)
    }

    /// When `advance` has something to do next; `nil` = not before something else happens. Right away
    /// when the node has just sent something to itself.
    public var nextDeadline: Instant? {
        if hasCarried || attached.first?.output.isEmpty == false || tcp.mayHaveOutput(on: .loopback) {
            return lastNow
        }
        var deadline = tcp.nextDeadline
        func consider(_ other: Instant?) {
            guard let other else { return }
            deadline = min(deadline ?? other, other)
        }
        consider(resolver.nextDeadline)
        for interface in attached { consider(interface.nextDeadline) }
        return deadline
    }
}

/// A token bucket over simulated time.
struct RateLimit {
    private let burst: Int
    private let gap: Interval
    /// When the bucket would be full again.
    var full = Instant(nanoseconds: 0)

    init(burst: Int, perSecond: Int) {
        self.burst = burst
        gap = .seconds(1) / Int64(max(1, perSecond))
    }

    /// Whether one more is allowed now; counts it if so.
    mutating func allow(now: Instant) -> Bool {
        let start = max(full, now)
        guard start.since(now) <= gap * Int64(burst - 1) else { return false }
        full = start + gap
        return true
    }
}
