import Testing

@testable import RepairHelper

@Suite("names that are asked again")
struct RetryScheduleTests {
    @Test("a dead name is asked ever more rarely, and no name more than once at a time")
    func backOff() {
        var schedule = RetrySchedule()
        let names = (0..<1000).map { "\($0).repair" }
        for name in names { schedule.appeared(name, at: 0) }
        var asked: [String: [Int]] = [:]
        for step in 0..<1000 {
            for name in schedule.take(at: step) {
                asked[name, default: []].append(step)
                schedule.failed(name, at: step)
            }
        }
        for name in names {
            #expect(asked[name] == [0, 1, 3, 7, 15, 31, 63, 127, 227, 327, 427, 527, 627, 727, 827, 927])
        }
    }

    @Test("a name that appears again begins anew; one that is gone is not asked any more")
    func again() {
        var schedule = RetrySchedule()
        schedule.appeared("a", at: 0)
        for step in 0..<200 { for name in schedule.take(at: step) { schedule.failed(name, at: step) } }
        for _ in 0..<50 { schedule.appeared("a", at: 200) }
        #expect(schedule.next == 200 && schedule.take(at: 200) == ["a"])
        schedule.failed("a", at: 200)
        #expect(schedule.take(at: 201) == ["a"])
        schedule.forget("a")
        for step in 202..<1000 { #expect(schedule.take(at: step).isEmpty) }
        #expect(schedule.count == 0 && schedule.next == nil)
    }
}
