// The server's machine in simulated time.

import Bytes
import Testing

@testable import RepairHelper

private let start = Instant(nanoseconds: 0)
private func at(_ seconds: Int64) -> Instant { start + .seconds(seconds) }

@Suite("The server's side of TCP_REPAIR by a helper")
struct ServerMachineTests {
    private func machine(helper: Bool = true) -> RepairServerMachine {
        var machine = RepairServerMachine(patience: .seconds(2))
        if helper { #expect(machine.helperConnected(now: start).isEmpty) }
        return machine
    }

    @Test("600 sockets go in three batches, each after the answer to the one before")
    func batches() {
        var machine = machine()
        #expect(machine.request(.on, count: 600, now: start) == [.send(.on, 0..<253)])
        #expect(machine.answered(1, now: start) == [.send(.on, 253..<506)])
        #expect(machine.answered(1, now: start) == [.send(.on, 506..<600)])
        #expect(machine.answered(1, now: start) == [.finish(.done)])
        #expect(machine.deadline == nil && !machine.isBusy)
        #expect(machine.request(.offWithoutProbe, count: 1, now: start) == [.send(.offWithoutProbe, 0..<1)])
        #expect(machine.answered(0xff, now: start) == [.finish(.done)])
    }

    @Test("nothing to switch is done at once; a second request waits for nobody")
    func trivial() {
        var machine = machine()
        #expect(machine.request(.on, count: 0, now: start) == [.finish(.done)])
        #expect(machine.request(.on, count: 1, now: start) == [.send(.on, 0..<1)])
        #expect(machine.request(.off, count: 1, now: start) == [])
    }

    @Test("no helper within the patience is a failure that switched nothing; one that comes in time serves")
    func noHelper() {
        var machine = machine(helper: false)
        #expect(machine.request(.on, count: 5, now: start) == [])
        #expect(machine.deadline == at(2))
        #expect(machine.advance(to: at(1)) == [])
        #expect(machine.advance(to: at(2)) == [.finish(.failed(.noHelper, stillSwitched: 0))])
        #expect(machine.request(.on, count: 5, now: at(3)) == [])
        #expect(machine.helperConnected(now: at(4)) == [.send(.on, 0..<5)])
    }

    @Test("a helper that dies in the middle is audited, and what was switched is taken back by the next one")
    func rollback() {
        var machine = machine()
        _ = machine.request(.on, count: 300, now: start)
        _ = machine.answered(1, now: start)
        #expect(machine.helperClosed(now: start) == [.audit(.on)])
        #expect(machine.audited(.on, count: 254, now: start) == [])
        #expect(machine.helperConnected(now: at(1)) == [.send(.off, 0..<253)])
        #expect(machine.answered(0, now: at(1)) == [.send(.off, 253..<254)])
        #expect(machine.answered(0, now: at(1)) == [.finish(.failed(.helperClosed, stillSwitched: 0))])
    }

    @Test("a rollback without a helper ends with the number that is left")
    func rollbackFails() {
        var machine = machine()
        _ = machine.request(.on, count: 300, now: start)
        _ = machine.answered(1, now: start)
        _ = machine.helperClosed(now: start)
        _ = machine.audited(.on, count: 253, now: start)
        #expect(machine.advance(to: at(2)) == [.finish(.failed(.helperClosed, stillSwitched: 253))])
        #expect(machine.deadline == nil)
    }

    @Test("a wrong byte and a stall cost the helper its connection")
    func misbehaviour() {
        var wrong = machine()
        _ = wrong.request(.on, count: 1, now: start)
        #expect(wrong.answered(0, now: start) == [.closeHelper, .audit(.on)])
        #expect(wrong.audited(.on, count: 0, now: start) == [.finish(.failed(.wrongAnswer(0), stillSwitched: 0))])
        var stalled = machine()
        _ = stalled.request(.off, count: 1, now: start)
        #expect(stalled.advance(to: at(2)) == [.closeHelper, .audit(.off)])
        #expect(stalled.audited(.off, count: 0, now: at(2)) == [.finish(.failed(.helperStalled, stillSwitched: 0))])
        var idle = machine()
        #expect(idle.answered(1, now: start) == [.closeHelper])
    }
}
