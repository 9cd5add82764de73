// Warnings that a peer repeats, in simulated time and on a reactor.

import Linux
import TestSupport
import Testing

@testable import NetEmu

struct RepeatLimitTests {
    @Test("a storm of one line is that line, then a count per second, then silence")
    func storm() {
        var limit = RepeatLimit()
        var lines: [String] = []
        var now: UInt64 = 5
        for second in 0..<3 {
            for _ in 0..<20_000 where limit.admit("x", now: now) { lines.append("x at \(second)") }
            now += RepeatLimit.window
            #expect(limit.windowEnd == now)
            if let line = limit.endWindow(now: now) { lines.append(line) }
        }
        #expect(
            lines == [
                "x at 0", "x (19999 times more within a second)", "x (20000 times more within a second)",
                "x (20000 times more within a second)",
            ])
        now += RepeatLimit.window
        let rest = limit.endWindow(now: now)
        #expect(rest == nil && limit.windowEnd == nil)
        let isNews = limit.admit("x", now: now)
        #expect(isNews, "after a quiet second it is news again")
    }

    @Test("lines that differ each time are no way around it")
    func different() {
        var limit = RepeatLimit()
        let said = (0..<1000).filter { limit.admit("line \($0)", now: 0) }
        #expect(said == [0, 1, 2, 3])
        let count = limit.endWindow(now: RepeatLimit.window)
        #expect(count == "line 999 (996 times more within a second)")
    }

    @Test("a warning now and then is said each time")
    func rare() {
        var limit = RepeatLimit()
        for round in 0..<10 as Range<UInt64> {
            let now = round * 3 * RepeatLimit.window
            let (isSaid, count) = (limit.admit("x", now: now), limit.endWindow(now: now + RepeatLimit.window))
            #expect(isSaid && count == nil)
        }
    }

    @Test("on a reactor the count comes by itself")
    func onReactor() throws {
        try mustReturn {
            let reactor = try Reactor()
            var lines: [String] = []
            let warnings = LimitedWarnings(on: reactor) { lines.append($0) }
            for _ in 0..<3 { warnings.warn("y") }
            #expect(lines == ["y"])
            while lines.count < 2 { try reactor.turn(maxWaitNanoseconds: nil) }
            #expect(lines == ["y", "y (2 times more within a second)"])
            while reactor.timerCount > 0 { try reactor.turn(maxWaitNanoseconds: nil) }
            #expect(lines.count == 2)
        }
    }
}
