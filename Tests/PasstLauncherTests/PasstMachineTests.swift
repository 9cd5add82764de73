import Linux
import Testing

@testable import PasstLauncher

@Suite("the life of a passt, in simulated time")
struct PasstMachineTests {
    private let ms: UInt64 = 1_000_000
    private let second: UInt64 = 1_000_000_000

    private func made(limits: PasstLimits = PasstLimits()) -> PasstMachine {
        PasstMachine(path: "/usr/bin/passt", limits: limits)
    }

    /// A machine that was started at 0 and is ready at `now`.
    private func running(at now: UInt64 = 0) -> PasstMachine {
        var machine = made()
        machine.start(now: 0)
        machine.started(pid: 42)
        machine.pidFile(Array("42\n".utf8), now: now)
        _ = machine.takeActions()
        return machine
    }

    @Test("it is ready when its pid file holds a number and a newline")
    func ready() {
        var machine = made()
        machine.start(now: 0)
        #expect(machine.takeActions() == [.spawn])
        machine.started(pid: 42)
        for partial in ["", "4", "42", "x\n", "-1\n", "0\n", "99999999999\n", "4 2\n"] {
            machine.pidFile(Array(partial.utf8), now: 1)
            #expect(machine.takeActions().isEmpty, "\(partial)")
        }
        machine.line("hint")
        machine.pidFile(Array("42\n".utf8), now: 2)
        #expect(machine.takeActions() == [.report(.ready(pid: 42)), .report(.line("hint"))])
        #expect(machine.nextDeadline == nil)
        machine.line("later")
        #expect(machine.takeActions() == [.report(.line("later"))])
    }

    @Test("a death before it was ever ready is final and is told with the last twenty lines")
    func firstDeath() {
        var machine = made()
        machine.start(now: 0)
        for number in 1...30 { machine.line("line \(number)") }
        machine.ended(.exited(1), now: 1)
        let last = (11...30).map { "line \($0)" }
        #expect(machine.takeActions() == [.spawn, .report(.failed(.ended(.exited(1), lines: last)))])
        #expect(machine.state == .failed && machine.nextDeadline == nil)
    }

    @Test("a passt that knows no vhost-user is named as too old, without its usage")
    func tooOld() {
        var machine = made()
        machine.start(now: 0)
        machine.line("passt: unrecognized option '--vhost-user'")
        for number in 1...15 { machine.line("usage \(number)") }
        machine.ended(.exited(1), now: 1)
        #expect(machine.takeActions().last == .report(.failed(.tooOld(path: "/usr/bin/passt"))))
    }

    @Test("usage of more than twenty lines does not hide that passt is too old")
    func tooOldLong() {
        var machine = made()
        machine.start(now: 0)
        machine.line("/usr/bin/passt: unrecognized option '--vhost-user'")
        machine.line("Usage: /usr/bin/passt [OPTION]...")
        for number in 1...110 { machine.line("usage \(number)") }
        machine.ended(.exited(1), now: 1)
        #expect(machine.takeActions().last == .report(.failed(.tooOld(path: "/usr/bin/passt"))))
    }

    @Test("without a pid file in 5 s it is killed, and that is what is told")
    func notReady() {
        var machine = made()
        machine.start(now: 0)
        _ = machine.takeActions()
        machine.advance(to: 5 * second - 1)
        #expect(machine.takeActions().isEmpty)
        #expect(machine.nextDeadline == 5 * second)
        machine.advance(to: 5 * second)
        #expect(machine.takeActions() == [.signal(9)])
        machine.line("last word")
        machine.ended(.signalled(9), now: 5 * second + 1)
        #expect(machine.takeActions() == [.report(.failed(.notReady(seconds: 5, lines: ["last word"])))])
    }

    @Test("later deaths are followed by restarts after 100, 200, 400 ms … 5 s")
    func backOff() {
        var machine = running()
        var now: UInt64 = 0
        var rests: [UInt64] = []
        for _ in 0..<9 {
            machine.ended(.signalled(11), now: now)
            guard case .report(.down(let error, let rest))? = machine.takeActions().first else {
                return #expect(Bool(false))
            }
            #expect(error == .ended(.signalled(11), lines: []))
            rests.append(rest / ms)
            now += rest
            #expect(machine.nextDeadline == now)
            machine.advance(to: now - 1)
            #expect(machine.takeActions().isEmpty)
            machine.advance(to: now)
            #expect(machine.takeActions() == [.spawn])
            machine.started(pid: 43)
            machine.pidFile(Array("43\n".utf8), now: now)
            #expect(machine.takeActions() == [.report(.ready(pid: 43))])
        }
        #expect(rests == [100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000])
    }

    @Test("after ten seconds of health the rest is short again, after less it is not")
    func health() {
        for (healthy, expected) in [(10 * second, 100 * ms), (10 * second - 1, 200 * ms)] {
            var machine = running()
            machine.ended(.exited(1), now: 0)
            machine.advance(to: 100 * ms)
            machine.pidFile(Array("43\n".utf8), now: 100 * ms)
            _ = machine.takeActions()
            machine.ended(.exited(1), now: 100 * ms + healthy)
            #expect(machine.takeActions() == [.report(.down(.ended(.exited(1), lines: []), restartsIn: expected))])
        }
    }

    @Test("a restart that fails is tried again for ever, with its last lines once per failure")
    func failingRestarts() {
        var machine = running()
        machine.ended(.exited(1), now: 0)
        _ = machine.takeActions()
        for _ in 0..<50 {
            let now = machine.nextDeadline ?? 0
            machine.advance(to: now)
            machine.line("port taken")
            machine.ended(.exited(1), now: now)
            guard case .report(.down(let error, _))? = machine.takeActions().last else { return #expect(Bool(false)) }
            #expect(error.lines == ["port taken"])
        }
        let now = machine.nextDeadline ?? 0
        machine.advance(to: now)
        machine.startFailed(.cannotStart(path: "passt", SystemError(call: "execve", code: 2)), now: now)
        guard case .report(.down(.cannotStart, _))? = machine.takeActions().last else { return #expect(Bool(false)) }
    }

    @Test("a passt that is stopped for a second is killed; one that is continued before that lives")
    func suspended() {
        var machine = running()
        machine.looked(isStopped: true, now: 100 * ms)
        machine.looked(isStopped: true, now: 900 * ms)
        machine.looked(isStopped: false, now: 1000 * ms)
        machine.looked(isStopped: true, now: 1200 * ms)
        machine.looked(isStopped: true, now: 2100 * ms)
        #expect(machine.takeActions() == [])
        machine.looked(isStopped: true, now: 2200 * ms)
        #expect(machine.takeActions() == [.signal(9)])
        machine.ended(.signalled(9), now: 2300 * ms)
        #expect(machine.takeActions() == [.report(.down(.suspended, restartsIn: 100 * ms))])
    }

    @Test("one that is replaced is killed, and the next one starts when it is dead, without a rest")
    func replaced() {
        var machine = running()
        #expect(machine.replace() == true)
        #expect(machine.takeActions() == [.signal(9)])
        #expect(machine.replace() == false)
        machine.reportHung(now: 1)
        machine.advance(to: 100 * second)
        #expect(machine.takeActions().isEmpty)
        machine.ended(.signalled(9), now: 3)
        #expect(machine.takeActions() == [.report(.replaced), .spawn])
        machine.pidFile(Array("7\n".utf8), now: 4)
        #expect(machine.takeActions() == [.report(.ready(pid: 7))])
    }

    @Test("only one that is ready is replaced, and one that is stopped meanwhile stays away")
    func replacedElsewhere() {
        var machine = made()
        #expect(machine.replace() == false)
        machine.start(now: 0)
        #expect(machine.replace() == false)
        machine = running()
        #expect(machine.replace() == true)
        machine.stop(now: 1)
        _ = machine.takeActions()
        machine.ended(.signalled(9), now: 2)
        #expect(machine.takeActions() == [.report(.stopped)])
    }

    @Test("a hung passt is killed, and only its death is followed by a restart")
    func hung() {
        var machine = running()
        machine.reportHung(now: 1)
        #expect(machine.takeActions() == [.signal(9)])
        machine.reportHung(now: 2)
        machine.advance(to: 100 * second)
        #expect(machine.takeActions().isEmpty)
        machine.ended(.signalled(9), now: 3)
        #expect(machine.takeActions() == [.report(.down(.hung, restartsIn: 100 * ms))])
    }

    @Test("if it had ended by itself when it was reported hung, its own end is told")
    func hungButDead() {
        var machine = running()
        machine.reportHung(now: 1)
        _ = machine.takeActions()
        machine.ended(.exited(1), now: 3)
        #expect(machine.takeActions() == [.report(.down(.ended(.exited(1), lines: []), restartsIn: 100 * ms))])
    }

    @Test("reports of a hang outside a run are ignored")
    func hungElsewhere() {
        var machine = made()
        machine.reportHung(now: 0)
        machine.start(now: 0)
        machine.reportHung(now: 0)
        #expect(machine.takeActions() == [.spawn])
    }

    @Test("stop is SIGTERM, SIGKILL after a second, and the death is no failure")
    func stop() {
        var machine = running()
        machine.stop(now: 5)
        #expect(machine.takeActions() == [.signal(15)])
        machine.stop(now: 6)
        #expect(machine.nextDeadline == 5 + second)
        machine.advance(to: 5 + second)
        #expect(machine.takeActions() == [.signal(9)])
        #expect(machine.nextDeadline == nil)
        machine.ended(.signalled(9), now: 5 + second)
        #expect(machine.takeActions() == [.report(.stopped)])
        #expect(machine.state == .idle)
    }

    @Test("stop in every other state ends it, too")
    func stopElsewhere() {
        var starting = made()
        starting.start(now: 0)
        starting.stop(now: 1)
        #expect(starting.takeActions() == [.spawn, .signal(15)])
        starting.pidFile(Array("42\n".utf8), now: 2)
        starting.ended(.exited(0), now: 2)
        #expect(starting.takeActions() == [.report(.stopped)])

        var resting = running()
        resting.ended(.exited(1), now: 1)
        _ = resting.takeActions()
        resting.stop(now: 2)
        #expect(resting.takeActions() == [.report(.stopped)])
        resting.advance(to: 100 * second)
        #expect(resting.takeActions().isEmpty)

        var killing = running()
        killing.reportHung(now: 1)
        _ = killing.takeActions()
        killing.stop(now: 2)
        killing.ended(.signalled(9), now: 3)
        #expect(killing.takeActions() == [.report(.stopped)])

        var idle = made()
        idle.stop(now: 0)
        #expect(idle.takeActions() == [.report(.stopped)])
    }

    @Test("it can be started again after stop and after a failure")
    func again() {
        var machine = running()
        machine.stop(now: 1)
        machine.ended(.exited(0), now: 2)
        _ = machine.takeActions()
        machine.start(now: 3)
        machine.start(now: 3)
        #expect(machine.takeActions() == [.spawn])
    }
}
