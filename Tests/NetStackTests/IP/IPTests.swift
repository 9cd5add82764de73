// IPv4 at the host: what is accepted, fragments, ICMP errors, and hostile frames.

import Bytes
import Link
import Testing

@testable import NetStack

/// Station B with its link up, frames by hand.
private struct Target {
    let station = Station("b", macB, "10.0.0.2/24", mtu: 65520)
    var now = Instant(nanoseconds: 10_000_000_000)

    init() {
        station.host.setLink(station.eth, isUp: true, now: Instant(nanoseconds: 1))
        station.host.advance(to: now)
        _ = output()
    }

    func output() -> [[UInt8]] { station.host.output(on: station.eth, now: now) }

    func receive(_ frame: [UInt8], cut: Int = 17) {
        station.host.receive(frame, on: station.eth, now: now, cut: cut)
    }

    /// Makes A known, so that answers leave at once.
    func introduce() {
        receive(arpFrame(to: macB, ARPPacket(.request, senderMAC: macA, sender: addressA, target: addressB)))
        _ = output()
    }

    func echo(_ data: [UInt8] = [1, 2, 3], from source: IPAddress = addressA, to target: IPAddress = addressB)
        -> [UInt8]
    {
        ipFrame(
            to: macB, from: macA, IPv4Header(from: source, to: target, .icmp, payloadLength: 0),
            icmpPayload(.echoRequest(identifier: 7, sequence: 8), data))
    }
}

@Suite struct IPInputTests {
    @Test("an echo is answered with its bytes, however the frame is cut")
    func echo() throws {
        let target = Target()
        target.introduce()
        for cut in 0...50 {
            target.receive(target.echo(), cut: cut)
            let (header, payload) = try #require(target.output().first.flatMap { ip($0) })
            #expect(header == IPv4Header(from: addressB, to: addressA, .icmp, payloadLength: 11))
            #expect(payload == icmpPayload(.echoReply(identifier: 7, sequence: 8), [1, 2, 3]))
        }
    }

    @Test("padding of short frames is not taken for payload")
    func padding() throws {
        let target = Target()
        target.introduce()
        target.receive(target.echo() + [UInt8](repeating: 0xee, count: 20))
        #expect(target.output().first.flatMap { ip($0) }?.payload.count == 11)
    }

    @Test("every truncation of a frame is dropped and counted as malformed")
    func truncated() {
        let target = Target()
        target.introduce()
        let frame = target.echo()
        for count in 0..<frame.count { target.receive(Array(frame.prefix(count))) }
        #expect(target.output().isEmpty)
        #expect(target.station.counters.malformed == UInt64(frame.count))
        #expect(target.station.counters.receiveDrops == UInt64(frame.count))
    }

    @Test("a wrong ICMP checksum is dropped")
    func checksum() {
        let target = Target()
        target.introduce()
        var frame = target.echo()
        frame[frame.count - 1] ^= 1
        target.receive(frame)
        #expect(target.output().isEmpty)
        #expect(target.station.counters.badChecksum == 1)
    }

    @Test(
        "sources that cannot be on this wire are martians",
        arguments: ["0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "10.0.0.255", "10.0.0.2", "240.0.0.1"])
    func martians(text: String) throws {
        let target = Target()
        target.receive(target.echo(from: try #require(IPAddress(text))))
        #expect(target.output().isEmpty)
        #expect(target.station.counters.martian == 1)
    }

    @Test("packets for others, for 127/8, and unicast in a link broadcast are not ours")
    func notOurs() {
        let target = Target()
        target.introduce()
        target.receive(target.echo(to: IPAddress(10, 0, 0, 3)))
        target.receive(target.echo(to: .loopback))
        var frame = target.echo()
        frame.replaceSubrange(0..<6, with: [0xff, 0xff, 0xff, 0xff, 0xff, 0xff])
        target.receive(frame)
        frame.replaceSubrange(0..<6, with: [0x52, 0x54, 0, 0, 0, 0x77])
        target.receive(frame)
        target.receive(target.echo(to: IPAddress(10, 0, 0, 255)))
        #expect(target.output().isEmpty, "the last is an echo to a broadcast: not answered")
        #expect(target.station.counters.notForUs == 4)
    }

    @Test("an unknown protocol is answered with protocol unreachable that quotes header and 8 bytes")
    func unknown() throws {
        let target = Target()
        target.introduce()
        let header = IPv4Header(from: addressA, to: addressB, IPProtocol(rawValue: 47), payloadLength: 0)
        target.receive(ipFrame(to: macB, from: macA, header, Array(0..<20)))
        let (reply, payload) = try #require(target.output().first.flatMap { ip($0) })
        #expect(reply.proto == .icmp && reply.destination == wireA)
        var quoted = header
        quoted.payloadLength = 20
        let quote = bytes { try quoted.write(to: &$0) } + Array(0..<8)
        #expect(payload == icmpPayload(.unreachable(code: 2, nextHopMTU: 0), quote))
        target.receive([UInt8](repeating: 0, count: 12) + [0x86, 0xdd] + [UInt8](repeating: 0, count: 40))
        #expect(target.station.counters.notForUs == 1)
    }

    @Test("mutated frames never trap, and nothing is taken that was not counted")
    func mutated() {
        let target = Target()
        target.introduce()
        var random = Bytes.SeededGenerator(seed: 11)
        let seeds = [
            target.echo(Array(0..<100)),
            udpFrame(to: macB, from: macA, Endpoint(addressA, 67), Endpoint(addressB, 68), Array(0..<80)),
            arpFrame(to: macB, ARPPacket(.request, senderMAC: macA, sender: addressA, target: addressB)),
            ipFrame(
                to: macB, from: macA, IPv4Header(from: addressA, to: addressB, .icmp, payloadLength: 0),
                icmpPayload(
                    .unreachable(code: 1, nextHopMTU: 0),
                    Array(target.echo(from: addressB, to: addressA).dropFirst(14)))),
            ipFrame(
                to: macB, from: macA, IPv4Header(from: addressA, to: addressB, .tcp, payloadLength: 0),
                Array(0..<40)),
        ]
        for round in 0..<5000 {
            var frame = seeds[round % seeds.count]
            for _ in 0..<Int.random(in: 0...6, using: &random) {
                frame[Int.random(in: 14..<frame.count, using: &random)] = .random(in: 0...255, using: &random)
            }
            if Bool.random(using: &random) {
                frame.removeLast(Int.random(in: 0..<frame.count, using: &random))
            }
            if frame.count >= 34, Bool.random(using: &random) { fixChecksum(&frame) }
            target.receive(frame, cut: Int.random(in: 0...60, using: &random))
            _ = target.output()
            target.station.host.advance(to: target.now)
        }
    }

    /// A right header checksum lets mutations reach what lies behind it.
    private func fixChecksum(_ frame: inout [UInt8]) {
        frame[24] = 0
        frame[25] = 0
        let sum = frame[14..<34].withUnsafeBytes { InternetChecksum.checksum(of: $0) }
        frame[24] = UInt8(sum >> 8)
        frame[25] = UInt8(sum & 0xff)
    }
}

@Suite struct FragmentTests {
    /// A UDP datagram to port 9 of B in fragments of `size` bytes.
    private func fragments(_ count: Int, size: Int, id: UInt16 = 1) -> [[UInt8]] {
        let whole = udpPayload(
            Endpoint(addressA, 8), Endpoint(addressB, 9), (0..<count).map { UInt8(truncatingIfNeeded: $0) })
        return stride(from: 0, to: whole.count, by: size).map { offset in
            fragment(
                Array(whole[offset..<min(offset + size, whole.count)]), at: offset, more: offset + size < whole.count,
                id: id)
        }
    }

    private func fragment(_ payload: [UInt8], at offset: Int, more: Bool, id: UInt16 = 1) -> [UInt8] {
        var header = IPv4Header(from: addressA, to: addressB, .udp, payloadLength: 0)
        header.dontFragment = false
        header.identification = id
        header.fragmentOffset = offset
        header.moreFragments = more
        return ipFrame(to: macB, from: macA, header, payload)
    }

    @Test("fragments in any order make the datagram")
    func orders() throws {
        let target = Target()
        let socket = try target.station.host.openUDP(port: 9)
        var random = Bytes.SeededGenerator(seed: 2)
        for round in 0..<20 {
            for fragment in fragments(5000, size: 800, id: UInt16(round)).shuffled(using: &random) {
                target.receive(fragment)
            }
            let got = try #require(target.station.host.readUDP(socket))
            #expect(got.data.count == 5000)
            #expect(got.data == (0..<5000).map { UInt8(truncatingIfNeeded: $0) })
        }
        #expect(target.station.counters.fragmentsDropped == 0)
    }

    @Test("the largest datagram there is comes through; one byte more does not")
    func largest() throws {
        let target = Target()
        let socket = try target.station.host.openUDP(port: 9)
        for fragment in fragments(65507, size: 1480) { target.receive(fragment) }
        #expect(target.station.host.readUDP(socket)?.data.count == 65507)
        target.receive(fragment([UInt8](repeating: 0, count: 16), at: 65504, more: false))
        #expect(target.station.counters.fragmentsDropped == 1)
    }

    @Test("overlaps, two ends and data behind the end condemn the datagram")
    func overlaps() {
        let eight = [UInt8](repeating: 0, count: 8)
        let sixteen = eight + eight
        let cases: [[(payload: [UInt8], offset: Int, more: Bool)]] = [
            [(sixteen, 0, true), (eight, 8, true)], [(eight, 8, true), (sixteen, 0, true)],
            [(eight, 0, true), (sixteen, 0, true)], [(eight, 8, false), (eight, 16, false)],
            [(eight, 8, false), (eight, 16, true)], [(eight, 16, true), (eight, 8, false)],
        ]
        for (index, parts) in cases.enumerated() {
            let target = Target()
            for part in parts {
                target.receive(fragment(part.payload, at: part.offset, more: part.more, id: UInt16(index)))
            }
            #expect(target.station.counters.fragmentsDropped == 1, "case \(index)")
            target.receive(fragment(eight, at: 64, more: true, id: UInt16(index)))
            #expect(target.station.counters.fragmentsDropped == 2, "case \(index): the rest is swallowed")
        }
    }

    @Test("a fragment that comes twice, the last one too, does not harm its datagram")
    func duplicates() throws {
        let target = Target()
        let socket = try target.station.host.openUDP(port: 9)
        let parts = fragments(3000, size: 1000)
        for part in [parts[0], parts[0], parts[3], parts[3], parts[1], parts[0], parts[2]] { target.receive(part) }
        #expect(target.station.host.readUDP(socket)?.data.count == 3000)
        #expect(target.station.counters.fragmentsDropped == 0)
    }

    @Test("one source's endless beginnings do not keep the fragments of another, or its own next, from being joined")
    func flood() throws {
        let target = Target()
        let socket = try target.station.host.openUDP(port: 9)
        let parts = fragments(3000, size: 1480)
        target.receive(parts[0])
        for id in 0..<50_000 {
            var header = IPv4Header(
                from: IPv4Address(10, 0, 0, 66), to: wireB, .udp, payloadLength: 0)
            header.dontFragment = false
            header.identification = UInt16(truncatingIfNeeded: id)
            header.moreFragments = true
            target.receive(ipFrame(to: macB, from: macA, header, [UInt8](repeating: 0, count: 8)))
        }
        for part in parts.dropFirst() { target.receive(part) }
        #expect(target.station.host.readUDP(socket)?.data.count == 3000)
        for id in UInt16(100)..<200 {
            target.receive(fragment([UInt8](repeating: 0, count: 8), at: 0, more: true, id: id))
        }
        for part in fragments(2000, size: 1480, id: 7) { target.receive(part) }
        #expect(target.station.host.readUDP(socket)?.data.count == 2000)
    }

    @Test("ten thousand beginnings take no more memory than eight, and time frees them")
    func bounded() throws {
        let target = Target()
        for id in 0..<10_000 {
            target.receive(fragment([UInt8](repeating: 0, count: 8), at: 0, more: true, id: UInt16(id)))
        }
        #expect(target.station.counters.fragmentsDropped == 9992)
        let deadline = try #require(target.station.host.nextDeadline)
        #expect(deadline.since(target.now) == Reassembly.timeout)
        target.station.host.advance(to: deadline)
        #expect(target.station.counters.fragmentsDropped == 10_000)
        let socket = try target.station.host.openUDP(port: 9)
        for fragment in fragments(3000, size: 1480) { target.receive(fragment) }
        #expect(target.station.host.readUDP(socket)?.data.count == 3000)
    }

    @Test("tiny fragments: more than 64 of a datagram are refused")
    func tiny() {
        let target = Target()
        for index in 0..<65 {
            target.receive(fragment([UInt8](repeating: 0, count: 8), at: index * 8, more: true))
        }
        #expect(target.station.counters.fragmentsDropped == 1)
    }
}

@Suite struct ICMPErrorTests {
    @Test(
        "errors about an echo reach its session, with who said so",
        arguments: [
            (ICMPHeader.unreachable(code: 1, nextHopMTU: 0), PathError.unreachable(code: 1)),
            (.unreachable(code: 4, nextHopMTU: 1400), .packetTooBig(mtu: 1400)),
            (.timeExceeded(code: 0), .timeExceeded),
        ])
    func echo(message: ICMPHeader, expected: PathError) throws {
        let target = Target()
        target.introduce()
        let echo = try target.station.host.openEcho(to: addressA)
        try target.station.host.sendEcho(echo, sequence: 5, now: target.now)
        let sent = try #require(target.output().first)
        let router = IPAddress(10, 0, 0, 254)
        func fail(_ quote: [UInt8]) {
            target.receive(
                ipFrame(
                    to: macB, from: macA, IPv4Header(from: router, to: addressB, .icmp, payloadLength: 0),
                    icmpPayload(message, quote)))
        }
        let quote = Array(sent[14..<42])
        for count in 0..<28 { fail(Array(quote.prefix(count))) }
        var foreign = quote
        foreign[12] = 99  // another source: not a packet of ours
        fail(foreign)
        foreign = quote
        foreign[16] = 99  // another destination than the session's
        fail(foreign)
        #expect(target.station.host.nextEchoEvent(echo) == nil)
        fail(quote)
        #expect(target.station.host.echoEvents(echo) == [.failed(sequence: 5, error: expected, from: router)])
    }

    @Test("no error about errors, broadcasts or later fragments is sent (RFC 1122, 3.2.2)")
    func silence() {
        let target = Target()
        target.introduce()
        let header = IPv4Header(
            from: addressA, to: IPAddress(10, 0, 0, 255), IPProtocol(rawValue: 47), payloadLength: 0)
        target.receive(ipFrame(to: .broadcast, from: macA, header, [1, 2, 3]))
        target.receive(
            ipFrame(
                to: macB, from: macA, IPv4Header(from: addressA, to: addressB, .icmp, payloadLength: 0),
                icmpPayload(.unreachable(code: 3, nextHopMTU: 0), [1, 2, 3])))
        #expect(target.output().isEmpty)
    }
}
