// Flow control: windows and their scaling (RFC 7323, 2), silly windows and Nagle (RFC 9293, 3.7.4 and
// 3.8.6.2), zero-window probes (3.8.6.1), delayed acknowledgements (3.8.6.3).

import Bytes
import Testing

@testable import NetStack

@Suite struct TCPWindowTests {
    // MARK: sending

    @Test("the peer's window is never exceeded")
    func windowLimit() {
        let s = TCPScript.established(window: 2500)
        s.send(count: 5000)
        s.expect(Seg(.ack, seq: 1, ack: 1, bytes: 1000), Seg(.ack, seq: 1001, ack: 1, bytes: 1000))
        s.peer(Seg(.ack, seq: 1, ack: 2001, window: 2000))
        s.expect(Seg(.ack, seq: 2001, ack: 1, bytes: 1000), Seg(.ack, seq: 3001, ack: 1, bytes: 1000))
    }

    @Test("RFC 7323 2.3: the window is scaled by the peer's shift, except in its SYN-ACK")
    func scaled() {
        let s = TCPScript.established(scale: 3, window: 500)
        s.send(count: 4000)
        #expect(s.drain().map(\.text.count) == [500], "the window of the SYN-ACK is 500, not 4000")
        s.peer(Seg(.ack, seq: 1, ack: 501, window: 300))
        #expect(s.drain().map(\.text.count) == [1000, 1000])
    }

    @Test("RFC 7323 2.3: a shift above 14 is taken as 14")
    func hugeShift() {
        let s = TCPScript.established(scale: 255, window: 60_000)
        s.peer(Seg(.ack, seq: 1, ack: 1, window: 1))
        s.send(count: 30_000)
        #expect(s.drain().reduce(0) { $0 + $1.text.count } == 10_000, "ten segments of 1 << 14 bytes of window")
    }

    @Test("RFC 9293 3.10.7.4: an older segment does not change the window")
    func oldWindow() {
        let s = TCPScript.established()
        s.peer(Seg(.ack, seq: 1, ack: 1, "abc", window: 3000))
        _ = s.drain()
        s.peer(Seg(.ack, seq: 4, ack: 1, window: 1000))
        s.peer(Seg(.ack, seq: 1, ack: 1, window: 9000))
        _ = s.drain()
        s.send(count: 5000)
        #expect(s.drain().map(\.text.count) == [1000])
    }

    @Test("RFC 9293 3.8.6.2.1: a small window is not filled with crumbs while more is in flight")
    func sillySender() {
        let s = TCPScript.established(window: 1300)
        s.send(count: 5000)
        s.expect(Seg(.ack, seq: 1, ack: 1, bytes: 1000))
        s.peer(Seg(.ack, seq: 1, ack: 501, window: 800))
        s.expectNothing()
    }

    @Test("RFC 9293 3.8.6.2.1: half of the largest window is worth a segment")
    func halfWindow() {
        let s = TCPScript.established(window: 600)
        s.send(count: 5000)
        s.expect(Seg(.ack, seq: 1, ack: 1, bytes: 600))
        s.peer(Seg(.ack, seq: 1, ack: 601, window: 300))
        s.expect(Seg(.ack, seq: 601, ack: 1, bytes: 300))
        s.peer(Seg(.ack, seq: 1, ack: 901, window: 200))
        s.expectNothing()
    }

    @Test("RFC 9293 3.8.6.2.1: what an open window holds goes out after a second, once, whatever the round trip was")
    func override() {
        let s = TCPScript.established(window: 2000)
        s.send(count: 1000)
        s.expect(Seg([.ack, .psh], seq: 1, ack: 1, bytes: 1000))
        // Nobody turned the host meanwhile: the round trip is taken for half a minute long.
        s.now = s.now + .seconds(35)
        s.peer(Seg(.ack, seq: 1, ack: 1001, window: 600))
        s.send(count: 5000)
        s.expectNothing()
        s.wait(1000)
        s.expect(Seg(.ack, seq: 1001, ack: 1, bytes: 600))
        s.peer(Seg(.ack, seq: 1, ack: 1601, window: 2000))
        s.expect(Seg(.ack, seq: 1601, ack: 1, bytes: 1000), Seg(.ack, seq: 2601, ack: 1, bytes: 1000))
    }

    @Test("RFC 9293 3.7.4: Nagle holds back a short segment while something is in flight; off by default")
    func nagle() {
        let s = TCPScript.established { $0.usesNagle = true }
        s.send("a")
        s.expect(Seg([.ack, .psh], seq: 1, ack: 1, "a"))
        s.send("b")
        s.send("c")
        s.expectNothing()
        s.peer(Seg(.ack, seq: 1, ack: 2))
        s.expect(Seg([.ack, .psh], seq: 2, ack: 1, "bc"))
        s.tcp.setNagle(s.id, false)
        s.send("d")
        s.expect(Seg([.ack, .psh], seq: 4, ack: 1, "d"))
    }

    // MARK: zero windows

    @Test(
        "RFC 9293 3.8.6.1: a closed window is probed with one octet, ever more rarely, and never given up while answered"
    )
    func persist() {
        let s = TCPScript.established(window: 1000)
        s.send(count: 1500)
        s.expect(Seg(.ack, seq: 1, ack: 1, bytes: 1000))
        s.peer(Seg(.ack, seq: 1, ack: 1001, window: 0))
        s.expectNothing()
        var gaps: [Int] = []
        for _ in 0..<30 {
            let start = s.now
            while s.tcp.nextDeadline.map({ $0 < start + .seconds(100) }) ?? false {
                s.wait(microseconds: Int((s.tcp.nextDeadline ?? s.now).since(s.now).microseconds) + 1)
                if let probe = s.next() {
                    #expect(probe == Seg(.ack, seq: 1001, ack: 1, bytes: 1))
                    break
                }
            }
            gaps.append(Int(s.now.since(start).milliseconds))
            s.peer(Seg(.ack, seq: 1, ack: 1001, window: 0))
            s.expectNothing()
        }
        #expect(gaps[0] == 200, "the first after the retransmission timeout")
        #expect(Array(gaps[..<6]) == [200, 400, 800, 1600, 3200, 6400])
        #expect(gaps.last == 60_000, "the back-off ends at a minute")
        #expect(s.state == .established)
        s.peer(Seg(.ack, seq: 1, ack: 1001, window: 1000))
        s.expect(Seg([.ack, .psh], seq: 1001, ack: 1, bytes: 500))
    }

    @Test("RFC 9293 3.8.6.1: a probe that the peer keeps is not sent again")
    func probeAccepted() {
        let s = TCPScript.established(window: 1000)
        s.send(count: 1500)
        _ = s.drain()
        s.peer(Seg(.ack, seq: 1, ack: 1001, window: 0))
        s.wait(199)
        s.expectNothing()
        s.wait(1)
        s.expect(Seg(.ack, seq: 1001, ack: 1, bytes: 1))
        s.peer(Seg(.ack, seq: 1, ack: 1002, window: 2000))
        s.expect(Seg([.ack, .psh], seq: 1002, ack: 1, bytes: 499))
    }

    @Test("a closed window whose probes nobody answers ends the connection")
    func persistTimeout() {
        let s = TCPScript.established(window: 1000) { $0.dataRetries = 4 }
        s.send(count: 1500)
        _ = s.drain()
        s.peer(Seg(.ack, seq: 1, ack: 1001, window: 0))
        s.wait(10_000)
        #expect(s.error == .timedOut)
    }

    @Test("a FIN behind a closed window is what the probe carries")
    func finProbe() {
        let s = TCPScript.established(window: 1000)
        s.send(count: 1000)
        _ = s.drain()
        s.peer(Seg(.ack, seq: 1, ack: 1001, window: 0))
        s.shutdown()
        s.expectNothing()
        s.wait(200)
        s.expect(Seg([.fin, .ack], seq: 1001, ack: 1))
        s.peer(Seg(.ack, seq: 1, ack: 1002, window: 0))
        #expect(s.state == .finWait2)
    }

    @Test("RFC 9293 3.8.6: a window that shrinks below what is in flight does no harm")
    func shrinkingWindow() {
        let s = TCPScript.established(window: 5000)
        s.send(count: 5000)
        #expect(s.drain().count == 5)
        s.peer(Seg(.ack, seq: 1, ack: 1001, window: 0))
        s.wait(250)
        let again = s.drain()
        #expect(again.allSatisfy { $0.seq == 1001 }, "only what the peer waits for")
        s.peer(Seg(.ack, seq: 1, ack: 5001, window: 5000))
        #expect(s.tcp.status(s.id)?.unacknowledgedBytes == 0)
    }

    // MARK: receiving

    @Test("the window that is announced shrinks with unread data and opens again when it is read")
    func announced() {
        let s = TCPScript.established()
        s.peer(Seg(.ack, seq: 1, ack: 1, bytes: 1000))
        guard let first = s.next() else { return #expect(Bool(false), "no ACK") }
        #expect(first.window == (32 << 10) - 1000)
        for i in 1..<30 {
            s.peer(Seg(.ack, seq: 1 + i * 1000, ack: 1, bytes: 1000))
            _ = s.drain()
        }
        #expect(s.readBytes(500).count == 500)
        s.expectNothing()
        #expect(s.readBytes(20_000).count == 20_000)
        guard let update = s.next() else { return #expect(Bool(false), "no window update") }
        #expect(update == Seg(.ack, seq: 1, ack: 30_001))
        #expect((update.window ?? 0) > 20_000)
    }

    @Test("RFC 9293 3.8.6.2.2: small reads from a full buffer do not announce crumbs")
    func sillyReceiver() {
        let s = TCPScript.established()
        let all = 32 << 10
        var at = 0
        while at < all {
            let count = min(1000, all - at)
            s.peer(Seg(.ack, seq: 1 + at, ack: 1, bytes: count))
            at += count
            _ = s.drain()
        }
        var updates = 0
        for _ in 0..<100 {
            #expect(s.readBytes(10).count == 10)
            updates += s.drain().count
        }
        #expect(updates == 0)
        #expect(s.readBytes(1500).count == 1500)
        #expect(s.drain().count == 1)
    }

    @Test("a peer's window probe into a full buffer is acknowledged and not kept")
    func probed() {
        let s = TCPScript.established()
        for i in 0..<33 { s.peer(Seg(.ack, seq: 1 + i * 1000, ack: 1, bytes: min(1000, (32 << 10) - i * 1000))) }
        _ = s.drain()
        s.peer(Seg(.ack, seq: 1 + 32 << 10, ack: 1, "x"))
        s.expect(Seg(.ack, seq: 1, ack: 1 + 32 << 10, window: 0))
        #expect(s.readBytes().count == 32 << 10)
    }

    @Test("receive buffers grow while the caller keeps up")
    func growth() {
        let s = TCPScript.established(scale: 0) { $0.maximumReceiveBuffer = 256 << 10 }
        var at = 0
        while at < 2 << 20 {
            s.peer(Seg(.ack, seq: 1 + at, ack: 1, bytes: 1000))
            at += 1000
            _ = s.drain()
            _ = s.readBytes(1000)
        }
        s.peer(Seg(.ack, seq: 1 + at, ack: 1, bytes: 1000))
        s.wait(40)
        #expect((s.drain().last?.window ?? 0) > 200 << 10)
    }

    // MARK: acknowledging

    @Test("RFC 9293 3.8.6.3: every second full segment is acknowledged, a lone one after 40 ms")
    func delayedAck() {
        let s = TCPScript.established()
        var at = 1
        for _ in 0..<16 {
            s.peer(Seg(.ack, seq: at, ack: 1, bytes: 1000))
            at += 1000
            s.expect(Seg(.ack, seq: 1, ack: at))
        }
        s.peer(Seg(.ack, seq: at, ack: 1, bytes: 1000))
        s.expectNothing()
        s.wait(39)
        s.expectNothing()
        s.wait(1)
        s.expect(Seg(.ack, seq: 1, ack: at + 1000))
        s.peer(Seg(.ack, seq: at + 1000, ack: 1, bytes: 1000))
        s.expectNothing()
        s.peer(Seg(.ack, seq: at + 2000, ack: 1, bytes: 1000))
        s.expect(Seg(.ack, seq: 1, ack: at + 3000))
    }

    @Test("a batch of segments is acknowledged once, at its end")
    func batch() {
        let s = TCPScript.established()
        for i in 0..<10 { s.peer(Seg(.ack, seq: 1 + i * 1000, ack: 1, bytes: 1000)) }
        s.expect(Seg(.ack, seq: 1, ack: 10_001))
    }

    @Test("large frames are acknowledged with their batch, not delayed")
    func largeFrames() {
        let s = TCPScript.established(mtu: 65_520) { $0.initialBuffer = 1 << 20 }
        var at = 1
        for _ in 0..<40 {
            s.peer(Seg(.ack, seq: at, ack: 1, bytes: 20_000))
            at += 20_000
            s.expect(Seg(.ack, seq: 1, ack: at))
            _ = s.readBytes()
            _ = s.drain()
        }
    }

    @Test("data that goes out carries the acknowledgement")
    func piggyback() {
        let s = TCPScript.established()
        s.peer(Seg([.ack, .psh], seq: 1, ack: 1, "ping"))
        s.send("pong")
        s.expect(Seg([.ack, .psh], seq: 1, ack: 5, "pong"))
        s.wait(100)
        #expect(s.drain().allSatisfy { !$0.text.isEmpty })
    }

    @Test("RFC 5681 4.2: segments ahead of a gap, and the one that fills it, are acknowledged at once")
    func gapAcks() {
        let s = TCPScript.established()
        s.peer(Seg(.ack, seq: 1001, ack: 1, bytes: 1000))
        s.expect(Seg(.ack, seq: 1, ack: 1))
        s.peer(Seg(.ack, seq: 3001, ack: 1, bytes: 1000))
        s.expect(Seg(.ack, seq: 1, ack: 1))
        s.peer(Seg(.ack, seq: 1, ack: 1, bytes: 1000))
        s.expect(Seg(.ack, seq: 1, ack: 2001))
        s.peer(Seg(.ack, seq: 2001, ack: 1, bytes: 1000))
        s.expect(Seg(.ack, seq: 1, ack: 4001))
        #expect(s.readBytes().count == 4000)
    }
}
