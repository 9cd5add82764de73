// A segment through the machine and its storage, in and out. These few lines are the only place where both meet; they are
// inlined where they are used, so that a storage of any room is called directly.

import Bytes
import Link

/// What a segment asks of the storage.
public struct TCPArrival {
    /// The connection.
    public internal(set) var slot = 0
    /// Bytes from the first unacknowledged one on that are acknowledged now.
    public internal(set) var acknowledged = 0
    /// The text is to be stored; `take` follows.
    public internal(set) var isOpen = false
    /// Where the text starts in the frame.
    public internal(set) var start = 0
    /// Bytes of the text; perhaps none.
    public internal(set) var count = 0
    /// Bytes between what was received in order and the text.
    public internal(set) var offset = 0
    var sequence = SequenceNumber(0)
    var hasFin = false

    /// Nothing is asked.
    public init() {}

    @inline(__always) mutating func take(_ segment: TCPSegment) {
        isOpen = true
        start = segment.payload.offset
        count = segment.payload.count
        offset = segment.offset
        sequence = segment.sequence
        hasFin = segment.flags.contains(.fin)
    }

    /// The text, in the frame of the segment.
    public func payload(in frame: FrameView) -> TCPPayload { TCPPayload(frame: frame, offset: start, count: count) }
}

/// A segment that is to be sent.
public struct TCPOutgoing {
    /// The connection.
    public internal(set) var slot = 0
    var plan = TCPPlan(sequence: SequenceNumber(0), flags: [])
    /// Where its header belongs in the room, and where its text does.
    var headerStart = 0
    var textStart = 0

    /// For `plan` to fill.
    public init() {}

    /// Its text: `count` bytes from `offset` behind the first unacknowledged one.
    public var offset: Int { plan.offset }
    /// Bytes of its text.
    public var count: Int { plan.count }

    /// Where the text belongs; `room` is the one that was planned for.
    @inline(__always) public func textRoom(in room: UnsafeMutableRawBufferPointer) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(start: room.baseAddress.map { $0 + textStart }, count: plan.count)
    }
}

extension TCPMachine {
    /// Takes one segment for one of this node's addresses. Replies wait for `transmit`, so that a batch of segments is
    /// answered once: receive all of it first.
    @inlinable @inline(__always)
    public func receive(_ segment: SegmentView, through storage: some TCPStorage, now: Instant) {
        var arrival = TCPArrival()
        arrive(segment, &arrival, now: now)
        if arrival.acknowledged > 0 { storage.discard(arrival.acknowledged, of: arrival.slot) }
        guard arrival.isOpen else { return }
        var stored = 0
        if arrival.count > 0 {
            stored = storage.store(arrival.payload(in: segment.frame), at: arrival.offset, of: arrival.slot)
        }
        let joined = take(arrival, stored: stored, now: now)
        guard joined > 0 else { return }
        storage.join(joined, of: arrival.slot)
        finish(arrival, now: now)
    }

    /// Writes the next segment that leaves by `interface` into `room`, which begins where its IP header will: see
    /// ``PlacedSegment/offset``. `nil` when there is none. Room for less than the path's MTU makes shorter segments;
    /// 101 bytes are the least.
    @inlinable @inline(__always)
    public func transmit(
        into room: UnsafeMutableRawBufferPointer, on interface: InterfaceID, from storage: some TCPStorage, now: Instant
    ) -> PlacedSegment? {
        if let placed = writeLoose(into: room, on: interface) { return placed }
        var outgoing = TCPOutgoing()
        while plan(&outgoing, into: room, on: interface, now: now) {
            var sum = InternetChecksum()
            var fetched = 0
            if outgoing.count > 0 {
                fetched = storage.fetch(
                    at: outgoing.offset, into: outgoing.textRoom(in: room), of: outgoing.slot, adding: &sum)
            }
            if fetched == outgoing.count || cut(&outgoing, to: fetched, now: now) {
                return write(outgoing, sum, into: room, now: now)
            }
        }
        return nil
    }

    /// The storage has `count` more bytes to send.
    public func textQueued(_ id: TCPSocketID, _ count: Int, now: Instant) {
        guard count > 0, let connection = slots.find(id), connection.pointee.canQueue else { return }
        connection.pointee.send.queued &+= count
        settle(id.index, context(now))
    }

    /// The storage takes other counts now: `room` bytes behind what was received in order, `capacity` at most.
    public func roomChanged(_ id: TCPSocketID, to room: Int, of capacity: Int, now: Instant) {
        guard let connection = slots.find(id), connection.pointee.state != .closed else { return }
        connection.pointee.setRoom(room, of: capacity)
        settle(id.index, context(now))
    }

    /// Whether more text may be added to what is to be sent: CLOSE was not called and the connection has not ended.
    public func mayQueue(_ id: TCPSocketID) -> Bool { slots.find(id)?.pointee.canQueue ?? false }
}
