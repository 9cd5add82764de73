// How large socket buffers are: memory comes from the buffer source, everybody gets a fair share, and
// a connection that fills its buffers gets larger ones.

extension TCPLayer {
    /// The most that one new buffer may have now.
    private var share: Int {
        let all = settings.pointee.bufferBudget / (2 &* (slots.count &+ 1))
        return max(settings.pointee.minimumBuffer, all & ~1023)
    }

    /// Bytes of a new connection's buffers.
    var plannedBuffer: Int { max(1024, min(settings.pointee.initialBuffer, share)) }

    /// Lends both buffers to a connection; false: the source has nothing, nothing was lent.
    func lendBuffers(_ slot: UInt32) -> Bool {
        guard let connection = slots.pointer(slot) else { return false }
        if connection.pointee.receive.ring.isAttached { return true }
        let wanted = plannedBuffer
        guard let input = lend(wanted) else { return false }
        guard let output = lend(wanted) else {
            buffers.giveBack(input)
            return false
        }
        connection.pointee.receive.ring.attach(input)
        connection.pointee.send.ring.attach(output)
        return true
    }

    /// Asks for less and less until the source agrees.
    private func lend(_ bytes: Int) -> UnsafeMutableRawBufferPointer? {
        var bytes = bytes
        while bytes >= 1024 {
            if let span = buffers.lend(bytes), span.count >= bytes { return span }
            bytes /= 2
        }
        return nil
    }

    func growReceiveRing(_ connection: UnsafeMutablePointer<TCPConnection>) {
        let ring = connection.pointee.receive.ring
        connection.pointee.receive.readSinceGrowth = 0
        guard let span = larger(than: ring.capacity, limit: settings.pointee.maximumReceiveBuffer) else { return }
        let end = connection.pointee.receive.ahead.end ?? connection.pointee.receive.next
        let extent = ring.count &+ (end - connection.pointee.receive.next)
        if let old = connection.pointee.receive.ring.move(to: span, extent: extent) { buffers.giveBack(old) }
    }

    func growSendRing(_ connection: UnsafeMutablePointer<TCPConnection>) {
        let ring = connection.pointee.send.ring
        guard let span = larger(than: ring.capacity, limit: settings.pointee.maximumSendBuffer) else { return }
        if let old = connection.pointee.send.ring.move(to: span, extent: ring.count) { buffers.giveBack(old) }
    }

    private func larger(than capacity: Int, limit: Int) -> UnsafeMutableRawBufferPointer? {
        let size = min(capacity &* 2, min(limit, share))
        guard size > capacity, let span = buffers.lend(size) else { return nil }
        guard span.count >= size else {
            buffers.giveBack(span)
            return nil
        }
        return span
    }

    /// Gives back what the connection does not need any more in its state.
    func trimBuffers(_ connection: UnsafeMutablePointer<TCPConnection>) {
        if let span = connection.pointee.send.ring.detach() { buffers.giveBack(span) }
        let isWanted = connection.pointee.receive.ring.count > 0 && !connection.pointee.facts.contains(.isReleased)
        if !isWanted, let span = connection.pointee.receive.ring.detach() { buffers.giveBack(span) }
    }
}
