// TCP's lower door: segments in, segments out, time, and what IP learns about paths.

import Bytes
import Link

extension TCPLayer {
    // MARK: in

    /// Takes one segment for one of this node's addresses. Replies wait for `transmit`, so that a
    /// batch of segments is answered once: receive all of it first.
    public func receive(_ segment: SegmentView, now: Instant) {
        counters.received &+= 1
        guard var parsed = parse(segment) else { return }
        let turn = turn(now)
        let key = TCPKey(
            local: Endpoint(segment.destination, parsed.header.destinationPort),
            remote: Endpoint(segment.source, parsed.header.sourcePort))
        guard let slot = connections.find(key) else { return receiveUnknown(parsed, key, turn) }
        deliver(&parsed, to: slot, key, turn)
    }

    /// Copies the header out of the frame once and parses the copy; checks the sum over that copy.
    private func parse(_ segment: SegmentView) -> TCPSegment? {
        let copied = segment.frame.copy(
            from: segment.offset,
            into: UnsafeMutableRawBufferPointer(rebasing: headerRoom[0..<max(0, min(60, segment.length))]))
        let bytes = UnsafeRawBufferPointer(rebasing: headerRoom[0..<copied])
        guard let (header, size) = try? TCPHeader.parse(bytes, segmentLength: segment.length) else {
            counters.malformed &+= 1
            return nil
        }
        let payload = TCPPayload(
            frame: segment.frame, offset: segment.offset &+ size, count: segment.length &- size)
        if !segment.checksumTrusted {
            var sum = InternetChecksum.pseudoHeader(
                from: segment.source, to: segment.destination, .tcp, length: segment.length)
            sum.add(UnsafeRawBufferPointer(rebasing: headerRoom[0..<size]))
            payload.add(to: &sum)
            guard sum.checksum == 0 else {
                counters.badChecksum &+= 1
                return nil
            }
        }
        return TCPSegment(header: header, payload: payload)
    }

    private func deliver(_ segment: inout TCPSegment, to slot: UInt32, _ key: TCPKey, _ turn: TCPTurn) {
        guard let connection = slots.pointer(slot) else { return }
        if connection.pointee.state == .timeWait, connection.pointee.mayBeReplaced(by: segment),
            listener(for: key.local) != nil
        {
            let highest = connection.pointee.send.highest
            connection.pointee.close(nil)
            settle(slot, turn)
            return receiveUnknown(segment, key, turn, after: highest)
        }
        let wasWaiting = connection.pointee.state == .synReceived
        if wasWaiting, connection.pointee.completesHandshake(segment, turn), !lendBuffers(slot) {
            counters.overflowed &+= 1
            connection.pointee.abort()
            return settle(slot, turn)
        }
        if case .reset = connection.pointee.arrive(&segment, turn) { refuse(segment, key, turn) }
        if wasWaiting, connection.pointee.isSynchronized { queueForAccept(slot) }
        settle(slot, turn)
    }

    /// RFC 9293, 3.10.7.1 and 3.10.7.2: no connection; perhaps a listener.
    private func receiveUnknown(
        _ segment: TCPSegment, _ key: TCPKey, _ turn: TCPTurn, after highest: SequenceNumber? = nil
    ) {
        guard !segment.flags.contains(.rst), key.remote.address.isUnicast || key.remote.address.isLoopback else {
            return
        }
        guard let id = listener(for: key.local), !segment.flags.contains(.ack) else {
            return refuse(segment, key, turn)
        }
        guard segment.flags.contains(.syn), let index = openListener(id) else { return }
        guard listeners[index].waiting < listeners[index].backlog,
            slots.count < settings.pointee.maximumConnections,
            let path = paths?.path(to: key.remote.address, from: key.local.address)
        else {
            counters.overflowed &+= 1
            return
        }
        var connection = TCPConnection(key: key, path: path, settings: UnsafePointer(settings))
        connection.receive.planned = plannedBuffer
        connection.links.listener = id
        connection.timestamps.offset = secrets.timestampOffset(key)
        var initial = secrets.initialSequence(key, now: turn.now)
        // RFC 9293, 3.6.1: larger than anything the previous incarnation used.
        if let highest, initial < highest + 65_537 { initial = highest + 65_537 }
        connection.open(initial, answering: segment, turn)
        listeners[index].waiting += 1
        settle(enter(connection).index, turn)
    }

    /// Gives a connection its slot and its place in the table.
    func enter(_ connection: TCPConnection) -> TCPSocketID {
        var connection = connection
        connection.facts.insert(.isInTable)
        let id = slots.add(connection)
        connections.insert(connection.key, slot: id.index)
        return id
    }

    /// RFC 9293, 3.10.7.1: the RST that fits a segment.
    private func refuse(_ segment: TCPSegment, _ key: TCPKey, _ turn: TCPTurn) {
        guard !segment.header.flags.contains(.rst),
            let path = paths?.path(to: key.remote.address, from: key.local.address)
        else { return }
        counters.refused &+= 1
        let hasAck = segment.header.flags.contains(.ack)
        resets.push(
            TCPReset(
                key: key, interface: path.interface, sequence: hasAck ? segment.header.acknowledgement : 0,
                acknowledgement: hasAck ? 0 : segment.end.rawValue, flags: hasAck ? .rst : [.rst, .ack]))
    }

    // MARK: out

    /// Writes the next segment that leaves by `interface` into `room`, which begins where its IP header will: see
    /// ``PlacedSegment/offset``. `nil` when there is none. Room for less than the path's MTU makes shorter segments;
    /// 101 bytes are the least.
    public func transmit(
        into room: UnsafeMutableRawBufferPointer, on interface: InterfaceID, now: Instant
    ) -> PlacedSegment? {
        guard room.count > IPFamily.v6.headerSize &+ TCPHeader.maximumSize else { return nil }
        if !resets.isEmpty, let reset = resets.pop(interface) {
            counters.sent &+= 1
            return reset.write(into: Self.behindHeader(room, to: reset.key.remote.address))
        }
        guard let list = ready.firstIndex(where: { $0.interface == interface }) else { return nil }
        let turn = turn(now)
        while let slot = popReady(list) {
            guard let connection = slots.pointer(slot) else { continue }
            let segmentRoom = Self.behindHeader(room, to: connection.pointee.key.remote.address)
            let length = connection.pointee.write(into: segmentRoom, turn)
            guard let length else {
                afterSilence(slot, connection, turn)
                continue
            }
            counters.sent &+= 1
            settle(slot, turn)
            let key = connection.pointee.key
            return PlacedSegment(source: key.local.address, destination: key.remote.address, length: length)
        }
        return nil
    }

    /// The room without its IP header. Callers have compared its size.
    @inline(__always) private static func behindHeader(
        _ room: UnsafeMutableRawBufferPointer, to destination: IPAddress
    ) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(rebasing: room[destination.family.headerSize...])
    }

    /// Whether `transmit` may have something for `interface`; false is certain.
    func mayHaveOutput(on interface: InterfaceID) -> Bool {
        resets.contains(interface) || ready.contains { $0.interface == interface && $0.first != TCPLinks.none }
    }

    /// As `settle`, but a connection that had nothing to send is not asked again.
    private func afterSilence(_ slot: UInt32, _ connection: UnsafeMutablePointer<TCPConnection>, _ turn: TCPTurn) {
        connection.pointee.settle(turn)
        let deadline = connection.pointee.timers.next
        if deadline != TCPTimers.never { timers.schedule(slot, at: deadline) }
    }

    // MARK: time

    /// When `advance` is to be called; may be earlier than there is something to do, never later.
    public var nextDeadline: Instant? { timers.first.map { Instant(nanoseconds: $0) } }

    /// Lets the timers run that are due; their segments wait for `transmit`.
    public func advance(to now: Instant) {
        let turn = turn(now)
        while let slot = timers.popDue(turn.now) {
            guard let connection = slots.pointer(slot), slots.isInUse(slot) else { continue }
            connection.pointee.advance(turn)
            settle(slot, turn)
        }
    }

    // MARK: paths

    /// The network reported an error about a segment sent earlier (RFC 9293, 3.9.2.2; RFC 5927, 4).
    public func pathFailed(_ error: QuotedError, now: Instant) {
        let turn = turn(now)
        guard let slot = connections.find(TCPKey(local: error.local, remote: error.remote)),
            let connection = slots.pointer(slot)
        else { return }
        connection.pointee.pathFailed(error, turn)
        settle(slot, turn)
    }

    /// `address` is no longer one of this node's: its connections end without a segment.
    public func addressLost(_ address: IPAddress, now: Instant) {
        let turn = turn(now)
        for slot in 0..<UInt32(truncatingIfNeeded: slots.used) where slots.isInUse(slot) {
            guard let connection = slots.pointer(slot), connection.pointee.key.local.address == address,
                connection.pointee.state != .closed
            else { continue }
            connection.pointee.close(.addressLost)
            connection.pointee.pending = []
            settle(slot, turn)
        }
    }

    /// Routes or MTUs changed: paths that were asked for earlier may be different now.
    public func pathsChanged(now: Instant) {
        let turn = turn(now)
        for slot in 0..<UInt32(truncatingIfNeeded: slots.used) where slots.isInUse(slot) {
            guard let connection = slots.pointer(slot), connection.pointee.state != .closed else { continue }
            let key = connection.pointee.key
            guard let path = paths?.path(to: key.remote.address, from: key.local.address) else { continue }
            connection.pointee.interface = path.interface
            connection.pointee.pathChanged(mtu: path.mtu, turn)
            settle(slot, turn)
        }
        sortReadyLists()
    }
}
