// Segments of somebody who knows the endpoints and a sequence number, but not what was acknowledged: nothing of the
// connection may change before RFC 9293's checks (3.10.7.4) have found the segment good.

import Bytes
import Testing

@testable import NetStack

@Suite struct TCPBlindTests {
    private func stamped(_ seg: Seg, _ value: UInt32) -> Seg {
        var seg = seg
        seg.stamps = TCPTimestamps(value: value, echo: 0)
        return seg
    }

    private func established() -> TCPScript {
        let s = TCPScript.synSent { $0.usesTimestamps = true }
        s.peer(stamped(Seg([.syn, .ack], seq: 0, ack: 1, mss: 1000), 1000))
        _ = s.drain()
        return s
    }

    @Test(
        "RFC 7323 4.3, 5.3: a segment whose ACK is refused does not move TS.Recent, and the peer is still heard",
        arguments: [
            Seg(.ack, seq: 1, ack: 5000, "injected"), Seg(.ack, seq: 1, ack: -200_000, "injected"),
            Seg(.psh, seq: 1, "injected"), Seg([], seq: 1), Seg(.ack, seq: 1, ack: 5000),
            Seg(.ack, seq: -3, ack: 5000, "overlap"), Seg(.syn, seq: 1), Seg(.rst, seq: 1 + 5000),
        ])
    func recentStays(lie: Seg) {
        let s = established()
        s.peer(stamped(lie, 1000 &+ 0x7fff_fff0))
        _ = s.drain()
        s.peer(stamped(Seg(.ack, seq: 1, ack: 1, "honest"), 1001))
        #expect(s.read() == "honest")
        let answer = s.drain().last
        #expect(answer?.ack == 7)
        #expect(answer?.stamps?.echo == 1001)
    }

    @Test("a segment that overlaps what was acknowledged still brings its timestamp")
    func overlapBringsTimestamp() {
        let s = established()
        s.peer(stamped(Seg(.ack, seq: 1, ack: 1, "abc"), 1001))
        _ = s.drain()
        s.peer(stamped(Seg(.ack, seq: 1, ack: 1, "abcdef"), 1005))
        #expect(s.drain().last?.stamps?.echo == 1005)
    }

    @Test("segments with a refused ACK do not keep a dead peer's connection alive")
    func keepAliveIsNotFooled() {
        let s = TCPScript.established { $0.keepAlive = .seconds(10) }
        for _ in 0..<200 {
            s.wait(9000)
            s.peer(Seg(.ack, seq: 1, ack: 9999, "x"))
            _ = s.drain()
        }
        #expect(s.state == .closed)
        #expect(s.error == .timedOut)
    }

    @Test("a handshake that would complete needs its place in the window before a buffer is lent")
    func noBufferForRefused() {
        let s = TCPScript.listening()
        s.peer(Seg(.syn, seq: 0))
        _ = s.drain()
        s.host.memory.limit = 0
        s.peer(Seg(.ack, seq: 1 << 30, ack: 1))
        #expect(s.drain().allSatisfy { !$0.flags.contains(.rst) })
        s.host.memory.limit = .max
        s.peer(Seg(.ack, seq: 1, ack: 1))
        #expect(s.tcp.accept(s.id) != nil)
    }

    @Test("only the peer's own FIN starts the time of TIME-WAIT again")
    func timeWaitEnds() {
        let s = TCPScript.timeWait()
        for _ in 0..<3 {
            s.wait(25_000)
            for lie in [Seg([.fin, .ack], seq: 900, ack: 2), Seg(.fin, seq: 1), Seg([.fin, .ack], seq: 1, ack: 77)] {
                s.peer(lie)
            }
            _ = s.drain()
        }
        #expect(s.tcp.status(s.id)?.state == .closed)
    }

    @Test("RFC 6191: a SYN that no listener would take does not end TIME-WAIT")
    func timeWaitWithoutListener() {
        let s = TCPScript.timeWait()
        s.peer(Seg(.syn, seq: 100_000))
        #expect(s.state == .timeWait)
        s.expect(Seg(.ack, seq: 2, ack: 2))
    }
}
