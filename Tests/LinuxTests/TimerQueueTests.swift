import Bytes
import Testing

@testable import Linux

@Suite("timers")
struct TimerQueueTests {
    /// Pops and fires everything due at `now`.
    private func fire(_ queue: inout TimerQueue, at now: UInt64) {
        var due: [TimerID] = []
        queue.popDue(at: now, into: &due)
        for id in due { queue.take(id)?() }
    }

    @Test("timers fire in the order of their deadlines, equal ones in the order of their making")
    func order() {
        var queue = TimerQueue()
        var fired: [Int] = []
        for (index, deadline) in [30, 10, 20, 10, 5].enumerated() {
            _ = queue.add(deadline: UInt64(deadline)) { fired.append(index) }
        }
        #expect(queue.nextDeadline == 5)
        fire(&queue, at: 20)
        #expect(fired == [4, 1, 3, 2])
        #expect(queue.nextDeadline == 30)
        #expect(queue.count == 1)
    }

    @Test("a cancelled timer does not fire, wakes nobody, and its name stays dead when the row is used again")
    func cancel() {
        var queue = TimerQueue()
        var fired: [String] = []
        let first = queue.add(deadline: 1) { fired.append("first") }
        _ = queue.add(deadline: 9) { fired.append("second") }
        #expect(queue.take(first) != nil)
        #expect(queue.nextDeadline == 9)
        let third = queue.add(deadline: 2) { fired.append("third") }
        #expect(third.row == first.row)
        #expect(queue.take(first) == nil)
        fire(&queue, at: 10)
        #expect(fired == ["third", "second"])
        #expect(queue.nextDeadline == nil)
    }

    @Test("ten thousand operations agree with a sorted list", arguments: [1, 2, 3] as [UInt64])
    func againstList(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var queue = TimerQueue()
        var model: [(deadline: UInt64, serial: Int, id: TimerID)] = []
        var fired: [Int] = []
        for step in 0..<10_000 {
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<5:
                let deadline = UInt64(step) + UInt64.random(in: 0..<500, using: &random)
                model.append((deadline, step, queue.add(deadline: deadline) { fired.append(step) }))
            case 5..<8:
                guard let pick = model.indices.randomElement(using: &random) else { continue }
                #expect(queue.take(model.remove(at: pick).id) != nil)
            default:
                let now = UInt64(step)
                let due = model.filter { $0.deadline <= now }.sorted {
                    ($0.deadline, $0.serial) < ($1.deadline, $1.serial)
                }
                model.removeAll { $0.deadline <= now }
                fired = []
                fire(&queue, at: now)
                #expect(fired == due.map(\.serial))
            }
            #expect(queue.count == model.count)
            #expect(queue.nextDeadline == model.map(\.deadline).min())
        }
    }
}
