// The way out (RFC 1122, 3.3.1): which interface, which next hop, which MAC; packets of our own into
// the interface's queue, and that queue and TCP's segments into the slots of the link. TTL 64, and DF
// on everything that is one packet, whose identification says nothing then (RFC 6864, 4.1); what is longer than the MTU
// leaves in fragments (Host+Fragments.swift).

import Bytes
import Link

/// A way for a packet: out of an interface, to a neighbour.
struct Way {
    var interface: NetworkInterface
    var source: IPAddress
    var nextHop: IPAddress
}

extension Host {
    /// Segments kept in a row for neighbours that are still being looked for, in one call.
    private static let holdLimit = 64

    // MARK: Ways

    /// A `source` that is given decides the interface where it can: on a node with several networks,
    /// each knows only its own addresses.
    func way(to destination: IPAddress, from source: IPAddress?) -> Way? {
        let source = source?.isUnspecified == true ? nil : source
        if isLocal(destination), let lo = attached.first {
            return Way(interface: lo, source: source ?? destination, nextHop: destination)
        }
        if let source, source.isLoopback { return nil }
        guard let route = route(to: destination, from: source), let interface = interface(route.interface),
            let own = source ?? interface.source(towards: route.gateway ?? destination)
        else { return nil }
        return Way(interface: interface, source: own, nextHop: route.gateway ?? destination)
    }

    private func route(to destination: IPAddress, from source: IPAddress?) -> RouteEntry? {
        if let source, let owner = owner(of: source),
            let route = routing.lookup(destination, on: owner.id)
        {
            return route
        }
        if destination.isBroadcast || destination.isMulticast, routing.lookup(destination) == nil {
            guard let first = attached.first(where: { !$0.isLoopback && !$0.addresses.isEmpty }) else { return nil }
            return RouteEntry(IPPrefix(host: destination), via: nil, on: first.id)
        }
        return routing.lookup(destination) { interface($0)?.isUp == true }
    }

    /// Of several interfaces with the same address, one that is up.
    private func owner(of address: IPAddress) -> NetworkInterface? {
        attached.first { $0.isUp && $0.owns(address) } ?? attached.first { $0.owns(address) }
    }

    /// The MAC for a packet, and until when it needs no further check; `nil` while ARP is asking.
    private func mac(for way: Way, now: Instant) -> (mac: MACAddress, until: Instant)? {
        let forever = Instant(nanoseconds: .max)
        if way.interface.isLoopback { return (MACAddress(rawValue: 0), forever) }
        if way.interface.isBroadcast(way.nextHop) { return (.broadcast, forever) }
        if way.nextHop.isMulticast { return (MACAddress(group: way.nextHop), forever) }
        return way.interface.neighbours.lookup(way.nextHop, now: now)
    }

    // MARK: Packets of our own

    /// Queues one packet; `fill` writes its payload. `header.source` 0.0.0.0 is replaced by the
    /// source of the way. For control packets and datagrams; TCP writes straight into the link's room.
    func send(
        _ head: PacketHead, now: Instant, fill: (PacketHead, UnsafeMutableRawBufferPointer) -> Void
    ) throws(HostError) {
        guard let way = way(to: head.destination, from: head.source) else { throw .noRoute(head.destination) }
        var head = head
        head.source = way.source
        try send(head, way, to: mac(for: way, now: now)?.mac, now: now, fill: fill)
    }

    /// Queues one packet for `mac`, in fragments if need be, or has it wait for ARP when that is `nil`.
    func send(
        _ head: PacketHead, _ way: Way, to mac: MACAddress?, now: Instant,
        fill: (PacketHead, UnsafeMutableRawBufferPointer) -> Void
    ) throws(HostError) {
        let interface = way.interface
        guard head.totalLength <= interface.mtu else {
            return try sendFragments(head, way, to: mac, now: now, fill: fill)
        }
        let length = EthernetHeader.size + head.totalLength
        guard let room = interface.output.reserve(length) else {
            interface.counters.transmitQueueFull &+= 1
            throw .queueFull
        }
        guard Self.write(head, from: interface.mac, to: mac ?? .broadcast, into: room) else { return }
        fill(head, UnsafeMutableRawBufferPointer(rebasing: room[(EthernetHeader.size + head.size)...]))
        if mac != nil {
            interface.output.commit(length)
        } else {
            hold(UnsafeRawBufferPointer(room), way)
        }
        sendRequests(interface)
    }

    /// Writes Ethernet and IP headers to the start of `room`; false when it is too small.
    private static func write(
        _ head: PacketHead, from source: MACAddress, to mac: MACAddress, into room: UnsafeMutableRawBufferPointer
    ) -> Bool {
        var writer = ByteWriter(room)
        do {
            try EthernetHeader(to: mac, from: source, type: head.etherType).write(to: &writer)
            return head.write(to: &writer)
        } catch { return false }
    }

    /// Keeps a frame whose next hop is being looked for.
    private func hold(_ frame: UnsafeRawBufferPointer, _ way: Way) {
        if !way.interface.neighbours.hold(Array(frame), for: way.nextHop) {
            way.interface.counters.transmitQueueFull &+= 1
        }
    }

    // MARK: Into the link

    /// Fills the first n slots with frames that leave by `id` and returns n; 0 while the link is down
    /// (what is queued waits for it).
    public func transmit(
        into slots: UnsafeMutableBufferPointer<TransmitSlot>, on id: InterfaceID, now: Instant
    ) -> Int {
        lastNow = max(lastNow, now)
        guard let interface = interface(id), interface.isUp else { return 0 }
        sendRefusals(now)
        var used = 0
        repeat {
            sendRequests(interface)
            used += drainQueue(of: interface, into: UnsafeMutableBufferPointer(rebasing: slots[used...]))
            used += drainTCP(of: interface, into: UnsafeMutableBufferPointer(rebasing: slots[used...]), now)
            // A segment that had to wait has left an ARP request behind, which goes out at once.
        } while used < slots.count && !interface.neighbours.requests.isEmpty
        return used
    }

    private func drainQueue(of interface: NetworkInterface, into slots: UnsafeMutableBufferPointer<TransmitSlot>) -> Int
    {
        var used = 0
        while used < slots.count, let (_, bytes) = interface.output.front {
            if bytes.count <= slots[used].room.count {
                slots[used].room.copyMemory(from: bytes)
                finish(&slots[used], bytes.count, interface)
                used += 1
            } else {
                interface.counters.transmitQueueFull &+= 1
            }
            interface.output.removeFirst()
        }
        return used
    }

    private func drainTCP(
        of interface: NetworkInterface, into slots: UnsafeMutableBufferPointer<TransmitSlot>, _ now: Instant
    ) -> Int {
        var used = 0
        var held = 0
        while used < slots.count, held < Self.holdLimit {
            let room = slots[used].room
            let end = min(room.count, EthernetHeader.size + interface.mtu)
            guard end > EthernetHeader.size,
                let placed = tcp.transmit(
                    into: UnsafeMutableRawBufferPointer(rebasing: room[EthernetHeader.size..<end]), on: interface.id,
                    now: now)
            else { break }
            let head = PacketHead(from: placed.source, to: placed.destination, .tcp, payloadLength: placed.length)
            if let mac = segmentMAC(placed, interface, now) {
                guard Self.write(head, from: interface.mac, to: mac, into: room) else { break }
                finish(&slots[used], EthernetHeader.size &+ head.totalLength, interface)
                used += 1
            } else {
                holdSegment(head, room, interface)
                // The slot is written and not used.
                slots[used].length = EthernetHeader.size + head.totalLength
                held += 1
            }
        }
        return used
    }

    private func finish(_ slot: inout TransmitSlot, _ length: Int, _ interface: NetworkInterface) {
        slot.length = length
        slot.offload = Offload()
        interface.counters.transmitted &+= 1
        interface.counters.transmittedBytes &+= UInt64(length)
    }

    /// The MAC for a segment on `interface`; asks the tables only when the destination is another one
    /// than the last time, or the neighbour must be checked again.
    private func segmentMAC(_ segment: PlacedSegment, _ interface: NetworkInterface, _ now: Instant) -> MACAddress? {
        if let mac = interface.hop.mac(for: segment.destination, now: now) { return mac }
        guard let way = segmentWay(to: segment.destination, interface), let known = mac(for: way, now: now) else {
            return nil
        }
        interface.hop.remember(segment.destination, known.mac, until: known.until)
        return known.mac
    }

    /// TCP has chosen the interface; the next hop on it is looked up here.
    private func segmentWay(to destination: IPAddress, _ interface: NetworkInterface) -> Way? {
        guard let route = routing.lookup(destination, on: interface.id) else { return nil }
        return Way(interface: interface, source: .any, nextHop: route.gateway ?? destination)
    }

    private func holdSegment(_ head: PacketHead, _ room: UnsafeMutableRawBufferPointer, _ interface: NetworkInterface) {
        guard let way = segmentWay(to: head.destination, interface),
            Self.write(head, from: interface.mac, to: .broadcast, into: room)
        else {
            interface.counters.neighbourFailed &+= 1
            return
        }
        hold(UnsafeRawBufferPointer(rebasing: room[0..<EthernetHeader.size + head.totalLength]), way)
    }
}
