// SYN,ACKs that cost no memory (RFC 4987, 3.6). When as many handshakes are open at a listener as its backlog allows, what
// must be remembered of a SYN goes into the sequence number and the timestamp of the answer, and is read back from the
// ACK. So a flood of SYNs from addresses that do not exist shuts nobody out. What a cookie cannot hold: the exact MSS
// (eight sizes, rounded down), and window scaling where the peer has no timestamps.
//
//      sequence number:  5 bits period (64 s) | 3 bits MSS | 24 bits of a keyed hash of both ends and the peer's number
//      timestamp:        the clock, its lowest 5 bits the peer's window shift, 31: none

import Bytes

enum SynCookies {
    static let period: UInt64 = 64_000_000_000
    static let noShift: UInt32 = 31

    /// The MSS that a cookie's three bits mean: common ones (RFC 6691, 8961), in steps.
    static func segmentSize(_ index: UInt32) -> UInt16 {
        switch index & 7 {
        case 0: 536
        case 1: 1220
        case 2: 1300
        case 3: 1400
        case 4: 1440
        case 5: 1460
        case 6: 8960
        default: 65_455
        }
    }

    /// The largest of them that the peer takes.
    static func index(for size: UInt16) -> UInt32 {
        var index: UInt32 = 7
        while index > 0, segmentSize(index) > size { index &-= 1 }
        return index
    }

    /// A timestamp of ours that is not later than `clock` and carries five bits.
    static func timestamp(_ clock: UInt32, carrying bits: UInt32) -> UInt32 {
        let value = clock & ~31 | bits & 31
        return Int32(bitPattern: value &- clock) > 0 ? value &- 32 : value
    }
}

extension TCPSecrets {
    func cookie(_ key: TCPKey, peer: SequenceNumber, period: UInt64, index: UInt32) -> SequenceNumber {
        let facts = UInt64(peer.rawValue) << 32 ^ period << 3 ^ UInt64(index & 7)
        let hash = cookies.hash(cookies.hash(key), facts)
        let counter = UInt32(truncatingIfNeeded: period) & 31
        return SequenceNumber(counter << 27 | (index & 7) << 24 | UInt32(truncatingIfNeeded: hash) & 0xff_ffff)
    }
}

extension TCPMachine {
    /// Answers a SYN without remembering anything.
    func answerByCookie(_ segment: TCPSegment, _ key: TCPKey, _ path: TransportPath, _ context: TCPContext) {
        let header = segment.header
        let index = SynCookies.index(for: header.maximumSegmentSize ?? 536)
        let sequence = secrets.cookie(
            key, peer: segment.sequence, period: context.now / SynCookies.period, index: index)
        var answer = TCPHeader(
            sourcePort: key.local.port, destinationPort: key.remote.port, sequence: sequence.rawValue,
            acknowledgement: (segment.sequence + 1).rawValue, flags: [.syn, .ack],
            window: UInt16(clamping: storage.plannedRoom))
        let connection = TCPConnection(key: key, path: path, settings: UnsafePointer(settings))
        answer.maximumSegmentSize = connection.offeredSegmentSize
        if configuration.usesTimestamps, let stamps = header.timestamps {
            let shift = configuration.usesWindowScale ? header.windowShift : nil
            if shift != nil {
                answer.windowShift = TCPConnection.windowShift(for: configuration.maximumReceiveBuffer)
            }
            let bits = shift.map { UInt32(min($0, TCPHeader.maximumWindowShift)) } ?? SynCookies.noShift
            answer.timestamps = TCPTimestamps(
                value: SynCookies.timestamp(cookieClock(key, context), carrying: bits), echo: stamps.value)
        }
        loose.push(TCPLooseSegment(key: key, interface: path.interface, header: answer))
        cookieSentAt = context.now
        counters.cookies &+= 1
    }

    private func cookieClock(_ key: TCPKey, _ context: TCPContext) -> UInt32 {
        var timestamps = TCPTimestampState()
        timestamps.offset = secrets.timestampOffset(key)
        return timestamps.value(context.now)
    }

    /// The connection whose handshake this ACK would complete, as the SYN behind its cookie had made it.
    func connection(
        fromCookie segment: TCPSegment, _ key: TCPKey, _ path: TransportPath, _ context: TCPContext
    ) -> TCPConnection? {
        guard let syn = syn(fromCookie: segment, key, context) else { return nil }
        var connection = TCPConnection(key: key, path: path, settings: UnsafePointer(settings))
        connection.receive.room = storage.plannedRoom
        connection.receive.capacity = connection.receive.room
        connection.timestamps.offset = secrets.timestampOffset(key)
        connection.openAnswered(segment.acknowledgement + -1, answering: syn, context)
        return connection
    }

    /// What the SYN said, as far as the cookie tells; `nil`: it is none of ours, or too old.
    private func syn(fromCookie segment: TCPSegment, _ key: TCPKey, _ context: TCPContext) -> TCPSegment? {
        guard cookieSentAt != 0, context.now &- cookieSentAt < 2 &* SynCookies.period else { return nil }
        let cookie = segment.acknowledgement + -1
        let peer = segment.sequence + -1
        let index = cookie.rawValue >> 24 & 7
        let current = context.now / SynCookies.period
        let isOurs = [current, current &- 1].contains {
            secrets.cookie(key, peer: peer, period: $0, index: index) == cookie
        }
        guard isOurs else { return nil }
        var header = TCPHeader(
            sourcePort: key.remote.port, destinationPort: key.local.port, sequence: peer.rawValue, flags: .syn,
            window: segment.header.window)
        header.maximumSegmentSize = SynCookies.segmentSize(index)
        if let stamps = segment.header.timestamps {
            header.timestamps = stamps
            let bits = stamps.echo & 31
            if bits <= UInt32(TCPHeader.maximumWindowShift) { header.windowShift = UInt8(bits) }
        }
        return TCPSegment(header: header, payload: TCPPayload(frame: segment.payload.frame, offset: 0, count: 0))
    }
}
