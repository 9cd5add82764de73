// Streams over a simulated wire: every byte, both ways, whatever the wire does; and how fast.

import Bytes
import Testing

@testable import NetStack

@Suite struct TCPStreamTests {
    @Test("bytes arrive exactly over a clean wire, both ways at once")
    func clean() {
        let network = SimulatedNetwork()
        #expect(network.transfer(forth: 300_000, back: 200_000) != nil)
        #expect(network.a.tcp.table().allSatisfy { $0.retransmissions == 0 })
    }

    @Test("bytes arrive exactly over a wire that loses, doubles, swaps and spoils segments", arguments: 1...12)
    func hostileWire(seed: Int) {
        let wire = WireBehaviour(
            delay: .milliseconds(2), loss: 0.03, duplication: 0.02, reordering: 0.05, corruption: 0.01)
        let network = SimulatedNetwork(wire, seed: UInt64(seed))
        #expect(network.transfer(forth: 120_000, back: 80_000) != nil)
        network.run(for: .seconds(300))
        #expect(network.ab.next == nil && network.ba.next == nil, "peace in the end")
    }

    @Test("a third of all segments lost is slow, not wrong", arguments: 1...4)
    func terribleWire(seed: Int) {
        let network = SimulatedNetwork(WireBehaviour(delay: .milliseconds(5), loss: 0.33), seed: UInt64(seed))
        #expect(network.transfer(forth: 30_000, back: 30_000) != nil)
    }

    @Test(
        "bytes arrive exactly for every size of buffer, with and without options",
        arguments: [
            1024, 3000, 8192, 100_000,
        ], [true, false])
    func buffers(size: Int, options: Bool) {
        var configuration = TCPConfiguration()
        configuration.initialBuffer = size
        configuration.maximumReceiveBuffer = size
        configuration.maximumSendBuffer = size
        configuration.usesTimestamps = options
        configuration.usesWindowScale = options
        let wire = WireBehaviour(delay: .milliseconds(1), loss: 0.01, reordering: 0.02)
        let network = SimulatedNetwork(wire, seed: UInt64(size), configuration)
        #expect(network.transfer(forth: 50_000, back: 50_000) != nil)
    }

    @Test("a slow reader stops the sender and loses nothing")
    func slowReader() {
        var configuration = TCPConfiguration()
        configuration.initialBuffer = 16 << 10
        configuration.maximumReceiveBuffer = 16 << 10
        let network = SimulatedNetwork(WireBehaviour(delay: .milliseconds(1)), configuration)
        #expect(network.transfer(forth: 200_000, back: 0, readLimit: 700) != nil)
    }

    @Test("sequence numbers wrap in the middle of a stream")
    func wrap() {
        // The initial number moves by one every 4 µs: start shortly before it wraps.
        let key = TCPKey(
            local: Endpoint(IPAddress(10, 0, 0, 1), 40_000), remote: Endpoint(IPAddress(10, 0, 0, 2), 80))
        let network = SimulatedNetwork(mtu: 9000)
        let initial = network.a.tcp.secrets.initialSequence(key, now: network.now.nanoseconds)
        let ticks = UInt64(0 &- initial.rawValue &- 100_000)
        network.run(for: Interval(nanoseconds: Int64(ticks * 4000)))
        guard let listener = try? network.b.tcp.listen(on: 80),
            let id = try? network.a.tcp.connect(
                to: key.remote, from: key.local, now: network.now)
        else { return #expect(Bool(false), "no connection") }
        var accepted: TCPSocketID?
        #expect(
            network.run(atMost: .seconds(1)) {
                accepted = accepted ?? network.b.tcp.accept(listener)
                return accepted != nil
            })
        guard let server = accepted else { return #expect(Bool(false), "no server") }
        var left = StreamEnd(
            host: network.a, id: id, total: 500_000, expected: 0, sendSalt: 1, receiveSalt: 2)
        var right = StreamEnd(
            host: network.b, id: server, total: 0, expected: 500_000, sendSalt: 2, receiveSalt: 1)
        #expect(
            network.run(atMost: .seconds(60)) {
                left.work(now: network.now)
                right.work(now: network.now)
                return left.isDone && right.isDone
            })
        #expect(right.isCorrect && right.received == 500_000)
    }

    @Test("a thousand connections at once: all bytes, and nothing is left afterwards")
    func thousand() {
        let network = SimulatedNetwork(WireBehaviour(delay: .microseconds(100), loss: 0.002))
        guard let listener = try? network.b.tcp.listen(on: 80, backlog: 1000) else { return }
        var ends: [StreamEnd] = []
        for _ in 0..<1000 {
            guard let id = try? network.a.tcp.connect(to: Endpoint(network.b.address, 80), now: network.now) else {
                continue
            }
            ends.append(StreamEnd(host: network.a, id: id, total: 3000, expected: 1000, sendSalt: 1, receiveSalt: 2))
        }
        #expect(ends.count == 1000)
        let done = network.run(atMost: .seconds(120)) {
            while let id = network.b.tcp.accept(listener) {
                ends.append(
                    StreamEnd(host: network.b, id: id, total: 1000, expected: 3000, sendSalt: 2, receiveSalt: 1))
            }
            for i in ends.indices where !ends[i].isDone { ends[i].work(now: network.now) }
            return ends.count == 2000 && ends.allSatisfy(\.isDone)
        }
        #expect(done)
        #expect(ends.allSatisfy { $0.isCorrect })
        #expect(network.b.memory.lent <= 48 << 20, "the budget holds")
        for end in ends { end.host.tcp.release(end.id, now: network.now) }
        network.b.tcp.release(listener, now: network.now)
        network.run(for: .seconds(200))
        #expect(network.a.tcp.table().isEmpty && network.b.tcp.table().isEmpty)
        #expect(network.a.memory.lent == 0 && network.b.memory.lent == 0)
        #expect(network.a.tcp.nextDeadline == nil && network.b.tcp.nextDeadline == nil, "idle costs nothing")
    }

    @Test("a buffer source that refuses most of the time still carries everything")
    func shortMemory() {
        let network = SimulatedNetwork()
        network.a.memory.limit = 10_000
        network.b.memory.limit = 7_000
        #expect(network.transfer(forth: 50_000, back: 50_000) != nil)
    }
}
