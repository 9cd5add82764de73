// A timer that follows a deadline.

import Testing

@testable import Linux

struct AlarmTests {
    private let reactor: Reactor

    init() throws { reactor = try Reactor() }

    @Test("it goes off once for the last deadline that was set, and only while one is set")
    func moves() throws {
        var times: [UInt64] = []
        let alarm = Alarm(on: reactor) { [reactor] in times.append(reactor.nowNanoseconds) }
        let start = reactor.nowNanoseconds
        alarm.set(start + 1_000_000)
        alarm.set(start + 3_600_000_000_000)
        alarm.set(start + 30_000_000)
        #expect(alarm.deadline == start + 30_000_000 && reactor.timerCount == 1)
        #expect(try reactor.turn { !times.isEmpty })
        #expect(times.count == 1 && times[0] >= start + 30_000_000)
        #expect(alarm.deadline == nil && reactor.timerCount == 0)
        alarm.set(start)
        alarm.set(nil)
        try reactor.turn(maxWaitNanoseconds: 1_000_000)
        #expect(times.count == 1)
    }

    @Test("the action may set the next deadline; the same one again makes no other timer")
    func again() throws {
        var count = 0
        var alarm: Alarm?
        alarm = Alarm(on: reactor) { [reactor] in
            count += 1
            if count < 5 { alarm?.set(reactor.nowNanoseconds) }
        }
        for _ in 0..<3 { alarm?.set(reactor.nowNanoseconds) }
        #expect(reactor.timerCount == 1)
        #expect(try reactor.turn { count == 5 })
        #expect(reactor.timerCount == 0)
    }

    @Test("it ends with its owner")
    func ends() throws {
        var alarm: Alarm? = Alarm(on: reactor) { Issue.record("went off") }
        alarm?.set(reactor.nowNanoseconds)
        alarm = nil
        #expect(reactor.timerCount == 0)
        try reactor.turn(maxWaitNanoseconds: 0)
    }
}
