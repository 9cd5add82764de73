// The way in (RFC 1122, 3.2): is the frame for us, is the packet whole, who gets it. Headers are
// copied once into private memory and only that copy is parsed; payload is touched by its receiver.

import Bytes
import Link

/// A packet for one of the transports.
struct Arrival {
    let header: IPv4Header
    let frame: FrameView
    /// Where the IP payload starts in the frame; it has `header.payloadLength` bytes.
    let offset: Int
    /// For everybody, so nobody may be told about errors.
    let isBroadcast: Bool
    let interface: NetworkInterface

    var length: Int { header.payloadLength }
    /// The link vouches for transport checksums, or they never left this machine.
    var isChecksumTrusted: Bool { frame.offload.isChecksumValid || frame.offload.pendingChecksum != nil }
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
        let isBroadcast = interface.isBroadcast(header.destination)
        let arrival = Arrival(
            header: header, frame: frame, offset: EthernetHeader.size + header.headerLength,
            isBroadcast: isBroadcast, interface: interface)
        // The client has no address yet: its replies are told by their port (RFC 2131, 4.1).
        if header.proto == .udp, !header.isFragment, interface.dhcp?.isListening == true,
            try receiveDHCP(arrival, reader, now)
        {
            return
        }
        guard isSourcePossible(header.source, interface) else {
            interface.counters.martian &+= 1
            return
        }
        // RFC 1122, 3.3.6: a link broadcast must carry an IP broadcast.
        let isOurs =
            isLocal(header.destination) && (interface.isLoopback || !header.destination.isLoopback)
            && !ethernet.destination.isMulticast
        guard isOurs || isBroadcast else {
            interface.counters.notForUs &+= 1
            return
        }
        if header.isFragment {
            reassemble(arrival, now)
        } else {
            try deliver(arrival, &reader, now)
        }
    }

    /// RFC 1122, 3.2.1.3: what may be the source of a packet on this wire.
    private func isSourcePossible(_ source: IPv4Address, _ interface: NetworkInterface) -> Bool {
        if interface.isLoopback { return true }
        return source.isUnicast && !source.isLoopback && !interface.isBroadcast(source) && !isLocal(source)
    }

    private func reassemble(_ arrival: Arrival, _ now: Instant) {
        let interface = arrival.interface
        switch interface.reassembly.add(arrival.header, arrival.frame, at: arrival.offset, now: now) {
        case .waiting: break
        case .refused: interface.counters.fragmentsDropped &+= 1
        case .complete(let bytes):
            bytes.withUnsafeBytes { payload in
                withUnsafePointer(to: payload) { pointer in
                    let frame = FrameView(
                        segments: UnsafeBufferPointer(start: pointer, count: 1), length: payload.count)
                    deliverReassembled(arrival, frame, now)
                }
            }
        }
    }

    private func deliverReassembled(_ arrival: Arrival, _ frame: FrameView, _ now: Instant) {
        var header = arrival.header
        header.payloadLength = frame.length
        header.moreFragments = false
        header.fragmentOffset = 0
        let copied = frame.copy(from: 0, into: headers)
        var reader = ByteReader(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(headers)[0..<copied]))
        let whole = Arrival(
            header: header, frame: frame, offset: 0, isBroadcast: arrival.isBroadcast,
            interface: arrival.interface)
        do throws(WireError) { try deliver(whole, &reader, now) } catch {
            Self.count(error, &arrival.interface.counters)
        }
    }

    /// Hands a whole packet to its transport; `reader` stands at the transport header.
    private func deliver(_ arrival: Arrival, _ reader: inout ByteReader, _ now: Instant) throws(WireError) {
        switch arrival.header.proto {
        case .tcp where !arrival.isBroadcast:
            let header = arrival.header
            tcp.receive(
                SegmentView(
                    from: header.source, to: header.destination, frame: arrival.frame, at: arrival.offset,
                    length: arrival.length, checksumTrusted: arrival.isChecksumTrusted), now: now)
        case .udp: try receiveUDP(arrival, &reader, now)
        case .icmp: try receiveICMP(arrival, &reader, now)
        default:
            arrival.interface.counters.unknownProtocol &+= 1
            sendError(.unreachable(code: 2, nextHopMTU: 0), about: arrival, reader, now)
        }
    }
}
