// The text of a node's connections: two rings each, in memory that the embedder lends (guest RAM). Memory is shared
// fairly: a new ring is never larger than its part of the budget, and one that is kept full becomes larger.

import Bytes
import Link

final class RingStorage: TCPStorage {
    private struct Rings {
        var send = ByteRing()
        var receive = ByteRing()
        /// The position behind the last byte that was stored ahead since `takeWritten`.
        var ahead = 0
        /// Bytes read by the caller since the receive ring was last made larger.
        var readSinceGrowth = 0
    }

    let buffers: any BufferSource
    let settings: TCPConfiguration
    @exclusivity(unchecked) private var rings: UnsafeMutablePointer<Rings>
    @exclusivity(unchecked) private var capacity = 64
    /// Connections that have rings.
    private var attached = 0
    /// How far each ring was written when that was last asked, by its span.
    private var seen: [UnsafeMutableRawPointer: Int] = [:]

    init(buffers: any BufferSource, settings: TCPConfiguration) {
        self.buffers = buffers
        self.settings = settings
        rings = .allocate(capacity: capacity)
        rings.initialize(repeating: Rings(), count: capacity)
    }

    deinit {
        for slot in 0..<capacity { _ = close(slot, keepingUnread: false) }
        rings.deallocate()
    }

    // MARK: per segment

    @inline(__always) func store(_ text: TCPPayload, at offset: Int, of slot: Int) -> Int {
        guard slot < capacity else { return 0 }
        let place = rings + slot
        text.copy(to: place.pointee.receive, at: place.pointee.receive.count &+ offset)
        let taken = min(text.count, max(0, place.pointee.receive.free &- offset))
        if offset == 0 {
            place.pointee.receive.extend(taken)
        } else {
            place.pointee.ahead = max(place.pointee.ahead, place.pointee.receive.position &+ offset &+ taken)
        }
        return taken
    }

    func join(_ count: Int, of slot: Int) {
        if slot < capacity { rings[slot].receive.extend(count) }
    }

    @inline(__always) func fetch(
        at offset: Int, into room: UnsafeMutableRawBufferPointer, of slot: Int, adding sum: inout InternetChecksum
    ) -> Int {
        guard slot < capacity else { return 0 }
        let (first, second) = (rings + slot).pointee.send.pieces(at: offset, count: room.count)
        sum.copy(UnsafeRawBufferPointer(first), into: room)
        if second.count > 0 {
            sum.copy(
                UnsafeRawBufferPointer(second), into: UnsafeMutableRawBufferPointer(rebasing: room[first.count...]))
        }
        return first.count &+ second.count
    }

    @inline(__always) func discard(_ count: Int, of slot: Int) {
        if slot < capacity { rings[slot].send.drop(count) }
    }

    // MARK: what callers add and take

    func append(_ bytes: UnsafeRawBufferPointer, of slot: Int) -> Int {
        slot < capacity ? rings[slot].send.append(bytes) : 0
    }

    /// Bytes that a caller has written into `freeSpan` count from now on.
    func extendSend(_ count: Int, of slot: Int) {
        if slot < capacity { rings[slot].send.extend(count) }
    }

    func freeSpan(_ slot: Int) -> UnsafeMutableRawBufferPointer {
        slot < capacity ? rings[slot].send.freeSpan : UnsafeMutableRawBufferPointer(start: nil, count: 0)
    }

    func unreadSpan(_ slot: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(
            slot < capacity ? rings[slot].receive.firstSpan : UnsafeMutableRawBufferPointer(start: nil, count: 0))
    }

    func take(into room: UnsafeMutableRawBufferPointer, of slot: Int) -> Int {
        guard slot < capacity else { return 0 }
        let count = rings[slot].receive.take(into: room)
        noteRead(count, slot)
        return count
    }

    func dropUnread(_ count: Int, of slot: Int) {
        guard slot < capacity else { return }
        rings[slot].receive.drop(count)
        noteRead(count, slot)
    }

    private func noteRead(_ count: Int, _ slot: Int) {
        rings[slot].readSinceGrowth = min(rings[slot].readSinceGrowth &+ count, 1 << 40)
    }

    func occupancy(_ slot: Int) -> TCPOccupancy {
        guard slot < capacity else { return TCPOccupancy(unread: 0, free: 0) }
        return TCPOccupancy(unread: rings[slot].receive.count, free: rings[slot].send.free)
    }

    func sendCapacity(_ slot: Int) -> Int { slot < capacity ? rings[slot].send.capacity : 0 }
    func receiveRoom(_ slot: Int) -> (room: Int, capacity: Int) {
        slot < capacity ? (rings[slot].receive.free, rings[slot].receive.capacity) : (0, 0)
    }

    func peerFinished(_ slot: Int) {}

    // MARK: moving

    func pair(_ slot: Int) -> (send: ByteRing, receive: ByteRing) {
        slot < capacity ? (rings[slot].send, rings[slot].receive) : (ByteRing(), ByteRing())
    }

    /// Calls `body` with what was written since the last call, as far as it lies in rings that are in use. A span that was
    /// given back meanwhile is whoever's it is.
    func takeWritten(_ body: (UnsafeMutableRawBufferPointer) -> Void) {
        var now: [UnsafeMutableRawPointer: Int] = [:]
        func look(_ ring: ByteRing, ahead: Int) {
            guard let start = ring.span?.baseAddress else { return }
            let position = ring.position
            for part in ring.written(from: seen[start] ?? 0, to: max(position, ahead)) { body(part) }
            now[start] = position
        }
        for slot in 0..<capacity {
            look(rings[slot].send, ahead: 0)
            look(rings[slot].receive, ahead: rings[slot].ahead)
            rings[slot].ahead = 0
        }
        seen = now
    }

    func queued(_ slot: Int) -> Int { slot < capacity ? rings[slot].send.count : 0 }

    /// Takes up the ring that another storage had; the slot has none yet.
    func restore(send ring: ByteRing, _ slot: Int) {
        while slot >= capacity { grow() }
        rings[slot].send = ring
    }

    func restore(receive ring: ByteRing, _ slot: Int) {
        while slot >= capacity { grow() }
        rings[slot].receive = ring
        attached &+= 1
    }
}

// MARK: memory
extension RingStorage {
    /// The most that one new buffer may have now.
    private var share: Int {
        let all = settings.bufferBudget / (2 &* (attached &+ 1))
        return max(settings.minimumBuffer, all & ~1023)
    }

    var plannedRoom: Int { max(1024, min(settings.initialBuffer, share)) }

    func open(_ id: TCPSocketID) -> Int? {
        let slot = id.slot
        while slot >= capacity { grow() }
        if rings[slot].receive.isAttached { return rings[slot].receive.free }
        let wanted = plannedRoom
        guard let input = lend(wanted) else { return nil }
        guard let output = lend(wanted) else {
            buffers.giveBack(input)
            return nil
        }
        rings[slot].receive.attach(input)
        rings[slot].send.attach(output)
        rings[slot].readSinceGrowth = 0
        attached &+= 1
        return input.count
    }

    private func grow() {
        let larger = UnsafeMutablePointer<Rings>.allocate(capacity: capacity &* 2)
        larger.moveInitialize(from: rings, count: capacity)
        (larger + capacity).initialize(repeating: Rings(), count: capacity)
        rings.deallocate()
        rings = larger
        capacity &*= 2
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

    func close(_ slot: Int, keepingUnread: Bool) -> Bool {
        guard slot < capacity else { return false }
        let had = rings[slot].send.isAttached || rings[slot].receive.isAttached
        if let span = rings[slot].send.detach() { buffers.giveBack(span) }
        if keepingUnread, rings[slot].receive.count > 0 { return true }
        if let span = rings[slot].receive.detach() { buffers.giveBack(span) }
        if had { attached &-= 1 }
        return false
    }

    /// The caller reads as fast as bytes come, so a larger ring would carry more per round trip.
    func wantsLargerReceiveRing(_ slot: Int) -> Bool {
        slot < capacity && rings[slot].readSinceGrowth >= 2 &* rings[slot].receive.capacity
    }

    /// - Parameter extent: bytes from the first unread one to the end of what was stored ahead.
    func growReceiveRing(_ slot: Int, extent: Int) {
        rings[slot].readSinceGrowth = 0
        let limit = settings.maximumReceiveBuffer
        guard let span = larger(than: rings[slot].receive.capacity, limit: limit) else { return }
        if let old = rings[slot].receive.move(to: span, extent: extent) { buffers.giveBack(old) }
        rings[slot].ahead = min(extent, span.count)
    }

    func growSendRing(_ slot: Int) {
        guard slot < capacity,
            let span = larger(than: rings[slot].send.capacity, limit: settings.maximumSendBuffer)
        else { return }
        if let old = rings[slot].send.move(to: span, extent: rings[slot].send.count) { buffers.giveBack(old) }
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
}
