// One connection as plain data: the transmission control block of RFC 9293, 3.3.1. No reference, no
// closure, no text, nothing that could not be written down and taken up elsewhere: bytes are counted here and
// moved by a TCPStorage. What happens to it is in the extensions: +Arrival, +Acknowledgement, +Text, +Output,
// +Plan, +Timers, +Calls.

import Bytes

/// The time of a call and the settings, handed through the machine.
struct TCPContext {
    let now: UInt64
    let settings: UnsafePointer<TCPConfiguration>
}

/// What a connection has to say, beside data that the window lets through.
struct TCPPending: OptionSet {
    let rawValue: UInt8

    static let ack = TCPPending(rawValue: 1)
    /// SYN or SYN,ACK, for the first time or again.
    static let syn = TCPPending(rawValue: 2)
    static let reset = TCPPending(rawValue: 4)
    /// The first unacknowledged segment, again.
    static let first = TCPPending(rawValue: 8)
    /// At least one octet, whatever the window says (RFC 9293, 3.8.6.1).
    static let windowProbe = TCPPending(rawValue: 16)
    /// RFC 9293, 3.8.4.
    static let keepAlive = TCPPending(rawValue: 32)
    /// The ACK that completes our handshake, on its own: a peer may take nothing else from that segment (passt
    /// takes the FIN, but not the text before it), and Linux sends it so, too.
    static let handshakeAck = TCPPending(rawValue: 64)
}

struct TCPFacts: OptionSet {
    let rawValue: UInt16

    /// Came from a listener (RFC 9293, 3.10.7.4 asks after it in SYN-RECEIVED).
    static let isPassive = TCPFacts(rawValue: 1)
    /// No caller knows the name any more.
    static let isReleased = TCPFacts(rawValue: 2)
    /// CLOSE was called: FIN follows the last byte of the send buffer.
    static let finQueued = TCPFacts(rawValue: 4)
    /// The peer's FIN was processed; RCV.NXT counts it.
    static let finReceived = TCPFacts(rawValue: 8)
    /// The peer's FIN came ahead of some text; `finAt` says where it belongs.
    static let finAhead = TCPFacts(rawValue: 16)
    /// Our FIN was acknowledged.
    static let finAcknowledged = TCPFacts(rawValue: 32)
    static let usesNagle = TCPFacts(rawValue: 64)
    static let usesTimestamps = TCPFacts(rawValue: 128)
    /// Linked in the list of those that may have something to send.
    static let isReady = TCPFacts(rawValue: 256)
    /// Linked in its listener's queue, not yet accepted.
    static let isQueued = TCPFacts(rawValue: 512)
    /// Found in the connection table by its endpoints.
    static let isInTable = TCPFacts(rawValue: 1024)
    /// An ICMP error came; it is what a timeout will say.
    static let sawUnreachable = TCPFacts(rawValue: 2048)
    /// Came through the door, and the handshake is not done.
    static let isOffered = TCPFacts(rawValue: 16_384)
    /// Its SYN is not answered before the door says so.
    static let isHeld = TCPFacts(rawValue: 32_768)
    /// The peer's FIN was taken, and the storage has not been told.
    static let finIsNew = TCPFacts(rawValue: 8192)
    /// The storage was opened for it, and may still keep something.
    static let hasPlace = TCPFacts(rawValue: 4096)
}

/// RFC 9293, 3.3.1, send sequence variables.
struct TCPSendSide {
    /// Bytes of text from SND.UNA on that the storage has.
    var queued = 0
    /// Of those acknowledged, what the storage has not been told yet.
    var freed = 0
    var initial = SequenceNumber(0)
    /// SND.UNA; in a synchronized state also the sequence number of the storage's first byte.
    var una = SequenceNumber(0)
    /// SND.NXT; goes back when everything is sent again.
    var next = SequenceNumber(0)
    /// Behind the highest sequence number ever sent.
    var highest = SequenceNumber(0)
    /// SND.WND, scaled.
    var window = 0
    /// MAX.SND.WND (RFC 5961, 5).
    var largestWindow = 0
    var windowSequence = SequenceNumber(0)
    var windowAcknowledgement = SequenceNumber(0)
    /// Snd.Wind.Shift.
    var shift: UInt8 = 0
    /// Payload bytes of a full segment: the smaller of what the peer and the path take, less options.
    var segmentSize = 536
    /// The MSS option of the peer, or its default.
    var peerLimit = 536
    var lastSent: UInt64 = 0

    var inFlight: Int { next - una }
}

/// RFC 9293, 3.3.1, receive sequence variables.
struct TCPReceiveSide {
    /// Bytes from RCV.NXT on that the storage takes; before it is open, what it plans to.
    var room = 0
    /// The most that `room` can be.
    var capacity = 0
    var ahead = ReorderList()
    var initial = SequenceNumber(0)
    /// RCV.NXT
    var next = SequenceNumber(0)
    /// RCV.NXT + RCV.WND as the peer was last told; never moves left.
    var edge = SequenceNumber(0)
    var finAt = SequenceNumber(0)
    /// Rcv.Wind.Shift.
    var shift: UInt8 = 0
    /// Last.ACK.sent (RFC 7323, 4.3).
    var lastAckSent = SequenceNumber(0)
    /// The largest payload seen: what "full-sized" means for delayed ACKs.
    var largestSegment = 0
    /// Segments that are still acknowledged at once, so that the peer's slow start is not delayed.
    var quickAcks: UInt8 = 16
    /// When the last acceptable segment came.
    var lastHeard: UInt64 = 0

    /// RCV.WND as the peer knows it.
    var window: Int { max(0, edge - next) }
}

/// RFC 7323, 4: what is remembered about timestamps.
struct TCPTimestampState {
    var recent: UInt32 = 0
    var recentAt: UInt64 = 0
    var offset: UInt32 = 0

    /// RFC 7323, 5.4: our clock ticks every millisecond.
    func value(_ now: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: now / 1_000_000) &+ offset }
}

/// What the retransmission timer does when it fires. It is one timer: these exclude each other.
enum TCPRetransmission: UInt8 {
    case none
    /// RFC 6298.
    case timeout
    /// A quiet tail: one segment again, before the timeout (the idea of RFC 8985, 7).
    case tailProbe
    /// One or two duplicate ACKs and then nothing (the idea of RFC 8985, 6 and RFC 5827).
    case reorderWait
    /// RFC 9293, 3.8.6.1.
    case persist
}

struct TCPTimers {
    static let never = UInt64.max

    var retransmission = TCPRetransmission.none
    var retransmitAt = never
    /// RFC 9293, 3.8.6.3.
    var ackAt = never
    var keepAliveAt = never
    /// TIME-WAIT, or FIN-WAIT-2 of a released connection.
    var endAt = never
    /// Expiries in a row without any progress.
    var retries: UInt8 = 0
    /// Window or keep-alive probes in a row without any answer.
    var probes: UInt8 = 0
    /// Duplicates came since the last tail probe: the path lives.
    var heardSinceProbe = false
    var probeShift: UInt8 = 0

    var next: UInt64 { min(min(retransmitAt, ackAt), min(keepAliveAt, endAt)) }

    mutating func stopRetransmission() {
        retransmission = .none
        retransmitAt = Self.never
    }
}

/// Links and places that belong to the layer, and how often things were said.
struct TCPLinks {
    static let none = UInt32.max

    var nextReady = none
    var nextAccepted = none
    /// The listener of a passive connection until it is accepted.
    var listener: TCPSocketID?
    var generation: UInt32 = 0
    var challengeSecond: UInt64 = 0
    var challenges: UInt8 = 0
    var lastOutsideAck: UInt64 = 0
    /// How often SYN or SYN,ACK is sent again at most, when that is less than the settings say.
    var answers = UInt8.max
}

struct TCPConnection {
    var key: TCPKey
    var interface: InterfaceID
    var state = TCPState.closed
    var facts: TCPFacts = []
    var pending: TCPPending = []
    var error: TCPError?
    /// Bytes of TCP header and payload that the path takes.
    var pathRoom = 536
    var send = TCPSendSide()
    var receive = TCPReceiveSide()
    var timestamps = TCPTimestampState()
    var congestion = Congestion()
    var roundTrip: RoundTrip
    var timers = TCPTimers()
    var links = TCPLinks()
    var retransmissions: UInt32 = 0
    /// Payload bytes of the segment last sent again.
    var resentBytes = 0

    init(key: TCPKey, path: TransportPath, settings: UnsafePointer<TCPConfiguration>) {
        self.key = key
        interface = path.interface
        roundTrip = RoundTrip(initial: settings.pointee.initialRTO)
        if settings.pointee.usesNagle { facts.insert(.usesNagle) }
        setPath(mtu: path.mtu)
    }

    /// Has passed the handshake and not ended (RFC 9293, 3.3.2).
    var isSynchronized: Bool { state.rawValue >= TCPState.established.rawValue }

    /// Our FIN's sequence number once it is queued.
    var finSequence: SequenceNumber { send.una + send.queued }

    /// Of a RST that we send by ourselves; 0 where nothing was said yet (RFC 9293, 3.10.7.1).
    var resetSequence: UInt32 { send.highest == send.initial && state != .synSent ? 0 : send.next.rawValue }

    /// RFC 9293, 3.7.1; RFC 6691: the MTU less fixed headers; options come off the payload.
    mutating func setPath(mtu: Int) {
        let header = key.remote.address.family.headerSize
        pathRoom = min(max(mtu &- header, 68), 65_535 &- header)
        settleSegmentSize()
    }

    /// The MSS option that we send.
    var offeredSegmentSize: UInt16 { UInt16(clamping: pathRoom &- TCPHeader.minimumSize) }

    mutating func settleSegmentSize() {
        let options = facts.contains(.usesTimestamps) ? 12 : 0
        send.segmentSize = max(8, min(send.peerLimit, pathRoom &- TCPHeader.minimumSize) &- options)
    }

    /// The connection is over. Received bytes stay readable; the layer closes the storage otherwise
    /// and sends the RST, if one is pending.
    mutating func close(_ error: TCPError?) {
        state = .closed
        if self.error == nil { self.error = error }
        pending = pending.intersection(.reset)
        timers = TCPTimers()
    }
}
