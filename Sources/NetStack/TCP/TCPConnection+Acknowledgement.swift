// The ACK field of a segment: what it acknowledges, the window it opens, and what a duplicate or a
// silence says about loss (RFC 9293, 3.10.7.4, fifth check; RFC 5681; RFC 6582; RFC 5961, 5).

/// What the ACK field made of a segment.
enum TCPAckVerdict {
    case accepted
    /// Nothing more of the segment is looked at.
    case ignored
    /// It belongs to another connection: RST.
    case refused
}

extension TCPConnection {
    mutating func takeAcknowledgement(_ segment: TCPSegment, _ context: TCPContext) -> TCPAckVerdict {
        let ack = segment.acknowledgement
        if state == .synReceived {
            guard ack > send.initial, ack <= send.highest else { return .refused }
            acceptHandshake(segment, context)
        }
        guard ack <= send.highest, ack >= send.una + (0 &- send.largestWindow) else {
            challenge(context)
            return .ignored
        }
        let oldWindow = send.window
        if ack >= send.una { takeWindow(segment) }
        if ack > send.una {
            takeProgress(to: ack, context)
        } else if ack == send.una, isDuplicate(segment, oldWindow: oldWindow) {
            takeDuplicate(context)
        }
        return afterFinAcknowledged(context)
    }

    /// SYN-RECEIVED to ESTABLISHED, with the first window that is scaled.
    private mutating func acceptHandshake(_ segment: TCPSegment, _ context: TCPContext) {
        establish(segment, context)
        send.window = Int(segment.header.window) << Int(send.shift)
        send.largestWindow = max(send.largestWindow, send.window)
        send.windowSequence = segment.sequence
        send.windowAcknowledgement = segment.acknowledgement
    }

    /// The window is taken from the newest segment only (RFC 9293, 3.10.7.4).
    private mutating func takeWindow(_ segment: TCPSegment) {
        let isNewer =
            send.windowSequence < segment.sequence
            || (send.windowSequence == segment.sequence
                && send.windowAcknowledgement <= segment.acknowledgement)
        guard isNewer else { return }
        send.window = Int(segment.header.window) << Int(send.shift)
        send.windowSequence = segment.sequence
        send.windowAcknowledgement = segment.acknowledgement
        send.largestWindow = max(send.largestWindow, send.window)
        if timers.retransmission == .persist, send.window > 0 {
            timers.stopRetransmission()
            timers.probeShift = 0
        }
    }

    // MARK: progress

    private mutating func takeProgress(to ack: SequenceNumber, _ context: TCPContext) {
        let bytes = ack - send.una
        let progress = CongestionProgress(
            una: ack, acknowledged: bytes, inFlight: send.inFlight, resent: max(1, resentBytes),
            segmentSize: send.segmentSize)
        let probeWasAlone = isProbeAloneAcknowledged(ack, bytes)
        if bytes > send.queued, facts.contains(.finQueued) { facts.insert(.finAcknowledged) }
        let text = min(bytes, send.queued)
        send.queued &-= text
        send.freed &+= text
        send.una = ack
        if send.next < ack { send.next = ack }
        roundTrip.acknowledge(ack, now: context.now, settings: context.settings)
        timers.retries = 0
        timers.probeShift = 0
        timers.heardSinceProbe = false
        timers.stopRetransmission()
        pending.remove(.first)
        resentBytes = 0
        if probeWasAlone { return sendEverythingAgain() }
        switch congestion.progress(progress) {
        case .nothing: break
        case .firstSegment: sendFirstAgain()
        case .everything: sendEverythingAgain()
        }
    }

    /// A tail probe sends the first segment again. If just that is acknowledged although more was
    /// sent before, the rest is lost as well.
    private func isProbeAloneAcknowledged(_ ack: SequenceNumber, _ bytes: Int) -> Bool {
        congestion.phase == .open && timers.probeShift > 0 && resentBytes > 0 && bytes <= resentBytes
            && ack < send.highest
    }

    mutating func sendFirstAgain() {
        pending.insert(.first)
        roundTrip.discard()
    }

    mutating func sendEverythingAgain() {
        congestion.goBack(
            inFlight: send.highest - send.una, highest: send.highest, segmentSize: send.segmentSize)
        send.next = send.una
        pending.remove(.first)
        roundTrip.discard()
    }

    /// The states that wait for our FIN to be acknowledged (RFC 9293, 3.10.7.4, fifth check).
    private mutating func afterFinAcknowledged(_ context: TCPContext) -> TCPAckVerdict {
        guard facts.contains(.finAcknowledged) else { return .accepted }
        switch state {
        case .finWait1:
            state = .finWait2
            if facts.contains(.isReleased) { startFinWait2(context) }
        case .closing: startTimeWait(context)
        case .lastAck:
            close(nil)
            return .ignored
        default: break
        }
        return .accepted
    }

    // MARK: duplicates

    /// RFC 5681, 2: the definition of a duplicate acknowledgement.
    private func isDuplicate(_ segment: TCPSegment, oldWindow: Int) -> Bool {
        segment.length == 0 && send.next > send.una && send.window == oldWindow
    }

    private mutating func takeDuplicate(_ context: TCPContext) {
        timers.heardSinceProbe = true
        if congestion.duplicate(una: send.una, segmentSize: send.segmentSize) {
            startRecovery(context)
        } else if congestion.phase != .recovery, roundTrip.smoothed > 0 {
            waitForReordering(context)
        } else if timers.retransmission == .timeout, mayProbe {
            armRetransmission(context)
        }
    }

    mutating func startRecovery(_ context: TCPContext) {
        congestion.enterRecovery(
            inFlight: send.highest - send.una, highest: send.highest, segmentSize: send.segmentSize)
        sendFirstAgain()
        armRetransmission(context)
    }
}
