// What goes out next, one segment at a time, straight from the send buffer (RFC 9293, 3.7 and 3.8).
// The order: SYN, the ACK of the handshake, a segment again, new data, probes, a bare ACK.

import Bytes

/// A segment about to be written. Its text lies in the send buffer.
struct TCPPlan {
    var sequence: SequenceNumber
    var flags: TCPFlags
    /// Offset in the send buffer and bytes.
    var offset = 0
    var count = 0
}

extension TCPConnection {
    /// Whether `write` might have something: cheap, and never wrongly false.
    var mayHaveOutput: Bool {
        if !pending.isEmpty { return true }
        guard isSynchronized else { return false }
        let unsent = send.ring.count &- send.inFlight
        return unsent > 0 || isFinDue
    }

    /// FIN is queued and not (or no longer) counted as sent.
    private var isFinDue: Bool {
        facts.contains(.finQueued) && !facts.contains(.finAcknowledged) && send.next <= finSequence
    }

    /// Writes the next segment; nil: none now, or `room` is too small for it.
    mutating func write(into room: UnsafeMutableRawBufferPointer, _ turn: TCPTurn) -> Int? {
        guard room.count > TCPHeader.maximumSize else { return nil }
        let options = facts.contains(.usesTimestamps) ? 12 : 0
        let limit = min(send.segmentSize, room.count &- TCPHeader.minimumSize &- options)
        guard let plan = nextPlan(limit: limit, turn) else { return nil }
        var header = header(for: plan, turn)
        return place(&header, plan, into: room)
    }

    private mutating func nextPlan(limit: Int, _ turn: TCPTurn) -> TCPPlan? {
        if state == .synSent || state == .synReceived { return synPlan(turn) }
        guard isSynchronized else { return nil }
        if !pending.isDisjoint(with: [.first, .handshakeAck]) {
            if pending.remove(.handshakeAck) != nil { return TCPPlan(sequence: send.next, flags: .ack) }
            if let plan = firstPlan(limit: limit, turn) { return plan }
        }
        if let plan = dataPlan(limit: limit, turn) { return plan }
        if pending.contains(.windowProbe), let plan = windowProbePlan(turn) { return plan }
        if pending.contains(.keepAlive) {
            pending.remove(.keepAlive)
            return TCPPlan(sequence: send.una + -1, flags: .ack)
        }
        guard pending.contains(.ack) else { return nil }
        return TCPPlan(sequence: send.next, flags: .ack)
    }

    private mutating func synPlan(_ turn: TCPTurn) -> TCPPlan? {
        guard pending.contains(.syn) else {
            guard state == .synReceived, pending.contains(.ack) else { return nil }
            return TCPPlan(sequence: send.next, flags: .ack)
        }
        pending.remove(.syn)
        let isFirst = send.highest == send.initial
        send.next = send.initial + 1
        send.highest = send.next
        if isFirst { roundTrip.time(send.next, now: turn.now) } else { roundTrip.discard() }
        if timers.retransmission == .none { armRetransmission(turn) }
        return TCPPlan(sequence: send.initial, flags: state == .synSent ? .syn : [.syn, .ack])
    }

    // MARK: data

    private mutating func firstPlan(limit: Int, _ turn: TCPTurn) -> TCPPlan? {
        pending.remove(.first)
        let sent = send.highest - send.una
        guard sent > 0 else { return nil }
        let count = min(limit, min(sent, send.ring.count))
        var plan = TCPPlan(sequence: send.una, flags: .ack, offset: 0, count: count)
        if sent > count, count == send.ring.count, facts.contains(.finQueued) { plan.flags.insert(.fin) }
        guard count > 0 || plan.flags.contains(.fin) else { return nil }
        resentBytes = count &+ (plan.flags.contains(.fin) ? 1 : 0)
        retransmissions &+= 1
        send.lastSent = turn.now
        return plan
    }

    private mutating func dataPlan(limit: Int, _ turn: TCPTurn) -> TCPPlan? {
        let offset = send.inFlight
        let unsent = max(0, send.ring.count &- offset)
        guard unsent > 0 || isFinDue else { return nil }
        restartIfIdle(turn)
        let allowed = min(send.window, congestion.window &+ congestion.extra(segmentSize: send.segmentSize))
        let usable = allowed &- offset
        let count = max(0, min(unsent, min(limit, usable)))
        guard isWorthSending(count, of: unsent, limit: limit, usable: usable) else { return nil }
        var plan = TCPPlan(sequence: send.next, flags: .ack, offset: offset, count: count)
        if count == unsent {
            if count > 0 { plan.flags.insert(.psh) }
            if isFinDue, usable > count { plan.flags.insert(.fin) }
        }
        noteSent(count &+ (plan.flags.contains(.fin) ? 1 : 0), turn)
        return plan
    }

    /// Nagle's algorithm and the sender's side of silly-window avoidance (RFC 9293, 3.7.4, 3.8.6.2.1).
    private func isWorthSending(_ count: Int, of unsent: Int, limit: Int, usable: Int) -> Bool {
        if count == 0 { return unsent == 0 && usable > 0 }
        if count == limit || send.next < send.highest { return true }
        if count == unsent {
            return !facts.contains(.usesNagle) || send.inFlight == 0 || facts.contains(.finQueued)
        }
        return count &* 2 >= send.largestWindow
    }

    private mutating func restartIfIdle(_ turn: TCPTurn) {
        guard send.inFlight == 0, send.highest == send.una, send.lastSent != 0 else { return }
        if turn.now &- send.lastSent > roundTrip.timeout {
            congestion.restartAfterIdle(segmentSize: send.segmentSize)
        }
    }

    private mutating func noteSent(_ length: Int, _ turn: TCPTurn) {
        let isNew = send.next == send.highest
        send.next += length
        if send.next > send.highest { send.highest = send.next }
        if isNew { roundTrip.time(send.next, now: turn.now) } else { retransmissions &+= 1 }
        send.lastSent = turn.now
        pending.remove(.windowProbe)
        let timer = timers.retransmission
        if timer == .none || timer == .persist || timer == .tailProbe || (timer == .timeout && mayProbe) {
            armRetransmission(turn)
        }
    }

    /// RFC 9293, 3.8.6.1: one octet that the window does not allow, or the FIN.
    private mutating func windowProbePlan(_ turn: TCPTurn) -> TCPPlan? {
        pending.remove(.windowProbe)
        let offset = send.inFlight
        let unsent = send.ring.count &- offset
        guard unsent > 0 || isFinDue else { return nil }
        var plan = TCPPlan(sequence: send.next, flags: .ack, offset: offset, count: 0)
        if unsent > 0 {
            plan.count = max(1, min(unsent, min(send.segmentSize, send.window &- offset)))
        } else {
            plan.flags.insert(.fin)
        }
        // SND.NXT stays: the octet is sent again as soon as the window opens.
        send.highest = SequenceNumber.latest(send.highest, send.next + max(1, plan.count))
        send.lastSent = turn.now
        roundTrip.discard()
        return plan
    }
}

extension TCPConnection {
    // MARK: the header

    private mutating func header(for plan: TCPPlan, _ turn: TCPTurn) -> TCPHeader {
        var header = TCPHeader(
            sourcePort: key.local.port, destinationPort: key.remote.port, sequence: plan.sequence.rawValue,
            flags: plan.flags)
        if plan.flags.contains(.ack) { header.acknowledgement = receive.next.rawValue }
        if plan.flags.contains(.syn) {
            addSynOptions(&header, turn)
        } else {
            header.window = announceWindow()
        }
        if facts.contains(.usesTimestamps) {
            header.timestamps = TCPTimestamps(value: timestamps.value(turn.now), echo: timestamps.recent)
        }
        if plan.flags.contains(.ack) {
            pending.remove(.ack)
            timers.ackAt = TCPTimers.never
            receive.lastAckSent = receive.next
        }
        return header
    }

    /// RFC 7323, 2.2 and 3.2: in a SYN,ACK only what the SYN offered.
    private func addSynOptions(_ header: inout TCPHeader, _ turn: TCPTurn) {
        header.window = synWindow
        header.maximumSegmentSize = offeredSegmentSize
        if state == .synSent {
            guard turn.settings.pointee.usesWindowScale else { return }
            header.windowShift = Self.windowShift(for: turn.settings.pointee.maximumReceiveBuffer)
        } else if receive.shift > 0 || send.shift > 0 {
            header.windowShift = receive.shift
        }
    }

    /// RFC 9293, 3.8.6.2.2: the right edge moves by a segment or half of the buffer, or stays.
    mutating func announceWindow() -> UInt16 {
        let free = facts.contains(.isReleased) ? 65_535 : receive.ring.free
        let target = receive.next + free
        let step = min(receive.ring.capacity / 2, send.segmentSize)
        let goal = target - receive.edge >= step ? target : receive.edge
        let field = UInt16(clamping: max(0, goal - receive.next) >> Int(receive.shift))
        receive.edge = SequenceNumber.latest(receive.edge, receive.next + Int(field) << Int(receive.shift))
        return field
    }

    /// Writes header, text and checksum in one pass.
    private func place(_ header: inout TCPHeader, _ plan: TCPPlan, into room: UnsafeMutableRawBufferPointer) -> Int? {
        let length = header.size &+ plan.count
        var sum = InternetChecksum.pseudoHeader(
            from: key.local.address, to: key.remote.address, .tcp, length: length)
        guard let size = header.write(into: room, addingTo: &sum), length <= room.count, let base = room.baseAddress
        else { return nil }
        if plan.count > 0 {
            let (first, second) = send.ring.pieces(at: plan.offset, count: plan.count)
            let text = UnsafeMutableRawBufferPointer(start: base + size, count: plan.count)
            sum.copy(UnsafeRawBufferPointer(first), into: text)
            if second.count > 0 {
                sum.copy(
                    UnsafeRawBufferPointer(second), into: UnsafeMutableRawBufferPointer(rebasing: text[first.count...]))
            }
        }
        room.setBig16(16, sum.checksum)
        return length
    }
}
