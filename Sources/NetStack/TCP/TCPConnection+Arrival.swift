// SEGMENT ARRIVES for SYN-SENT and the states behind it (RFC 9293, 3.10.7.3 and 3.10.7.4): the order
// of the checks is the RFC's, with the stricter rules of RFC 5961 and PAWS of RFC 7323.

extension TCPConnection {
    /// Does everything about a segment but for its text and FIN; `.text` when it has some of them.
    mutating func arrive(_ segment: inout TCPSegment, _ context: TCPContext) -> TCPReply {
        switch state {
        case .closed, .listen: return .reset
        case .synSent: return arriveInSynSent(segment, context)
        case .synReceived where facts.contains(.isHeld): return arriveHeld(segment)
        default: return arriveSynchronized(&segment, context)
        }
    }

    // MARK: SYN-SENT

    private mutating func arriveInSynSent(_ segment: TCPSegment, _ context: TCPContext) -> TCPReply {
        let hasAck = segment.flags.contains(.ack)
        if hasAck {
            let ack = segment.acknowledgement
            guard ack > send.initial, ack <= send.highest else {
                return segment.flags.contains(.rst) ? .nothing : .reset
            }
        }
        if segment.flags.contains(.rst) {
            if hasAck { close(.connectionRefused) }
            return .nothing
        }
        guard segment.flags.contains(.syn) else { return .nothing }
        takeSyn(segment, context)
        if hasAck {
            establish(segment, context)
            pending.insert(.handshakeAck)
        } else {
            // Simultaneous open (RFC 9293, 3.5): the SYN goes out again, with an ACK.
            state = .synReceived
            pending.insert(.syn)
        }
        return .nothing
    }

    /// Reads the peer's SYN: its sequence number and its options (RFC 9293, 3.7.1; RFC 7323, 2 and 3).
    mutating func takeSyn(_ segment: TCPSegment, _ context: TCPContext) {
        let header = segment.header
        receive.initial = segment.sequence
        receive.next = segment.sequence + 1
        receive.lastAckSent = receive.next
        receive.edge = receive.next + Int(synWindow)
        // A peer that announces less than any path carries is not obeyed to the letter: RFC 9293, 3.7.1
        // has no lower bound, but segments of a few bytes are an attack (CVE-2019-11479).
        send.peerLimit = max(Int(header.maximumSegmentSize ?? 536), 48)
        let wantsTimestamps =
            state == .synSent ? facts.contains(.usesTimestamps) : context.settings.pointee.usesTimestamps
        facts.remove(.usesTimestamps)
        if wantsTimestamps, let stamps = header.timestamps {
            facts.insert(.usesTimestamps)
            timestamps.recent = stamps.value
            timestamps.recentAt = context.now
        }
        if context.settings.pointee.usesWindowScale, let shift = header.windowShift {
            send.shift = min(shift, TCPHeader.maximumWindowShift)
            receive.shift = Self.windowShift(for: context.settings.pointee.maximumReceiveBuffer)
        }
        send.window = Int(header.window)
        send.largestWindow = send.window
        send.windowSequence = segment.sequence
        send.windowAcknowledgement = segment.acknowledgement
        settleSegmentSize()
    }

    /// The smallest shift with which a whole buffer can be announced.
    static func windowShift(for bytes: Int) -> UInt8 {
        var shift: UInt8 = 0
        while shift < TCPHeader.maximumWindowShift, bytes >> Int(shift) > 65_535 { shift &+= 1 }
        return shift
    }

    /// The window of a SYN is never scaled (RFC 7323, 2.2).
    var synWindow: UInt16 { UInt16(clamping: receive.room) }

    /// The handshake is complete from our side: our SYN was acknowledged.
    mutating func establish(_ segment: TCPSegment, _ context: TCPContext) {
        let wasRepeated = timers.retries > 0
        // A CLOSE that waited for this goes on.
        state = facts.contains(.finQueued) ? .finWait1 : .established
        roundTrip.acknowledge(segment.acknowledgement, now: context.now, settings: context.settings)
        if wasRepeated { roundTrip.assumeSlowPath() }
        send.una = send.initial + 1
        if send.next < send.una { send.next = send.una }
        pending.remove(.syn)
        timers.retries = 0
        timers.stopRetransmission()
        congestion.start(segmentSize: send.segmentSize, at: send.una)
        // RFC 5681, 3.1: a lost SYN starts with one segment.
        if wasRepeated { congestion.restartAfterLostSyn(segmentSize: send.segmentSize) }
        startKeepAlive(context)
    }

    /// Whether the segment completes the handshake of SYN-RECEIVED: then buffers are needed.
    func completesHandshake(_ segment: TCPSegment, _ context: TCPContext) -> Bool {
        state == .synReceived && segment.flags.contains(.ack) && segment.flags.isDisjoint(with: [.rst, .syn])
            && segment.acknowledgement > send.initial && segment.acknowledgement <= send.highest
            && isInWindow(segment) && !isOutdated(segment, context)
    }

    /// RFC 6191; RFC 9293, 3.6.1: whether a SYN may end TIME-WAIT because it is surely new.
    func mayBeReplaced(by segment: TCPSegment) -> Bool {
        guard segment.flags.contains(.syn), segment.flags.isDisjoint(with: [.ack, .rst, .fin]) else { return false }
        if facts.contains(.usesTimestamps), let stamps = segment.header.timestamps {
            let newer = Int32(bitPattern: stamps.value &- timestamps.recent)
            if newer != 0 { return newer > 0 }
        }
        return segment.sequence > receive.next
    }

    /// Nothing was answered yet: only a RST, or a SYN that starts anew, means something.
    private mutating func arriveHeld(_ segment: TCPSegment) -> TCPReply {
        let isReset = segment.flags.contains(.rst) && segment.sequence == receive.next
        let isAnew = segment.flags.contains(.syn) && segment.sequence != receive.initial
        if isReset || isAnew { close(.connectionReset) }
        return .nothing
    }

    // MARK: SYN-RECEIVED and later

    private mutating func arriveSynchronized(_ segment: inout TCPSegment, _ context: TCPContext) -> TCPReply {
        if isCrossedSynAck(segment) { segment.stripSyn() }
        guard checkTimestamps(segment, context), checkSequence(segment, context) else { return .nothing }
        if segment.flags.contains(.rst) { return takeReset(segment, context) }
        segment.trim(from: receive.next, to: receive.edge)
        if segment.flags.contains(.syn) { return takeUnexpectedSyn(context) }
        guard segment.flags.contains(.ack) else { return .nothing }
        switch takeAcknowledgement(segment, context) {
        case .accepted: break
        case .ignored: return .nothing
        case .refused: return .reset
        }
        noteHeard(segment, context)
        return planText(&segment)
    }

    /// Simultaneous open: the peer has answered our SYN with its own SYN again (RFC 9293, 3.5, figure 8).
    /// Of that SYN,ACK only the ACK is new; refused as old, it would be repeated by both sides for ever.
    private func isCrossedSynAck(_ segment: TCPSegment) -> Bool {
        state == .synReceived && segment.flags.contains([.syn, .ack]) && !segment.flags.contains(.rst)
            && segment.sequence == receive.initial && segment.acknowledgement == send.initial + 1
    }

    /// RFC 7323, 5.3: PAWS.
    private mutating func checkTimestamps(_ segment: TCPSegment, _ context: TCPContext) -> Bool {
        guard isOutdated(segment, context), !segment.flags.contains(.rst) else { return true }
        if segment.header.timestamps != nil { pending.insert(.ack) }
        return false
    }

    /// A timestamp of the past, or none where both sides had agreed on them (RFC 7323, 3.2).
    private func isOutdated(_ segment: TCPSegment, _ context: TCPContext) -> Bool {
        guard facts.contains(.usesTimestamps) else { return false }
        guard let stamps = segment.header.timestamps else { return true }
        // RFC 7323, 5.5: after 24 days the remembered value says nothing.
        return Int32(bitPattern: stamps.value &- timestamps.recent) < 0
            && context.now &- timestamps.recentAt < 2_073_600_000_000_000
    }

    /// What an acceptable segment says beside text and ACK: the peer lives, and its clock. Not before the ACK was found
    /// good: whoever guesses only the sequence number could otherwise move TS.Recent so far that PAWS refuses the peer.
    /// RFC 7323, 4.3 (2): the clock only from a segment that covers what was acknowledged last.
    private mutating func noteHeard(_ segment: TCPSegment, _ context: TCPContext) {
        timers.probes = 0
        receive.lastHeard = context.now
        guard facts.contains(.usesTimestamps), let stamps = segment.header.timestamps else { return }
        guard SequenceNumber(segment.header.sequence) <= receive.lastAckSent else { return }
        timestamps.recent = stamps.value
        timestamps.recentAt = context.now
    }

    /// RFC 9293, 3.10.7.4, first check.
    private mutating func checkSequence(_ segment: TCPSegment, _ context: TCPContext) -> Bool {
        guard isInWindow(segment) else {
            refuse(segment, context)
            return false
        }
        if receive.window == 0, segment.length > 0 { pending.insert(.ack) }
        return true
    }

    /// Is any part of it within the window?
    private func isInWindow(_ segment: TCPSegment) -> Bool {
        let window = receive.window
        let start = segment.sequence - receive.next
        let length = segment.length
        switch (length, window) {
        case (0, 0): return start == 0
        case (0, _): return start >= 0 && start < window
        // A full window still takes ACK and RST of a segment at its edge; its text is cut off.
        case (_, 0): return start == 0
        default:
            let last = start &+ length &- 1
            return (start >= 0 && start < window) || (last >= 0 && last < window) || (start < 0 && last >= window)
        }
    }

    /// An unacceptable segment is answered by an ACK, unless it is a RST.
    private mutating func refuse(_ segment: TCPSegment, _ context: TCPContext) {
        if segment.flags.contains(.rst) { return }
        if state == .synReceived, segment.flags.contains(.syn), segment.sequence == receive.initial {
            // Our SYN,ACK was lost; an ACK alone would not help the peer.
            pending.insert(.syn)
            return
        }
        if segment.flags.contains(.syn) { return challenge(context) }
        if isFinAgain(segment) { startTimeWait(context) }
        if segment.length == 0 {
            // Two machines that disagree must not answer each other's bare ACKs for ever.
            guard context.now &- links.lastOutsideAck >= 10_000_000 || links.lastOutsideAck == 0 else { return }
            links.lastOutsideAck = max(1, context.now)
        }
        pending.insert(.ack)
    }

    /// In TIME-WAIT: the peer's FIN once more, because our last ACK was lost. Nothing else may prolong that state.
    private func isFinAgain(_ segment: TCPSegment) -> Bool {
        state == .timeWait && segment.flags.contains([.fin, .ack]) && segment.end == receive.next
            && segment.acknowledgement == send.una
    }

    /// RFC 9293, 3.10.7.4, second check, with RFC 5961, 3.2: only an exact hit resets.
    private mutating func takeReset(_ segment: TCPSegment, _ context: TCPContext) -> TCPReply {
        guard segment.sequence == receive.next else {
            challenge(context)
            return .nothing
        }
        switch state {
        case .synReceived: close(facts.contains(.isPassive) ? .connectionReset : .connectionRefused)
        case .timeWait: close(nil)
        // Also in CLOSING and LAST-ACK: whether the peer took the last text before its RST is not known.
        default: close(.connectionReset)
        }
        return .nothing
    }

    /// RFC 9293, 3.10.7.4, fourth check; RFC 5961, 4.2.
    private mutating func takeUnexpectedSyn(_ context: TCPContext) -> TCPReply {
        if state == .synReceived, facts.contains(.isPassive) {
            close(.connectionReset)
        } else {
            challenge(context)
        }
        return .nothing
    }

    /// RFC 5961, 7: challenge ACKs are counted, so that they cannot be used to flood.
    mutating func challenge(_ context: TCPContext) {
        let second = context.now / 1_000_000_000
        if links.challengeSecond != second {
            links.challengeSecond = second
            links.challenges = 0
        }
        guard links.challenges < context.settings.pointee.challengeAcksPerSecond else { return }
        links.challenges &+= 1
        pending.insert(.ack)
    }
}
