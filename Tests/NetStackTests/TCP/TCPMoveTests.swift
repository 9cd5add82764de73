// Connections that move to another process: nothing is lost, nothing is believed that cannot be.

import Bytes
import Testing

@testable import NetStack

extension TestHost {
    /// The host's TCP goes on in a fresh layer, whose clock stands elsewhere; nothing is left of the old one.
    func move(now: Instant, to later: Instant? = nil) throws(StateError) {
        let section = tcp.section(now: now)
        let fresh = memory.copied()
        let layer = TCPLayer(seed: 4711, buffers: fresh, configuration: tcp.configuration)
        try layer.restore(from: section, now: later ?? now)
        layer.paths = routes
        layer.pathsChanged(now: later ?? now)
        memory = fresh
        tcp = layer
    }
}

@Suite struct TCPMoveTests {
    @Test(
        "a stream over a bad wire, both ways, whose ends move all the time",
        arguments: [1, 2, 3, 4], [true, false])
    func stream(seed: Int, isNamed: Bool) throws {
        let wire = WireBehaviour(delay: .milliseconds(2), loss: 0.02, duplication: 0.02, reordering: 0.05)
        let network = SimulatedNetwork(wire, seed: UInt64(seed))
        if isNamed {
            network.a.memory.useRAM()
            network.b.memory.useRAM()
        }
        let (client, server) = try #require(network.open())
        var left = StreamEnd(
            host: network.a, id: client, total: 120_000, expected: 90_000, sendSalt: 0x11, receiveSalt: 0x77)
        var right = StreamEnd(
            host: network.b, id: server, total: 90_000, expected: 120_000, sendSalt: 0x77, receiveSalt: 0x11)
        var moves = 0
        var turns = 0
        let done = network.run(atMost: .seconds(600)) {
            left.work(now: network.now)
            right.work(now: network.now)
            network.flush()
            turns += 1
            if turns % 5 == 0 {
                moves += 1
                do { try (moves % 2 == 0 ? network.a : network.b).move(now: network.now) } catch {
                    Issue.record("\(error)")
                }
            }
            return left.isDone && right.isDone
        }
        #expect(done && left.isCorrect && right.isCorrect)
        #expect(moves > 10)
        network.a.tcp.release(client, now: network.now)
        network.b.tcp.release(server, now: network.now)
        network.run(for: .seconds(300))
        #expect(network.a.memory.lent == 0 && network.b.memory.lent == 0)
        #expect(network.a.tcp.table().isEmpty && network.b.tcp.table().isEmpty)
    }

    @Test("timers run on: what is left of a retransmission timeout is the same on a clock that stands elsewhere")
    func remainingTime() throws {
        let s = TCPScript.established()
        s.send("hello")
        s.expect(Seg([.ack, .psh], seq: 1, ack: 1, "hello"))
        s.wait(150)
        try s.move(to: Instant(nanoseconds: 5))
        s.wait(49)
        s.expectNothing()
        s.wait(1)
        s.expect(Seg([.ack, .psh], seq: 1, ack: 1, "hello"))
        s.peer(Seg(.ack, seq: 1, ack: 6))
        #expect(s.tcp.status(s.id)?.unacknowledgedBytes == 0)
    }

    @Test("a connection that was reset with text under way moves with the others")
    func resetUnderWay() throws {
        let s = TCPScript.established()
        s.send("five hundred bytes or ten")
        _ = s.drain()
        s.peer(Seg([.rst, .ack], seq: 1, ack: 1))
        let before = try #require(s.tcp.status(s.id))
        #expect(before.error == .connectionReset && before.unacknowledgedBytes == 25)
        try s.move(to: Instant(nanoseconds: 5))
        #expect(s.tcp.status(s.id) == before)
    }

    @Test("timestamps go on, and PAWS with them")
    func timestamps() throws {
        let s = TCPScript.synSent { $0.usesTimestamps = true }
        s.peer(Seg([.syn, .ack], seq: 0, ack: 1, stamps: TCPTimestamps(value: 1000, echo: 0)))
        let before = try #require(s.drain().first?.stamps)
        s.wait(7)
        try s.move(to: Instant(nanoseconds: 99_000_000_000_000))
        s.peer(Seg(.ack, seq: 1, ack: 1, "old", stamps: TCPTimestamps(value: 999, echo: 0)))
        let after = try #require(s.drain().first?.stamps)
        #expect(after.value &- before.value == 7)
        #expect(after.echo == 1000)
        #expect(s.read() == "")
    }

    @Test("text behind a gap moves along, and unread text, and the order of those who wait to be accepted")
    func whatWaits() throws {
        let s = TCPScript.listening()
        let listener = s.id
        var starts: [UInt32] = []
        for port in 1...3 {
            s.peerPort = UInt16(port)
            s.peer(Seg(.syn, seq: 0))
            _ = s.drain()
            starts.append(s.hostStart)
            s.peer(Seg(.ack, seq: 1, ack: 1, "I am \(port)"))
            s.peer(Seg(.ack, seq: 11, ack: 1, "behind"))
        }
        s.peerPort = 4
        s.peer(Seg(.syn, seq: 0))
        _ = s.drain()
        try s.move()
        for port in 1...3 {
            s.peerPort = UInt16(port)
            let last = s.hostStart
            s.hostStart = starts[port - 1]
            defer { s.hostStart = last }
            s.id = try #require(s.tcp.accept(listener))
            #expect(s.tcp.status(s.id)?.remote.port == UInt16(port))
            #expect(s.read() == "I am \(port)")
            s.peer(Seg(.ack, seq: 7, ack: 1, "....behi"))
            #expect(s.read() == "....behind")
            #expect(s.drain().last?.ack == 17)
        }
        s.peerPort = 4
        s.peer(Seg(.ack, seq: 1, ack: 1))
        #expect(s.tcp.accept(listener) != nil, "a half-open handshake goes on")
    }

    @Test(
        "each state moves", arguments: TCPState.allCases.filter { $0 != .listen && $0 != .synReceived })
    func states(state: TCPState) throws {
        let s = TCPClosingTests.script(in: state)
        if state == .closed {
            s.peer(Seg(.ack, seq: 1, ack: 1, "last words"))
            s.peer(Seg(.rst, seq: 11))
            _ = s.drain()
        }
        let before = s.tcp.table()
        try s.move()
        #expect(s.tcp.table() == before)
        #expect(s.state == state)
        if state == .closed {
            #expect(s.error == .connectionReset)
            #expect(s.read() == "last words")
        }
        s.tcp.abort(s.id, now: s.now)
        s.tcp.release(s.id, now: s.now)
        _ = s.drain()
        #expect(s.tcp.table().isEmpty)
        #expect(s.host.memory.lent == 0)
    }

    @Test("names of the past stay unknown, and a slot's next name is another one")
    func names() throws {
        let s = TCPScript.established()
        let old = s.id
        s.tcp.abort(old, now: s.now)
        s.tcp.release(old, now: s.now)
        _ = s.drain()
        try s.move()
        #expect(s.tcp.status(old) == nil)
        s.connect()
        #expect(s.id.slot == old.slot && s.id != old)
    }

    // MARK: what is not believed

    private func busy() -> TCPScript {
        let s = TCPScript.established { $0.usesTimestamps = true }
        _ = try? s.tcp.listen(on: 99)
        s.send(count: 3000)
        _ = s.drain()
        s.peer(Seg(.ack, seq: 1, ack: 1001, "unread"))
        s.peer(Seg(.ack, seq: 20, ack: 1001, "ahead"))
        return s
    }

    @Test("state that was cut off anywhere is refused, and leaves no buffer behind")
    func truncations() {
        let s = busy()
        let section = s.tcp.section(now: s.now)
        for length in 0..<section.count {
            let memory = CountedMemory()
            let layer = TCPLayer(seed: 1, buffers: memory, configuration: s.tcp.configuration)
            #expect(throws: StateError.self) { try layer.restore(from: section[..<length], now: s.now) }
        }
        var inner = StateEncoder()
        s.tcp.encode(into: &inner, now: s.now)
        for length in 0..<inner.bytes.count {
            let memory = CountedMemory()
            do {
                let layer = TCPLayer(seed: 1, buffers: memory, configuration: s.tcp.configuration)
                var input = StateDecoder(inner.bytes[..<length])
                #expect(throws: StateError.self) { try layer.decode(from: &input, version: 1, now: s.now) }
            }
            #expect(memory.lent == 0)
        }
    }

    @Test("a rest that is not read, another kind and another version are errors of their own")
    func frames() {
        let s = busy()
        func section(kind: String, version: UInt16, rest: [UInt8] = []) -> [UInt8] {
            var state = StateEncoder()
            s.tcp.encode(into: &state, now: s.now)
            var out = StateEncoder()
            out.data(kind.utf8)
            out.integer(version)
            out.data(state.bytes + rest)
            return out.bytes
        }
        func outcome(_ bytes: [UInt8]) -> StateError? {
            let layer = TCPLayer(seed: 1, buffers: CountedMemory(), configuration: s.tcp.configuration)
            do throws(StateError) {
                try layer.restore(from: bytes, now: s.now)
                return nil
            } catch { return error }
        }
        #expect(outcome(section(kind: "tcp", version: 1)) == nil)
        #expect(outcome(section(kind: "tcp", version: 1, rest: [0])) == .trailing(count: 1))
        #expect(outcome(section(kind: "tcp", version: 1) + [0]) == .trailing(count: 1))
        #expect(outcome(section(kind: "udp", version: 1)) == .otherKind("udp", expected: "tcp"))
        #expect(outcome(section(kind: "tcp", version: 2)) == .otherVersion(2, of: "tcp", accepted: 1...1))
        #expect(outcome(section(kind: "tcp", version: 0)) == .otherVersion(0, of: "tcp", accepted: 1...1))
    }

    @Test("a layer that is in use takes up nothing")
    func inUse() {
        let s = busy()
        let section = s.tcp.section(now: s.now)
        #expect(throws: StateError.impossible("a TCP layer that is in use")) {
            try s.tcp.restore(from: section, now: s.now)
        }
        #expect(s.state == .established)
    }

    @Test("state with a spoiled byte is refused, or is a TCP that works", arguments: 0..<16)
    func spoiled(seed: Int) {
        let s = busy()
        let good = s.tcp.section(now: s.now)
        var random = SeededGenerator(seed: UInt64(seed))
        for _ in 0..<150 {
            var bytes = good
            let at = Int.random(in: 0..<bytes.count, using: &random)
            bytes[at] = UInt8.random(in: 0...255, using: &random)
            let memory = CountedMemory()
            let layer = TCPLayer(seed: 1, buffers: memory, configuration: s.tcp.configuration)
            guard (try? layer.restore(from: bytes, now: s.now)) != nil else { continue }
            layer.paths = s.host.routes
            layer.pathsChanged(now: s.now)
            exercise(layer, s, &random)
        }
    }

    /// Segments, calls and time; nothing is expected but an end.
    private func exercise(_ layer: TCPLayer, _ s: TCPScript, _ random: inout SeededGenerator) {
        var now = s.now
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 1500, alignment: 16)
        defer { room.deallocate() }
        for _ in 0..<30 {
            var header = TCPHeader(
                sourcePort: s.peerPort, destinationPort: s.hostPort,
                sequence: s.peerStart &+ UInt32.random(in: 0...40, using: &random),
                acknowledgement: s.hostStart &+ UInt32.random(in: 0...3200, using: &random), flags: .ack, window: 9000)
            header.timestamps = TCPTimestamps(value: 5, echo: 0)
            let bytes = encode(header, [1, 2, 3, 4, 5, 6], from: s.peerAddress, to: s.host.address)
            lend(bytes, from: s.peerAddress, to: s.host.address) { layer.receive($0, now: now) }
            _ = [1, 2, 3].withUnsafeBytes { layer.send(s.id, $0, now: now) }
            _ = layer.withReceiveSpan(s.id, now: now) { min(2, $0.count) }
            for _ in 0..<10 where layer.transmit(into: room, on: s.host.routes.interface, now: now) == nil { break }
            now = now + .milliseconds(Int64.random(in: 0...3000, using: &random))
            layer.advance(to: now)
        }
        layer.releaseAll(now: now)
        layer.abortAll(now: now)
    }
}

extension TCPScript {
    func move(to later: Instant? = nil) throws {
        try host.move(now: now, to: later)
        now = later ?? now
    }
}
