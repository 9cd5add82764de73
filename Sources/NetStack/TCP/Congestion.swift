// How much may be in flight: slow start and congestion avoidance (RFC 5681) with NewReno's recovery
// (RFC 6582), an initial window of ten segments (RFC 6928) and limited transmit (RFC 3042).
// Numbers only; which segment goes out next is decided in TCPConnection+Output.
//
// Growth counts the bytes acknowledged (RFC 3465) without its limit of two segments per ACK: a
// receiver that answers a batch of a hundred segments with one ACK (passt, LRO) is the usual case
// here, and the window is limited by the receiver's anyway.

import Bytes

/// Congestion state of one connection, in bytes.
struct Congestion {
    /// Where a loss episode stands.
    enum Phase: UInt8 {
        /// No loss known.
        case open
        /// RFC 6582, 3.2: from the fast retransmit until `recover` is acknowledged.
        case recovery
        /// After a timeout, or when the receiver turned out to keep nothing behind a gap:
        /// everything up to `recover` is sent again in order.
        case goBack
    }

    private(set) var window = 0
    private(set) var threshold = Int.max
    private(set) var phase = Phase.open
    /// RFC 6582: the highest sequence number sent when the episode began.
    private(set) var recover = SequenceNumber(0)
    /// RFC 5681, 2: duplicate ACKs in a row.
    private(set) var duplicates: UInt32 = 0
    /// Partial ACKs in a row that covered just the segment sent again.
    private(set) var barePartials: UInt8 = 0
    /// Bytes acknowledged since the window last grew in congestion avoidance.
    private var credit = 0

    /// RFC 5681, 3.2.
    static let duplicateThreshold: UInt32 = 3

    /// RFC 6928: the window when the handshake is done.
    mutating func start(segmentSize: Int, at sequence: SequenceNumber) {
        window = Self.initialWindow(segmentSize)
        recover = sequence
    }

    static func initialWindow(_ segmentSize: Int) -> Int {
        min(10 &* segmentSize, max(2 &* segmentSize, 14_600))
    }

    /// RFC 5681, 3.1: a SYN that was lost leaves one segment to begin with.
    mutating func restartAfterLostSyn(segmentSize: Int) { window = segmentSize }

    /// RFC 5681, 4.1: after an idle time the window says nothing any more.
    mutating func restartAfterIdle(segmentSize: Int) { window = min(window, Self.initialWindow(segmentSize)) }

    /// What limited transmit adds to the window on the first two duplicates (RFC 3042).
    func extra(segmentSize: Int) -> Int {
        phase == .open && duplicates < Self.duplicateThreshold ? Int(duplicates) &* segmentSize : 0
    }

    /// Counts a duplicate ACK. True: the third one, and it does not belong to an older episode
    /// (RFC 6582, 3.2 step 2): time for the fast retransmit.
    mutating func duplicate(una: SequenceNumber, segmentSize: Int) -> Bool {
        if duplicates < .max { duplicates &+= 1 }
        switch phase {
        case .recovery:
            // RFC 5681, 3.2 step 4: one segment has left the network.
            window = min(window &+ segmentSize, 1 << 30)
            return false
        case .goBack: return false
        case .open: return duplicates == Self.duplicateThreshold && una >= recover
        }
    }

    /// RFC 5681, 3.2 steps 2 and 3: the caller sends the first segment again.
    mutating func enterRecovery(inFlight: Int, highest: SequenceNumber, segmentSize: Int) {
        phase = .recovery
        recover = highest
        threshold = max(inFlight / 2, 2 &* segmentSize)
        window = threshold &+ Int(min(duplicates, 3)) &* segmentSize
        barePartials = 0
        credit = 0
    }

    /// RFC 5681, 3.1 (4) and RFC 6298, 5.4–5.6: back to one segment. The threshold falls once per episode.
    mutating func timedOut(inFlight: Int, highest: SequenceNumber, segmentSize: Int, isFirst: Bool) {
        if isFirst { threshold = max(inFlight / 2, 2 &* segmentSize) }
        window = segmentSize
        startOver(highest: highest)
    }

    /// The receiver keeps nothing behind a gap, or stopped keeping: send everything again, doubling
    /// from two segments up to the threshold. The threshold falls unless this continues an episode.
    mutating func goBack(inFlight: Int, highest: SequenceNumber, segmentSize: Int) {
        if phase != .recovery { threshold = max(inFlight / 2, 2 &* segmentSize) }
        window = min(2 &* segmentSize, threshold)
        startOver(highest: highest)
    }

    private mutating func startOver(highest: SequenceNumber) {
        phase = .goBack
        recover = highest
        duplicates = 0
        barePartials = 0
        credit = 0
    }
}

extension Congestion {
    mutating func code(_ coder: inout StateCoder) throws(StateError) {
        try coder.count(&window, in: 0...1 << 30, "congestion window")
        try coder.count(&threshold, in: 0...Int.max, "slow start threshold")
        try coder.choice(&phase, "phase of congestion control")
        try recover.code(&coder)
        try coder.integer(&duplicates)
        try coder.integer(&barePartials)
        try coder.count(&credit, in: 0...1 << 31, "credit of the congestion window")
    }
}

/// What an acknowledgement of new data was.
struct CongestionProgress {
    /// SND.UNA after it.
    var una: SequenceNumber
    /// Bytes it acknowledged.
    var acknowledged: Int
    /// Bytes in flight before it.
    var inFlight: Int
    /// Length of the segment that was sent again in recovery.
    var resent: Int
    var segmentSize: Int
}

extension Congestion {
    /// What is to be sent again after an ACK of new data.
    enum Repair { case nothing, firstSegment, everything }

    mutating func progress(_ p: CongestionProgress) -> Repair {
        duplicates = 0
        switch phase {
        case .open: grow(p)
        case .goBack:
            grow(p)
            if p.una >= recover { phase = .open }
        case .recovery:
            if p.una >= recover { leaveRecovery(p) } else { return partial(p) }
        }
        return .nothing
    }

    /// RFC 6582, 3.2 step 3, full acknowledgement, option 1.
    private mutating func leaveRecovery(_ p: CongestionProgress) {
        let stillInFlight = max(0, p.inFlight &- p.acknowledged)
        window = min(threshold, max(stillInFlight, p.segmentSize) &+ p.segmentSize)
        phase = .open
    }

    /// RFC 6582, 3.2 step 3, partial acknowledgement. A receiver that holds what came behind the gap
    /// acknowledges more than the segment sent again; one that does so twice holds nothing, and one
    /// segment per round trip would be slow.
    private mutating func partial(_ p: CongestionProgress) -> Repair {
        barePartials = p.acknowledged <= p.resent ? barePartials &+ 1 : 0
        if barePartials >= 2 { return .everything }
        window = max(p.segmentSize, window &- p.acknowledged)
        if p.acknowledged >= p.segmentSize { window &+= p.segmentSize }
        return .firstSegment
    }

    /// RFC 5681, 3.1, only while the window is what holds the sender back (RFC 7661's concern).
    private mutating func grow(_ p: CongestionProgress) {
        if window < threshold {
            guard p.inFlight &* 2 >= window else { return }
            window &+= min(p.acknowledged, threshold &- window)
        } else {
            guard p.inFlight &+ p.segmentSize >= window else { return }
            credit &+= p.acknowledged
            if credit >= window {
                credit = 0
                window &+= p.segmentSize
            }
        }
        window = min(window, 1 << 30)
    }
}
