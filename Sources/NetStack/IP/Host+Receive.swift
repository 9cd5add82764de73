// The way in (RFC 1122, 3.2): is the frame for us, is the packet whole, who gets it. Headers are
// copied once into private memory and only that copy is parsed; payload is touched by its receiver.

import Bytes
import Link

/// A packet for one of the transports.
struct Arrival {
    let source: IPAddress
    let destination: IPAddress
    let proto: IPProtocol
    let hopLimit: UInt8
    let frame: FrameView
    /// Where the IP packet starts in the frame, and where what it carries does.
    let packet: Int
    let offset: Int
    /// Bytes of what it carries.
    let length: Int
    /// For everybody, so nobody may be told about errors.
    let isBroadcast: Bool
    let interface: NetworkInterface

    /// The link vouches for transport checksums, or they never left this machine.
    var isChecksumTrusted: Bool { frame.offload.isChecksumValid || frame.offload.pendingChecksum != nil }
}

extension Arrival {
    /// - Parameter packet: where the header starts in the frame.
    init(_ header: IPv4Header, _ frame: FrameView, at packet: Int, on interface: NetworkInterface) {
        source = IPAddress(header.source)
        destination = IPAddress(header.destination)
        proto = header.proto
        hopLimit = header.timeToLive
        self.frame = frame
        self.packet = packet
        offset = packet &+ header.headerLength
        length = header.payloadLength
        isBroadcast = interface.isBroadcast(destination)
        self.interface = interface
    }
}

extension Host {
    /// Takes a batch of frames; they are not touched after the call. Nothing while the link is down.
    public func receive(_ frames: UnsafeBufferPointer<FrameView>, on id: InterfaceID, now: Instant) {
        lastNow = max(lastNow, now)
        guard let interface = interface(id), interface.isUp, !interface.isLoopback else { return }
        var bytes: UInt64 = 0
        for frame in frames {
            bytes &+= UInt64(frame.length)
            receive(frame, interface, now)
        }
        interface.counters.received &+= UInt64(frames.count)
        interface.counters.receivedBytes &+= bytes
    }

    func receive(_ frame: FrameView, _ interface: NetworkInterface, _ now: Instant) {
        let copied = frame.copy(from: 0, into: headers)
        var reader = ByteReader(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(headers)[0..<copied]))
        do throws(WireError) {
            let ethernet = try EthernetHeader(&reader)
            guard interface.isLoopback || ethernet.destination == interface.mac || ethernet.destination.isMulticast
            else {
                interface.counters.notForUs &+= 1
                return
            }
            switch ethernet.type {
            case .ipv4: try receiveIPv4(frame, ethernet, &reader, interface, now)
            case .arp: receiveARP(try ARPPacket(&reader), ethernet, interface, now)
            default: interface.counters.unknownProtocol &+= 1
            }
        } catch {
            Self.count(error, &interface.counters)
        }
    }

    static func count(_ error: WireError, _ counters: inout InterfaceCounters) {
        switch error {
        case .badChecksum: counters.badChecksum &+= 1
        case .truncated, .invalid: counters.malformed &+= 1
        }
    }

    private func receiveIPv4(
        _ frame: FrameView, _ ethernet: EthernetHeader, _ reader: inout ByteReader, _ interface: NetworkInterface,
        _ now: Instant
    ) throws(WireError) {
        let header = try IPv4Header(&reader, packetLength: frame.length - EthernetHeader.size)
        let arrival = Arrival(header, frame, at: EthernetHeader.size, on: interface)
        // The client has no address yet: its replies are told by their port (RFC 2131, 4.1).
        if header.proto == .udp, !header.isFragment, interface.dhcp?.isListening == true,
            try receiveDHCP(arrival, reader, now)
        {
            return
        }
        guard isSourcePossible(arrival.source, interface) else {
            interface.counters.martian &+= 1
            return
        }
        // RFC 1122, 3.3.6: a link broadcast must carry an IP broadcast.
        let isOurs =
            isLocal(arrival.destination) && (interface.isLoopback || !arrival.destination.isLoopback)
            && !ethernet.destination.isMulticast
        guard isOurs || arrival.isBroadcast else {
            interface.counters.notForUs &+= 1
            return
        }
        if header.isFragment {
            reassemble(header, arrival, now)
        } else {
            try deliver(arrival, &reader, now)
        }
    }

    /// RFC 1122, 3.2.1.3: what may be the source of a packet on this wire.
    private func isSourcePossible(_ source: IPAddress, _ interface: NetworkInterface) -> Bool {
        if interface.isLoopback { return true }
        return source.isUnicast && !source.isLoopback && !interface.isBroadcast(source) && !isLocal(source)
    }

    private func reassemble(_ header: IPv4Header, _ arrival: Arrival, _ now: Instant) {
        let interface = arrival.interface
        defer { interface.counters.fragmentsDropped &+= UInt64(interface.reassembly.takeEvicted()) }
        switch interface.reassembly.add(header, arrival.frame, at: arrival.offset, now: now) {
        case .waiting: break
        case .refused: interface.counters.fragmentsDropped &+= 1
        case .complete(let packet):
            packet.withUnsafeBytes { bytes in
                FrameView.withOneSpan(bytes) { deliverReassembled($0[0], interface, now) }
            }
        }
    }

    /// A packet in one piece with the header that its fragments shared.
    private func deliverReassembled(_ frame: FrameView, _ interface: NetworkInterface, _ now: Instant) {
        let copied = frame.copy(from: 0, into: headers)
        var reader = ByteReader(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(headers)[0..<copied]))
        do throws(WireError) {
            let header = try IPv4Header(&reader, packetLength: frame.length)
            try deliver(Arrival(header, frame, at: 0, on: interface), &reader, now)
        } catch {
            Self.count(error, &interface.counters)
        }
    }

    /// Hands a whole packet to its transport; `reader` stands at the transport header.
    private func deliver(_ arrival: Arrival, _ reader: inout ByteReader, _ now: Instant) throws(WireError) {
        switch arrival.proto {
        case .tcp where !arrival.isBroadcast:
            tcp.receive(
                SegmentView(
                    from: arrival.source, to: arrival.destination, frame: arrival.frame, at: arrival.offset,
                    length: arrival.length, checksumTrusted: arrival.isChecksumTrusted), now: now)
        case .udp: try receiveUDP(arrival, &reader, now)
        case .icmp: try receiveICMP(arrival, &reader, now)
        default:
            arrival.interface.counters.unknownProtocol &+= 1
            sendError(.unreachable(code: 2, nextHopMTU: 0), about: arrival, now)
        }
    }
}
