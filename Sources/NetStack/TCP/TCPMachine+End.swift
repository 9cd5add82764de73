// How the TCP of a host ends: everything is given back, what was said is still delivered, and what does not
// end by itself is reset (RFC 9293, 3.10.4 and 3.10.5). Whoever drives the host decides how long that takes.

import Bytes

extension TCPMachine {
    /// Gives back every listener and connection, as ``release(_:now:)`` does with one.
    public func releaseAll(now: Instant) {
        for index in listeners.indices where listeners[index].isOpen {
            release(TCPSocketID(listener: index, generation: listeners[index].generation), now: now)
        }
        forEachConnection { slot, generation in release(TCPSocketID(index: slot, generation: generation), now: now) }
    }

    /// Resets every connection that has not ended, those that were released included.
    public func abortAll(now: Instant) {
        forEachConnection { slot, generation in abort(TCPSocketID(index: slot, generation: generation), now: now) }
    }

    /// Nothing waits for a peer or for room: every connection has ended, or stands in TIME-WAIT with its last ACK
    /// sent, and no segment is to be sent.
    public var isQuiet: Bool {
        var isQuiet = loose.isEmpty
        forEachConnection { slot, _ in
            guard isQuiet, let connection = slots.pointer(slot)?.pointee else { return }
            isQuiet = connection.state == .closed || connection.state == .timeWait && !connection.mayHaveOutput
        }
        return isQuiet
    }

    /// Connections with a peer who may still say something, or wait for something.
    public var openConnections: Int {
        var count = 0
        forEachConnection { slot, _ in
            guard let state = slots.pointer(slot)?.pointee.state, state != .closed, state != .timeWait else { return }
            count += 1
        }
        return count
    }

    private func forEachConnection(_ body: (UInt32, UInt32) -> Void) {
        for slot in 0..<UInt32(truncatingIfNeeded: slots.used) where slots.isInUse(slot) {
            if let connection = slots.pointer(slot) { body(slot, connection.pointee.links.generation) }
        }
    }
}
