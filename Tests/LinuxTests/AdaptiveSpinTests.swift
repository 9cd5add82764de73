import CLinux
import Testing

@testable import Linux

@Suite("spinning")
struct AdaptiveSpinTests {
    /// A turn of a conversation: little work.
    private let little: UInt64 = 3_000

    /// What `spin` decides after so many short sleeps.
    private func afterShortSleeps(_ count: Int, _ spin: inout AdaptiveSpin) -> UInt64 {
        for _ in 0..<count { spin.slept(90_000, afterWork: little) }
        return spin.time(afterWork: little)
    }

    @Test("a loop that was never told of its processors, or has one, sleeps at once")
    func never() {
        for spin in [AdaptiveSpin(), AdaptiveSpin(processors: 1)] {
            var spin = spin
            #expect(afterShortSleeps(10_000, &spin) == 0)
        }
    }

    @Test("a conversation is spun for after four short sleeps, and as long as answers come")
    func conversation() {
        var spin = AdaptiveSpin(processors: 2)
        #expect(afterShortSleeps(3, &spin) == 0)
        #expect(afterShortSleeps(1, &spin) == AdaptiveSpin.longestSpin)
        for _ in 0..<1000 {
            spin.hit()
            #expect(spin.time(afterWork: little) == AdaptiveSpin.longestSpin)
        }
    }

    @Test("a long run of hits buys eight misses, and then the loop sleeps")
    func silence() {
        var spin = AdaptiveSpin(processors: 2)
        _ = afterShortSleeps(4, &spin)
        for _ in 0..<1000 { spin.hit() }
        var misses = 0
        while spin.time(afterWork: little) > 0 {
            spin.miss()
            misses += 1
        }
        #expect(misses == AdaptiveSpin.mostTrust)
    }

    @Test("an idle loop, woken now and then, never spins")
    func idle() {
        var spin = AdaptiveSpin(processors: 2)
        for _ in 0..<1000 {
            #expect(afterShortSleeps(3, &spin) == 0)
            spin.slept(10_000_000, afterWork: little)
        }
    }

    @Test("trials that fail become rarer: of 100,000 waits whose answer never comes in time few are spun")
    func failingTrials() {
        var spin = AdaptiveSpin(processors: 2)
        var spun = 0
        for _ in 0..<100_000 {
            if spin.time(afterWork: little) > 0 {
                spun += 1
                spin.miss()
            }
            spin.slept(100_000, afterWork: little)
        }
        #expect(spun > 1)
        #expect(spun < 120)
    }

    @Test("a turn that moved bulk is followed by sleep, and its short sleep is no sign of a conversation")
    func bulk() {
        var spin = AdaptiveSpin(processors: 2)
        for _ in 0..<1000 { spin.slept(30_000, afterWork: 50_000) }
        #expect(spin.time(afterWork: little) == 0)
        _ = afterShortSleeps(4, &spin)
        #expect(spin.time(afterWork: 50_000) == 0)
        #expect(spin.time(afterWork: little) > 0)
    }

    @Test("answers that come at once to a sleeping loop are no reason to spin: no processor is idle")
    func busyMachine() {
        var spin = AdaptiveSpin(processors: 2)
        for _ in 0..<10_000 { spin.slept(40_000, afterWork: little) }
        #expect(spin.time(afterWork: little) == 0)
    }

    @Test("a loop whose processor was taken away while it was spinning sleeps, whatever it had been trusted with")
    func lostProcessor() {
        var spin = AdaptiveSpin(processors: 2)
        _ = afterShortSleeps(4, &spin)
        for _ in 0..<1000 { spin.hit() }
        spin.lostProcessor()
        #expect(spin.time(afterWork: little) == 0)
        #expect(afterShortSleeps(7, &spin) == 0)
        #expect(afterShortSleeps(1, &spin) > 0)
    }

    @Test("a reactor that spins fires its timers, hears its descriptors and keeps the longest wait")
    func reactor() throws {
        let reactor = try Reactor()
        reactor.spin = AdaptiveSpin(processors: 2)
        for _ in 0..<4 { reactor.spin.slept(100_000, afterWork: 0) }
        let event = try EventDescriptor()
        var heard = 0
        let watch = try reactor.watch(event.raw, for: .readable) { _ in
            event.drain()
            heard += 1
        }
        var fired = 0
        for round in 1...100 {
            event.signal()
            reactor.schedule(atNanoseconds: ne_monotonic_ns()) { fired += 1 }
            while heard < round || fired < round { try reactor.turn(maxWaitNanoseconds: 50_000_000) }
        }
        let start = ne_monotonic_ns()
        try reactor.turn(maxWaitNanoseconds: 2_000_000)
        #expect(ne_monotonic_ns() - start >= 1_900_000)
        #expect(heard == 100 && fired == 100)
        reactor.remove(watch)
    }
}
