// Segments that no honest peer sends: RFC 5961, RFC 7323 5 (PAWS), RFC 6093, and plain lies.

import Bytes
import Testing

@testable import NetStack

@Suite struct TCPHostileTests {
    // MARK: RFC 5961

    @Test("RFC 5961 3.2: RST inside the window but not exactly at its edge gets a challenge ACK")
    func resetGuess() {
        let s = TCPScript.established()
        s.peer(Seg(.rst, seq: 2))
        s.expect(Seg(.ack, seq: 1, ack: 1))
        s.peer(Seg([.rst, .ack], seq: 30_000, ack: 1))
        s.expect(Seg(.ack, seq: 1, ack: 1))
        #expect(s.state == .established)
    }

    @Test("RFC 5961 3.2: RST outside of the window is dropped in silence", arguments: [0, -1, 40_000, 1 << 30])
    func resetOutside(seq: Int) {
        let s = TCPScript.established()
        s.peer(Seg(.rst, seq: seq))
        s.expectNothing()
        #expect(s.state == .established)
    }

    @Test("RFC 5961 4.2: a SYN gets a challenge ACK, wherever it lies", arguments: [0, 1, 100, -5, 1 << 30])
    func syn(seq: Int) {
        let s = TCPScript.established()
        s.peer(Seg(.syn, seq: seq))
        s.expect(Seg(.ack, seq: 1, ack: 1))
        s.peer(Seg([.syn, .ack], seq: seq, ack: 1))
        s.expect(Seg(.ack, seq: 1, ack: 1))
        #expect(s.state == .established)
    }

    @Test("RFC 5961 5.2: an ACK of what was never sent, or of long ago, gets a challenge ACK and its text is dropped")
    func blindData() {
        let s = TCPScript.established()
        s.peer(Seg(.ack, seq: 1, ack: 2, "injected"))
        s.expect(Seg(.ack, seq: 1, ack: 1))
        s.peer(Seg(.ack, seq: 1, ack: -70_000, "injected"))
        s.expect(Seg(.ack, seq: 1, ack: 1))
        #expect(s.read() == "")
        s.peer(Seg(.ack, seq: 1, ack: -1000, "old but possible"))
        #expect(s.read() == "old but possible")
    }

    @Test("RFC 5961 7: challenge ACKs are limited to ten a second")
    func challengeLimit() {
        let s = TCPScript.established()
        var answers = 0
        for _ in 0..<50 {
            s.peer(Seg(.syn, seq: 100))
            answers += s.drain().count
        }
        #expect(answers == 10)
        s.wait(1000)
        s.peer(Seg(.syn, seq: 100))
        #expect(s.drain().count == 1)
    }

    @Test("two machines that disagree do not answer each other's bare ACKs for ever")
    func ackStorm() {
        let s = TCPScript.established()
        var answers = 0
        for _ in 0..<50 {
            s.peer(Seg(.ack, seq: 50_000, ack: 1))
            answers += s.drain().count
        }
        #expect(answers == 1)
    }

    // MARK: text that should not be there

    @Test("text beyond the window is cut off, text before it is not delivered twice")
    func outside() {
        let s = TCPScript.established()
        s.peer(Seg(.ack, seq: 1 + 33_000, ack: 1, "far"))
        s.expect(Seg(.ack, seq: 1, ack: 1))
        s.peer(Seg(.ack, seq: 1, ack: 1, "abc"))
        s.peer(Seg(.ack, seq: -1, ack: 1, "xxabcdef"))
        #expect(s.drain().last?.ack == 7)
        #expect(s.read() == "abcdef")
        s.peer(Seg(.ack, seq: 1, ack: 1, "abc"))
        s.expect(Seg(.ack, seq: 1, ack: 7))
        #expect(s.read() == "")
    }

    @Test("overlapping segments with different text: each byte is one of them, lengths are right")
    func overlap() {
        let s = TCPScript.established()
        s.peer(Seg(.ack, seq: 5, ack: 1, "EEEE"))
        s.peer(Seg(.ack, seq: 7, ack: 1, "GGGG"))
        s.peer(Seg(.ack, seq: 3, ack: 1, "CCCC"))
        s.peer(Seg(.ack, seq: 1, ack: 1, "AAA"))
        #expect(s.drain().last?.ack == 11)
        let text = s.read()
        #expect(text.utf8.count == 10)
        #expect(text.hasPrefix("AA"))
        #expect(text.hasSuffix("GG"))
    }

    @Test("ranges ahead are bounded: what does not fit is dropped, and everything arrives in the end")
    func manyHoles() {
        let s = TCPScript.established()
        for i in stride(from: 39, through: 0, by: -1) { s.peer(Seg(.ack, seq: 2 + i * 2, ack: 1, "b")) }
        _ = s.drain()
        s.peer(Seg(.ack, seq: 1, ack: 1, String(repeating: "ab", count: 40)))
        #expect(s.drain().last?.ack == 81)
        #expect(s.read() == String(repeating: "ab", count: 40))
    }

    @Test(
        "RFC 6093: urgent pointers of any value are ignored, their text arrives inline",
        arguments: [0, 1, 4, 5, 65_535])
    func urgent(pointer: Int) {
        let s = TCPScript.established()
        var seg = Seg([.ack, .psh, .urg], seq: 1, ack: 1, "text")
        seg.urgent = UInt16(pointer)
        s.peer(seg)
        #expect(s.read() == "text")
        var empty = Seg([.ack, .urg], seq: 5, ack: 1)
        empty.urgent = UInt16(pointer)
        s.peer(empty)
        #expect(s.read() == "")
        #expect(s.state == .established)
    }

    @Test("text behind FIN is not delivered")
    func behindFin() {
        let s = TCPScript.established()
        s.peer(Seg([.ack, .fin], seq: 1, ack: 1, "end"))
        s.peer(Seg(.ack, seq: 5, ack: 1, "more"))
        #expect(s.read() == "end")
        #expect(s.tcp.status(s.id)?.isEOF == true)
        let t = TCPScript.established()
        t.peer(Seg([.ack, .fin], seq: 4, ack: 1, "def"))
        t.peer(Seg([.ack, .fin], seq: 2, ack: 1, "b"))
        t.peer(Seg(.ack, seq: 1, ack: 1, "abc"))
        #expect(t.state == .closeWait)
        #expect(t.read() == "abcdef")
    }

    @Test("without ACK nothing is taken")
    func noAck() {
        let s = TCPScript.established()
        s.peer(Seg(.psh, seq: 1, "text"))
        s.peer(Seg([], seq: 1, "text"))
        s.peer(Seg(.fin, seq: 1))
        s.expectNothing()
        #expect(s.read() == "")
        #expect(s.state == .established)
    }

    @Test("a wrong checksum drops the segment, unless the link vouches for it")
    func checksum() {
        let s = TCPScript.established()
        var header = TCPHeader(
            sourcePort: 80, destinationPort: s.hostPort, sequence: s.peerStart &+ 1, acknowledgement: s.hostStart &+ 1,
            flags: .ack, window: 1000)
        header.checksum = 0x1234
        var bytes = encode(header, Array("text".utf8), from: s.peerAddress, to: s.host.address)
        bytes[20] ^= 1
        s.host.receive(bytes, from: s.peerAddress, now: s.now)
        #expect(s.tcp.counters.badChecksum == 1)
        #expect(s.read() == "")
        s.host.receive(bytes, from: s.peerAddress, now: s.now, trusted: true)
        #expect(s.read().utf8.count == 4)
    }

    @Test("text and checksum are found in a frame cut into any number of spans", arguments: [1, 2, 3, 7, 50, 1000])
    func scattered(pieces: Int) {
        let s = TCPScript.established()
        let header = TCPHeader(
            sourcePort: 80, destinationPort: s.hostPort, sequence: s.peerStart &+ 1, acknowledgement: s.hostStart &+ 1,
            flags: .ack, window: 1000)
        let text = Pattern.bytes(0..<999, 1)
        let bytes = encode(header, text, from: s.peerAddress, to: s.host.address)
        s.host.receive(bytes, from: s.peerAddress, now: s.now, pieces: pieces)
        #expect(s.readBytes() == text)
        #expect(s.tcp.counters.badChecksum == 0)
    }

    // MARK: RFC 7323

    private func stamped() -> TCPScript {
        let s = TCPScript { $0.usesTimestamps = true }
        s.connect()
        _ = s.drain()
        s.peer(Seg([.syn, .ack], seq: 0, ack: 1, mss: 1000, stamps: TCPTimestamps(value: 1000, echo: 0)))
        #expect(s.drain().first?.stamps?.echo == 1000)
        return s
    }

    @Test("RFC 7323 3.2: every segment carries timestamps once they are agreed, and full ones leave room for them")
    func timestamps() {
        let s = stamped()
        s.send(count: 2000)
        let all = s.drain()
        #expect(all.map(\.text.count) == [988, 988, 24])
        #expect(all.allSatisfy { $0.stamps?.echo == 1000 })
        let before = all.last?.stamps?.value ?? 0
        s.wait(5)
        s.send("x")
        #expect((s.drain().first?.stamps?.value ?? 0) &- before == 5, "the clock ticks every millisecond")
    }

    @Test("RFC 7323 5.3: PAWS drops what is older than the newest timestamp, and acknowledges")
    func paws() {
        let s = stamped()
        s.peer(Seg(.ack, seq: 1, ack: 1, "new", stamps: TCPTimestamps(value: 2000, echo: 0)))
        #expect(s.drain().first?.stamps?.echo == 2000)
        s.peer(Seg(.ack, seq: 4, ack: 1, "old", stamps: TCPTimestamps(value: 1999, echo: 0)))
        s.expect(Seg(.ack, seq: 1, ack: 4))
        #expect(s.read() == "new")
        s.peer(Seg(.ack, seq: 4, ack: 1, "none"))
        s.expectNothing()
        s.peer(Seg(.rst, seq: 4))
        #expect(s.error == .connectionReset, "RFC 7323 5.2: RST is exempt")
    }

    @Test("RFC 7323 4.3: only a segment that covers the last ACK is echoed")
    func recentTimestamp() {
        let s = stamped()
        s.peer(Seg(.ack, seq: 11, ack: 1, "ahead", stamps: TCPTimestamps(value: 3000, echo: 0)))
        #expect(s.drain().first?.stamps?.echo == 1000)
    }

    @Test("RFC 7323 5.5: a timestamp of 24 days ago is forgotten")
    func oldTimestamp() {
        let s = stamped()
        s.wait(25 * 24 * 3600 * 1000)
        s.peer(Seg(.ack, seq: 1, ack: 1, "wrapped", stamps: TCPTimestamps(value: 5, echo: 0)))
        #expect(s.read() == "wrapped")
    }

    // MARK: noise

    @Test("any segment in any state leaves a state and no trap", arguments: 0..<8)
    func noise(round: Int) {
        var random = SeededGenerator(seed: UInt64(round) + 77)
        let states: [TCPState] = [
            .synSent, .established, .finWait1, .finWait2, .closeWait, .closing, .lastAck, .timeWait,
        ]
        let s = TCPClosingTests.script(in: states[round])
        for _ in 0..<3000 {
            var header = TCPHeader(
                sourcePort: s.peerPort, destinationPort: s.hostPort,
                sequence: s.peerStart &+ Self.near(&random), acknowledgement: s.hostStart &+ Self.near(&random),
                flags: TCPFlags(rawValue: .random(in: 0...(.max), using: &random)),
                window: .random(in: 0...(.max), using: &random))
            if UInt8.random(in: 0..<8, using: &random) == 0 {
                header.windowShift = .random(in: 0...255, using: &random)
            }
            if UInt8.random(in: 0..<4, using: &random) == 0 {
                header.maximumSegmentSize = .random(in: 0...600, using: &random)
            }
            // RST only now and then, or every round would be short.
            if UInt8.random(in: 0..<64, using: &random) != 0 { header.flags.remove(.rst) }
            s.inject(header, [UInt8](repeating: 1, count: .random(in: 0...40, using: &random)))
            if Bool.random(using: &random) { s.send(count: 10) }
            if UInt8.random(in: 0..<8, using: &random) == 0 { s.wait(Int.random(in: 0...300, using: &random)) }
            _ = s.drain()
            _ = s.readBytes(64)
        }
        s.tcp.release(s.id, now: s.now)
        s.wait(3_600_000)
        _ = s.drain()
        #expect(s.tcp.table().isEmpty)
        #expect(s.host.memory.lent == 0)
    }

    private static func near(_ random: inout SeededGenerator) -> UInt32 {
        switch UInt8.random(in: 0..<8, using: &random) {
        case 0: .random(in: 0...(.max), using: &random)
        case 1: 0 &- .random(in: 0...100, using: &random)
        default: .random(in: 0...100, using: &random)
        }
    }
}
