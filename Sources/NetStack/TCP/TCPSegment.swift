// A received segment on its way through the machine: the parsed copy of its header, and where in the
// frame the part of the payload lies that is still of interest.

struct TCPSegment {
    let header: TCPHeader
    /// SEG.SEQ of the first byte that is still of interest.
    var sequence: SequenceNumber
    var flags: TCPFlags
    var payload: TCPPayload
    /// Bytes from RCV.NXT to the first one of `payload`.
    var offset = 0

    init(header: TCPHeader, payload: TCPPayload) {
        self.header = header
        sequence = SequenceNumber(header.sequence)
        flags = header.flags
        self.payload = payload
    }

    var acknowledgement: SequenceNumber { SequenceNumber(header.acknowledgement) }
    /// SEG.LEN: SYN and FIN count (RFC 9293, 3.4).
    var length: Int {
        payload.count &+ (flags.contains(.syn) ? 1 : 0) &+ (flags.contains(.fin) ? 1 : 0)
    }
    var end: SequenceNumber { sequence + length }

    /// Forgets the SYN and its sequence number.
    mutating func stripSyn() {
        flags.remove(.syn)
        sequence += 1
    }

    /// Cuts what lies outside of `from..<to` (RFC 9293, 3.10.7.4, first check, last paragraph).
    mutating func trim(from: SequenceNumber, to: SequenceNumber) {
        if sequence < from {
            var extra = from - sequence
            if flags.contains(.syn) {
                flags.remove(.syn)
                extra &-= 1
            }
            let cut = min(extra, payload.count)
            payload.offset &+= cut
            payload.count &-= cut
            if extra > cut { flags.remove(.fin) }
            sequence = from
        }
        // FIN needs no room: it stays when all text before it fits, even at the edge.
        let excess = (sequence + payload.count) - to
        guard excess > 0 else { return }
        flags.remove(.fin)
        payload.count = max(0, payload.count &- excess)
    }
}

/// What the layer has to do about a segment beyond the connection itself.
enum TCPReply {
    case nothing
    /// RFC 9293, 3.10.7.1: RST that fits the segment.
    case reset
    /// Text is to be stored at `segment.offset`, or a FIN to be taken: `takeText` says so.
    case text
}
