// TCP's lower door: segments in, segments out, time, and what IP learns about paths.

import Bytes
import Link

extension TCPMachine {
    // MARK: in

    /// The first step of taking a segment: everything but its text. The storage is then told what was acknowledged and,
    /// where ``TCPArrival/isOpen``, takes the text: `receive(_:through:now:)` does all that.
    /// - Parameters:
    ///   - segment: as it lies in its frame.
    ///   - arrival: a new one; what the segment asks of the storage.
    ///   - now: the time.
    public func arrive(_ segment: SegmentView, _ arrival: inout TCPArrival, now: Instant) {
        counters.received &+= 1
        guard var parsed = parse(segment) else { return }
        let context = context(now)
        let key = TCPKey(
            local: Endpoint(segment.destination, parsed.header.destinationPort),
            remote: Endpoint(segment.source, parsed.header.sourcePort))
        if let slot = connections.find(key) {
            deliver(&parsed, to: slot, key, context, &arrival)
        } else {
            receiveUnknown(&parsed, key, context, &arrival)
        }
    }

    /// The second step: the storage has taken `stored` of the first bytes of the text. Returns how many bytes that it had
    /// stored ahead follow now what was received in order. Mostly none, and all is done; else the storage hears of them
    /// (`join`), and `finish` follows.
    public func take(_ arrival: TCPArrival, stored: Int, now: Instant) -> Int {
        let slot = UInt32(truncatingIfNeeded: arrival.slot)
        guard arrival.isOpen, let connection = slots.pointer(slot) else { return 0 }
        let context = context(now)
        let joined = connection.pointee.takeText(arrival, stored: stored, context)
        if joined == 0 { finish(slot, connection, context) }
        return joined
    }

    /// The last step, where bytes were joined.
    public func finish(_ arrival: TCPArrival, now: Instant) {
        let slot = UInt32(truncatingIfNeeded: arrival.slot)
        guard arrival.isOpen, let connection = slots.pointer(slot) else { return }
        finish(slot, connection, context(now))
    }

    @inline(__always) private func finish(
        _ slot: UInt32, _ connection: UnsafeMutablePointer<TCPConnection>, _ context: TCPContext
    ) {
        if connection.pointee.facts.contains(.finIsNew) {
            connection.pointee.facts.remove(.finIsNew)
            storage.peerFinished(Int(slot))
        }
        settle(slot, context)
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

    private func deliver(
        _ segment: inout TCPSegment, to slot: UInt32, _ key: TCPKey, _ context: TCPContext, _ arrival: inout TCPArrival
    ) {
        guard let connection = slots.pointer(slot) else { return }
        if connection.pointee.state == .timeWait, connection.pointee.mayBeReplaced(by: segment),
            door != nil || listener(for: key.local) != nil
        {
            return replace(slot, connection, &segment, key, context, &arrival)
        }
        let wasWaiting = connection.pointee.state == .synReceived
        if wasWaiting, connection.pointee.completesHandshake(segment, context), !mayComplete(slot, connection, context)
        {
            return
        }
        let reply = connection.pointee.arrive(&segment, context)
        arrival.slot = Int(slot)
        if wasWaiting, connection.pointee.isSynchronized { handshakeDone(slot, connection) }
        switch reply {
        case .text: arrival.take(segment)
        case .reset:
            refuse(segment, key, context)
            settle(slot, context)
        case .nothing: settle(slot, context)
        }
        arrival.acknowledged = connection.pointee.send.freed
        connection.pointee.send.freed = 0
    }

    /// A handshake is about to be done: there must be room in the queue of its listener, which will come, and a place
    /// for its text, or it ends.
    private func mayComplete(
        _ slot: UInt32, _ connection: UnsafeMutablePointer<TCPConnection>, _ context: TCPContext
    ) -> Bool {
        if let id = connection.pointee.links.listener, let index = openListener(id), listeners[index].isFull {
            counters.overflowed &+= 1
            return false
        }
        if openPlace(slot) { return true }
        counters.overflowed &+= 1
        connection.pointee.abort()
        settle(slot, context)
        return false
    }

    /// A new connection takes the endpoints of one in TIME-WAIT (RFC 6191).
    private func replace(
        _ slot: UInt32, _ connection: UnsafeMutablePointer<TCPConnection>, _ segment: inout TCPSegment, _ key: TCPKey,
        _ context: TCPContext, _ arrival: inout TCPArrival
    ) {
        let highest = connection.pointee.send.highest
        connection.pointee.close(nil)
        settle(slot, context)
        receiveUnknown(&segment, key, context, &arrival, after: highest)
    }

    /// RFC 9293, 3.10.7.1 and 3.10.7.2: no connection; perhaps a listener, or a door.
    private func receiveUnknown(
        _ segment: inout TCPSegment, _ key: TCPKey, _ context: TCPContext, _ arrival: inout TCPArrival,
        after highest: SequenceNumber? = nil
    ) {
        guard !segment.flags.contains(.rst), key.remote.address.isUnicast || key.remote.address.isLoopback else {
            return
        }
        let listener = listener(for: key.local)
        if segment.flags.contains(.ack) {
            if cookieSentAt != 0, let index = listener.flatMap(openListener), listeners[index].isFull {
                // Perhaps the end of a handshake answered by cookie: whoever sent it asks again, as for a SYN.
                counters.overflowed &+= 1
                return
            }
            if let listener, let slot = enterByCookie(segment, key, listener, context) {
                return deliver(&segment, to: slot, key, context, &arrival)
            }
            refuse(segment, key, context)
        } else if listener == nil, door == nil {
            refuse(segment, key, context)
        } else if segment.flags.contains(.syn) {
            takeSyn(segment, key, listener, context, after: highest)
        }
    }

    /// The ACK of a handshake that was answered by cookie: its connection, in SYN-RECEIVED.
    private func enterByCookie(
        _ segment: TCPSegment, _ key: TCPKey, _ listener: TCPSocketID, _ context: TCPContext
    ) -> UInt32? {
        guard cookieSentAt != 0, let index = openListener(listener),
            slots.count < settings.pointee.maximumConnections,
            let path = paths?.path(to: key.remote.address, from: key.local.address),
            var connection = connection(fromCookie: segment, key, path, context)
        else { return nil }
        connection.links.listener = listener
        listeners[index].halfOpen += 1
        let slot = enter(connection).index
        settle(slot, context)
        return slot
    }

    private func takeSyn(
        _ segment: TCPSegment, _ key: TCPKey, _ listener: TCPSocketID?, _ context: TCPContext,
        after highest: SequenceNumber?
    ) {
        let index = listener.flatMap(openListener)
        let isFull = index.map { listeners[$0].isFull } ?? (offered >= settings.pointee.maximumOffered)
        guard !isFull, slots.count < settings.pointee.maximumConnections,
            let path = paths?.path(to: key.remote.address, from: key.local.address)
        else {
            counters.overflowed &+= 1
            return
        }
        if let index, listeners[index].halfOpen >= listeners[index].backlog {
            return answerByCookie(segment, key, path, context)
        }
        var connection = TCPConnection(key: key, path: path, settings: UnsafePointer(settings))
        connection.receive.room = storage.plannedRoom
        connection.receive.capacity = connection.receive.room
        connection.links.listener = listener
        connection.timestamps.offset = secrets.timestampOffset(key)
        var initial = secrets.initialSequence(key, now: context.now)
        // RFC 9293, 3.6.1: larger than anything the previous incarnation used.
        if let highest, initial < highest + 65_537 { initial = highest + 65_537 }
        connection.open(initial, answering: segment, context)
        guard let index else {
            connection.facts.insert(.isOffered)
            return offer(enter(connection), context)
        }
        // Under pressure an answer that went astray is not repeated for minutes: the peer asks again.
        if listeners[index].isUnderPressure { connection.links.answers = 2 }
        listeners[index].halfOpen += 1
        settle(enter(connection).index, context)
    }

    /// A passive connection is established: it queues up, or its owner has heard of it when the storage was opened.
    private func handshakeDone(_ slot: UInt32, _ connection: UnsafeMutablePointer<TCPConnection>) {
        if connection.pointee.facts.contains(.isOffered) {
            leaveDoor(slot, connection)
        } else {
            queueForAccept(slot)
        }
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
    private func refuse(_ segment: TCPSegment, _ key: TCPKey, _ context: TCPContext) {
        guard !segment.header.flags.contains(.rst),
            let path = paths?.path(to: key.remote.address, from: key.local.address)
        else { return }
        counters.refused &+= 1
        let hasAck = segment.header.flags.contains(.ack)
        loose.push(
            TCPLooseSegment(
                reset: key, interface: path.interface, sequence: hasAck ? segment.header.acknowledgement : 0,
                acknowledgement: hasAck ? nil : segment.end.rawValue))
    }

    // MARK: out

    /// The next segment that belongs to no connection, whole; `nil` when none waits for `interface`.
    @inline(__always) public func writeLoose(
        into room: UnsafeMutableRawBufferPointer, on interface: InterfaceID
    ) -> PlacedSegment? { loose.isEmpty ? nil : popLoose(into: room, on: interface) }

    private func popLoose(
        into room: UnsafeMutableRawBufferPointer, on interface: InterfaceID
    ) -> PlacedSegment? {
        guard room.count > IPFamily.v6.headerSize &+ TCPHeader.maximumSize, let segment = loose.pop(interface) else {
            return nil
        }
        counters.sent &+= 1
        return segment.write(into: Self.behindHeader(room, to: segment.key.remote.address))
    }

    /// The first half of sending: the next segment that leaves by `interface`, planned; false when there is none. Its
    /// text goes to ``TCPOutgoing/textRoom(in:)``, then `write` puts the header in front: `transmit` does both.
    public func plan(
        _ outgoing: inout TCPOutgoing, into room: UnsafeMutableRawBufferPointer, on interface: InterfaceID, now: Instant
    ) -> Bool {
        guard room.count > IPFamily.v6.headerSize &+ TCPHeader.maximumSize else { return false }
        guard let list = ready.firstIndex(where: { $0.interface == interface }) else { return false }
        let context = context(now)
        while let slot = popReady(list) {
            guard let connection = slots.pointer(slot) else { continue }
            let header = connection.pointee.key.remote.address.family.headerSize
            let start = header &+ connection.pointee.textHeaderSize
            let limit = min(connection.pointee.send.segmentSize, room.count &- start)
            if let plan = connection.pointee.nextPlan(limit: limit, context) {
                outgoing.slot = Int(slot)
                outgoing.plan = plan
                outgoing.headerStart = header
                outgoing.textStart = start
                return true
            }
            afterSilence(slot, connection, context)
        }
        return false
    }

    /// Only `count` bytes of the text were to be had; false: none, so there is nothing to send.
    public func cut(_ outgoing: inout TCPOutgoing, to count: Int, now: Instant) -> Bool {
        guard count > 0 else {
            let slot = UInt32(truncatingIfNeeded: outgoing.slot)
            if let connection = slots.pointer(slot) { afterSilence(slot, connection, context(now)) }
            return false
        }
        outgoing.plan.count = min(count, outgoing.plan.count)
        outgoing.plan.flags.subtract([.psh, .fin])
        return true
    }

    /// The second half: the text is in place.
    /// - Parameters:
    ///   - outgoing: what the first half said.
    ///   - sum: of the text.
    ///   - room: where the segment is written, the IP header's room before it.
    ///   - now: the time.
    public func write(
        _ outgoing: TCPOutgoing, _ sum: InternetChecksum, into room: UnsafeMutableRawBufferPointer, now: Instant
    ) -> PlacedSegment? {
        let slot = UInt32(truncatingIfNeeded: outgoing.slot)
        guard let connection = slots.pointer(slot), let base = room.baseAddress else { return nil }
        let context = context(now)
        let headerRoom = UnsafeMutableRawBufferPointer(
            start: base + outgoing.headerStart, count: room.count &- outgoing.headerStart)
        guard let length = connection.pointee.write(outgoing.plan, sum, into: headerRoom, context) else { return nil }
        counters.sent &+= 1
        settle(slot, context)
        return PlacedSegment(
            source: connection.pointee.key.local.address, destination: connection.pointee.key.remote.address,
            length: length)
    }

    /// The room without its IP header. Callers have compared its size.
    @inline(__always) private static func behindHeader(
        _ room: UnsafeMutableRawBufferPointer, to destination: IPAddress
    ) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(rebasing: room[destination.family.headerSize...])
    }

    /// Whether `transmit` may have something for `interface`; false is certain.
    func mayHaveOutput(on interface: InterfaceID) -> Bool {
        loose.contains(interface) || ready.contains { $0.interface == interface && $0.first != TCPLinks.none }
    }

    /// As `settle`, but a connection that had nothing to send is not asked again.
    private func afterSilence(_ slot: UInt32, _ connection: UnsafeMutablePointer<TCPConnection>, _ context: TCPContext)
    {
        connection.pointee.settle(context)
        let deadline = connection.pointee.timers.next
        if deadline != TCPTimers.never { timers.schedule(slot, at: deadline) }
    }

    // MARK: time

    /// When `advance` is to be called; may be earlier than there is something to do, never later.
    public var nextDeadline: Instant? { timers.first.map(instant) }

    /// Lets the timers run that are due; their segments wait for `transmit`.
    public func advance(to now: Instant) {
        let context = context(now)
        while let slot = timers.popDue(context.now) {
            guard let connection = slots.pointer(slot), slots.isInUse(slot) else { continue }
            connection.pointee.advance(context)
            settle(slot, context)
        }
    }

    // MARK: paths

    /// The network reported an error about a segment sent earlier (RFC 9293, 3.9.2.2; RFC 5927, 4).
    public func pathFailed(_ error: QuotedError, now: Instant) {
        let context = context(now)
        guard let slot = connections.find(TCPKey(local: error.local, remote: error.remote)),
            let connection = slots.pointer(slot)
        else { return }
        connection.pointee.pathFailed(error, context)
        settle(slot, context)
    }

    /// `address` is no longer one of this node's: its connections end without a segment.
    public func addressLost(_ address: IPAddress, now: Instant) {
        let context = context(now)
        for slot in 0..<UInt32(truncatingIfNeeded: slots.used) where slots.isInUse(slot) {
            guard let connection = slots.pointer(slot), connection.pointee.key.local.address == address,
                connection.pointee.state != .closed
            else { continue }
            connection.pointee.close(.addressLost)
            connection.pointee.pending = []
            settle(slot, context)
        }
    }

    /// Routes or MTUs changed: paths that were asked for earlier may be different now.
    public func pathsChanged(now: Instant) {
        let context = context(now)
        for slot in 0..<UInt32(truncatingIfNeeded: slots.used) where slots.isInUse(slot) {
            guard let connection = slots.pointer(slot), connection.pointee.state != .closed else { continue }
            let key = connection.pointee.key
            guard let path = paths?.path(to: key.remote.address, from: key.local.address) else { continue }
            connection.pointee.interface = path.interface
            connection.pointee.pathChanged(mtu: path.mtu, context)
            settle(slot, context)
        }
        sortReadyLists()
    }
}
