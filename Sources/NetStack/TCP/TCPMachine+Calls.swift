// TCP's upper door: the user calls of RFC 9293, 3.9.1, without blocking and without SEND and RECEIVE, which are where
// the text is.

import Bytes

extension TCPMachine {
    // MARK: OPEN

    /// RFC 9293, 3.10.1 (active OPEN). The result is in SYN-SENT; `status` tells when it is established.
    public func connect(
        to remote: TCPEndpoint, from local: TCPEndpoint? = nil, now: Instant
    ) throws(TCPError) -> TCPSocketID {
        guard remote.address.isUnicast, remote.port != 0 else { throw .badDestination(remote) }
        let limit = settings.pointee.maximumConnections
        guard slots.count < limit else { throw .tooManyConnections(limit: limit) }
        let bound = local.flatMap { $0.address.isUnspecified ? nil : $0.address }
        guard let path = paths?.path(to: remote.address, from: bound) else { throw .unreachable }
        let port = try choosePort(local?.port ?? 0, source: path.source, remote: remote)
        let context = context(now)
        let key = TCPKey(local: Endpoint(path.source, port), remote: remote)
        var connection = TCPConnection(key: key, path: path, settings: UnsafePointer(settings))
        connection.timestamps.offset = secrets.timestampOffset(key)
        connection.open(secrets.initialSequence(key, now: context.now), context)
        let id = enter(connection)
        guard openPlace(id.index) else {
            release(id, now: now)
            throw .noBufferSpace
        }
        settle(id.index, context)
        return id
    }

    /// RFC 6056, 3.3.1: a port that nobody can foresee and that is free towards this destination. Each search starts
    /// anywhere: a counter, even one that is hidden by a hash (3.3.3), tells a server that is asked twice the next port.
    private func choosePort(_ wanted: UInt16, source: IPAddress, remote: Endpoint) throws(TCPError) -> UInt16 {
        if wanted != 0 {
            let local = Endpoint(source, wanted)
            guard connections.find(TCPKey(local: local, remote: remote)) == nil else { throw .addressInUse(local) }
            return wanted
        }
        let range = settings.pointee.ephemeralPorts
        let count = UInt32(range.upperBound) - UInt32(range.lowerBound) + 1
        let start = UInt32.random(in: 0..<count, using: &random)
        for step in 0..<count {
            let port = UInt16(truncatingIfNeeded: UInt32(range.lowerBound) + (start &+ step) % count)
            let key = TCPKey(local: Endpoint(source, port), remote: remote)
            if connections.find(key) == nil, listener(for: key.local) == nil { return port }
        }
        throw .noFreePort
    }

    /// RFC 9293, 3.10.1 (passive OPEN). `address` nil: every local address; `port` 0: a free one.
    public func listen(
        on port: UInt16, address: IPAddress? = nil, backlog: Int = 128
    ) throws(TCPError) -> TCPSocketID {
        let address = address ?? .any
        if port != 0 {
            guard !isListening(on: port, address: address) else { throw .addressInUse(Endpoint(address, port)) }
            return addListener(port, address, backlog)
        }
        for port in settings.pointee.ephemeralPorts where !isListening(on: port, address: address) {
            return addListener(port, address, backlog)
        }
        throw .noFreePort
    }

    /// The oldest connection of a listener that nobody has taken yet. It may have ended meanwhile.
    public func accept(_ listener: TCPSocketID) -> TCPSocketID? {
        guard let index = openListener(listener), let slot = dequeue(index), let connection = slots.pointer(slot)
        else { return nil }
        return TCPSocketID(index: slot, generation: connection.pointee.links.generation)
    }

    // MARK: CLOSE, ABORT, STATUS

    /// RFC 9293, 3.10.4 (CLOSE): FIN after the queued data; receiving goes on.
    public func shutdownSend(_ id: TCPSocketID, now: Instant) {
        guard let connection = slots.find(id) else { return }
        let context = context(now)
        connection.pointee.shutdown(context)
        settle(id.index, context)
    }

    /// RFC 9293, 3.10.5 (ABORT): RST to the peer, buffers dropped. The name stays until `release`.
    public func abort(_ id: TCPSocketID, now: Instant) {
        guard let connection = slots.find(id), connection.pointee.state != .closed else { return }
        if connection.pointee.facts.contains(.hasPlace) { _ = storage.close(id.slot, keepingUnread: false) }
        connection.pointee.abort()
        settle(id.index, context(now))
    }

    /// The caller is done with this name, listener or connection; it finds nothing afterwards. A
    /// connection finishes by itself: queued data and FIN are still delivered; received data that
    /// nobody will read is answered by RST (RFC 9293, 3.6.1; RFC 2525, 2.17).
    public func release(_ id: TCPSocketID, now: Instant) {
        let context = context(now)
        if let index = openListener(id) { return closeListener(index, context) }
        guard let connection = slots.find(id), !connection.pointee.facts.contains(.isReleased) else { return }
        connection.pointee.release(hasUnread: occupancy(connection.pointee, id.slot).unread > 0, context)
        settle(id.index, context)
    }

    /// nil: the name is unknown or was released.
    public func status(_ id: TCPSocketID) -> TCPStatus? {
        if let index = openListener(id) { return status(ofListener: index) }
        guard let connection = slots.find(id), !connection.pointee.facts.contains(.isReleased) else { return nil }
        return status(connection.pointee, id.index)
    }

    /// Every listener and connection, the released ones included.
    public func table() -> [TCPStatus] {
        var rows = listeners.indices.filter { listeners[$0].isOpen }.map(status(ofListener:))
        for slot in 0..<UInt32(truncatingIfNeeded: slots.used) where slots.isInUse(slot) {
            if let connection = slots.pointer(slot) { rows.append(status(connection.pointee, slot)) }
        }
        return rows
    }

    private func status(ofListener index: Int) -> TCPStatus {
        let listener = listeners[index]
        return TCPStatus(
            id: TCPSocketID(listener: index, generation: listener.generation), state: .listen,
            local: Endpoint(listener.address, listener.port), remote: Endpoint(.any, 0),
            readableBytes: listener.queued, writableBytes: 0, unacknowledgedBytes: 0, isEOF: false,
            isDelivered: false, error: nil, roundTripNanoseconds: 0, retransmissions: 0)
    }

    private func status(_ c: TCPConnection, _ slot: UInt32) -> TCPStatus {
        let places = occupancy(c, Int(slot))
        return TCPStatus(
            id: TCPSocketID(index: slot, generation: c.links.generation), state: c.state, local: c.key.local,
            remote: c.key.remote, readableBytes: places.unread,
            writableBytes: c.canQueue ? places.free : 0, unacknowledgedBytes: c.send.queued,
            isEOF: c.facts.contains(.finReceived) && places.unread == 0,
            isDelivered: c.facts.contains(.finAcknowledged), error: c.error,
            roundTripNanoseconds: c.roundTrip.smoothed, retransmissions: c.retransmissions)
    }

    private func occupancy(_ connection: TCPConnection, _ slot: Int) -> TCPOccupancy {
        connection.facts.contains(.hasPlace) ? storage.occupancy(slot) : TCPOccupancy(unread: 0, free: 0)
    }

    /// Nagle's algorithm for one connection (RFC 9293, 3.7.4).
    public func setNagle(_ id: TCPSocketID, _ isOn: Bool) {
        guard let connection = slots.find(id) else { return }
        if isOn { connection.pointee.facts.insert(.usesNagle) } else { connection.pointee.facts.remove(.usesNagle) }
    }
}
