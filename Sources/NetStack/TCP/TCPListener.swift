// A passive OPEN (RFC 9293, 3.10.1): a port, and the connections that wait to be accepted.

/// One listener. As many handshakes may be open as the backlog says, and as many connections wait to be accepted.
struct TCPListener {
    var generation: UInt32
    var isOpen = true
    var port: UInt16
    /// 0.0.0.0: every local address.
    var address: IPAddress
    var backlog: Int
    /// In SYN-RECEIVED.
    var halfOpen = 0
    /// Waiting to be accepted, oldest first; linked through `nextAccepted`.
    var first = TCPLinks.none
    var last = TCPLinks.none
    var queued = 0

    /// Nobody accepts what is there already.
    var isFull: Bool { queued >= backlog }
    /// More handshakes are open than honest peers have.
    var isUnderPressure: Bool { halfOpen &* 2 >= backlog }
}

extension TCPSocketID {
    /// Names of listeners have the highest bit of `index` set.
    static let listenerBit: UInt32 = 0x8000_0000

    init(listener index: Int, generation: UInt32) {
        self.init(index: UInt32(truncatingIfNeeded: index) | Self.listenerBit, generation: generation)
    }

    /// The place in the list of listeners, when it names one.
    var listenerIndex: Int? { index & Self.listenerBit == 0 ? nil : Int(index & ~Self.listenerBit) }
}

extension TCPMachine {
    /// The listener for a SYN: one bound to the address before one for every address.
    func listener(for local: Endpoint) -> TCPSocketID? {
        var fallback: TCPSocketID?
        for (index, listener) in listeners.enumerated() where listener.isOpen && listener.port == local.port {
            let id = TCPSocketID(listener: index, generation: listener.generation)
            if listener.address == local.address { return id }
            if listener.address.isUnspecified { fallback = id }
        }
        return fallback
    }

    func isListening(on port: UInt16, address: IPAddress) -> Bool {
        listeners.contains { $0.isOpen && $0.port == port && ($0.address == address) }
    }

    /// The place of an open listener.
    func openListener(_ id: TCPSocketID) -> Int? {
        guard let index = id.listenerIndex, index < listeners.count else { return nil }
        let listener = listeners[index]
        return listener.isOpen && listener.generation == id.generation ? index : nil
    }

    func addListener(_ port: UInt16, _ address: IPAddress, _ backlog: Int) -> TCPSocketID {
        if let index = listeners.firstIndex(where: { !$0.isOpen }) {
            let generation = listeners[index].generation &+ 1
            listeners[index] = TCPListener(
                generation: generation, port: port, address: address, backlog: max(1, backlog))
            return TCPSocketID(listener: index, generation: generation)
        }
        listeners.append(TCPListener(generation: 1, port: port, address: address, backlog: max(1, backlog)))
        return TCPSocketID(listener: listeners.count - 1, generation: 1)
    }

    /// The handshake of a passive connection is done: it queues up.
    func queueForAccept(_ slot: UInt32) {
        guard let connection = slots.pointer(slot), let id = connection.pointee.links.listener else { return }
        guard let index = openListener(id) else { return }
        connection.pointee.facts.insert(.isQueued)
        connection.pointee.links.nextAccepted = TCPLinks.none
        if let last = slots.pointer(listeners[index].last) {
            last.pointee.links.nextAccepted = slot
        } else {
            listeners[index].first = slot
        }
        listeners[index].last = slot
        listeners[index].queued += 1
        listeners[index].halfOpen -= 1
    }

    /// Takes the oldest queued connection out.
    func dequeue(_ index: Int) -> UInt32? {
        let slot = listeners[index].first
        guard let connection = slots.pointer(slot) else { return nil }
        listeners[index].first = connection.pointee.links.nextAccepted
        if listeners[index].first == TCPLinks.none { listeners[index].last = TCPLinks.none }
        listeners[index].queued -= 1
        connection.pointee.facts.remove(.isQueued)
        connection.pointee.links.listener = nil
        return slot
    }

    /// Closes a listener: what waits in it is reset (RFC 9293, 3.10.4, LISTEN).
    func closeListener(_ index: Int, _ context: TCPContext) {
        let id = TCPSocketID(listener: index, generation: listeners[index].generation)
        while let slot = dequeue(index) { end(slot, context) }
        listeners[index].isOpen = false
        for slot in 0..<UInt32(truncatingIfNeeded: slots.used) where slots.isInUse(slot) {
            guard let connection = slots.pointer(slot), connection.pointee.links.listener == id else { continue }
            connection.pointee.links.listener = nil
            end(slot, context)
        }
    }

    private func end(_ slot: UInt32, _ context: TCPContext) {
        guard let connection = slots.pointer(slot) else { return }
        connection.pointee.facts.insert(.isReleased)
        connection.pointee.abort()
        settle(slot, context)
    }
}
