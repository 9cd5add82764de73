// A connection on its way to another process: one function for both directions, so that they cannot differ. What the
// layer derives (lists, table, places of text) is not written down; what is read must be a connection that can be.

import Bytes

extension TCPConnection {
    /// Facts that say where the layer has put a connection.
    static let placement: TCPFacts = [.isReady, .isQueued, .isInTable, .hasPlace]

    mutating func code(_ coder: inout StateCoder) throws(StateError) {
        try key.code(&coder)
        var number = interface.rawValue
        try coder.integer(&number)
        interface = InterfaceID(rawValue: number)
        try coder.choice(&state, "state of a connection")
        var bits = facts.subtracting(Self.placement).rawValue
        try coder.integer(&bits)
        facts = TCPFacts(rawValue: bits).subtracting(Self.placement)
        var wanted = pending.rawValue
        try coder.integer(&wanted)
        pending = TCPPending(rawValue: wanted)
        try Self.code(&error, &coder)
        try coder.count(&pathRoom, in: 68...65_535, "room of a path")
        try send.code(&coder)
        try receive.code(&coder)
        try coder.integer(&timestamps.recent)
        try coder.integer(&timestamps.recentAt)
        try coder.integer(&timestamps.offset)
        try congestion.code(&coder)
        try roundTrip.code(&coder)
        try timers.code(&coder)
        try coder.integer(&links.answers)
        try coder.integer(&retransmissions)
        try coder.count(&resentBytes, in: 0...65_536, "bytes sent again")
        try coder.require(state != .listen, "a connection that listens")
        if coder.isReading { links.listener = nil }
    }

    private static func code(_ error: inout TCPError?, _ coder: inout StateCoder) throws(StateError) {
        let known: [TCPError?] = [
            nil, .connectionRefused, .connectionReset, .connectionAborted, .timedOut, .unreachable, .addressLost,
        ]
        var index = known.firstIndex(of: error) ?? 0
        try coder.count(&index, in: 0...known.count - 1, "error of a connection")
        error = known[index]
    }
}

extension TCPKey {
    mutating func code(_ coder: inout StateCoder) throws(StateError) {
        try local.code(&coder)
        try remote.code(&coder)
        try coder.require(local.address.family == remote.address.family, "ends of two families")
    }
}

extension TCPSendSide {
    fileprivate mutating func code(_ coder: inout StateCoder) throws(StateError) {
        try initial.code(&coder)
        try una.code(&coder)
        try next.code(&coder)
        try highest.code(&coder)
        try coder.count(&window, in: 0...1 << 30, "send window")
        try coder.count(&largestWindow, in: 0...1 << 30, "largest send window")
        try windowSequence.code(&coder)
        try windowAcknowledgement.code(&coder)
        try coder.integer(&shift)
        try coder.count(&segmentSize, in: 8...65_535, "segment size")
        try coder.count(&peerLimit, in: 48...65_535, "segment size of the peer")
        try coder.integer(&lastSent)
        try coder.require(shift <= TCPHeader.maximumWindowShift, "shift of the send window")
        try coder.require(una <= next && next <= highest && una <= highest, "order of the send sequence")
    }
}

extension TCPReceiveSide {
    fileprivate mutating func code(_ coder: inout StateCoder) throws(StateError) {
        try initial.code(&coder)
        try next.code(&coder)
        try edge.code(&coder)
        try finAt.code(&coder)
        try coder.integer(&shift)
        try lastAckSent.code(&coder)
        try coder.count(&room, in: 0...1 << 30, "receive room")
        try coder.count(&capacity, in: 0...1 << 30, "receive capacity")
        try coder.count(&largestSegment, in: 0...65_535, "largest segment")
        try coder.integer(&quickAcks)
        try coder.integer(&lastHeard)
        try coder.require(shift <= TCPHeader.maximumWindowShift, "shift of the receive window")
        try coder.require(edge - next <= 1 << 30 && lastAckSent <= next, "order of the receive sequence")
        try coder.require(room <= capacity, "receive room")
        try ahead.code(&coder, behind: next, room: room)
    }
}

extension TCPTimers {
    fileprivate mutating func code(_ coder: inout StateCoder) throws(StateError) {
        try coder.choice(&retransmission, "retransmission timer")
        try coder.integer(&retransmitAt)
        try coder.integer(&ackAt)
        try coder.integer(&keepAliveAt)
        try coder.integer(&endAt)
        try coder.integer(&retries)
        try coder.integer(&probes)
        try coder.flag(&heardSinceProbe)
        try coder.integer(&probeShift)
        try coder.require(probeShift <= 30, "probes")
    }
}

extension SequenceNumber {
    mutating func code(_ coder: inout StateCoder) throws(StateError) { try coder.integer(&rawValue) }
}
