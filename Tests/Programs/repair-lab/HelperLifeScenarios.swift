// netemu-repair as a process: killed, stopped and continued, as a daemon, waiting for names, in its sandbox.

import Bytes
import CLinux
import Glibc
import Linux
import RepairHelper

extension Scenario {
    static let helperLife: [Scenario] = [
        Scenario(name: "helper-killed-between-on-and-off") { try killedBetween() },
        Scenario(name: "helper-survives-stop-and-continue") { try stoppedAndContinued() },
        Scenario(name: "helper-directory") { try directory() },
        Scenario(name: "helper-daemon") { try daemon() },
        Scenario(name: "helper-waits-for-the-socket") { try waitsForSocket() },
        Scenario(name: "server-and-a-stalled-helper") { try stalledHelper() },
    ]

    static let sandbox: [Scenario] =
        HelperSandbox.systemCalls.map { call in
            Scenario(name: "sandbox-needs-\(call)") { try confinedSession(without: call) }
        } + [Scenario(name: "sandbox-suffices") { try confinedSession(without: nil) }]
}

private func killedBetween() throws {
    let network = try Network()
    let flows = try pairs(network, 3)
    try withScratch { scratch in
        let server = try Server(scratch + "/x.repair")
        let first = try Helper([server.path])
        try server.awaitHelper()
        try require(try server.request(.on, flows.map(\.near.raw)) == .done, "not switched on")
        kill(first.pid, SIGKILL)
        _ = try first.wait()
        try eventually("the server sees it") {
            try server.reactor.turn(maxWaitNanoseconds: 1_000_000)
            return !server.server.hasHelper
        }
        let second = try Helper([server.path])
        try server.awaitHelper()
        try require(try server.request(.off, flows.map(\.near.raw)) == .done, "not switched off")
        server.server.closeHelper()
        try require(try second.wait() == 0, second.words)
    }
    for (index, flow) in flows.enumerated() { try exchange(flow.near, flow.far, index) }
}

/// Story: a frozen cgroup, or Ctrl-Z, and the helper was killed when it went on: the kernel resumes an interrupted wait by
/// a system call of its own. At every place where it waits: for a socket, for a name, for a message.
private func stoppedAndContinued() throws {
    let network = try Network()
    let flow = try pairs(network, 1)[0]
    try withScratch { scratch in
        let helpers = [
            try Helper(["--wait", "60", scratch + "/x.repair"]), try Helper(["--daemon", scratch + "/x.repair"]),
            try Helper([scratch]),
        ]
        for helper in helpers {
            awaitWaiting(helper)
            stopAndContinue(helper)
            try require(helper.isRunning, "ended while it waited for a server: \(helper.words)")
            kill(helper.pid, SIGKILL)
        }
        let server = try Server(scratch + "/x.repair")
        let helper = try Helper([server.path])
        try server.awaitHelper()
        for command in [RepairCommand.on, .off] {
            stopAndContinue(helper)
            try server.reactor.turn(maxWaitNanoseconds: 0)
            let outcome = try server.request(command, [flow.near.raw])
            try require(outcome == .done, "\(command): \(outcome), \(helper.words)")
        }
        stopAndContinue(helper)
        server.server.closeHelper()
        try require(try helper.wait() == 0, helper.words)
    }
    try exchange(flow.near, flow.far, 1)
}

/// SIGSTOP while it waits, until it is stopped, and SIGCONT, until it waits again or is no more.
private func stopAndContinue(_ helper: Helper) {
    func wait(until isDone: (String) -> Bool) {
        for _ in 0..<1000 where helper.isRunning && !isDone(procFile(helper.pid, "status")) { usleep(10_000) }
    }
    wait { $0.contains("State:\tS") }
    kill(helper.pid, SIGSTOP)
    wait { $0.contains("State:\tT") }
    kill(helper.pid, SIGCONT)
    wait { $0.contains("State:\tS") || $0.contains("State:\tZ") }
}

private func directory() throws {
    try withScratch { scratch in
        // A dead server's socket is passed over, and a file that is no socket, too.
        _ = try UnixSocket.listen(at: scratch + "/a.repair")
        try run("touch", scratch + "/b.repair")
        let early = try Server(scratch + "/c.repair")
        let first = try Helper([scratch])
        try early.awaitHelper()
        early.server.closeHelper()
        try require(try first.wait() == 0, first.words)
    }
    try withScratch { scratch in
        let helper = try Helper([scratch])
        awaitWaiting(helper)
        let late = try Server(scratch + "/late.repair")
        try late.awaitHelper()
        late.server.closeHelper()
        try require(try helper.wait() == 0, helper.words)
    }
}

/// Until the helper has slept a few times more than now, or is no more. Between two waits for a name it sleeps nowhere.
private func awaitWaiting(_ helper: Helper) {
    let before = sleeps(helper.pid)
    for _ in 0..<1000 where helper.isRunning && sleeps(helper.pid) < before + 5 { usleep(10_000) }
}

/// voluntary_ctxt_switches of proc(5).
private func sleeps(_ pid: pid_t) -> Int {
    procFile(pid, "status").split(separator: "\n").first { $0.hasPrefix("voluntary") }
        .flatMap { $0.split(separator: "\t").last }.flatMap { Int($0) } ?? 0
}

private func daemon() throws {
    let network = try Network()
    let flows = try pairs(network, 2)
    try withScratch { scratch in
        let server = try Server(scratch + "/x.repair")
        let helper = try Helper(["--daemon", "--verbose", server.path])
        for _ in 0..<3 {
            try server.awaitHelper()
            try require(try server.request(.on, flows.map(\.near.raw)) == .done, helper.words)
            try require(try server.request(.off, flows.map(\.near.raw)) == .done, helper.words)
            server.server.closeHelper()
        }
        try server.awaitHelper()
        kill(helper.pid, SIGTERM)
        try require(try helper.wait() == 128 + 15, helper.words)
    }
    for (index, flow) in flows.enumerated() { try exchange(flow.near, flow.far, index) }
}

private func waitsForSocket() throws {
    try withScratch { scratch in
        let path = scratch + "/x.repair"
        let impatient = try Helper([path])
        try require(try impatient.wait() == 1, impatient.words)
        let patient = try Helper(["--wait", "5", path])
        usleep(100_000)
        let server = try Server(path)
        try server.awaitHelper()
        server.server.closeHelper()
        try require(try patient.wait() == 0, patient.words)
        try run("touch", scratch + "/file")
        let misled = try Helper([scratch + "/file"])
        try require(try misled.wait() == 2, misled.words)
        try require(misled.words.contains("is not a socket"), misled.words)
    }
}

private func stalledHelper() throws {
    let network = try Network()
    let flow = try pairs(network, 1)[0]
    try withScratch { scratch in
        let server = try Server(scratch + "/x.repair", patience: .milliseconds(200))
        try require(
            try server.request(.on, [flow.near.raw]) == .failed(.noHelper, stillSwitched: 0), "no helper is no failure")
        let silent = try UnixSocket.connect(to: server.path)
        try server.awaitHelper()
        try require(
            try server.request(.on, [flow.near.raw]) == .failed(.helperStalled, stillSwitched: 0),
            "a stall is no failure")
        _ = consume silent
    }
    try exchange(flow.near, flow.far, 1)
}

/// One session that needs every call of the list; with one taken away, SIGSYS ends the helper.
private func confinedSession(without call: String?) throws {
    let network = try Network()
    let flow = try pairs(network, 1)[0]
    try withScratch { scratch in
        // So many names that the allocator must grow, and one that refuses.
        for index in 0..<9000 { close(try check(ne_open("\(scratch)/\(index)", O_CREAT, 0o600), "open")) }
        _ = try UnixSocket.listen(at: scratch + "/dead.repair")
        let helper = try Helper(["--verbose", scratch], without: call)
        // It waits for names; of one that is no socket it hears, and waits again.
        awaitWaiting(helper)
        try run("touch", scratch + "/name")
        awaitWaiting(helper)
        let server = try Server(scratch + "/live.repair")
        for _ in 0..<500 where !server.server.hasHelper && helper.isRunning {
            try server.reactor.turn(maxWaitNanoseconds: 10_000_000)
        }
        if server.server.hasHelper {
            stopAndContinue(helper)
            _ = try server.request(.on, [flow.near.raw])
            server.server.closeHelper()
        }
        let status = try helper.wait()
        try require(status == (call == nil ? 0 : 128 + 31), "status \(status): \(helper.words)")
    }
}
