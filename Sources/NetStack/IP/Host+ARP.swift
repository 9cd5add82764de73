// ARP on the wire (RFC 826) and the watch over our own addresses (RFC 5227). The table of
// neighbours itself is NeighbourTable.swift.

import Bytes
import Link

extension Host {
    // MARK: In

    func receiveARP(_ packet: ARPPacket, _ ethernet: EthernetHeader, _ interface: NetworkInterface, _ now: Instant) {
        guard !interface.isLoopback, isPossible(packet, interface) else {
            interface.counters.arpRefused &+= 1
            return
        }
        let sender = IPAddress(packet.sender)
        if interface.owns(sender) {
            interface.counters.arpRefused &+= 1
            conflict(sender, interface, now)
            return
        }
        let isForUs = interface.owns(IPAddress(packet.target))
        if !packet.sender.isUnspecified {
            learn(packet, isForUs, isAnswer: packet.operation == .reply && ethernet.destination == interface.mac)
        }
        if packet.operation == .request, isForUs {
            let reply = ARPPacket(
                .reply, senderMAC: interface.mac, sender: packet.target, targetMAC: packet.senderMAC,
                target: packet.sender)
            send(reply, to: packet.senderMAC, interface)
        }

        func learn(_ packet: ARPPacket, _ isForUs: Bool, isAnswer: Bool) {
            let isOnLink = routing.lookup(sender, on: interface.id).map { $0.gateway == nil } ?? false
            let released = interface.neighbours.learn(
                sender, packet.senderMAC, creating: isForUs && isOnLink, isAnswer: isAnswer, now: now)
            interface.hop.forget()
            release(released, to: packet.senderMAC, interface)
        }
    }

    /// A sender that can exist: a station of its own, not us, with an address of one host or none.
    private func isPossible(_ packet: ARPPacket, _ interface: NetworkInterface) -> Bool {
        let mac = packet.senderMAC
        guard !mac.isMulticast, mac.rawValue != 0, mac != interface.mac else { return false }
        let sender = IPAddress(packet.sender)
        return sender.isUnspecified
            || (sender.isUnicast && !sender.isLoopback && !interface.isBroadcast(sender))
    }

    /// Frames that waited for a MAC go to the queue, in their order.
    private func release(_ frames: [[UInt8]], to mac: MACAddress, _ interface: NetworkInterface) {
        for frame in frames {
            guard let room = interface.output.reserve(frame.count) else {
                interface.counters.transmitQueueFull &+= 1
                continue
            }
            room.copyBytes(from: frame)
            var writer = ByteWriter(room)
            guard (try? mac.write(to: &writer)) != nil else { continue }
            interface.output.commit(frame.count)
        }
    }

    private func conflict(_ address: IPAddress, _ interface: NetworkInterface, _ now: Instant) {
        guard let index = interface.watches.firstIndex(where: { $0.address == address }) else { return }
        switch interface.watches[index].conflict(now: now) {
        case .ignore: break
        case .defend: send(.announcement, of: address, interface)
        case .yield: perform(interface.dhcp?.conflict(now: now) ?? [], on: interface, now: now)
        }
    }

    // MARK: Out

    /// What ARP has to do by `now`: watches, repeated requests, and errors for who did not answer.
    func advanceARP(_ interface: NetworkInterface, now: Instant) {
        for index in interface.watches.indices {
            while let packet = interface.watches[index].next(now) {
                send(packet, of: interface.watches[index].address, interface)
            }
        }
        interface.counters.neighbourFailed &+= UInt64(interface.neighbours.takeEvicted())
        for (address, frames) in interface.neighbours.advance(to: now) {
            interface.counters.neighbourFailed &+= UInt64(frames.count)
            for frame in frames { reportUndelivered(frame, .neighbourUnreachable(address), now) }
        }
        sendRequests(interface)
    }

    /// Tells the sender of a frame that never left, as if the network had said so.
    private func reportUndelivered(_ frame: [UInt8], _ error: PathError, _ now: Instant) {
        frame.withUnsafeBytes { bytes in
            var reader = ByteReader(bytes, at: min(EthernetHeader.size, bytes.count))
            guard let packet = try? QuotedPacket(&reader) else { return }
            report(error, from: packet.source, about: packet, &reader, now)
        }
    }

    func sendRequests(_ interface: NetworkInterface) {
        while let request = interface.neighbours.nextRequest() {
            guard let target = request.address.v4, let source = interface.source(towards: request.address)?.v4
            else { continue }
            let packet = ARPPacket(.request, senderMAC: interface.mac, sender: source, target: target)
            send(packet, to: request.unicast ?? .broadcast, interface)
        }
    }

    private func send(_ packet: WatchPacket, of address: IPAddress, _ interface: NetworkInterface) {
        guard let address = address.v4 else { return }
        let sender = packet == .probe ? IPv4Address.any : address
        send(
            ARPPacket(.request, senderMAC: interface.mac, sender: sender, target: address), to: .broadcast, interface)
    }

    private func send(_ packet: ARPPacket, to mac: MACAddress, _ interface: NetworkInterface) {
        send(.arp, to: mac, interface, ARPPacket.size) { writer throws(ByteWriteError) in try packet.write(to: &writer)
        }
    }

    private func send(
        _ type: EtherType, to mac: MACAddress, _ interface: NetworkInterface, _ size: Int,
        _ write: (inout ByteWriter) throws(ByteWriteError) -> Void
    ) {
        let length = EthernetHeader.size + size
        guard let room = interface.output.reserve(length) else {
            interface.counters.transmitQueueFull &+= 1
            return
        }
        var writer = ByteWriter(room)
        do throws(ByteWriteError) {
            try EthernetHeader(to: mac, from: interface.mac, type: type).write(to: &writer)
            try write(&writer)
            interface.output.commit(length)
        } catch {}
    }

    /// Says on the network of an interface, once, that its MAC is here (RFC 903's request, as QEMU does) and that its
    /// addresses are (RFC 5227's announcement). The frames leave by ``transmit(into:on:now:)``; what finds no room in the
    /// interface's queue is counted and not sent. Without a link there is nobody to tell: it begins with announcements.
    public func announce(on id: InterfaceID) {
        guard let interface = interface(id), interface.isUp, !interface.isLoopback else { return }
        send(.reverseARP, to: .broadcast, interface, ReverseRequest.size) { writer throws(ByteWriteError) in
            try ReverseRequest(interface.mac).write(to: &writer)
        }
        for prefix in interface.addresses { send(.announcement, of: prefix.address, interface) }
    }
}
