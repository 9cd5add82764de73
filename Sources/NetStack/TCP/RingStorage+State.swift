// The text of a connection on its way to another process: by the name of its span where the memory moves by itself (guest
// RAM), else with its bytes.

import Bytes

extension RingStorage {
    /// Both rings of a slot. Returns whether there is any.
    /// - Parameter ahead: bytes stored behind those that were received in order.
    func code(_ slot: Int, ahead: Int, _ coder: inout StateCoder) throws(StateError) -> Bool {
        let (send, receive) = pair(slot)
        var hasSend = send.isAttached
        var hasReceive = receive.isAttached
        try coder.flag(&hasSend)
        try coder.flag(&hasReceive)
        try coder.require(hasReceive || !hasSend, "a connection that cannot receive")
        if hasReceive {
            let ring = try code(receive, extra: ahead, &coder)
            if coder.isReading { restore(receive: ring, slot) }
        }
        if hasSend {
            let ring = try code(send, extra: 0, &coder)
            if coder.isReading { restore(send: ring, slot) }
        }
        return hasReceive
    }

    /// Bytes of the largest ring that could have been made here.
    private var largest: Int {
        max(settings.initialBuffer, settings.maximumReceiveBuffer, settings.maximumSendBuffer, 1024)
    }

    /// - Parameter extra: bytes behind the ring's count that matter, too.
    private func code(_ ring: ByteRing, extra: Int, _ coder: inout StateCoder) throws(StateError) -> ByteRing {
        var ring = ring
        var (capacity, head, count) = (ring.capacity, ring.head, ring.count)
        try coder.count(&capacity, in: 1...max(1, largest), "size of a buffer")
        try coder.count(&count, in: 0...capacity, "bytes in a buffer")
        try coder.require(extra >= 0 && extra <= capacity - count, "bytes behind a gap")
        var name = ring.span.flatMap { buffers.name(of: $0) } ?? 0
        var isNamed = ring.span.flatMap { buffers.name(of: $0) } != nil
        try coder.flag(&isNamed)
        if isNamed {
            try coder.integer(&name)
            try coder.count(&head, in: 0...capacity - 1, "start of a buffer")
            guard coder.isReading else { return ring }
            guard let span = buffers.lend(named: name, bytes: capacity) else { throw .impossible("name of a buffer") }
            ring.attach(span, head: head, count: count)
            return ring
        }
        var bytes = coder.isReading ? [] : ring.bytes(count &+ extra)
        try coder.data(&bytes, limit: capacity)
        guard coder.isReading else { return ring }
        try coder.require(bytes.count == count &+ extra, "bytes in a buffer")
        guard let span = buffers.lend(capacity), span.count >= capacity else {
            throw .impossible("a buffer that is larger than what can be lent")
        }
        ring.attach(span)
        ring.put(bytes, counting: count)
        return ring
    }
}
