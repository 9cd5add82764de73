// Frames over a socket pair: whole and in order when the kernel takes them in pieces, who waits for whom,
// and every way a connection ends.

import Bytes
import Glibc
import Link
import Linux
import TestSupport
import Testing

@testable import Netdevs

struct StreamPortTests {
    // MARK: whole traffic

    @Test("10,000 frames each way over a small socket buffer, both sides blocking: byte for byte, once, in order")
    func bothWays() throws {
        let script = try StreamScript(sendBuffer: 4096)
        var random = SeededGenerator(seed: 4)
        func frames(_ salt: Int) -> [[UInt8]] {
            (0..<10_000).map { number in
                let isLong = Int.random(in: 0..<200, using: &random) == 0
                return testFrame(.random(in: 1...(isLong ? StreamPort.longest : 300), using: &random), number ^ salt)
            }
        }
        let (out, back) = (frames(0), frames(1 << 20))
        let bytes = streamBytes(back)
        var (sent, peerSent, told) = (0, 0, -1)
        var parser = StreamParser()
        let isDone = try script.reactor.turn(seconds: 120, maxWait: 0) {
            if sent < out.count, told != script.card.told {
                let batch = Array(out[sent..<min(out.count, sent + .random(in: 1...100, using: &random))])
                let taken = script.link.send(batch, pieces: 3, from: .card)
                sent += taken
                told = taken < batch.count ? script.card.told : -1
            }
            if peerSent < bytes.count {
                peerSent += script.peer?.send(bytes[peerSent...], limit: .random(in: 1...20_000, using: &random)) ?? 0
            }
            if Bool.random(using: &random) {
                parser.take(script.peer?.receive(limit: .random(in: 1...60_000, using: &random)) ?? [])
            }
            if Bool.random(using: &random) { script.allow(.random(in: 0...200, using: &random)) }
            return parser.frames.count == out.count && script.card.frames.count == back.count
        }
        #expect(isDone && parser.rest == 0 && script.ends.isEmpty)
        // Not within #expect, which prints megabytes.
        let isSame = parser.frames == out && script.card.frames == back
        #expect(isSame)
        #expect(script.link.counters(.card).blocked > 0 && script.link.counters(.netdev).blocked > 0)
    }

    @Test("a frame that the kernel takes half of is finished before the next, which waits")
    func cutFrame() throws {
        let script = try StreamScript(sendBuffer: 4096)
        let frames = [testFrame(60_000, 1), testFrame(50, 2)]
        #expect(script.link.send(frames, from: .card) == 1)
        #expect(script.link.send([frames[1]], from: .card) == 0)
        var parser = StreamParser()
        #expect(
            try script.reactor.turn {
                parser.take(script.peer?.receive() ?? [])
                return script.card.told == 1
            })
        #expect(script.link.send([frames[1]], from: .card) == 1)
        #expect(
            try script.reactor.turn {
                parser.take(script.peer?.receive() ?? [])
                return parser.frames.count == 2
            })
        #expect(parser.frames == frames && parser.rest == 0)
    }

    @Test("golden: each frame behind its length, 32 bits, big-endian")
    func golden() throws {
        let script = try StreamScript()
        #expect(script.link.send([[1, 2, 3], testFrame(300)], pieces: 2, from: .card) == 2)
        #expect(
            script.peer?.receive() == [
                0, 0, 0, 3, 1, 2, 3,  // the first frame
                0, 0, 1, 44,  // 300 bytes follow
            ] + testFrame(300))
    }

    @Test("a frame of more pieces than a system call takes is dropped; those behind it are sent")
    func manyPieces() throws {
        let script = try StreamScript()
        #expect(script.link.send([testFrame(50, 1)], from: .card) == 1)
        #expect(script.link.send([testFrame(2048, 2)], pieces: 1024, from: .card) == 1)
        #expect(script.link.send([testFrame(2046, 3)], pieces: 1023, from: .card) == 1)
        var parser = StreamParser()
        parser.take(script.peer?.receive() ?? [])
        #expect(parser.frames == [testFrame(50, 1), testFrame(2046, 3)])
        let sent = script.link.counters(.card)
        #expect(sent.frames == 2 && sent.bytes == 2096 && sent.droppedWhileDown == 1)
    }

    // MARK: back-pressure

    @Test("while the card refuses, the socket is read no further; then all frames come, once and in order")
    func heldUp() throws {
        let script = try StreamScript()
        script.card.room = 2
        let frames = (0..<3000).map { testFrame(1000, $0) }
        let bytes = streamBytes(frames)
        var sent = 0
        for _ in 0..<200 {
            sent += script.peer?.send(bytes[sent...]) ?? 0
            try script.reactor.turn(maxWaitNanoseconds: 0)
        }
        #expect(sent < bytes.count, "the peer is blocked")
        #expect(script.card.frames == Array(frames[..<2]))
        script.allow(.max)
        #expect(
            try script.reactor.turn {
                sent += script.peer?.send(bytes[sent...]) ?? 0
                return script.card.frames.count == frames.count
            })
        let isSame = script.card.frames == frames
        #expect(isSame)
    }

    @Test("a peer that hangs up while the card refuses keeps nobody busy; its frames come before the end")
    func hangUpWhileHeldUp() throws {
        let script = try StreamScript()
        script.card.room = 0
        let frames = (0..<5).map { testFrame(100, $0) }
        #expect(script.peer?.send(streamBytes(frames)) == 5 * 104)
        for _ in 0..<5 { try script.reactor.turn(maxWaitNanoseconds: 0) }
        script.closePeer()
        for _ in 0..<5 { try script.reactor.turn(maxWaitNanoseconds: 0) }
        let before = script.reactor.nowNanoseconds
        try script.reactor.turn(maxWaitNanoseconds: 30_000_000)
        #expect(script.reactor.nowNanoseconds - before >= 25_000_000, "the reactor sleeps")
        #expect(script.ends.isEmpty)
        script.allow(.max)
        #expect(try script.reactor.turn { !script.ends.isEmpty })
        #expect(script.card.frames == frames && script.ends == [.closedByPeer])
    }

    // MARK: ends

    @Test("a peer that closes in the middle of a frame ends the connection; the frames before it came")
    func closedInMidFrame() throws {
        let frames = [testFrame(60, 1), testFrame(70, 2)]
        for cut in [1, 3, 4, 5, 50] {
            let script = try StreamScript()
            #expect(try script.peerSends(streamBytes(frames) + streamBytes([testFrame(100, 3)]).prefix(cut)))
            script.closePeer()
            #expect(try script.reactor.turn { !script.ends.isEmpty })
            #expect(script.ends == [.closedByPeer] && script.card.frames == frames)
        }
    }

    @Test(
        "a length beyond QEMU's limit ends the connection; the longest frame does not", arguments: [1, 1000, 1 << 20])
    func oversized(excess: Int) throws {
        let script = try StreamScript()
        let longest = testFrame(StreamPort.longest, 1)
        let length = UInt32(StreamPort.longest + excess)
        let lie = (0..<4).map { UInt8(truncatingIfNeeded: length >> (24 - 8 * $0)) }
        #expect(try script.peerSends(streamBytes([longest]) + lie + [1, 2, 3]))
        #expect(try script.reactor.turn { !script.ends.isEmpty })
        #expect(script.ends == [.oversized(length)] && script.card.frames == [longest])
        #expect("\(StreamEnd.oversized(length))" == "a frame of \(length) bytes, 69632 are allowed")
    }

    @Test("a length that is too long ends the connection at once, also behind frames of no bytes")
    func oversizedBehindEmpty() throws {
        let script = try StreamScript()
        #expect(script.peer?.send([0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 8, 0]) == 12)
        #expect(try script.reactor.turn(seconds: 20) { !script.ends.isEmpty })
        #expect(script.ends == [.oversized(0x30800)] && script.card.frames.isEmpty)
    }

    @Test("frames of no bytes are skipped, however many")
    func empty() throws {
        let script = try StreamScript()
        #expect(try script.peerSends([UInt8](repeating: 0, count: 4 * 100_000) + streamBytes([testFrame(60)])))
        #expect(try script.reactor.turn { !script.card.frames.isEmpty })
        #expect(script.card.frames == [testFrame(60)] && script.ends.isEmpty)
    }

    @Test("what a peer sent before it closed arrives, although nothing can be sent to it any more")
    func closedWhileSending() throws {
        let script = try StreamScript()
        let frames = (0..<3).map { testFrame(80, $0) }
        #expect(script.peer?.send(streamBytes(frames)) == 3 * 84)
        script.closePeer()
        #expect(script.link.send([testFrame(60, 9)], from: .card) == 1, "dropped")
        #expect(try script.reactor.turn { !script.ends.isEmpty })
        #expect(script.card.frames == frames && script.ends == [.closedByPeer])
        let sent = script.link.counters(.card)
        #expect(sent.frames == 0 && sent.bytes == 0 && sent.droppedWhileDown == 1)
    }

    @Test("a card that waits for a peer that closes goes on")
    func closedWhileBlocked() throws {
        let script = try StreamScript(sendBuffer: 4096)
        #expect(script.link.send([testFrame(60_000), testFrame(60)], from: .card) == 1)
        script.closePeer()
        #expect(try script.reactor.turn { script.card.told == 1 && !script.ends.isEmpty })
        #expect(script.link.send([testFrame(60)], from: .card) == 1)
        script.closePort()
        #expect(script.link.port(at: .netdev) == nil && script.ends.count == 1)
        // The one that was cut is lost as well.
        let sent = script.link.counters(.card)
        #expect(sent.frames == 0 && sent.bytes == 0 && sent.droppedWhileDown == 2)
    }

    @Test("a closed port is gone from link and reactor, and says nothing any more")
    func closed() throws {
        let script = try StreamScript()
        script.closePort()
        #expect(script.reactor.watchCount == 0 && script.link.port(at: .netdev) == nil)
        #expect(script.peer?.receive() == nil, "the socket is closed")
        try script.reactor.turn(maxWaitNanoseconds: 0)
        #expect(script.ends.isEmpty)
    }
}
