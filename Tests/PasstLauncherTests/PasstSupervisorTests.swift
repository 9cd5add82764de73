// The supervisor with programs that behave badly, in real time but with short limits.

import CLinux
import Glibc
import Linux
import TestSupport
import Testing

@testable import PasstLauncher

/// A fake passt, supervised in this process.
private final class Stage {
    let reactor: Reactor
    let directory: RuntimeDirectory
    let spawner: DirectSpawner
    let supervisor: PasstSupervisor
    var heard: [PasstEvent] = []

    /// - Parameter script: sh; SOCKET and PID are the names it was told, COUNT counts its starts.
    init(_ script: String, limits: PasstLimits = Stage.quick) throws {
        reactor = try Reactor()
        directory = try RuntimeDirectory(below: "/tmp")
        spawner = DirectSpawner(reactor: reactor)
        let text = """
            #!/bin/sh
            while [ $# -gt 0 ]; do
                case $1 in -s) SOCKET=$2; shift ;; --pid) PID=$2; shift ;; esac
                shift
            done
            echo x >>starts; COUNT=$(wc -l <starts)
            ready() { : >"$SOCKET"; echo $$ >"$PID"; }
            \(script)
            """
        try SmallFile.write(Array(text.utf8), to: "passt", in: directory.raw, mode: 0o755)
        let program = try PasstProgram(directory.path + "/passt")
        supervisor = try PasstSupervisor(
            PasstOptions(), program: program, files: PasstFiles(number: 0), in: directory,
            tools: PasstTools(spawner: spawner, reactor: reactor), limits: limits)
        supervisor.onEvent = { [unowned self] in heard.append($0) }
        supervisor.start()
    }

    deinit { directory.removeAll() }

    static var quick: PasstLimits {
        var limits = PasstLimits()
        limits.firstRest = 5_000_000
        limits.longestRest = 20_000_000
        limits.stop = 50_000_000
        return limits
    }

    func turn(until condition: () -> Bool) throws -> Bool {
        let deadline = ne_monotonic_ns() + 20_000_000_000
        while !condition() {
            guard ne_monotonic_ns() < deadline else { return false }
            try reactor.turn(maxWaitNanoseconds: 20_000_000)
        }
        return true
    }

    var readyPIDs: [Int32] { heard.compactMap { if case .ready(let pid) = $0 { pid } else { nil } } }
    var isStopped: Bool { heard.last == .stopped }
    var failure: PasstError? { if case .failed(let error)? = heard.last { error } else { nil } }
    var hasFiles: Bool {
        [supervisor.files.socket, supervisor.files.pid].contains { directory.contents(of: $0) != nil }
    }
}

@Suite("the supervisor")
struct PasstSupervisorTests {
    @Test("one that writes its pid late is ready then, and stops when told")
    func late() throws {
        let stage = try Stage("sleep 0.1; : >\"$PID\"; sleep 0.1; ready; exec sleep 1000")
        #expect(try stage.turn { !stage.readyPIDs.isEmpty })
        #expect(stage.readyPIDs == [try #require(stage.supervisor.pid)])
        #expect(stage.supervisor.isReady)
        stage.supervisor.stop()
        #expect(try stage.turn { stage.isStopped })
        #expect(stage.supervisor.isIdle && !stage.hasFiles && stage.spawner.runningCount == 0)
    }

    @Test("one that dies at once is a failure with its last words")
    func diesAtOnce() throws {
        let stage = try Stage("for n in $(seq 40); do echo \"word $n\" >&2; done; exit 3")
        #expect(try stage.turn { stage.failure != nil })
        #expect(stage.failure == .ended(.exited(3), lines: (21...40).map { "word \($0)" }))
        #expect(stage.failure?.description == "Passt exited with code 3")
        #expect(stage.heard.count == 1 && !stage.hasFiles)
    }

    @Test("one that says nothing and exits 0 was not ready")
    func exitsZero() throws {
        let stage = try Stage("exit 0")
        #expect(try stage.turn { stage.failure != nil })
        #expect(stage.failure == .ended(.exited(0), lines: []))
    }

    @Test("one that prints nonsense and writes nonsense is not ready, and is killed at the limit")
    func nonsense() throws {
        var limits = Stage.quick
        limits.ready = 3_000_000_000
        let stage = try Stage(
            "printf '\\001\\377\\033[2J\\n'; echo nonsense >\"$PID\"; exec sleep 1000", limits: limits)
        #expect(try stage.turn { stage.failure != nil })
        #expect(stage.failure == .notReady(seconds: 3, lines: ["?\u{fffd}?[2J"]))
        #expect(stage.spawner.runningCount == 0)
    }

    @Test("an old passt's usage becomes one line")
    func old() throws {
        let stage = try Stage("echo \"passt: unrecognized option '--vhost-user'\"; echo Usage: x; seq 110; exit 1")
        #expect(try stage.turn { stage.failure != nil })
        let path = stage.directory.path + "/passt"
        #expect(stage.failure == .tooOld(path: path))
        #expect(stage.failure?.lines.isEmpty == true)
        #expect(
            stage.failure?.description.hasPrefix("passt at \(path) knows no vhost-user (needs 2024_11_27 or newer)\n")
                == true)
    }

    @Test("one that vanishes before its start is an error with its path")
    func vanished() throws {
        let stage = try Stage("ready; exec sleep 1000")
        stage.supervisor.stop()
        #expect(try stage.turn { stage.isStopped })
        stage.directory.remove("passt")
        stage.supervisor.start()
        #expect(try stage.turn { stage.failure != nil })
        let path = stage.directory.path + "/passt"
        let expected = "Error creating daemon: Failed to execute child process “\(path)” (No such file or directory)\n"
        #expect(stage.failure?.description.hasPrefix(expected) == true)
    }

    @Test("a missing program is known before anything is started")
    func missing() {
        let error = #expect(throws: PasstError.self) { _ = try PasstProgram("/nonexistent/passt") }
        #expect(
            error?.description.hasPrefix(
                "Error creating daemon: Failed to execute child process “/nonexistent/passt” (No such file or directory)"
            )
                == true)
    }

    @Test("killed ones are started again, with a new pid each, and their lines come while they run")
    func restarts() throws {
        let stage = try Stage("echo start $COUNT; ready; exec sleep 1000")
        for round in 1...4 {
            #expect(try stage.turn { stage.readyPIDs.count == round })
            kill(try #require(stage.supervisor.pid), SIGKILL)
        }
        #expect(try stage.turn { stage.readyPIDs.count == 5 })
        #expect(Set(stage.readyPIDs).count == 5)
        let downs = stage.heard.filter { if case .down(.ended(.signalled(SIGKILL), _), _) = $0 { true } else { false } }
        #expect(downs.count == 4)
        #expect(try stage.turn { stage.heard.filter { if case .line = $0 { true } else { false } }.count == 5 })
        stage.supervisor.stop()
        #expect(try stage.turn { stage.isStopped })
    }

    @Test("a stopped one that is reported hung is dead before the next starts")
    func hung() throws {
        let stage = try Stage("ready; exec sleep 1000")
        #expect(try stage.turn { stage.readyPIDs.count == 1 })
        let first = stage.readyPIDs[0]
        kill(first, SIGSTOP)
        stage.supervisor.reportHung()
        #expect(try stage.turn { stage.heard.contains(.down(.hung, restartsIn: 5_000_000)) })
        #expect(kill(first, 0) != 0 && errno == ESRCH)
        #expect(try stage.turn { stage.readyPIDs.count == 2 })
        stage.supervisor.stop()
        #expect(try stage.turn { stage.isStopped })
    }

    @Test("one that ignores SIGTERM is killed when its time is up")
    func ignoresTerm() throws {
        let stage = try Stage("trap '' TERM; ready; while :; do sleep 1; done")
        #expect(try stage.turn { !stage.readyPIDs.isEmpty })
        let pid = stage.readyPIDs[0]
        stage.supervisor.stop()
        #expect(try stage.turn { stage.isStopped })
        #expect(kill(pid, 0) != 0)
    }

    @Test("one that becomes a daemon has ended for its supervisor, ready or not")
    func daemon() throws {
        let stage = try Stage("( sleep 2; : ) & exit 0")
        #expect(try stage.turn { stage.failure != nil })
        #expect(stage.failure == .ended(.exited(0), lines: []))
    }

    @Test("files of a predecessor are gone before a start")
    func stale() throws {
        let stage = try Stage("[ -e \"$PID\" ] && exit 9; [ -e \"$SOCKET\" ] && exit 8; ready; exec sleep 1000")
        for round in 1...3 {
            #expect(try stage.turn { stage.readyPIDs.count == round })
            kill(try #require(stage.supervisor.pid), SIGKILL)
            #expect(try stage.turn { stage.supervisor.pid == nil })
        }
        stage.supervisor.stop()
        #expect(try stage.turn { stage.isStopped })
    }

    @Test("a supervisor that goes takes its passt along")
    func lifetime() throws {
        var stage: Stage? = try Stage("ready; exec sleep 1000")
        #expect(try stage?.turn { stage?.readyPIDs.isEmpty == false } == true)
        let pid = try #require(stage?.readyPIDs.first)
        stage = nil
        #expect(kill(pid, 0) != 0)
    }
}
