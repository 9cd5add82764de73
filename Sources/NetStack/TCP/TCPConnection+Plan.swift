// What goes out next, one segment at a time (RFC 9293, 3.7 and 3.8): which bytes, not their text. The order: SYN, the
// ACK of the handshake, a segment again, new data, probes, a bare ACK.

/// What a planned segment is for: it decides what is noted once it is written.
enum TCPPurpose {
    /// SYN, an ACK on its own, a keep-alive probe: nothing follows from it.
    case control
    /// The first unacknowledged segment, again.
    case first
    case data
    case windowProbe
}

/// A segment about to be written. Its text lies in the storage.
struct TCPPlan {
    var sequence: SequenceNumber
    var flags: TCPFlags
    /// Where its text starts, in bytes from SND.UNA, and bytes.
    var offset = 0
    var count = 0
    var purpose = TCPPurpose.control
}

extension TCPConnection {
    /// Whether `nextPlan` might have something: cheap, and never wrongly false.
    var mayHaveOutput: Bool {
        if !pending.isEmpty { return true }
        guard isSynchronized else { return false }
        let unsent = send.queued &- send.inFlight
        return unsent > 0 || isFinDue
    }

    /// FIN is queued and not (or no longer) counted as sent.
    private var isFinDue: Bool {
        facts.contains(.finQueued) && !facts.contains(.finAcknowledged) && send.next <= finSequence
    }

    /// The next segment with at most `limit` bytes of text; nil: none now. `sent` follows once it is written.
    mutating func nextPlan(limit: Int, _ context: TCPContext) -> TCPPlan? {
        if state == .synSent || state == .synReceived { return synPlan(context) }
        guard isSynchronized else { return nil }
        if !pending.isDisjoint(with: [.first, .handshakeAck]) {
            if pending.remove(.handshakeAck) != nil { return TCPPlan(sequence: send.next, flags: .ack) }
            if let plan = firstPlan(limit: limit) { return plan }
        }
        if let plan = dataPlan(limit: limit, context) { return plan }
        if pending.contains(.windowProbe), let plan = windowProbePlan() { return plan }
        if pending.contains(.keepAlive) {
            return keepAlivePlan()
        }
        guard pending.contains(.ack) else { return nil }
        return TCPPlan(sequence: send.next, flags: .ack)
    }

    /// RFC 1122, 4.2.3.6. With text under way it is the last octet of it, which a peer answers whether it has all of
    /// that or not.
    private mutating func keepAlivePlan() -> TCPPlan {
        pending.remove(.keepAlive)
        let text = min(send.highest - send.una, send.queued)
        guard text > 0 else { return TCPPlan(sequence: send.una + -1, flags: .ack) }
        return TCPPlan(sequence: send.una + (text - 1), flags: .ack, offset: text - 1, count: 1)
    }

    private mutating func synPlan(_ context: TCPContext) -> TCPPlan? {
        guard pending.contains(.syn) else {
            guard state == .synReceived, pending.contains(.ack) else { return nil }
            return TCPPlan(sequence: send.next, flags: .ack)
        }
        pending.remove(.syn)
        let isFirst = send.highest == send.initial
        send.next = send.initial + 1
        send.highest = send.next
        if isFirst { roundTrip.time(send.next, now: context.now) } else { roundTrip.discard() }
        if timers.retransmission == .none { armRetransmission(context) }
        return TCPPlan(sequence: send.initial, flags: state == .synSent ? .syn : [.syn, .ack])
    }

    // MARK: data

    private mutating func firstPlan(limit: Int) -> TCPPlan? {
        pending.remove(.first)
        let sent = send.highest - send.una
        guard sent > 0 else { return nil }
        let count = min(limit, min(sent, send.queued))
        var plan = TCPPlan(sequence: send.una, flags: .ack, count: count, purpose: .first)
        if sent > count, count == send.queued, facts.contains(.finQueued) { plan.flags.insert(.fin) }
        return count > 0 || plan.flags.contains(.fin) ? plan : nil
    }

    private mutating func dataPlan(limit: Int, _ context: TCPContext) -> TCPPlan? {
        let offset = send.inFlight
        let unsent = max(0, send.queued &- offset)
        guard unsent > 0 || isFinDue else { return nil }
        restartIfIdle(context)
        let allowed = min(send.window, congestion.window &+ congestion.extra(segmentSize: send.segmentSize))
        let usable = allowed &- offset
        let count = max(0, min(unsent, min(limit, usable)))
        guard isWorthSending(count, of: unsent, limit: limit, usable: usable) else { return nil }
        var plan = TCPPlan(sequence: send.next, flags: .ack, offset: offset, count: count, purpose: .data)
        if count == unsent {
            if count > 0 { plan.flags.insert(.psh) }
            if isFinDue, usable > count { plan.flags.insert(.fin) }
        }
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

    private mutating func restartIfIdle(_ context: TCPContext) {
        guard send.inFlight == 0, send.highest == send.una, send.lastSent != 0 else { return }
        if context.now &- send.lastSent > roundTrip.timeout {
            congestion.restartAfterIdle(segmentSize: send.segmentSize)
        }
    }

    /// RFC 9293, 3.8.6.1: one octet that the window does not allow, or the FIN; 3.8.6.2.1: what it does allow.
    private mutating func windowProbePlan() -> TCPPlan? {
        pending.remove(.windowProbe)
        let offset = send.inFlight
        let unsent = send.queued &- offset
        guard unsent > 0 || isFinDue else { return nil }
        var plan = TCPPlan(sequence: send.next, flags: .ack, offset: offset, purpose: .windowProbe)
        if unsent > 0 {
            let allowed = send.window &- offset
            if allowed > 0 { plan.purpose = .data }
            plan.count = max(1, min(unsent, min(send.segmentSize, allowed)))
        } else {
            plan.flags.insert(.fin)
        }
        return plan
    }
}
