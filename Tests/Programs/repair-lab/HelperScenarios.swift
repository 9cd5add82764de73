// What netemu-repair promises, shown with real sockets.

import Bytes
import CLinux
import Glibc
import Linux
import RepairHelper

extension Scenario {
    static let helper: [Scenario] =
        [1, 20, 500].map { count in
            Scenario(name: "same-host-\(count)") { try sameHost(count: count, releases: true) }
        } + [
            Scenario(name: "same-host-peer-speaks-between-release-and-restore") { try speaksInBetween() },
            Scenario(name: "same-host-destination-waits-for-the-release") { try destinationWaits() },
            Scenario(name: "same-host-a-name-that-is-kept-only-delays") { try keptName() },
            Scenario(name: "same-host-no-release") { try sameHost(count: 3, releases: false) },
            Scenario(name: "helper-off-leaves-sockets-alone") { try switchedOffAgain() },
            Scenario(name: "helper-batch-all-or-nothing") { try allOrNothing() },
            Scenario(name: "helper-batch-is-switched-back-to-what-it-was") { try backToWhatItWas() },
            Scenario(name: "helper-hostile-peers") { try hostilePeers() },
            Scenario(name: "helper-253-descriptors-and-never-254") { try fullBatch() },
            Scenario(name: "helper-peer-that-stalls") { try stallingPeer() },
            Scenario(name: "helper-peer-that-never-reads") { try deafPeer() },
            Scenario(name: "helper-peer-that-dies-after-each-byte") { try dyingPeer() },
            Scenario(name: "helper-keeps-one-capability") { try oneCapability() },
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

func withScratch(_ body: (String) throws -> Void) throws {
    let path = try scratchDirectory()
    defer { removeDirectory(path) }
    try body(path)
}

/// Connections of one namespace, both ends in it.
func pairs(_ network: Network, _ count: Int) throws -> [(near: SharedDescriptor, far: SharedDescriptor)] {
    try (0..<count).map { try connectPair(network, .v4, port: UInt16(7000 + $0 % 16)) }
}

func exchange(_ near: SharedDescriptor, _ far: SharedDescriptor, _ seed: Int) throws {
    try writeAll(far.raw, pattern(seed..<seed + 100))
    try require(try readExactly(near.raw, 100) == pattern(seed..<seed + 100), "downstream \(seed) differs")
    try writeAll(near.raw, pattern(seed..<seed + 100))
    try require(try readExactly(far.raw, 100) == pattern(seed..<seed + 100), "upstream \(seed) differs")
}

/// net.rst's session on one host: the source keeps its sockets open, the destination has the same addresses.
private func sameHost(count: Int, releases: Bool) throws {
    let network = try Network()
    let flows = try pairs(network, count)
    try withScratch { scratch in
        let server = try Server(scratch + "/source.repair")
        let helper = try Helper((releases ? [] : ["--no-release"]) + [server.path])
        try server.awaitHelper()
        let outcome = try server.request(.on, flows.map(\.near.raw))
        try require(outcome == .done, "\(outcome)")
        let states = try flows.map { try TCPSocketState.dump($0.near.raw) }
        server.server.closeHelper()
        try require(try helper.wait() == 0, "helper: \(helper.words)")
        if releases {
            try require(
                helper.words.contains("\(count) given, \(count) switched, \(count) released, 0 failed"), helper.words)
        }
        for (index, state) in states.enumerated() {
            let failure = try restoreAndCheck(state, flows[index].far, index)
            if releases { try require(failure == nil, "flow \(index): \(String(describing: failure))") }
            if !releases { try require(failure != nil, "restored beside its own ghost") }
        }
    }
}

/// Story: on a busy host an echo's answer came when the source had let its connections go and the destination had not
/// put them up; the kernel answered it with RST, and one of 40 connections was lost.
private func speaksInBetween() throws {
    let network = try Network()
    let flows = try pairs(network, 20)
    try withScratch { scratch in
        let server = try Server(scratch + "/source.repair")
        let helper = try Helper([server.path])
        try server.awaitHelper()
        try require(try server.request(.on, flows.map(\.near.raw)) == .done, helper.words)
        let states = try flows.map { try TCPSocketState.dump($0.near.raw) }
        server.server.closeHelper()
        try eventually("20 released") { helper.words.contains("20 released") }
        for (index, flow) in flows.enumerated() { try writeAll(flow.far.raw, pattern(index..<index + 50)) }
        let live = try states.map { SharedDescriptor(try RestoredSocket.restore($0).resume().take()) }
        for (index, socket) in live.enumerated() {
            try require(try tcpState(flows[index].far.raw) == 1, "flow \(index): reset in between")
            try require(try readExactly(socket.raw, 50) == pattern(index..<index + 50), "flow \(index) differs")
            try exchange(socket, flows[index].far, index)
        }
        try require(try helper.wait() == 0, helper.words)
    }
}

/// Story: a busy host gave the source's helper no turn between the end of the save and the destination's connect(), and
/// 19 of 20 connections were lost to "Cannot assign requested address". The destination's helper waits now.
private func destinationWaits() throws {
    let network = try Network()
    let flows = try pairs(network, 2)
    try withScratch { scratch in
        let source = try Server(scratch + "/source.repair")
        let destination = try Server(scratch + "/destination.repair")
        let (first, second) = (try Helper([source.path]), try Helper([destination.path]))
        try source.awaitHelper()
        try destination.awaitHelper()
        try require(try source.request(.on, flows.map(\.near.raw)) == .done, first.words)
        let fresh = try tcpSocket(AF_INET)
        var outcome: RepairServerMachine.Outcome?
        try require(destination.server.request(.on, [fresh.raw]) { outcome = $0 }, "a request is under way")
        for _ in 0..<30 { try destination.reactor.turn(maxWaitNanoseconds: 10_000_000) }
        try require(outcome == nil, "answered while the source holds its connections: \(String(describing: outcome))")
        source.server.closeHelper()
        for _ in 0..<300 where outcome == nil { try destination.reactor.turn(maxWaitNanoseconds: 10_000_000) }
        try require(outcome == .done, "\(String(describing: outcome)): \(second.words)")
        try require(try first.wait() == 0, first.words)
        try require(first.words.contains("2 released"), first.words)
    }
}

/// Whoever takes the name that helpers meet by can delay a destination; it goes on all the same.
private func keptName() throws {
    let squatters = try (0..<2).map { SharedDescriptor(try UnixSocket.listen(atAbstract: "netemu-repair.\($0)")) }
    try withScratch { scratch in
        let server = try Server(scratch + "/x.repair", patience: .seconds(8))
        let helper = try Helper([server.path])
        try server.awaitHelper()
        let fresh = try tcpSocket(AF_INET)
        try require(try server.request(.on, [fresh.raw]) == .done, helper.words)
        server.server.closeHelper()
        try require(try helper.wait() == 0, helper.words)
    }
    _ = squatters
}

private func restoreAndCheck(_ state: TCPSocketState, _ far: SharedDescriptor, _ seed: Int) throws
    -> TCPSocketStateError?
{
    let live: SharedDescriptor
    do { live = SharedDescriptor(try RestoredSocket.restore(state).resume().take()) } catch {
        return error
    }
    try exchange(live, far, seed)
    return nil
}

private func switchedOffAgain() throws {
    let network = try Network()
    let flows = try pairs(network, 5)
    try withScratch { scratch in
        let server = try Server(scratch + "/x.repair")
        let helper = try Helper([server.path])
        try server.awaitHelper()
        for command in [RepairCommand.on, .off, .on, .offWithoutProbe] {
            let outcome = try server.request(command, flows.map(\.near.raw))
            try require(outcome == .done, "\(outcome)")
        }
        server.server.closeHelper()
        try require(try helper.wait() == 0, "helper: \(helper.words)")
        try require(helper.words.contains("20 given, 20 switched, 0 released"), helper.words)
    }
    for (index, flow) in flows.enumerated() { try exchange(flow.near, flow.far, index) }
}

private func allOrNothing() throws {
    let network = try Network()
    let flows = try pairs(network, 2)
    let listener = try tcpSocket(AF_INET)
    try require(listen(listener.raw, 1) == 0, "listen")
    try withScratch { scratch in
        let server = try Server(scratch + "/x.repair")
        let helper = try Helper([server.path])
        try server.awaitHelper()
        // A listening socket cannot be repaired (EPERM): the ones before it are switched back.
        let outcome = try server.request(.on, [flows[0].near.raw, flows[1].near.raw, listener.raw])
        try require(outcome == .failed(.helperClosed, stillSwitched: 0), "\(outcome)")
        try require(try helper.wait() == 1, "helper: \(helper.words)")
        try require(helper.words.contains("TCP_REPAIR 1 on socket 2: Operation not permitted"), helper.words)
    }
    for (index, flow) in flows.enumerated() { try exchange(flow.near, flow.far, index) }
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
            try require(try server.request(command, [flow.near.raw]) == .done, "\(command): \(helper.words)")
        }
        stopAndContinue(helper)
        server.server.closeHelper()
        try require(try helper.wait() == 0, helper.words)
    }
    try exchange(flow.near, flow.far, 1)
}

/// SIGSTOP, until it is stopped, and SIGCONT, until it runs or is no more.
private func stopAndContinue(_ helper: Helper) {
    func wait(until isDone: (String) -> Bool) {
        for _ in 0..<1000 where helper.isRunning && !isDone(procFile(helper.pid, "status")) { usleep(10_000) }
    }
    wait { $0.contains("State:\tS") }
    kill(helper.pid, SIGSTOP)
    wait { $0.contains("State:\tT") }
    let before = switches(helper.pid)
    kill(helper.pid, SIGCONT)
    wait { !$0.contains("State:\tT") && switches(helper.pid) > before }
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

/// How often it has given up the processor, of its own will or not.
private func switches(_ pid: pid_t) -> Int {
    procFile(pid, "status").split(separator: "\n").filter { $0.contains("voluntary") }
        .reduce(0) { $0 + ($1.split(separator: "\t").last.flatMap { Int($0) } ?? 0) }
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
