// Loss and congestion: RFC 6298, RFC 5681, RFC 6582, RFC 3042, RFC 6928, and the quick repairs.

import Bytes
import Testing

@testable import NetStack

@Suite struct TCPRecoveryTests {
    /// The first `count` of a long queue are in flight.
    private func flying(_ count: Int, window: Int = 60_000) -> TCPScript {
        let s = TCPScript.established(window: window) { $0.initialBuffer = 256 << 10 }
        s.send(count: count * 1000)
        return s
    }

    // MARK: windows

    @Test("RFC 6928: ten segments start a connection")
    func initialWindow() {
        let s = flying(50)
        #expect(s.drain().count == 10)
        #expect(Congestion.initialWindow(1460) == 14_600)
        #expect(Congestion.initialWindow(65_480) == 130_960)
        #expect(Congestion.initialWindow(536) == 5360)
    }

    @Test("RFC 5681 3.1: slow start adds what is acknowledged")
    func slowStart() {
        let s = flying(100)
        _ = s.drain()
        s.peer(Seg(.ack, seq: 1, ack: 2001))
        #expect(s.drain().count == 4)
        s.peer(Seg(.ack, seq: 1, ack: 10_001))
        #expect(s.drain().count == 16)
    }

    @Test("RFC 5681 3.1: congestion avoidance adds one segment per window")
    func avoidance() {
        var c = Congestion()
        c.start(segmentSize: 1000, at: SequenceNumber(0))
        c.enterRecovery(inFlight: 20_000, highest: SequenceNumber(20_000), segmentSize: 1000)
        let full = CongestionProgress(
            una: SequenceNumber(20_000), acknowledged: 20_000, inFlight: 20_000, resent: 1000, segmentSize: 1000)
        _ = c.progress(full)
        #expect(c.phase == .open)
        #expect(c.threshold == 10_000)
        #expect(c.window == 2000, "RFC 6582 3.2 step 3: at most a burst of two segments")
        var una = 20_000
        while c.window < 10_000 {
            una += 1000
            _ = c.progress(
                CongestionProgress(
                    una: SequenceNumber(UInt32(una)), acknowledged: 1000, inFlight: c.window, resent: 1,
                    segmentSize: 1000))
        }
        var acks = 0
        while c.window == 10_000 {
            una += 1000
            acks += 1
            _ = c.progress(
                CongestionProgress(
                    una: SequenceNumber(UInt32(una)), acknowledged: 1000, inFlight: 10_000, resent: 1, segmentSize: 1000
                ))
        }
        #expect(acks == 10)
        #expect(c.window == 11_000)
    }

    @Test("RFC 5681 4.1: after an idle time the window starts over")
    func idle() {
        let s = flying(30)
        var acked = 0
        for _ in 0..<4 {
            acked += s.drain().count
            s.peer(Seg(.ack, seq: 1, ack: 1 + acked * 1000))
        }
        #expect(acked == 30)
        s.wait(5000)
        s.send(count: 60_000)
        #expect(s.drain().count == 10)
    }

    // MARK: RFC 6298

    @Test("RFC 6298 2.2, 2.3: the estimator follows the formulas; the floor is 200 ms")
    func estimator() {
        let s = TCPScript.established()
        #expect(s.tcp.status(s.id)?.roundTripNanoseconds == 1_000_000)
        s.send("a")
        _ = s.drain()
        s.wait(9)
        s.peer(Seg(.ack, seq: 1, ack: 2))
        #expect(s.tcp.status(s.id)?.roundTripNanoseconds == 2_000_000, "7/8 · 1 ms + 1/8 · 9 ms")
        s.send("b")
        _ = s.drain()
        s.wait(199)
        s.expectNothing()
        s.wait(1)
        s.expect(Seg([.ack, .psh], seq: 2, ack: 1, "b"))
    }

    @Test("RFC 6298 5.5: the timeout doubles; 3.8.3 R2: in the end the connection is given up")
    func backOff() {
        let s = TCPScript.established { $0.dataRetries = 4 }
        s.send("x")
        _ = s.drain()
        for milliseconds in [200, 400, 800, 1600] {
            s.wait(milliseconds - 1)
            s.expectNothing()
            s.wait(1)
            // From the third one on the peer is asked, too, whether it has everything.
            let again = Seg([.ack, .psh], seq: 1, ack: 1, "x")
            if milliseconds < 800 { s.expect(again) } else { s.expect(again, Seg(.ack, seq: 1, ack: 1, "x")) }
        }
        s.wait(3200)
        s.expectNothing()
        #expect(s.error == .timedOut)
    }

    @Test("a peer whose last ACKs were lost and who is silent about old text is asked at the end of it")
    func silentAboutOldText() {
        let s = TCPScript.established()
        s.send("abc")
        _ = s.drain()
        s.wait(200)
        _ = s.drain()
        s.wait(400)
        _ = s.drain()
        s.wait(800)
        s.expect(Seg([.ack, .psh], seq: 1, ack: 1, "abc"), Seg(.ack, seq: 3, ack: 1, "c"))
        s.peer(Seg(.ack, seq: 1, ack: 4))
        #expect(s.tcp.status(s.id)?.unacknowledgedBytes == 0)
    }

    @Test("RFC 6298 3 (Karn): an acknowledgement of a segment sent twice is no sample, and ends the back-off")
    func karn() {
        let s = TCPScript.established()
        s.send("x")
        _ = s.drain()
        s.wait(700)
        _ = s.drain()
        s.peer(Seg(.ack, seq: 1, ack: 2))
        #expect(s.tcp.status(s.id)?.roundTripNanoseconds == 1_000_000)
        s.send("y")
        _ = s.drain()
        s.wait(200)
        s.expect(Seg([.ack, .psh], seq: 2, ack: 1, "y"))
    }

    @Test("RFC 5681 3.1: after a timeout one segment, then slow start through everything")
    func timeout() {
        let s = flying(10, window: 9000)
        #expect(s.drain().count == 9)
        s.wait(7)
        #expect(s.drain().map(\.seq) == [1], "the tail probe comes first")
        s.wait(201)
        #expect(s.drain().map(\.seq) == [1])
        s.peer(Seg(.ack, seq: 1, ack: 1001))
        #expect(s.drain().map(\.seq) == [1001, 2001])
        s.peer(Seg(.ack, seq: 1, ack: 3001))
        #expect(s.drain().map(\.seq) == [3001, 4001, 5001, 6001].prefix(4).map { $0 })
    }

    // MARK: fast retransmit

    @Test("RFC 3042: the first two duplicates each let one new segment out")
    func limitedTransmit() {
        let s = flying(50)
        _ = s.drain()
        s.peer(Seg(.ack, seq: 1, ack: 1))
        #expect(s.drain().map(\.seq) == [10_001])
        s.peer(Seg(.ack, seq: 1, ack: 1))
        #expect(s.drain().map(\.seq) == [11_001])
    }

    @Test("RFC 5681 3.2: the third duplicate sends the first segment again and halves the window")
    func fastRetransmit() {
        let s = flying(50)
        _ = s.drain()
        for _ in 0..<3 { s.peer(Seg(.ack, seq: 1, ack: 1)) }
        #expect(s.drain().map(\.seq) == [1], "one segment again; no new one fits 5 + 3")
        for _ in 0..<7 { s.peer(Seg(.ack, seq: 1, ack: 1)) }
        #expect(s.drain().count >= 1, "RFC 5681 3.2 step 4: the window inflates")
        s.peer(Seg(.ack, seq: 1, ack: 10_001))
        #expect(s.tcp.status(s.id)?.retransmissions == 1)
    }

    @Test("RFC 6582 3.2: a partial acknowledgement sends the next hole at once")
    func partialAck() {
        let s = flying(50)
        _ = s.drain()
        for _ in 0..<3 { s.peer(Seg(.ack, seq: 1, ack: 1)) }
        #expect(s.drain().first?.seq == 1)
        s.peer(Seg(.ack, seq: 1, ack: 4001))
        #expect(s.drain().first?.seq == 4001)
        s.peer(Seg(.ack, seq: 1, ack: 10_001))
        #expect(s.drain().allSatisfy { $0.seq > 10_000 }, "recovery has ended")
    }

    @Test("RFC 6582 3.2 step 1: duplicates of an old episode start no new one")
    func oldDuplicates() {
        let s = flying(50)
        _ = s.drain()
        s.wait(250)
        _ = s.drain()
        let before = s.tcp.status(s.id)?.retransmissions
        for _ in 0..<5 { s.peer(Seg(.ack, seq: 1, ack: 1)) }
        _ = s.drain()
        #expect(s.tcp.status(s.id)?.retransmissions == before)
    }

    @Test("RFC 5681 2: what is not a duplicate: text, a new window, nothing in flight")
    func notDuplicates() {
        let s = flying(8)
        _ = s.drain()
        for i in 0..<4 { s.peer(Seg(.ack, seq: 1 + i, ack: 1, "x")) }
        for i in 0..<4 { s.peer(Seg(.ack, seq: 5, ack: 1, window: 50_000 + i)) }
        #expect(s.drain().allSatisfy { $0.text.isEmpty })
        s.peer(Seg(.ack, seq: 5, ack: 8001))
        for _ in 0..<4 { s.peer(Seg(.ack, seq: 5, ack: 8001)) }
        s.expectNothing()
    }

    @Test("a receiver that keeps nothing behind a gap gets everything again, not one segment per round trip")
    func goBack() {
        let s = flying(50)
        _ = s.drain()
        for _ in 0..<3 { s.peer(Seg(.ack, seq: 1, ack: 1)) }
        #expect(s.drain().first?.seq == 1)
        s.peer(Seg(.ack, seq: 1, ack: 1001))
        #expect(s.drain().first?.seq == 1001)
        s.peer(Seg(.ack, seq: 1, ack: 2001))
        #expect(s.drain().map(\.seq) == [2001, 3001])
        s.peer(Seg(.ack, seq: 1, ack: 4001))
        #expect(s.drain().map(\.seq) == [4001, 5001, 6001, 7001])
    }

    // MARK: quick repairs

    @Test("RFC 8985 6, RFC 5827: two duplicates and then silence repair within milliseconds")
    func reorderWait() {
        let s = flying(4)
        #expect(s.drain().count == 4)
        s.peer(Seg(.ack, seq: 1, ack: 1))
        s.peer(Seg(.ack, seq: 1, ack: 1))
        s.expectNothing()
        s.wait(microseconds: 900)
        s.expectNothing()
        s.wait(microseconds: 200)
        #expect(s.drain().map(\.seq) == [1])
    }

    @Test("a duplicate that reordering explains repairs nothing")
    func reordered() {
        let s = flying(4)
        _ = s.drain()
        s.peer(Seg(.ack, seq: 1, ack: 1))
        s.wait(microseconds: 500)
        s.peer(Seg(.ack, seq: 1, ack: 4001))
        s.wait(300)
        s.expectNothing()
        #expect(s.tcp.status(s.id)?.retransmissions == 0)
    }

    @Test("RFC 8985 7: a quiet tail is probed after two round trips and 5 ms, once")
    func tailProbe() {
        let s = flying(4)
        _ = s.drain()
        s.wait(5)
        s.expectNothing()
        s.wait(2)
        #expect(s.drain().map(\.seq) == [1])
        s.wait(190)
        s.expectNothing()
    }

    @Test("the probe's own acknowledgement alone shows that the rest is lost")
    func probeAlone() {
        let s = flying(4)
        _ = s.drain()
        s.wait(7)
        #expect(s.drain().map(\.seq) == [1])
        s.peer(Seg(.ack, seq: 1, ack: 1001))
        #expect(s.drain().map(\.seq) == [1001, 2001])
    }

    @Test("RFC 8985 7.2: a single segment may wait for a delayed ACK")
    func singleSegment() {
        let s = flying(1)
        _ = s.drain()
        s.wait(150)
        s.expectNothing()
    }

    @Test("a peer that keeps refusing is asked ever more rarely")
    func patience() {
        let s = flying(4)
        _ = s.drain()
        var repeats = 0
        for _ in 0..<100 {
            s.peer(Seg(.ack, seq: 1, ack: 1))
            s.wait(2)
            repeats += s.drain().count
        }
        #expect(repeats < 40)
        #expect(repeats > 3)
    }

    @Test("RFC 1191 6.5, RFC 5927 4.1: fragmentation needed shrinks segments, if it is about something in flight")
    func pathMTU() {
        let s = flying(3)
        _ = s.drain()
        func tell(_ sequence: UInt32, _ error: PathError) {
            s.tcp.pathFailed(
                QuotedError(
                    error, reporter: s.peerAddress, local: Endpoint(s.host.address, s.hostPort),
                    remote: Endpoint(s.peerAddress, s.peerPort), sequence: sequence), now: s.now)
        }
        tell(s.hostStart &- 5, .packetTooBig(mtu: 600))
        s.expectNothing()
        tell(s.hostStart &+ 1, .packetTooBig(mtu: 600))
        #expect(s.drain().map(\.text.count) == [560, 560, 560, 560, 560, 200])
        tell(s.hostStart &+ 1, .unreachable(code: 3))
        #expect(s.state == .established, "RFC 5927 5.2: soft once established")
    }

    @Test("RFC 9293 3.9.2.2: errors while connecting")
    func unreachable() {
        let s = TCPScript.synSent { $0.synRetries = 1 }
        func tell(_ error: PathError) {
            s.tcp.pathFailed(
                QuotedError(
                    error, reporter: s.peerAddress, local: Endpoint(s.host.address, s.hostPort),
                    remote: Endpoint(s.peerAddress, s.peerPort), sequence: s.hostStart), now: s.now)
        }
        tell(.unreachable(code: 1))
        #expect(s.state == .synSent)
        s.wait(10_000)
        #expect(s.error == .unreachable, "the timeout remembers it")
        let t = TCPScript.synSent()
        t.tcp.pathFailed(
            QuotedError(
                .neighbourUnreachable(t.peerAddress), reporter: t.host.address,
                local: Endpoint(t.host.address, t.hostPort), remote: Endpoint(t.peerAddress, t.peerPort),
                sequence: t.hostStart), now: t.now)
        #expect(t.error == .unreachable)
    }

    @Test("a new path ends the back-off: what went unanswered is sent again at once")
    func newPath() {
        let s = flying(1)
        _ = s.drain()
        s.wait(7000)
        #expect(s.drain().count >= 1)
        s.wait(1)
        s.expectNothing()
        s.host.routes.mtu = 600
        s.tcp.pathsChanged(now: s.now)
        s.wait(0)
        #expect(s.drain().map(\.text.count) == [560])
    }

    @Test("a path that comes and goes ends no connection, however often")
    func flappingPath() {
        let s = flying(1)
        for _ in 0..<40 {
            _ = s.drain()
            s.wait(250)
            s.tcp.pathsChanged(now: s.now)
        }
        #expect(s.error == nil)
    }

    @Test("what waits follows its route to another interface")
    func otherInterface() {
        let s = flying(2)
        s.host.routes.interface = InterfaceID(rawValue: 2)
        s.expectNothing()
        s.tcp.pathsChanged(now: s.now)
        #expect(s.drain().count == 2)
    }

    @Test("RFC 9293 3.8.4: keep-alive probes a silent peer and gives up after nine")
    func keepAlive() {
        let s = TCPScript.established { $0.keepAlive = .seconds(10) }
        s.wait(9999)
        s.expectNothing()
        s.wait(1)
        s.expect(Seg(.ack, seq: 0, ack: 1))
        s.peer(Seg(.ack, seq: 1, ack: 1))
        s.wait(9000)
        s.expectNothing()
        s.wait(200_000)
        #expect(s.error == .timedOut)
    }
}
