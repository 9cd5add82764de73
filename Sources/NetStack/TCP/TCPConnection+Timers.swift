// The timers of a connection: retransmission (RFC 6298), the quick repairs before it, window probes
// (RFC 9293, 3.8.6.1), delayed ACK, keep-alive (3.8.4), TIME-WAIT and FIN-WAIT-2.
//
// Why there are quick repairs: without SACK, a receiver that drops the tail of a burst answers it
// with at most two duplicate ACKs (passt), so neither three duplicates nor anything else comes before
// the retransmission timeout, which is 200 ms and longer. A duplicate that is not followed by
// progress within a quarter of a round trip (at least 1 ms), and a tail that stays quiet for two
// round trips (at least 5 ms), are therefore taken as loss, once; further repairs back off by
// doubling until the timeout is nearer. This is the idea of RFC 8985, 6 and 7, with the cumulative
// ACK alone to go by.

extension TCPConnection {
    /// Does everything that is due.
    mutating func advance(_ context: TCPContext) {
        if timers.ackAt <= context.now {
            timers.ackAt = TCPTimers.never
            pending.insert(.ack)
        }
        if timers.endAt <= context.now {
            close(state == .timeWait ? nil : .timedOut)
            return
        }
        if timers.retransmitAt <= context.now { retransmissionDue(context) }
        if timers.keepAliveAt <= context.now { keepAliveDue(context) }
    }

    private mutating func retransmissionDue(_ context: TCPContext) {
        let kind = timers.retransmission
        timers.stopRetransmission()
        switch kind {
        case .none: break
        case .timeout: timeoutDue(context)
        case .tailProbe: tailProbeDue(context)
        case .reorderWait: reorderWaitDue(context)
        case .persist: persistDue(context)
        }
    }

    // MARK: RFC 6298

    private mutating func timeoutDue(_ context: TCPContext) {
        let isHandshake = !isSynchronized
        // A peer that shrank its window to nothing is probed, not flooded.
        if !isHandshake, send.window == 0 { return persistDue(context) }
        timers.retries &+= 1
        let settings = context.settings
        let limit =
            isHandshake ? min(settings.pointee.synRetries, links.answers) : settings.pointee.dataRetries
        guard timers.retries <= limit else { return giveUp() }
        roundTrip.backOffOnce()
        roundTrip.discard()
        timers.probeShift = 0
        timers.heardSinceProbe = false
        if isHandshake {
            pending.insert(.syn)
            retransmissions &+= 1
        } else {
            congestion.timedOut(
                inFlight: send.highest - send.una, highest: send.highest, segmentSize: send.segmentSize,
                isFirst: timers.retries == 1)
            pending.remove(.first)
            send.next = send.una
            // The peer may have more than it is known to, its last ACKs lost, and be silent about what is old (passt is):
            // the last octet that was sent is answered.
            if timers.retries > 2 { pending.insert(.keepAlive) }
        }
        armTimeout(context)
    }

    /// RFC 9293, 3.8.3, R2.
    private mutating func giveUp() {
        close(facts.contains(.sawUnreachable) ? .unreachable : .timedOut)
    }

    private mutating func armTimeout(_ context: TCPContext) {
        timers.retransmission = .timeout
        timers.retransmitAt = context.now &+ roundTrip.backedOffTimeout(context.settings)
    }

    /// Whether a quiet tail is probed before the timeout: the round trip is known, nothing has timed
    /// out, and the last probe, if any, was heard of.
    var mayProbe: Bool {
        isSynchronized && roundTrip.smoothed > 0 && roundTrip.backOff == 0
            && (timers.probeShift == 0 || timers.heardSinceProbe)
            // A single segment may wait for a delayed ACK (RFC 8985, 7.2).
            && (send.inFlight > send.segmentSize || timers.heardSinceProbe)
    }

    /// Starts the timer for what is in flight: the tail probe where it comes sooner, else the timeout.
    mutating func armRetransmission(_ context: TCPContext) {
        guard mayProbe else { return armTimeout(context) }
        let wait = roundTrip.smoothed &+ roundTrip.quickTimeout(timers.probeShift, context.settings)
        guard wait < roundTrip.timeout else { return armTimeout(context) }
        timers.retransmission = .tailProbe
        timers.retransmitAt = context.now &+ wait
    }

    // MARK: quick repairs

    private mutating func tailProbeDue(_ context: TCPContext) {
        sendFirstAgain()
        timers.probeShift = min(timers.probeShift &+ 1, 30)
        timers.heardSinceProbe = false
        armTimeout(context)
    }

    /// After a duplicate ACK that was not the third.
    mutating func waitForReordering(_ context: TCPContext) {
        guard timers.retransmission == .timeout || timers.retransmission == .tailProbe else { return }
        var wait = max(roundTrip.smoothed / 4, 1_000_000)
        if congestion.phase != .open { wait &+= roundTrip.smoothed }
        let at = context.now &+ wait << UInt64(min(timers.probeShift, 16))
        guard at < timers.retransmitAt else { return }
        timers.retransmission = .reorderWait
        timers.retransmitAt = at
    }

    private mutating func reorderWaitDue(_ context: TCPContext) {
        guard send.next > send.una else { return }
        timers.heardSinceProbe = false
        if congestion.phase == .open, send.una >= congestion.recover {
            startRecovery(context)
        } else {
            sendEverythingAgain()
            timers.probeShift = min(timers.probeShift &+ 1, 30)
            armTimeout(context)
        }
    }

    // MARK: RFC 9293, 3.8.6.1

    private mutating func persistDue(_ context: TCPContext) {
        timers.probes &+= 1
        guard timers.probes <= context.settings.pointee.dataRetries else { return giveUp() }
        pending.insert(.windowProbe)
        timers.probeShift = min(timers.probeShift &+ 1, 30)
        armPersist(context)
    }

    /// 3.8.6.2.1: a window that is open and not worth a segment is filled after a second at the latest, whatever the round
    /// trip is thought to be.
    private static let overrideTime: UInt64 = 1_000_000_000

    private mutating func armPersist(_ context: TCPContext) {
        let time = roundTrip.probeTimeout(timers.probeShift, context.settings)
        timers.retransmission = .persist
        timers.retransmitAt = context.now &+ (send.window > 0 ? min(time, Self.overrideTime) : time)
    }

    /// There is something to send, nothing in flight whose ACK could open the window, and no room for
    /// a full segment or everything.
    private var isWindowBlocked: Bool {
        let waiting = send.queued &+ (facts.contains(.finQueued) && !facts.contains(.finAcknowledged) ? 1 : 0)
        return waiting > 0 && send.window < min(waiting, send.segmentSize)
    }

    /// Brings the retransmission timer in line with what is in flight; after every input.
    mutating func settle(_ context: TCPContext) {
        guard isSynchronized, state != .timeWait else { return }
        if send.next > send.una {
            if timers.retransmission == .none || timers.retransmission == .persist { armRetransmission(context) }
        } else if isWindowBlocked {
            if timers.retransmission == .none { armPersist(context) }
        } else if send.highest > send.una {
            if timers.retransmission == .none { armTimeout(context) }
        } else {
            timers.stopRetransmission()
        }
    }

    // MARK: keep-alive, TIME-WAIT, FIN-WAIT-2

    mutating func startKeepAlive(_ context: TCPContext) {
        guard let interval = context.settings.pointee.keepAlive else { return }
        timers.keepAliveAt = context.now &+ interval.unsigned
    }

    /// RFC 9293, 3.8.4: only while nothing was heard; nine unanswered probes end the connection.
    private mutating func keepAliveDue(_ context: TCPContext) {
        timers.keepAliveAt = TCPTimers.never
        guard let interval = context.settings.pointee.keepAlive, isSynchronized, state != .timeWait else { return }
        let idle = max(1_000_000, interval.unsigned)
        if context.now &- receive.lastHeard < idle {
            timers.keepAliveAt = receive.lastHeard &+ idle
            return
        }
        // With something in flight the retransmission timer asks already.
        if send.next == send.una {
            timers.probes &+= 1
            guard timers.probes <= 9 else { return giveUp() }
            pending.insert(.keepAlive)
        }
        timers.keepAliveAt = context.now &+ min(idle, 75_000_000_000)
    }

    mutating func startTimeWait(_ context: TCPContext) {
        state = .timeWait
        timers = TCPTimers()
        timers.endAt = context.now &+ context.settings.pointee.timeWait.unsigned
    }

    /// A released connection has nobody who could end it, should the peer's FIN never come.
    mutating func startFinWait2(_ context: TCPContext) {
        timers.endAt = context.now &+ context.settings.pointee.finWait2.unsigned
    }
}
