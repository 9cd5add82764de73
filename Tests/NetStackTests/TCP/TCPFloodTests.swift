// SYNs from addresses where nobody is: what they may cost, and whom they may shut out (nobody).

import Bytes
import Testing

@testable import NetStack

@Suite struct TCPFloodTests {
    /// A stranger's SYN, from somewhere else each time.
    private func strangeSyn(_ number: Int, _ s: TCPScript) {
        let source = IPAddress(198, 18, UInt8(number >> 8 & 0xff), UInt8(number & 0xff))
        let header = TCPHeader(
            sourcePort: UInt16(1024 + number >> 16), destinationPort: 80, sequence: UInt32(number), flags: .syn,
            window: 1000)
        s.host.receive(encode(header, [], from: source, to: s.host.address), from: source, now: s.now)
    }

    private func discardOutput(_ s: TCPScript) {
        while s.host.transmit(now: s.now) != nil {}
    }

    /// A listener in whose backlog there is no room.
    private func flooded(_ change: (inout TCPConfiguration) -> Void = { _ in }) -> TCPScript {
        let s = TCPScript.listening(backlog: 8, change)
        for number in 0..<1000 { strangeSyn(number, s) }
        discardOutput(s)
        return s
    }

    @Test("however many SYNs of strangers come, each honest connect comes through, and the table stays small")
    func flood() throws {
        let s = TCPScript.listening(backlog: 8)
        let listener = s.id
        var number = 0
        for port in 0..<20 {
            for _ in 0..<2000 {
                strangeSyn(number, s)
                number += 1
                if number % 64 == 0 { discardOutput(s) }
            }
            discardOutput(s)
            s.wait(50)
            discardOutput(s)
            s.peerPort = UInt16(5000 + port)
            s.peer(Seg(.syn, seq: 0, mss: 1400))
            #expect(s.drain().map(\.flags) == [[.syn, .ack]])
            s.peer(Seg([.ack, .psh], seq: 1, ack: 1, "hello \(port)"))
            s.id = try #require(s.tcp.accept(listener))
            #expect(s.read() == "hello \(port)")
            s.send("good")
            #expect(s.drain().last?.text == Array("good".utf8))
            s.id = listener
        }
        #expect(s.tcp.table().count <= 1 + 8 + 20)
        #expect(s.tcp.counters.cookies > 30_000)
    }

    @Test("twenty SYNs of strangers a second, for minutes: honest peers are served all the time")
    func slowFlood() throws {
        let s = TCPScript.listening(backlog: 128)
        let listener = s.id
        for second in 0..<200 {
            for number in 0..<20 { strangeSyn(second * 20 + number, s) }
            discardOutput(s)
            s.wait(1000)
            discardOutput(s)
            guard second % 10 == 9 else { continue }
            s.peerPort = UInt16(5000 + second)
            s.peer(Seg(.syn, seq: 0))
            #expect(s.drain().map(\.flags) == [[.syn, .ack]])
            s.peer(Seg(.ack, seq: 1, ack: 1))
            s.tcp.release(try #require(s.tcp.accept(listener)), now: s.now)
            discardOutput(s)
        }
    }

    @Test("a connection by cookie has the MSS in steps, timestamps, and the window scale of both sides")
    func options() throws {
        let s = flooded { $0.usesTimestamps = true }
        let listener = s.id
        s.peerPort = 5000
        var syn = Seg(.syn, seq: 0, mss: 1430, scale: 3)
        syn.stamps = TCPTimestamps(value: 77, echo: 0)
        s.peer(syn)
        let answer = try #require(s.next())
        #expect(answer.mss == 1460)
        #expect(answer.scale == 5)
        let stamps = try #require(answer.stamps)
        #expect(stamps.echo == 77)
        var ack = Seg(.ack, seq: 1, ack: 1, window: 347)
        ack.stamps = TCPTimestamps(value: 78, echo: stamps.value)
        s.peer(ack)
        s.id = try #require(s.tcp.accept(listener))
        s.send(count: 10_000)
        let sent = s.drain()
        #expect(sent.map(\.text.count) == [1400 - 12, 1400 - 12], "347 << 3 bytes: the peer's window is scaled")
        #expect(sent.allSatisfy { $0.stamps?.echo == 78 })
        let clock = try #require(sent.first?.stamps?.value)
        #expect(Int32(bitPattern: clock &- stamps.value) >= 0, "our clock does not go back")
    }

    @Test("without timestamps a cookie connection scales nothing")
    func plain() throws {
        let s = flooded()
        let listener = s.id
        s.peerPort = 5000
        s.peer(Seg(.syn, seq: 0, scale: 7))
        let answer = try #require(s.next())
        #expect(answer.scale == nil && answer.stamps == nil)
        s.peer(Seg(.ack, seq: 1, ack: 1, window: 300))
        s.id = try #require(s.tcp.accept(listener))
        s.send(count: 1000)
        #expect(s.drain().reduce(0) { $0 + $1.text.count } == 300)
    }

    @Test("an ACK that answers no cookie is refused: guessed, of another peer, another sequence number, too late")
    func forged() {
        let s = flooded()
        s.peerPort = 5000
        s.peer(Seg(.syn, seq: 0))
        _ = s.drain()
        s.peer(Seg(.ack, seq: 1, ack: 2))
        s.peer(Seg(.ack, seq: 2, ack: 1))
        s.peerPort = 5001
        s.peer(Seg(.ack, seq: 1, ack: 1))
        #expect(s.drain().map(\.flags) == [.rst, .rst, .rst])
        s.peerPort = 5000
        s.wait(130_000)
        discardOutput(s)
        s.peer(Seg(.ack, seq: 1, ack: 1))
        #expect(s.drain().map(\.flags) == [.rst])
        #expect(s.tcp.accept(s.id) == nil)
    }

    @Test("a cookie's ACK that finds the queue full waits for room, and not for ever")
    func cookieWithoutRoom() throws {
        let s = flooded()
        let listener = s.id
        for port in 0..<9 {
            s.peerPort = UInt16(5000 + port)
            s.peer(Seg(.syn, seq: 0))
            _ = s.drain()
            // The last one's SYN finds room in the queue, its ACK does not.
            if port < 7 { s.peer(Seg(.ack, seq: 1, ack: 1)) }
            if port == 8 {
                let last = s.hostStart
                s.peerPort = 5007
                s.peer(Seg(.syn, seq: 0))
                _ = s.drain()
                s.peer(Seg(.ack, seq: 1, ack: 1))
                s.hostStart = last
                s.peerPort = 5008
                s.peer(Seg(.ack, seq: 1, ack: 1))
            }
        }
        #expect(s.tcp.counters.overflowed == 1)
        #expect(s.tcp.accept(listener) != nil)
        s.peer(Seg(.ack, seq: 1, ack: 1, "here I am"))
        for _ in 0..<7 { #expect(s.tcp.accept(listener) != nil) }
        s.id = try #require(s.tcp.accept(listener))
        #expect(s.read() == "here I am")
        s.wait(300_000)
        discardOutput(s)
        #expect(s.tcp.table().count == 1 + 9, "the strangers are gone, whoever was accepted stays")
    }

    @Test("no ACK is taken for a cookie before one was given")
    func noneGiven() {
        let s = TCPScript.listening()
        for ack in 0..<100 { s.peer(Seg(.ack, seq: 1, ack: ack << 24)) }
        #expect(s.drain().allSatisfy { $0.flags == .rst })
        #expect(s.tcp.table().count == 1)
    }

    @Test("under pressure SYN,ACKs are repeated twice at most, and afterwards all is as before")
    func fewerRepeats() {
        let s = TCPScript.listening(backlog: 8)
        for number in 0..<8 { strangeSyn(number, s) }
        var answers = 0
        while s.host.transmit(now: s.now) != nil { answers += 1 }
        #expect(answers == 8)
        for _ in 0..<300 {
            s.wait(1000)
            while s.host.transmit(now: s.now) != nil { answers += 1 }
        }
        #expect(answers == 4 * 7 + 4 * 3, "the first half has no reason to hurry")
        #expect(s.tcp.table().count == 1)
        s.peer(Seg(.syn, seq: 0))
        #expect(s.drain().count == 1)
        #expect(s.tcp.counters.cookies == 0)
    }

    @Test("when nobody accepts, the queue is full: SYNs and last ACKs wait for room")
    func fullQueue() throws {
        let s = TCPScript.listening(backlog: 2)
        for port in 1...3 {
            s.peerPort = UInt16(port)
            s.peer(Seg(.syn, seq: 0))
            if port < 3 {
                _ = s.drain()
                s.peer(Seg(.ack, seq: 1, ack: 1))
            }
        }
        #expect(s.drain().isEmpty)
        #expect(s.tcp.counters.overflowed == 1)
        #expect(s.tcp.accept(s.id) != nil)
        s.peer(Seg(.syn, seq: 0))
        #expect(s.drain().map(\.flags) == [[.syn, .ack]])
        s.peerPort = 4
        s.peer(Seg(.syn, seq: 0))
        _ = s.drain()
        s.peer(Seg(.ack, seq: 1, ack: 1))
        #expect(s.tcp.accept(s.id) != nil)
        #expect(s.tcp.accept(s.id) != nil)
        #expect(s.tcp.accept(s.id) == nil)
    }

    @Test("answers that cannot leave are bounded, and the last ones are kept")
    func looseBound() {
        let s = flooded()
        for number in 1000..<21_000 { strangeSyn(number, s) }
        s.peerPort = 5000
        s.peer(Seg(.syn, seq: 0))
        var count = 0
        var last: [UInt8] = []
        while let (bytes, _) = s.host.transmit(now: s.now) {
            count += 1
            last = bytes
        }
        #expect(count == LooseSegments.limit)
        #expect(last[2...3] == [UInt8(5000 >> 8), UInt8(5000 & 0xff)])
    }
}
