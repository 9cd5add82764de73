// When a node that has moved says where it is, and that it does so by its card.

import Bytes
import Testing

@testable import GuestNode

@Suite("announcing a node")
struct AnnounceTests {
    private let start = Instant(nanoseconds: 5_000_000_000)

    /// When the rounds are made by somebody who looks each millisecond, from the first one on.
    private func rounds(_ parameters: AnnounceSchedule.Parameters = .init()) -> [Int64] {
        var schedule = AnnounceSchedule(parameters, from: start)
        var times: [Int64] = []
        for passed in 0..<100_000 as Range<Int64> {
            while schedule.takeRound(start + .milliseconds(passed)) { times.append(passed) }
        }
        #expect(schedule.nextRound == nil)
        return times
    }

    @Test("QEMU's defaults give QEMU's times")
    func defaults() { #expect(rounds() == [0, 50, 200, 450, 800]) }

    @Test("the wait grows up to its limit; one round is one, none is none")
    func parameters() {
        var parameters = AnnounceSchedule.Parameters()
        parameters.rounds = 9
        #expect(rounds(parameters) == [0, 50, 200, 450, 800, 1250, 1800, 2350, 2900])
        parameters.longest = .milliseconds(10)
        #expect(rounds(parameters) == [0, 10, 20, 30, 40, 50, 60, 70, 80])
        parameters.rounds = 1
        #expect(rounds(parameters) == [0])
        parameters.rounds = 0
        #expect(rounds(parameters).isEmpty)
        parameters = .init()
        (parameters.step, parameters.rounds) = (Interval(nanoseconds: .max), 3)
        #expect(rounds(parameters) == [0, 50, 600])
    }

    @Test("whoever comes late makes one round, and waits from there on")
    func late() {
        var schedule = AnnounceSchedule(from: start)
        #expect(!schedule.takeRound(Instant(nanoseconds: 0)) && schedule.nextRound == start)
        let late = start + .seconds(7)
        #expect(schedule.takeRound(late) && !schedule.takeRound(late))
        #expect(schedule.nextRound == late + .milliseconds(50))
    }

    @Test("the frames leave in the next turn, by the NICs that were named")
    func frames() throws {
        let node = try SimulatedNode("a", mac: 1)
        try node.configure("10.0.0.1/24")
        let simulation = Simulation(node)
        simulation.run(for: .seconds(5))
        var types: [[UInt8]] = []
        simulation.hand = { _, frame in
            types.append(Array(frame[12..<14]))
            return frame
        }
        node.node.announce(on: ["eth1"])
        simulation.run(for: .milliseconds(1))
        #expect(types.isEmpty)
        node.node.announce(on: ["eth1", "eth0"])
        simulation.run(for: .milliseconds(1))
        #expect(types == [[0x80, 0x35], [0x08, 0x06]])
        node.node.announce()
        simulation.run(for: .milliseconds(1))
        #expect(types.count == 4)
    }
}
