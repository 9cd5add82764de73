// Text and FIN of an acceptable segment (RFC 9293, 3.10.7.4, seventh and eighth check): straight from
// the frame into the receive buffer, also when it comes ahead; and when it is acknowledged. An urgent
// pointer is not looked at: urgent text is text (RFC 6093, 3 advises to deliver it inline).

extension TCPConnection {
    /// The segment is trimmed: it starts at or behind RCV.NXT and fits the window.
    mutating func takeText(_ segment: inout TCPSegment, _ turn: TCPTurn) -> TCPReply {
        switch state {
        case .established, .finWait1, .finWait2: break
        default: return .nothing
        }
        if segment.payload.count > 0 {
            if facts.contains(.isReleased) { return resetUnread() }
            if segment.sequence == receive.next { storeInOrder(&segment, turn) } else { storeAhead(&segment) }
        }
        if segment.flags.contains(.fin) { noteFin(segment) }
        if facts.contains(.finAhead), receive.finAt == receive.next { takeFin(turn) }
        return .nothing
    }

    /// RFC 9293, 3.6.1; RFC 2525, 2.17: text that nobody will read must not look delivered.
    private mutating func resetUnread() -> TCPReply {
        pending.insert(.reset)
        close(.connectionAborted)
        return .nothing
    }

    private mutating func storeInOrder(_ segment: inout TCPSegment, _ turn: TCPTurn) {
        let count = min(segment.payload.count, receive.ring.free)
        if count < segment.payload.count {
            segment.payload.count = count
            segment.flags.remove(.fin)
        }
        segment.payload.copy(to: receive.ring, at: receive.ring.count)
        receive.ring.extend(count)
        receive.next += count
        if receive.ahead.isEmpty {
            scheduleAck(count, turn)
        } else {
            let reached = receive.ahead.advance(to: receive.next)
            receive.ring.extend(reached - receive.next)
            receive.next = reached
            // RFC 5681, 4.2: a filled gap is acknowledged at once.
            pending.insert(.ack)
        }
    }

    /// RFC 5681, 4.2: text ahead of a gap is answered at once by a duplicate ACK.
    private mutating func storeAhead(_ segment: inout TCPSegment) {
        pending.insert(.ack)
        let offset = receive.ring.count &+ (segment.sequence - receive.next)
        let count = min(segment.payload.count, receive.ring.capacity &- offset)
        guard count > 0, receive.ahead.insert(segment.sequence, segment.sequence + count) else {
            segment.flags.remove(.fin)
            return
        }
        if count < segment.payload.count { segment.flags.remove(.fin) }
        segment.payload.count = count
        segment.payload.copy(to: receive.ring, at: offset)
    }

    // MARK: FIN

    private mutating func noteFin(_ segment: TCPSegment) {
        let at = segment.sequence + segment.payload.count
        // The first one counts; text behind it would be a lie.
        guard !facts.contains(.finAhead), at >= receive.next else { return }
        facts.insert(.finAhead)
        receive.finAt = at
    }

    private mutating func takeFin(_ turn: TCPTurn) {
        facts.remove(.finAhead)
        facts.insert(.finReceived)
        receive.next += 1
        receive.ahead.removeAll()
        pending.insert(.ack)
        switch state {
        case .established: state = .closeWait
        case .finWait1: state = .closing
        case .finWait2: startTimeWait(turn)
        default: break
        }
    }

    // MARK: when to acknowledge

    /// RFC 9293, 3.8.6.3: at least every second full-sized segment, and never later than the delay.
    /// Large segments, and the first ones of a connection, are acknowledged with their batch.
    private mutating func scheduleAck(_ count: Int, _ turn: TCPTurn) {
        receive.largestSegment = max(receive.largestSegment, count)
        let unacknowledged = receive.next - receive.lastAckSent
        if receive.quickAcks > 0 {
            receive.quickAcks &-= 1
            pending.insert(.ack)
        } else if unacknowledged >= 2 &* receive.largestSegment || count >= 16_384 {
            pending.insert(.ack)
        } else if timers.ackAt == TCPTimers.never {
            timers.ackAt = turn.now &+ turn.settings.pointee.delayedAck.unsigned
        }
    }
}
