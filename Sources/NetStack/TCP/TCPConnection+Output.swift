// A planned segment is written: its header in front of the text that the storage has put in place, and what follows from
// having sent it.

import Bytes

extension TCPConnection {
    /// Bytes of the header of a segment that carries text.
    var textHeaderSize: Int { TCPHeader.minimumSize &+ (facts.contains(.usesTimestamps) ? 12 : 0) }

    /// Writes the header in front of text that is in place, and notes the segment as sent. nil: no room.
    /// - Parameter sum: of the text.
    mutating func write(
        _ plan: TCPPlan, _ sum: InternetChecksum, into room: UnsafeMutableRawBufferPointer, _ context: TCPContext
    ) -> Int? {
        var sum = sum
        sent(plan, context)
        let header = header(for: plan, context)
        let length = header.size &+ plan.count
        sum.addPseudoHeader(from: key.local.address, to: key.remote.address, .tcp, length: length)
        guard header.write(into: room, addingTo: &sum) != nil, length <= room.count else { return nil }
        room.setBig16(16, sum.checksum)
        return length
    }

    // MARK: what follows from sending

    private mutating func sent(_ plan: TCPPlan, _ context: TCPContext) {
        let length = plan.count &+ (plan.flags.contains(.fin) ? 1 : 0)
        switch plan.purpose {
        case .control: return
        case .data: noteSent(length, context)
        case .first:
            resentBytes = length
            retransmissions &+= 1
        case .windowProbe:
            // SND.NXT stays: the octet is sent again as soon as the window opens.
            send.highest = SequenceNumber.latest(send.highest, send.next + max(1, plan.count))
            roundTrip.discard()
        }
        send.lastSent = context.now
    }

    private mutating func noteSent(_ length: Int, _ context: TCPContext) {
        let isNew = send.next == send.highest
        send.next += length
        if send.next > send.highest { send.highest = send.next }
        if isNew { roundTrip.time(send.next, now: context.now) } else { retransmissions &+= 1 }
        pending.remove(.windowProbe)
        let timer = timers.retransmission
        if timer == .none || timer == .persist || timer == .tailProbe || (timer == .timeout && mayProbe) {
            armRetransmission(context)
        }
    }

    // MARK: the header

    private mutating func header(for plan: TCPPlan, _ context: TCPContext) -> TCPHeader {
        var header = TCPHeader(
            sourcePort: key.local.port, destinationPort: key.remote.port, sequence: plan.sequence.rawValue,
            flags: plan.flags)
        if plan.flags.contains(.ack) { header.acknowledgement = receive.next.rawValue }
        if plan.flags.contains(.syn) {
            addSynOptions(&header, context)
        } else {
            header.window = announceWindow()
        }
        if facts.contains(.usesTimestamps) {
            header.timestamps = TCPTimestamps(value: timestamps.value(context.now), echo: timestamps.recent)
        }
        if plan.flags.contains(.ack) {
            pending.remove(.ack)
            timers.ackAt = TCPTimers.never
            receive.lastAckSent = receive.next
        }
        return header
    }

    /// RFC 7323, 2.2 and 3.2: in a SYN,ACK only what the SYN offered.
    private func addSynOptions(_ header: inout TCPHeader, _ context: TCPContext) {
        header.window = synWindow
        header.maximumSegmentSize = offeredSegmentSize
        if state == .synSent {
            guard context.settings.pointee.usesWindowScale else { return }
            header.windowShift = Self.windowShift(for: context.settings.pointee.maximumReceiveBuffer)
        } else if receive.shift > 0 || send.shift > 0 {
            header.windowShift = receive.shift
        }
    }

    /// RFC 9293, 3.8.6.2.2: the right edge moves by a segment or half of the buffer, or stays.
    mutating func announceWindow() -> UInt16 {
        let free = facts.contains(.isReleased) ? 65_535 : receive.room
        let target = receive.next + free
        let step = min(receive.capacity / 2, send.segmentSize)
        let goal = target - receive.edge >= step ? target : receive.edge
        let field = UInt16(clamping: max(0, goal - receive.next) >> Int(receive.shift))
        receive.edge = SequenceNumber.latest(receive.edge, receive.next + Int(field) << Int(receive.shift))
        return field
    }
}
