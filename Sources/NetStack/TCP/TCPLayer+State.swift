// TCP of a host on its way to another process. Version 1:
//
//      clock 64 | secrets | slots 32, for each: generation 32, flag in use, [connection, rings, [closed: bytes
//          that were not acknowledged, 64]]
//      listeners 32, for each: generation 32, flag open, port 16, address 128, backlog 64, queue (32, slots)
//      half-open connections of listeners: 32, for each: slot 32, listener 32
//
// Names of sockets stay what they are. Times are those of TCP's own clock, which goes on where it stood. Segments that
// wait without a connection (resets, answers by cookie) are not taken along: whoever waits for one asks again.

import Bytes

extension TCPLayer: Movable {
    /// What the section is called.
    public static var kind: String { "tcp" }
    /// The version above.
    public static var version: UInt16 { 1 }

    /// Writes everything down; nothing changes.
    public func encode(into out: inout StateEncoder, now: Instant) {
        var coder = StateCoder()
        // Only reading can fail.
        try? code(&coder, now)
        out.append(coder.encoder)
    }

    /// The layer must be new. Afterwards ``TCPMachine/paths`` and ``TCPMachine/door`` are set and `pathsChanged` is called.
    public func decode(from input: inout StateDecoder, version: UInt16, now: Instant) throws(StateError) {
        guard slots.used == 0, listeners.isEmpty else { throw .impossible("a TCP layer that is in use") }
        var coder = StateCoder(reading: input)
        try code(&coder, now)
        input = coder.decoder
        let context = context(now)
        for slot in 0..<UInt32(truncatingIfNeeded: slots.used) where slots.isInUse(slot) { settle(slot, context) }
    }

    private func code(_ coder: inout StateCoder, _ now: Instant) throws(StateError) {
        var clock = context(now).now
        try coder.integer(&clock)
        setClock(clock, at: now)
        var secrets = secrets
        try secrets.code(&coder)
        if coder.isReading { take(secrets) }
        try codeSlots(&coder)
        try codeListeners(&coder)
        try codeHalfOpen(&coder)
    }

    // MARK: connections

    private func codeSlots(_ coder: inout StateCoder) throws(StateError) {
        var used = UInt32(truncatingIfNeeded: slots.used)
        try coder.integer(&used)
        try coder.require(Int(used) <= configuration.maximumConnections, "number of connections")
        for slot in 0..<used {
            var generation = slots.pointer(slot)?.pointee.links.generation ?? 0
            var isInUse = slots.isInUse(slot)
            try coder.integer(&generation)
            try coder.flag(&isInUse)
            try coder.require(isInUse == (generation & 1 == 1), "generation of a socket")
            var connection = slots.pointer(slot)?.pointee ?? emptyConnection()
            if isInUse { try connection.code(&coder) }
            if coder.isReading { try add(connection, generation, isInUse: isInUse) }
            if isInUse {
                try codeText(slot, &coder)
                try codeRemainder(slot, &coder)
            }
        }
    }

    private func emptyConnection() -> TCPConnection {
        let nowhere = TransportPath(source: .any, interface: .loopback, mtu: 1500)
        let key = TCPKey(local: Endpoint(.any, 0), remote: Endpoint(.any, 0))
        return TCPConnection(key: key, path: nowhere, settings: UnsafePointer(settings))
    }

    private func add(_ connection: TCPConnection, _ generation: UInt32, isInUse: Bool) throws(StateError) {
        var connection = connection
        connection.links.generation = generation
        let isInTable = isInUse && connection.state != .closed
        if isInTable {
            guard connections.find(connection.key) == nil else { throw .impossible("two connections of the same ends") }
            connection.facts.insert(.isInTable)
        }
        let slot = slots.restore(connection)
        if isInTable { connections.insert(connection.key, slot: slot) }
        if isInUse, connection.facts.contains(.isOffered) { offered += 1 }
    }

    private func codeText(_ slot: UInt32, _ coder: inout StateCoder) throws(StateError) {
        guard let connection = slots.pointer(slot) else { return }
        let (room, ahead) = (connection.pointee.receive.room, connection.pointee.extentAhead)
        let hasRings = try rings.code(Int(slot), ahead: ahead, &coder)
        guard coder.isReading else { return }
        if hasRings {
            connection.pointee.facts.insert(.hasPlace)
            connection.pointee.send.queued = rings.queued(Int(slot))
            (connection.pointee.receive.room, connection.pointee.receive.capacity) = rings.receiveRoom(Int(slot))
        }
        try coder.require(ahead == 0 || connection.pointee.receive.room == room, "text ahead without a place")
        let inFlight = connection.pointee.send.highest - connection.pointee.send.una
        // SYN and FIN count one each.
        // What a closed connection had under way is nobody's any more.
        let isClosed = connection.pointee.state == .closed
        try coder.require(isClosed || inFlight <= connection.pointee.send.queued &+ 2, "text in flight")
    }

    /// A closed connection has no text, and still tells how much of it nobody acknowledged.
    private func codeRemainder(_ slot: UInt32, _ coder: inout StateCoder) throws(StateError) {
        guard let connection = slots.pointer(slot), connection.pointee.state == .closed else { return }
        try coder.count(&connection.pointee.send.queued, in: 0...1 << 30, "bytes that were not acknowledged")
    }

    // MARK: listeners

    private func codeListeners(_ coder: inout StateCoder) throws(StateError) {
        var count = UInt32(truncatingIfNeeded: listeners.count)
        try coder.integer(&count)
        try coder.require(count <= 1 << 16, "number of listeners")
        for index in 0..<Int(count) {
            var listener =
                index < listeners.count
                ? listeners[index] : TCPListener(generation: 0, port: 0, address: .any, backlog: 1)
            var local = Endpoint(listener.address, listener.port)
            try coder.integer(&listener.generation)
            try coder.flag(&listener.isOpen)
            try local.code(&coder)
            try coder.count(&listener.backlog, in: 1...Int(Int32.max), "backlog")
            (listener.address, listener.port) = (local.address, local.port)
            let waiting = try codeQueue(of: listener, &coder)
            if coder.isReading {
                listeners.append(listener)
                try requeue(waiting, on: index)
            }
        }
    }

    private func codeQueue(of listener: TCPListener, _ coder: inout StateCoder) throws(StateError) -> [UInt32] {
        var count = UInt32(truncatingIfNeeded: listener.queued)
        try coder.integer(&count)
        try coder.require(count <= UInt32(truncatingIfNeeded: slots.used), "queue of a listener")
        var waiting: [UInt32] = []
        var next = listener.first
        for _ in 0..<count {
            try coder.integer(&next)
            waiting.append(next)
            if !coder.isReading { next = slots.pointer(next)?.pointee.links.nextAccepted ?? TCPLinks.none }
        }
        return waiting
    }

    private func requeue(_ waiting: [UInt32], on index: Int) throws(StateError) {
        let id = TCPSocketID(listener: index, generation: listeners[index].generation)
        for slot in waiting {
            guard listeners[index].isOpen, slots.isInUse(slot), let connection = slots.pointer(slot),
                connection.pointee.links.listener == nil,
                connection.pointee.facts.isDisjoint(with: [.isQueued, .isReleased])
            else { throw .impossible("queue of a listener") }
            connection.pointee.links.listener = id
            listeners[index].halfOpen += 1
            queueForAccept(slot)
        }
    }

    private func codeHalfOpen(_ coder: inout StateCoder) throws(StateError) {
        var pairs: [(slot: UInt32, listener: UInt32)] = []
        for slot in 0..<UInt32(truncatingIfNeeded: slots.used) where slots.isInUse(slot) && !coder.isReading {
            guard let connection = slots.pointer(slot), !connection.pointee.facts.contains(.isQueued),
                let index = connection.pointee.links.listener.flatMap(openListener)
            else { continue }
            pairs.append((slot, UInt32(truncatingIfNeeded: index)))
        }
        var count = UInt32(truncatingIfNeeded: pairs.count)
        try coder.integer(&count)
        try coder.require(count <= UInt32(truncatingIfNeeded: slots.used), "open handshakes")
        for at in 0..<Int(count) {
            var (slot, listener) = at < pairs.count ? pairs[at] : (0, 0)
            try coder.integer(&slot)
            try coder.integer(&listener)
            if coder.isReading { try rejoin(slot, Int(listener)) }
        }
    }

    private func rejoin(_ slot: UInt32, _ index: Int) throws(StateError) {
        guard index < listeners.count, listeners[index].isOpen, slots.isInUse(slot),
            let connection = slots.pointer(slot), connection.pointee.state == .synReceived,
            connection.pointee.links.listener == nil
        else { throw .impossible("an open handshake") }
        connection.pointee.links.listener = TCPSocketID(listener: index, generation: listeners[index].generation)
        listeners[index].halfOpen += 1
    }
}
