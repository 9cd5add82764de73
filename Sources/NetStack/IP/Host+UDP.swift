// UDP on the wire (RFC 768; RFC 1122, 4.1) and its sockets. A datagram is summed while it is copied
// into the receive queue and taken back out of it when the sum is wrong.

import Bytes
import Link

extension Host {
    /// Datagrams for the resolver that are longer are not read.
    private static let resolverLimit = 4096

    // MARK: In

    func receiveUDP(_ arrival: Arrival, _ reader: inout ByteReader, _ now: Instant) throws(WireError) {
        let header = try UDPHeader(&reader, available: arrival.length)
        let source = Endpoint(arrival.source, header.source)
        let destination = Endpoint(arrival.destination, header.destination)
        if let socket = udp.socket(from: source, to: destination) {
            try receive(arrival, header, into: socket, source, destination)
        } else if !arrival.isBroadcast, resolver.owns(header.destination) {
            let bytes = try payload(of: arrival, header, limit: Self.resolverLimit)
            bytes.withUnsafeBytes { resolver.receive($0, from: source, port: destination.port, now: now) }
            sendQueries(now)
        } else {
            arrival.interface.counters.unknownProtocol &+= 1
            sendError(.unreachable(code: 3, nextHopMTU: 0), about: arrival, now)
        }
    }

    private func receive(
        _ arrival: Arrival, _ header: UDPHeader, into socket: UDPSocket, _ source: Endpoint,
        _ destination: Endpoint
    ) throws(WireError) {
        guard let room = socket.queue.reserve(header.payloadLength) else {
            arrival.interface.counters.receiveQueueFull &+= 1
            return
        }
        try copy(arrival, header, into: room)
        socket.queue.commit(header.payloadLength, from: source, to: destination)
    }

    /// Copies the payload of a datagram and verifies its checksum over the copy.
    private func copy(
        _ arrival: Arrival, _ header: UDPHeader, into room: UnsafeMutableRawBufferPointer
    ) throws(WireError) {
        let offset = arrival.offset + UDPHeader.size
        guard header.checksum != 0, !arrival.isChecksumTrusted else {
            arrival.frame.copy(from: offset, into: room)
            return
        }
        var sum = InternetChecksum.pseudoHeader(
            from: arrival.source, to: arrival.destination, .udp,
            length: UDPHeader.size + header.payloadLength)
        header.add(to: &sum)
        sum.add(word: header.checksum)
        arrival.frame.copy(from: offset, into: room, adding: &sum)
        guard sum.sum == 0xffff else { throw .badChecksum(sum: sum.sum) }
    }

    /// A datagram as private bytes, for the services that read it whole.
    func payload(of arrival: Arrival, _ header: UDPHeader, limit: Int) throws(WireError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: min(header.payloadLength, limit))
        guard bytes.count == header.payloadLength else {
            throw .invalid(field: .udpLength, value: UInt64(header.payloadLength))
        }
        var failure: WireError?
        bytes.withUnsafeMutableBytes { room in
            do throws(WireError) { try copy(arrival, header, into: room) } catch { failure = error }
        }
        if let failure { throw failure }
        return bytes
    }

    func reportUDP(_ error: PathError, _ local: Endpoint, _ remote: Endpoint, _ now: Instant) {
        if let socket = udp.socket(from: remote, to: local) {
            socket.error = error
        } else if resolver.owns(local.port) {
            resolver.pathFailed(port: local.port, to: remote, now: now)
            sendQueries(now)
        }
    }

    // MARK: Out

    /// Queues one datagram from `port`.
    func sendDatagram(
        _ bytes: UnsafeRawBufferPointer, from local: Endpoint, to remote: Endpoint, now: Instant
    ) throws(HostError) {
        let limit = 65535 - remote.address.family.headerSize - UDPHeader.size
        guard bytes.count <= limit else { throw .tooLong(bytes: bytes.count, limit: limit) }
        let ip = PacketHead(
            from: local.address, to: remote.address, .udp, payloadLength: UDPHeader.size + bytes.count)
        let header = UDPHeader(from: local.port, to: remote.port, payloadLength: bytes.count)
        try send(ip, now: now) { ip, room in Self.write(header, bytes, ip, into: room) }
    }

    /// Writes a datagram with its checksum; 0 is sent as ffff (RFC 768).
    static func write(
        _ header: UDPHeader, _ bytes: UnsafeRawBufferPointer, _ ip: PacketHead,
        into room: UnsafeMutableRawBufferPointer
    ) {
        var sum = InternetChecksum.pseudoHeader(from: ip.source, to: ip.destination, .udp, length: room.count)
        header.add(to: &sum)
        sum.copy(bytes, into: UnsafeMutableRawBufferPointer(rebasing: room[UDPHeader.size...]))
        var header = header
        header.checksum = sum.checksum == 0 ? 0xffff : sum.checksum
        var writer = ByteWriter(room)
        try? header.write(to: &writer)
    }

    // MARK: Sockets

    /// Opens a socket on `port` (`nil`: one from the dynamic range) of `address` (`nil`: any of ours).
    public func openUDP(port: UInt16? = nil, address: IPAddress? = nil) throws(HostError) -> UDPSocketID {
        if let address, !address.isUnspecified, !isLocal(address) { throw .notLocal(address) }
        guard let port, port != 0 else { return try udp.open(Endpoint(address ?? .any, try freePort())) }
        guard !resolver.owns(port) else { throw .portInUse(port) }
        return try udp.open(Endpoint(address ?? .any, port))
    }

    private func freePort() throws(HostError) -> UInt16 {
        let range = UDPTable.dynamicPorts
        let first = UInt16.random(in: range, using: &random)
        var port = first
        repeat {
            if !udp.isInUse(port), !resolver.owns(port) { return port }
            port = port == range.upperBound ? range.lowerBound : port + 1
        } while port != first
        throw .noFreePort
    }

    /// From now on only datagrams of `remote` arrive, and errors are told apart (RFC 1122, 4.1.3.5).
    public func connectUDP(_ id: UDPSocketID, to remote: Endpoint) throws(HostError) {
        guard let socket = udp[id] else { throw .unknownHandle }
        guard way(to: remote.address, from: socket.local.address) != nil else { throw .noRoute(remote.address) }
        socket.remote = remote
    }

    /// Queues one datagram; `queueFull` means: later.
    public func sendUDP(
        _ id: UDPSocketID, to remote: Endpoint, _ bytes: UnsafeRawBufferPointer, now: Instant
    ) throws(HostError) {
        guard let socket = udp[id] else { throw .unknownHandle }
        try sendDatagram(bytes, from: socket.local, to: remote, now: now)
    }

    /// Copies the oldest datagram into `room` and removes it; `nil` when none waits.
    public func receiveUDP(_ id: UDPSocketID, into room: UnsafeMutableRawBufferPointer) -> UDPDatagram? {
        guard let socket = udp[id], let (record, bytes) = socket.queue.front else { return nil }
        let count = min(bytes.count, room.count)
        UnsafeMutableRawBufferPointer(rebasing: room[0..<count])
            .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[0..<count]))
        socket.queue.removeFirst()
        return UDPDatagram(source: record.source, destination: record.destination, length: bytes.count)
    }

    /// The state of a socket; takes its pending error.
    public func statusUDP(_ id: UDPSocketID) -> UDPStatus? {
        guard let socket = udp[id] else { return nil }
        defer { socket.error = nil }
        return socket.status
    }

    /// Ends a socket and forgets what was not read. An unknown one is ignored.
    public func closeUDP(_ id: UDPSocketID) { udp.close(id) }

    /// All sockets, as `ss` would list them.
    public func udpTable() -> [UDPStatus] { udp.table() }
}
