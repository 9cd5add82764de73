// The user calls of RFC 9293, 3.10 as they act on one connection, and what IP reports about its path.

extension TCPConnection {
    /// Active OPEN (RFC 9293, 3.10.1).
    mutating func open(_ initial: SequenceNumber, _ context: TCPContext) {
        start(initial)
        state = .synSent
        if context.settings.pointee.usesTimestamps { facts.insert(.usesTimestamps) }
    }

    /// A SYN came for a listener (RFC 9293, 3.10.7.2, third check).
    mutating func open(_ initial: SequenceNumber, answering segment: TCPSegment, _ context: TCPContext) {
        start(initial)
        facts.insert(.isPassive)
        takeSyn(segment, context)
        state = .synReceived
    }

    /// The same for a SYN that was answered by cookie before.
    mutating func openAnswered(_ initial: SequenceNumber, answering segment: TCPSegment, _ context: TCPContext) {
        open(initial, answering: segment, context)
        pending.remove(.syn)
        send.next = initial + 1
        send.highest = send.next
        // Should this ACK not be taken yet, because nobody accepts, the peer hears of us again.
        links.answers = 2
        armRetransmission(context)
    }

    private mutating func start(_ initial: SequenceNumber) {
        send.initial = initial
        send.una = initial
        send.next = initial
        send.highest = initial
        pending.insert(.syn)
    }

    /// Bytes the caller may still queue (RFC 9293, 3.10.2).
    var canQueue: Bool {
        switch state {
        case .synSent, .synReceived, .established, .closeWait: !facts.contains(.finQueued)
        default: false
        }
    }

    /// CLOSE (RFC 9293, 3.10.4), but for one thing: before the handshake is done FIN is queued like data,
    /// for a caller that has said everything at once. To give up a connection there is `release`.
    mutating func shutdown(_ context: TCPContext) {
        guard !facts.contains(.finQueued) else { return }
        switch state {
        case .synSent, .synReceived: facts.insert(.finQueued)
        case .established:
            facts.insert(.finQueued)
            state = .finWait1
        case .closeWait:
            facts.insert(.finQueued)
            state = .lastAck
        default: break
        }
    }

    /// ABORT (RFC 9293, 3.10.5). Where FIN follows text that will not come any more, RST tells so in CLOSING and
    /// LAST-ACK as well.
    mutating func abort() {
        switch state {
        case .synReceived, .established, .finWait1, .finWait2, .closeWait: pending.insert(.reset)
        case .closing, .lastAck: if send.queued > 0 { pending.insert(.reset) }
        default: break
        }
        close(.connectionAborted)
    }

    /// Nobody will call again. Unread text is answered by RST (RFC 2525, 2.17).
    mutating func release(hasUnread: Bool, _ context: TCPContext) {
        facts.insert(.isReleased)
        if state == .closed || state == .timeWait { return }
        if state == .synSent || facts.contains(.isHeld) { return close(nil) }
        if hasUnread { return abort() }
        shutdown(context)
        if state == .finWait2 { startFinWait2(context) }
    }

    /// The storage takes other counts than before, because somebody has read: tell the peer when it matters
    /// (RFC 9293, 3.8.6.2.2): the room it knows of is below half, and a worthwhile step can be added.
    mutating func setRoom(_ room: Int, of capacity: Int) {
        receive.room = max(0, room)
        receive.capacity = max(receive.room, capacity)
        switch state {
        case .established, .finWait1, .finWait2: break
        default: return
        }
        let half = receive.capacity / 2
        let step = (receive.next + receive.room) - receive.edge
        if receive.window < half, step >= min(half, 2 &* send.segmentSize) { pending.insert(.ack) }
    }

    /// What the peer and the network would take in flight, in bytes; 0 before the handshake is done.
    var reach: Int { isSynchronized ? min(send.window, congestion.window) : 0 }

    /// Bytes from RCV.NXT to the end of what was stored ahead.
    var extentAhead: Int { (receive.ahead.end ?? receive.next) - receive.next }

    // MARK: paths

    /// The route or its MTU may be another now. What went unanswered is sent again at once: the old
    /// path's silence, which made the timeout long, says nothing about the new one.
    mutating func pathChanged(mtu: Int, _ context: TCPContext) {
        setPath(mtu: mtu)
        guard timers.retransmission == .timeout, roundTrip.backOff > 0 else { return }
        roundTrip.endBackOff()
        timers.retransmitAt = context.now
        // What went unanswered on the old path says nothing of the new one: a link that flaps ends no connection.
        if isSynchronized { timers.retries = 0 }
    }

    /// RFC 9293, 3.9.2.2 and RFC 5927, 5: an error about a segment in flight.
    mutating func pathFailed(_ error: QuotedError, _ context: TCPContext) {
        let sequence = SequenceNumber(error.sequence)
        guard state != .closed, sequence >= send.una, sequence < send.highest else { return }
        switch error.error {
        case .packetTooBig(let mtu): lowerPath(mtu: mtu)
        case .neighbourUnreachable: noteUnreachable(isHard: true)
        case .unreachable(let code): noteUnreachable(isHard: code == 2 || code == 3)
        case .timeExceeded: noteUnreachable(isHard: false)
        }
    }

    /// A connection that was once established waits for its timeout: hard errors are easily forged.
    private mutating func noteUnreachable(isHard: Bool) {
        facts.insert(.sawUnreachable)
        if isHard, state == .synSent { close(.unreachable) }
    }

    /// RFC 1191, 3 and 6.5; 0 comes from routers older than that RFC. Below 576 is not believed.
    private mutating func lowerPath(mtu: Int) {
        let mtu = max(mtu, 576)
        guard mtu &- key.remote.address.family.headerSize < pathRoom else { return }
        setPath(mtu: mtu)
        guard isSynchronized else { return }
        send.next = send.una
        roundTrip.discard()
    }
}
