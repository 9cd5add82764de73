// DHCP between the wire and its machine (Services/DHCPClient.swift), and what a lease does to an
// interface: address, routes, MTU; and what its end undoes.

import Bytes
import Link

extension Host {
    private static let clientPort: UInt16 = 68
    private static let serverPort: UInt16 = 67

    // MARK: In

    /// Takes a datagram for the client's port, also before there is an address; false = not for it.
    func receiveDHCP(_ arrival: Arrival, _ reader: ByteReader, _ now: Instant) throws(WireError) -> Bool {
        var reader = reader
        guard let header = try? UDPHeader(&reader, available: arrival.length),
            header.destination == Self.clientPort
        else { return false }
        let bytes = try payload(of: arrival, header, limit: DHCPMessage.maximumSize)
        var failure: WireError?
        let message = bytes.withUnsafeBytes { bytes -> DHCPMessage? in
            do throws(WireError) { return try DHCPMessage(bytes) } catch {
                failure = error
                return nil
            }
        }
        if let failure { throw failure }
        if let message, let actions = arrival.interface.dhcp?.receive(message, now: now) {
            perform(actions, on: arrival.interface, now: now)
        }
        return true
    }

    // MARK: Actions

    func perform(_ actions: [DHCPAction], on interface: NetworkInterface, now: Instant) {
        for action in actions {
            switch action {
            case .send(let message, let target): send(message, to: target, interface, now)
            case .bind(let lease): apply(lease, to: interface, now)
            case .unbind: dropLease(of: interface, now)
            }
        }
        if !actions.isEmpty { tableGeneration &+= 1 }
    }

    private func send(_ message: DHCPMessage, to target: IPv4Address, _ interface: NetworkInterface, _ now: Instant) {
        let bytes = [UInt8](unsafeUninitializedCapacity: DHCPMessage.maximumSize) { buffer, count in
            var writer = ByteWriter(UnsafeMutableRawBufferPointer(buffer))
            count = (try? message.write(to: &writer)) == nil ? 0 : writer.offset
        }
        guard !bytes.isEmpty else { return }
        let source = IPAddress(message.clientAddress)
        let ip = PacketHead(
            from: source, to: IPAddress(target), .udp, payloadLength: UDPHeader.size + bytes.count)
        let header = UDPHeader(from: Self.clientPort, to: Self.serverPort, payloadLength: bytes.count)
        bytes.withUnsafeBytes { bytes in
            let fill: (PacketHead, UnsafeMutableRawBufferPointer) -> Void = { ip, room in
                Self.write(header, bytes, ip, into: room)
            }
            // What cannot leave now is sent again by the machine.
            if target.isBroadcast {
                let way = Way(interface: interface, source: source, nextHop: ip.destination)
                try? send(ip, way, to: .broadcast, now: now, fill: fill)
            } else {
                try? send(ip, now: now, fill: fill)
            }
        }
    }

    /// Puts a lease into effect; one that changes nothing but its times changes nothing here.
    private func apply(_ lease: DHCPLease, to interface: NetworkInterface, _ now: Instant) {
        let previous = interface.applied
        if let previous, previous.hasSameEffect(as: lease) {
            interface.applied = lease
            return
        }
        if let previous, previous.address != lease.address { dropLease(of: interface, now) }
        interface.addresses.removeAll { $0.address == lease.address }
        interface.addresses.append(IPPrefix(lease.prefix))
        interface.applied = lease
        interface.mtu = min(lease.mtu ?? interface.configuration.mtu, interface.configuration.maximumMTU)
        dropRoutes(of: interface, previous)
        routing.add(lease, on: interface.id)
        if !interface.watches.contains(where: { $0.address == lease.address }) {
            interface.watches.append(AddressWatch(lease.address, isLeased: true, now: now))
        }
        pathsChanged(now)
    }

    /// Takes address and routes of the lease away; TCP hears of it.
    private func dropLease(of interface: NetworkInterface, _ now: Instant) {
        guard let lease = interface.applied else { return }
        interface.applied = nil
        let address = lease.address
        interface.addresses.removeAll { $0 == IPPrefix(lease.prefix) }
        interface.watches.removeAll { $0.address == address }
        interface.mtu = interface.configuration.mtu
        dropRoutes(of: interface, lease)
        pathsChanged(now)
        if !isLocal(address) { tcp.addressLost(address, now: now) }
    }

    private func dropRoutes(of interface: NetworkInterface, _ lease: DHCPLease?) {
        let network = lease.map { IPPrefix($0.prefix.asNetwork) }
        routing.removeAll {
            $0.interface == interface.id
                && ($0.origin == .dhcp || $0.origin == .connected && $0.destination == network)
        }
    }
}

extension DHCPLease {
    /// Address, routes and MTU are the same.
    func hasSameEffect(as other: DHCPLease) -> Bool {
        prefix == other.prefix && routers == other.routers && classlessRoutes == other.classlessRoutes
            && mtu == other.mtu
    }
}
