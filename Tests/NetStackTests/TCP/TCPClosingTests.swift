// Ending a connection: RFC 9293, 3.6, 3.10.4, 3.10.5 and the FIN and RST parts of 3.10.7.4.

import Bytes
import Testing

@testable import NetStack

@Suite struct TCPClosingTests {
    @Test("RFC 9293 3.6 case 1: FIN-WAIT-1, FIN-WAIT-2, TIME-WAIT, and 60 s later nothing")
    func activeClose() {
        let s = TCPScript.established()
        s.shutdown()
        #expect(s.state == .finWait1)
        s.expect(Seg([.fin, .ack], seq: 1, ack: 1))
        s.peer(Seg(.ack, seq: 1, ack: 2))
        #expect(s.state == .finWait2)
        s.peer(Seg([.fin, .ack], seq: 1, ack: 2))
        s.expect(Seg(.ack, seq: 2, ack: 2))
        #expect(s.state == .timeWait)
        #expect(s.tcp.status(s.id)?.isEOF == true)
        s.wait(59_999)
        #expect(s.state == .timeWait)
        s.wait(1)
        #expect(s.state == .closed)
        #expect(s.error == nil)
        s.tcp.release(s.id, now: s.now)
        #expect(s.tcp.table().isEmpty)
        #expect(s.host.memory.lent == 0)
    }

    @Test("RFC 9293 3.6 case 2: CLOSE-WAIT, LAST-ACK, CLOSED")
    func passiveClose() {
        let s = TCPScript.established()
        s.peer(Seg([.fin, .ack], seq: 1, ack: 1))
        s.expect(Seg(.ack, seq: 1, ack: 2))
        #expect(s.state == .closeWait)
        s.send("bye")
        s.expect(Seg([.ack, .psh], seq: 1, ack: 2, "bye"))
        s.shutdown()
        s.expect(Seg([.fin, .ack], seq: 4, ack: 2))
        #expect(s.state == .lastAck)
        s.peer(Seg(.ack, seq: 2, ack: 5))
        #expect(s.state == .closed)
        #expect(s.error == nil)
    }

    @Test("RFC 9293 3.6 case 3: both close at once, CLOSING, TIME-WAIT")
    func simultaneousClose() {
        let s = TCPScript.finWait1()
        s.peer(Seg([.fin, .ack], seq: 1, ack: 1))
        s.expect(Seg(.ack, seq: 2, ack: 2))
        #expect(s.state == .closing)
        s.peer(Seg(.ack, seq: 2, ack: 2))
        #expect(s.state == .timeWait)
    }

    @Test("FIN-WAIT-1 goes straight to TIME-WAIT when FIN and ACK come together")
    func finWithAck() {
        let s = TCPScript.finWait1()
        s.peer(Seg([.fin, .ack], seq: 1, ack: 2))
        s.expect(Seg(.ack, seq: 2, ack: 2))
        #expect(s.state == .timeWait)
    }

    @Test("RFC 9293 3.10.4: FIN follows the queued data, on its last segment")
    func finAfterData() {
        let s = TCPScript.established()
        s.send(count: 1500)
        s.shutdown()
        s.expect(Seg(.ack, seq: 1, ack: 1, bytes: 1000), Seg([.fin, .ack, .psh], seq: 1001, ack: 1, bytes: 500))
        #expect(s.send("late") == 0)
    }

    @Test("data goes on arriving after our FIN")
    func halfClosed() {
        let s = TCPScript.finWait2()
        s.peer(Seg([.ack, .psh], seq: 1, ack: 2, "still here"))
        s.expect(Seg(.ack, seq: 2, ack: 11))
        #expect(s.read() == "still here")
        #expect(s.state == .finWait2)
    }

    @Test("FIN is repeated until it is acknowledged")
    func finLost() {
        let s = TCPScript.finWait1()
        s.wait(201)
        s.expect(Seg([.fin, .ack], seq: 1, ack: 1))
        s.wait(400)
        s.expect(Seg([.fin, .ack], seq: 1, ack: 1))
        s.peer(Seg(.ack, seq: 1, ack: 2))
        #expect(s.state == .finWait2)
    }

    @Test("RFC 9293 3.10.4: before the handshake is done FIN waits for it; releasing in SYN-SENT forgets")
    func closeEarly() {
        let s = TCPScript.synSent()
        s.send("all")
        s.shutdown()
        #expect(s.state == .synSent)
        #expect(s.send("more") == 0)
        s.peer(Seg([.syn, .ack], seq: 0, ack: 1, mss: 1000))
        s.expect(Seg(.ack, seq: 1, ack: 1), Seg([.fin, .ack, .psh], seq: 1, ack: 1, "all"))
        #expect(s.state == .finWait1)
        let t = TCPScript.synSent()
        t.peer(Seg(.syn, seq: 0))
        _ = t.drain()
        t.shutdown()
        #expect(t.state == .synReceived)
        t.peer(Seg(.ack, seq: 1, ack: 1))
        #expect(t.state == .finWait1)
        t.expect(Seg([.fin, .ack], seq: 1, ack: 1))
        let u = TCPScript.synSent()
        u.tcp.release(u.id, now: u.now)
        u.expectNothing()
        #expect(u.tcp.table().isEmpty)
    }

    @Test("a FIN ahead of missing data waits for it")
    func finAhead() {
        let s = TCPScript.established()
        s.peer(Seg([.fin, .ack], seq: 4, ack: 1, "def"))
        s.expect(Seg(.ack, seq: 1, ack: 1))
        #expect(s.state == .established)
        s.peer(Seg(.ack, seq: 1, ack: 1, "abc"))
        s.expect(Seg(.ack, seq: 1, ack: 8))
        #expect(s.state == .closeWait)
        #expect(s.read() == "abcdef")
    }

    // MARK: TIME-WAIT

    @Test("RFC 9293 3.10.7.4: a FIN in TIME-WAIT is acknowledged and the time starts again")
    func finInTimeWait() {
        let s = TCPScript.timeWait()
        s.wait(50_000)
        s.peer(Seg([.fin, .ack], seq: 1, ack: 2))
        s.expect(Seg(.ack, seq: 2, ack: 2))
        s.wait(50_000)
        #expect(s.state == .timeWait)
        s.wait(10_000)
        #expect(s.state == .closed)
    }

    @Test("RFC 9293 3.6.1, RFC 6191: a SYN beyond the old sequence numbers takes over TIME-WAIT")
    func reuse() {
        let s = TCPScript.accepted()
        let listener = s.tcp.table()[0].id
        s.shutdown()
        _ = s.drain()
        s.peer(Seg([.fin, .ack], seq: 1, ack: 2))
        _ = s.drain()
        #expect(s.state == .timeWait)
        let old = s.hostStart
        s.peer(Seg(.syn, seq: 1))
        #expect(s.state == .timeWait, "an old SYN does not")
        _ = s.drain()
        s.peer(Seg(.syn, seq: 100_000))
        let answer = s.next()
        #expect(answer?.flags == [.syn, .ack])
        #expect(SequenceNumber(s.hostStart) > SequenceNumber(old) + 65_536)
        #expect(s.state == .closed)
        s.peer(Seg(.ack, seq: 100_001, ack: 1))
        #expect(s.tcp.accept(listener) != nil)
    }

    @Test("RFC 6191: with timestamps a SYN with a later one takes over TIME-WAIT, wherever it starts")
    func reuseByTimestamp() {
        let s = TCPScript.listening { $0.usesTimestamps = true }
        let listener = s.id
        func stamps(_ value: UInt32) -> TCPTimestamps { TCPTimestamps(value: value, echo: 0) }
        s.peer(Seg(.syn, seq: 0, stamps: stamps(100)))
        _ = s.drain()
        s.peer(Seg(.ack, seq: 1, ack: 1, stamps: stamps(101)))
        s.id = s.tcp.accept(listener) ?? s.id
        s.shutdown()
        _ = s.drain()
        s.peer(Seg([.fin, .ack], seq: 1, ack: 2, stamps: stamps(102)))
        _ = s.drain()
        #expect(s.state == .timeWait)
        s.peer(Seg(.syn, seq: 5000, stamps: stamps(90)))
        #expect(s.state == .timeWait)
        _ = s.drain()
        s.peer(Seg(.syn, seq: -5000, stamps: stamps(200)))
        #expect(s.next()?.flags == [.syn, .ack])
        #expect(s.state == .closed)
    }

    @Test("TIME-WAIT keeps no buffer")
    func timeWaitMemory() {
        let s = TCPScript.timeWait()
        #expect(s.host.memory.lent == 0)
    }

    @Test("what was received before the end can be read after it")
    func readAfterEnd() {
        let s = TCPScript.established()
        s.peer(Seg([.fin, .ack], seq: 1, ack: 1, "last words"))
        s.shutdown()
        _ = s.drain()
        s.peer(Seg(.ack, seq: 12, ack: 2))
        #expect(s.state == .closed)
        #expect(s.tcp.status(s.id)?.isEOF == false)
        #expect(s.read() == "last words")
        #expect(s.tcp.status(s.id)?.isEOF == true)
        s.tcp.release(s.id, now: s.now)
        #expect(s.host.memory.lent == 0)
    }

    // MARK: ABORT and release

    @Test(
        "RFC 9293 3.10.5: ABORT sends RST in every synchronized state that has not seen both FINs",
        arguments: [
            TCPState.established, .finWait1, .finWait2, .closeWait,
        ])
    func abort(state: TCPState) {
        let s = Self.script(in: state)
        s.tcp.abort(s.id, now: s.now)
        #expect(s.next()?.flags == [.rst, .ack])
        #expect(s.error == .connectionAborted)
        s.tcp.release(s.id, now: s.now)
        #expect(s.tcp.table().isEmpty)
        #expect(s.host.memory.lent == 0)
    }

    @Test(
        "RFC 9293 3.10.5: ABORT is silent in SYN-SENT, CLOSING, LAST-ACK and TIME-WAIT",
        arguments: [
            TCPState.synSent, .closing, .lastAck, .timeWait,
        ])
    func silentAbort(state: TCPState) {
        let s = Self.script(in: state)
        s.tcp.abort(s.id, now: s.now)
        s.expectNothing()
        #expect(s.state == .closed)
    }

    static func script(in state: TCPState) -> TCPScript {
        switch state {
        case .synSent: .synSent()
        case .finWait1: .finWait1()
        case .finWait2: .finWait2()
        case .closeWait: .closeWait()
        case .closing: .closing()
        case .lastAck: .lastAck()
        case .timeWait: .timeWait()
        default: .established()
        }
    }

    @Test(
        "the scripts' starting points are the states they say",
        arguments: [
            TCPState.synSent, .established, .finWait1, .finWait2, .closeWait, .closing, .lastAck, .timeWait,
        ])
    func startingPoints(state: TCPState) {
        #expect(Self.script(in: state).state == state)
    }

    @Test("a released connection delivers what was queued and then disappears")
    func release() {
        let s = TCPScript.established()
        s.send("rest")
        s.tcp.release(s.id, now: s.now)
        #expect(s.tcp.status(s.id) == nil)
        s.expect(Seg([.fin, .ack, .psh], seq: 1, ack: 1, "rest"))
        s.peer(Seg([.fin, .ack], seq: 1, ack: 6))
        s.expect(Seg(.ack, seq: 6, ack: 2))
        s.wait(60_000)
        #expect(s.tcp.table().isEmpty)
        #expect(s.host.memory.lent == 0)
    }

    @Test("RFC 2525 2.17: releasing with unread data, or data after releasing, is answered by RST")
    func unreadData() {
        let s = TCPScript.established()
        s.peer(Seg([.ack, .psh], seq: 1, ack: 1, "unread"))
        _ = s.drain()
        s.tcp.release(s.id, now: s.now)
        s.expect(Seg([.rst, .ack], seq: 1, ack: 7))
        let t = TCPScript.established()
        t.tcp.release(t.id, now: t.now)
        _ = t.drain()
        t.peer(Seg([.ack, .psh], seq: 1, ack: 2, "late"))
        t.expect(Seg([.rst, .ack], seq: 2, ack: 1))
        #expect(t.tcp.table().isEmpty)
    }

    @Test("a released connection does not stay in FIN-WAIT-2 for ever")
    func finWait2Timeout() {
        let s = TCPScript.finWait2()
        s.wait(3_600_000)
        #expect(s.state == .finWait2, "a caller may wait as long as it likes")
        s.tcp.release(s.id, now: s.now)
        s.wait(60_000)
        #expect(s.tcp.table().isEmpty)
    }

    @Test("ABORT tells a peer that has closed already that the rest of the text will not come")
    func abortUndelivered() {
        let s = TCPScript.closeWait()
        s.send("last words")
        s.shutdown()
        _ = s.drain()
        #expect(s.state == .lastAck)
        s.tcp.abort(s.id, now: s.now)
        s.expect(Seg([.rst, .ack], seq: 12, ack: 2))
    }

    @Test("everything is given back: what was said is delivered, and then it is quiet")
    func releaseAll() {
        let s = TCPScript.established()
        s.send("bye")
        #expect(!s.tcp.isQuiet)
        s.tcp.releaseAll(now: s.now)
        s.expect(Seg([.fin, .ack, .psh], seq: 1, ack: 1, "bye"))
        s.peer(Seg(.ack, seq: 1, ack: 5))
        #expect(!s.tcp.isQuiet)
        s.peer(Seg([.fin, .ack], seq: 1, ack: 5))
        #expect(!s.tcp.isQuiet, "the last ACK has not left")
        s.expect(Seg(.ack, seq: 5, ack: 2))
        #expect(s.tcp.isQuiet)
    }

    @Test("what was given back and does not end is reset")
    func abortAll() {
        let s = TCPScript.established()
        s.tcp.releaseAll(now: s.now)
        _ = s.drain()
        s.peer(Seg(.ack, seq: 1, ack: 2))
        s.tcp.abortAll(now: s.now)
        #expect(!s.tcp.isQuiet)
        s.expect(Seg([.rst, .ack], seq: 2, ack: 1))
        #expect(s.tcp.isQuiet)
        #expect(s.tcp.table().isEmpty)
    }

    // MARK: RST

    @Test(
        "RFC 9293 3.10.7.4: RST ends each state",
        arguments: [
            (TCPState.established, TCPError?.some(.connectionReset), 1), (.finWait1, .connectionReset, 1),
            (.finWait2, .connectionReset, 1), (.closeWait, .connectionReset, 2), (.closing, .connectionReset, 2),
            (.lastAck, .connectionReset, 2), (.timeWait, nil, 2),
        ])
    func reset(state: TCPState, error: TCPError?, seq: Int) {
        let s = Self.script(in: state)
        s.peer(Seg(.rst, seq: seq))
        #expect(s.state == .closed)
        #expect(s.error == error)
        s.expectNothing()
    }

    @Test("the address went away: its connections end without a segment")
    func addressLost() {
        let s = TCPScript.established()
        s.send("x")
        s.tcp.addressLost(IPAddress(9, 9, 9, 9), now: s.now)
        #expect(s.state == .established)
        s.tcp.addressLost(s.host.address, now: s.now)
        #expect(s.error == .addressLost)
        s.expectNothing()
    }
}
