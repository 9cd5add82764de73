// Text and FIN of an acceptable segment (RFC 9293, 3.10.7.4, seventh and eighth check), in two steps: what the storage
// is to take, also when it comes ahead, and what it took; and when that is acknowledged. An urgent pointer is not
// looked at: urgent text is text (RFC 6093, 3 advises to deliver it inline).

extension TCPConnection {
    /// The segment is trimmed: it starts at or behind RCV.NXT and fits the window. Cuts its payload to what
    /// is to be stored.
    mutating func planText(_ segment: inout TCPSegment) -> TCPReply {
        switch state {
        case .established, .finWait1, .finWait2: break
        default: return .nothing
        }
        if segment.payload.count > 0 {
            if facts.contains(.isReleased) { return resetUnread() }
            let offset = segment.sequence - receive.next
            if offset > 0 {
                // RFC 5681, 4.2: text ahead of a gap is answered at once by a duplicate ACK.
                pending.insert(.ack)
                if !receive.ahead.hasRoom(for: segment.sequence, segment.sequence + segment.payload.count) {
                    cut(&segment, to: 0)
                }
            }
            cut(&segment, to: max(0, receive.room &- offset))
            // A room that shrank after it was announced: the peer learns that nothing was taken.
            if segment.payload.count == 0 { pending.insert(.ack) }
            segment.offset = offset
        }
        return segment.payload.count > 0 || segment.flags.contains(.fin) ? .text : .nothing
    }

    /// FIN needs all text before it.
    private func cut(_ segment: inout TCPSegment, to count: Int) {
        guard count < segment.payload.count else { return }
        segment.payload.count = count
        segment.flags.remove(.fin)
    }

    /// RFC 9293, 3.6.1; RFC 2525, 2.17: text that nobody will read must not look delivered.
    private mutating func resetUnread() -> TCPReply {
        pending.insert(.reset)
        close(.connectionAborted)
        return .nothing
    }

    /// The storage has taken `stored` bytes of the planned text. Returns how many bytes stored ahead follow it now.
    mutating func takeText(_ segment: TCPArrival, stored: Int, _ context: TCPContext) -> Int {
        let stored = min(max(0, stored), segment.count)
        var joined = 0
        if segment.offset > 0 {
            if stored > 0 { _ = receive.ahead.insert(segment.sequence, segment.sequence + stored) }
        } else if stored > 0 {
            joined = takeInOrder(stored, context)
        } else if segment.count > 0 {
            // The peer learns that it was not taken.
            pending.insert(.ack)
        }
        if segment.hasFin, stored == segment.count { noteFin(at: segment.sequence + stored) }
        if facts.contains(.finAhead), receive.finAt == receive.next { takeFin(context) }
        return joined
    }

    private mutating func takeInOrder(_ count: Int, _ context: TCPContext) -> Int {
        receive.next += count
        receive.room = max(0, receive.room &- count)
        guard !receive.ahead.isEmpty else {
            scheduleAck(count, context)
            return 0
        }
        let reached = receive.ahead.advance(to: receive.next)
        let joined = reached - receive.next
        receive.next = reached
        receive.room = max(0, receive.room &- joined)
        // RFC 5681, 4.2: a filled gap is acknowledged at once.
        pending.insert(.ack)
        return joined
    }

    // MARK: FIN

    private mutating func noteFin(at: SequenceNumber) {
        // The first one counts; text behind it would be a lie.
        guard !facts.contains(.finAhead), at >= receive.next else { return }
        facts.insert(.finAhead)
        receive.finAt = at
    }

    private mutating func takeFin(_ context: TCPContext) {
        facts.remove(.finAhead)
        facts.formUnion([.finReceived, .finIsNew])
        receive.next += 1
        receive.ahead.removeAll()
        pending.insert(.ack)
        switch state {
        case .established: state = .closeWait
        case .finWait1: state = .closing
        case .finWait2: startTimeWait(context)
        default: break
        }
    }

    // MARK: when to acknowledge

    /// RFC 9293, 3.8.6.3: at least every second full-sized segment, and never later than the delay.
    /// Large segments, and the first ones of a connection, are acknowledged with their batch.
    private mutating func scheduleAck(_ count: Int, _ context: TCPContext) {
        receive.largestSegment = max(receive.largestSegment, count)
        let unacknowledged = receive.next - receive.lastAckSent
        if receive.quickAcks > 0 {
            receive.quickAcks &-= 1
            pending.insert(.ack)
        } else if unacknowledged >= 2 &* receive.largestSegment || count >= 16_384 {
            pending.insert(.ack)
        } else if timers.ackAt == TCPTimers.never {
            timers.ackAt = context.now &+ context.settings.pointee.delayedAck.unsigned
        }
    }
}
