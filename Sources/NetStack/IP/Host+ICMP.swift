// ICMP (RFC 792; RFC 1122, 3.2.2): answers echo, reports errors to whoever sent the packet they are
// about, sends the errors a host must send, and the echo sessions of `ping`.

import Bytes
import Link

extension Host {
    // MARK: In

    func receiveICMP(_ arrival: Arrival, _ reader: inout ByteReader, _ now: Instant) throws(WireError) {
        guard arrival.length >= ICMPHeader.size else {
            throw .truncated(needed: ICMPHeader.size, available: arrival.length)
        }
        let message = try ICMPHeader(&reader)
        if !arrival.isChecksumTrusted {
            var sum = InternetChecksum()
            arrival.frame.add(arrival.length, from: arrival.offset, to: &sum)
            guard sum.sum == 0xffff else { throw .badChecksum(sum: sum.sum) }
        }
        switch message {
        case .echoRequest(let identifier, let sequence):
            // RFC 1122, 3.2.2.6 leaves the answer to a broadcast to us: none.
            if !arrival.isBroadcast { answerEcho(arrival, identifier, sequence, now) }
        case .echoReply(let identifier, let sequence): takeReply(arrival, identifier, sequence, now)
        case .unreachable(code: 4, let mtu): takeError(.packetTooBig(mtu: Int(mtu)), arrival, &reader, now)
        case .unreachable(let code, _): takeError(.unreachable(code: code), arrival, &reader, now)
        case .timeExceeded: takeError(.timeExceeded, arrival, &reader, now)
        case .parameterProblem: break
        }
    }

    private func answerEcho(_ arrival: Arrival, _ identifier: UInt16, _ sequence: UInt16, _ now: Instant) {
        let head = PacketHead(from: arrival.destination, to: arrival.source, .icmp, payloadLength: arrival.length)
        let reply = ICMPHeader.echoReply(identifier: identifier, sequence: sequence)
        // No way back, no room: silence, as with every lost packet.
        try? send(head, now: now) { _, room in
            var sum = InternetChecksum()
            reply.add(to: &sum)
            arrival.frame.copy(
                from: arrival.offset + ICMPHeader.size,
                into: UnsafeMutableRawBufferPointer(rebasing: room[ICMPHeader.size...]), adding: &sum)
            var writer = ByteWriter(room)
            try? reply.write(to: &writer, checksum: sum.checksum)
        }
    }

    private func takeReply(_ arrival: Arrival, _ identifier: UInt16, _ sequence: UInt16, _ now: Instant) {
        let reply = EchoReply(
            sequence: sequence, from: arrival.source, bytes: arrival.length, ttl: arrival.hopLimit, roundTrip: .zero,
            isIntact: isPattern(arrival), isDuplicate: false)
        echoes.answered(identifier, reply, now: now)
    }

    private func takeError(_ error: PathError, _ arrival: Arrival, _ reader: inout ByteReader, _ now: Instant) {
        guard let quoted = try? QuotedPacket(&reader) else {
            arrival.interface.counters.malformed &+= 1
            return
        }
        report(error, from: arrival.source, about: quoted, &reader, now)
    }

    /// Tells the sender of a packet what became of it; `reader` stands behind the quoted IP header.
    func report(
        _ error: PathError, from reporter: IPAddress, about quoted: QuotedPacket, _ reader: inout ByteReader,
        _ now: Instant
    ) {
        guard isLocal(quoted.source) || quoted.source.isUnspecified, quoted.hasTransportHeader else { return }
        // Only the destination itself knows its protocols and ports (RFC 792).
        switch error {
        case .unreachable(2), .unreachable(3): guard reporter == quoted.destination else { return }
        default: break
        }
        if quoted.proto == .icmp {
            guard case .echoRequest(let identifier, let sequence)? = try? ICMPHeader(&reader) else { return }
            echoes.failed(identifier, sequence, error, from: reporter, destination: quoted.destination)
            return
        }
        guard let source: UInt16 = try? reader.big(), let destination: UInt16 = try? reader.big(),
            let sequence: UInt32 = try? reader.big()
        else { return }
        let local = Endpoint(quoted.source, source)
        let remote = Endpoint(quoted.destination, destination)
        switch quoted.proto {
        case .tcp:
            tcp.pathFailed(
                QuotedError(error, reporter: reporter, local: local, remote: remote, sequence: sequence), now: now)
        case .udp: reportUDP(error, local, remote, now)
        default: break
        }
    }

    // MARK: Errors out

    /// Sends an ICMP error about a packet, unless RFC 1122, 3.2.2 forbids it or too many were sent.
    func sendError(_ message: ICMPHeader, about arrival: Arrival, _ now: Instant) {
        guard !arrival.isBroadcast else { return }
        guard icmpErrors.allow(now: now) else {
            arrival.interface.counters.icmpSuppressed &+= 1
            return
        }
        // The IP header and eight bytes of what it carries: RFC 792.
        let quote = arrival.offset - arrival.packet + min(8, arrival.length)
        let head = PacketHead(
            from: arrival.destination, to: arrival.source, .icmp, payloadLength: ICMPHeader.size + quote)
        try? send(head, now: now) { _, room in
            let body = UnsafeMutableRawBufferPointer(rebasing: room[ICMPHeader.size...])
            arrival.frame.copy(from: arrival.packet, into: body)
            var sum = InternetChecksum()
            message.add(to: &sum)
            sum.add(UnsafeRawBufferPointer(body))
            var head = ByteWriter(room)
            try? message.write(to: &head, checksum: sum.checksum)
        }
    }

    /// Answers the SYNs that TCP's door refused by ICMP. Of the packet a plain header is quoted with the eight bytes
    /// that tell the connection.
    func sendRefusals(_ now: Instant) {
        while let refused = tcp.nextUnreachable() {
            guard icmpErrors.allow(now: now) else { continue }
            let (source, destination) = (refused.source.address, refused.destination.address)
            let quoted = PacketHead(from: source, to: destination, .tcp, payloadLength: TCPHeader.minimumSize)
            let head = PacketHead(
                from: destination, to: source, .icmp, payloadLength: ICMPHeader.size + quoted.size + 8)
            try? send(head, now: now) { _, room in Self.write(refused, quoted, into: room) }
        }
    }

    private static func write(
        _ refused: TCPUnreachable, _ quoted: PacketHead, into room: UnsafeMutableRawBufferPointer
    ) {
        let body = UnsafeMutableRawBufferPointer(rebasing: room[ICMPHeader.size...])
        var writer = ByteWriter(body)
        guard quoted.write(to: &writer) else { return }
        do throws(ByteWriteError) {
            try writer.big(refused.source.port)
            try writer.big(refused.destination.port)
            try writer.big(refused.sequence)
        } catch { return }
        let message = ICMPHeader.unreachable(code: refused.code, nextHopMTU: 0)
        var sum = InternetChecksum()
        message.add(to: &sum)
        sum.add(UnsafeRawBufferPointer(body))
        var head = ByteWriter(room)
        try? message.write(to: &head, checksum: sum.checksum)
    }

    // MARK: Echo sessions

    /// Opens an echo session to `destination`.
    public func openEcho(to destination: IPAddress) throws(HostError) -> EchoID {
        guard way(to: destination, from: nil) != nil else { throw .noRoute(destination) }
        return try echoes.open(destination, &random)
    }

    /// Sends one echo request with `payload` bytes of a fixed pattern behind the ICMP header.
    public func sendEcho(
        _ id: EchoID, sequence: UInt16, payload: Int = 56, ttl: UInt8 = 64, now: Instant
    ) throws(HostError) {
        guard let session = echoes[id] else { throw .unknownHandle }
        let limit = 65535 - session.destination.family.headerSize - ICMPHeader.size
        guard (0...limit).contains(payload) else { throw .tooLong(bytes: payload, limit: limit) }
        let message = ICMPHeader.echoRequest(identifier: echoes.identifier(of: id), sequence: sequence)
        var head = PacketHead(
            from: .any, to: session.destination, .icmp, payloadLength: ICMPHeader.size + payload)
        head.hopLimit = ttl
        try send(head, now: now) { _, room in
            for index in ICMPHeader.size..<room.count { room[index] = Self.pattern(index - ICMPHeader.size) }
            var sum = InternetChecksum()
            message.add(to: &sum)
            sum.add(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(room)[ICMPHeader.size...]))
            var writer = ByteWriter(room)
            try? message.write(to: &writer, checksum: sum.checksum)
        }
        echoes.sent(id, sequence, now: now)
    }

    /// The next reply or error that came for the session, oldest first.
    public func nextEchoEvent(_ id: EchoID) -> EchoEvent? { echoes.nextEvent(id) }

    /// Ends a session; replies that still come are nobody's. An unknown one is ignored.
    public func closeEcho(_ id: EchoID) { echoes.close(id) }

    private static func pattern(_ index: Int) -> UInt8 { UInt8(truncatingIfNeeded: index &+ 0x10) }

    /// Whether the payload of an echo is the one we send.
    private func isPattern(_ arrival: Arrival) -> Bool {
        var index = 0
        let end = arrival.length - ICMPHeader.size
        while index < end {
            let part = UnsafeMutableRawBufferPointer(rebasing: headers[0..<min(headers.count, end - index)])
            let copied = arrival.frame.copy(from: arrival.offset + ICMPHeader.size + index, into: part)
            guard copied == part.count else { return false }
            for offset in 0..<copied where part[offset] != Self.pattern(index + offset) { return false }
            index += copied
        }
        return true
    }
}
