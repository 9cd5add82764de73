// TCP over memory: the machine with a ring for each direction of a connection, and the calls that put text in and take it
// out (RFC 9293, 3.9.1, SEND and RECEIVE), without blocking.

import Bytes
import Link

/// All TCP connections of one host; their text lies in lent memory.
public final class TCPLayer: TCPMachine {
    let rings: RingStorage

    /// - Parameters:
    ///   - randomness: secrets and ports come from it: the system's, but for simulations.
    ///   - buffers: lends the memory of socket buffers.
    ///   - configuration: timers, sizes, what is offered.
    public init(
        randomness: Randomness, buffers: any BufferSource, configuration: TCPConfiguration = TCPConfiguration()
    ) {
        rings = RingStorage(buffers: buffers, settings: configuration)
        super.init(randomness: randomness, storage: rings, configuration: configuration)
    }

    /// For simulations: all randomness follows from `seed`.
    public convenience init(
        seed: UInt64, buffers: any BufferSource, configuration: TCPConfiguration = TCPConfiguration()
    ) {
        self.init(randomness: .seeded(seed), buffers: buffers, configuration: configuration)
    }

    // MARK: segments

    /// See ``TCPMachine/receive(_:through:now:)``.
    public func receive(_ segment: SegmentView, now: Instant) { receive(segment, through: rings, now: now) }

    /// See ``TCPMachine/transmit(into:on:from:now:)``.
    public func transmit(
        into room: UnsafeMutableRawBufferPointer, on interface: InterfaceID, now: Instant
    ) -> PlacedSegment? {
        transmit(into: room, on: interface, from: rings, now: now)
    }

    // MARK: SEND

    /// Copies bytes into the send buffer, as many as it takes.
    public func send(_ id: TCPSocketID, _ bytes: UnsafeRawBufferPointer, now: Instant) -> TCPTransfer {
        guard let connection = slots.find(id) else { return .unknown }
        guard connection.pointee.canQueue else { return ended(connection) }
        var taken = rings.append(bytes, of: id.slot)
        if taken < bytes.count, wantsLargerSendRing(connection, id.slot) {
            rings.growSendRing(id.slot)
            taken += rings.append(UnsafeRawBufferPointer(rebasing: bytes[taken...]), of: id.slot)
        }
        queued(taken, id, connection, now)
        return taken > 0 || bytes.isEmpty ? .moved(taken) : .blocked
    }

    /// Lends the next contiguous room of the send buffer (none: `body` is not called); `body` returns
    /// how many bytes it filled from the start. It must not call this layer.
    public func withSendSpan(
        _ id: TCPSocketID, now: Instant, _ body: (UnsafeMutableRawBufferPointer) -> Int
    ) -> TCPTransfer {
        guard let connection = slots.find(id) else { return .unknown }
        guard connection.pointee.canQueue else { return ended(connection) }
        if wantsLargerSendRing(connection, id.slot) { rings.growSendRing(id.slot) }
        let span = rings.freeSpan(id.slot)
        guard span.count > 0 else { return .blocked }
        let filled = min(max(0, body(span)), span.count)
        rings.extendSend(filled, of: id.slot)
        queued(filled, id, connection, now)
        return .moved(filled)
    }

    /// Why a direction moves nothing more.
    private func ended(_ connection: UnsafeMutablePointer<TCPConnection>) -> TCPTransfer {
        connection.pointee.facts.contains(.isReleased) ? .unknown : .ended(connection.pointee.error)
    }

    private func queued(
        _ count: Int, _ id: TCPSocketID, _ connection: UnsafeMutablePointer<TCPConnection>, _ now: Instant
    ) {
        guard count > 0 else { return }
        connection.pointee.send.queued &+= count
        settle(id.index, context(now))
    }

    /// The caller has filled the send buffer although the peer and the network would take more.
    private func wantsLargerSendRing(_ connection: UnsafeMutablePointer<TCPConnection>, _ slot: Int) -> Bool {
        rings.occupancy(slot).free == 0 && connection.pointee.reach > rings.sendCapacity(slot) / 2
    }

    // MARK: RECEIVE

    /// Copies received bytes out, as many as there are and fit.
    public func receive(_ id: TCPSocketID, into room: UnsafeMutableRawBufferPointer, now: Instant) -> TCPTransfer {
        guard let connection = slots.find(id) else { return .unknown }
        let count = rings.take(into: room, of: id.slot)
        guard count > 0 else { return nothingRead(id.slot, connection) }
        afterReading(id, connection, now)
        return .moved(count)
    }

    /// Lends the next contiguous received bytes (none: `body` is not called); `body` returns how many
    /// it consumed from the start. It must not call this layer.
    public func withReceiveSpan(
        _ id: TCPSocketID, now: Instant, _ body: (UnsafeRawBufferPointer) -> Int
    ) -> TCPTransfer {
        guard let connection = slots.find(id) else { return .unknown }
        let span = rings.unreadSpan(id.slot)
        guard span.count > 0 else { return nothingRead(id.slot, connection) }
        let count = min(max(0, body(span)), span.count)
        rings.dropUnread(count, of: id.slot)
        if count > 0 { afterReading(id, connection, now) }
        return .moved(count)
    }

    private func nothingRead(_ slot: Int, _ connection: UnsafeMutablePointer<TCPConnection>) -> TCPTransfer {
        if rings.occupancy(slot).unread > 0 { return .moved(0) }
        let isOver = connection.pointee.state == .closed || connection.pointee.facts.contains(.finReceived)
        return isOver || connection.pointee.facts.contains(.isReleased) ? ended(connection) : .blocked
    }

    private func afterReading(
        _ id: TCPSocketID, _ connection: UnsafeMutablePointer<TCPConnection>, _ now: Instant
    ) {
        let (room, capacity) = rings.receiveRoom(id.slot)
        connection.pointee.setRoom(room, of: capacity)
        if connection.pointee.state == .established, rings.wantsLargerReceiveRing(id.slot) {
            let unread = rings.occupancy(id.slot).unread
            rings.growReceiveRing(id.slot, extent: unread &+ connection.pointee.extentAhead)
            // Of the larger one the peer hears with the next ACK.
            (connection.pointee.receive.room, connection.pointee.receive.capacity) = rings.receiveRoom(id.slot)
        }
        settle(id.index, context(now))
    }
}
