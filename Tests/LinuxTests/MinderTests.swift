// The minder in a process of its own (Tests/Programs/minder-probe): whatever happens to its owner, no
// process and no file stays.

import CLinux
import Glibc
import Linux
import TestSupport
import Testing

@Suite("the minder")
struct MinderTests {
    static let probe = Peers.built("minder-probe")

    /// A probe in a directory of its own; its words contain a token by which everything it starts is found.
    private final class Run {
        let scratch: Scratch
        let token = "netemu-minder-\(ne_monotonic_ns())-\(UInt32.random(in: 0 ... .max))"
        private(set) var child: Child
        private let namespace: Namespace?

        init(
            _ phase: String, _ script: String, as privilege: Privilege? = nil, more: [String: String] = [:]
        ) throws {
            scratch = try Scratch()
            let path = try #require(MinderTests.probe.path)
            let words = [path, phase, "/bin/sh", "-c", ": \(token); \(script)"]
            let environment = ["TMPDIR": scratch.path, "XDG_RUNTIME_DIR": ""].merging(more) { $1 }
            namespace = try privilege.map { try Namespace(as: $0) }
            child =
                try namespace?.start(words, environment: environment) ?? Child(words, environment: environment)
        }

        /// No process, no file.
        func leavesNothing() -> Bool {
            eventually { processes(with: token).isEmpty && scratch.entries.isEmpty }
        }

        func end() { namespace?.end() }
    }

    @Test("kill -9 of the owner leaves nothing", arguments: ["afterFork", "afterSpawn", "afterStarted", "afterLine"])
    func killedInPhase(phase: String) throws {
        let run = try Run(phase, "echo up; sleep 1000; :")
        #expect(try run.child.wait() == .signalled(SIGKILL))
        #expect(run.leavesNothing(), "\(run.child.output)")
    }

    @Test("kill -9 of the owner leaves nothing for any user", arguments: Privilege.available)
    func killedAs(privilege: Privilege) throws {
        let run = try Run("afterLine", "echo up; sleep 1000; :", as: privilege)
        #expect(try run.child.wait() == .signalled(SIGKILL), "\(run.child.transcript)")
        #expect(run.leavesNothing(), "\(run.child.output)")
        run.end()
    }

    @Test("kill -9 at twenty moments of the start leaves nothing")
    func killedAtAnyMoment() throws {
        for moment in 0..<20 {
            let run = try Run("run", "echo up; sleep 1000; :")
            usleep(UInt32(moment) * 400)
            run.child.signal(SIGKILL)
            _ = try run.child.wait()
            #expect(run.leavesNothing(), "moment \(moment): \(run.child.output)")
        }
    }

    @Test("children that ignore SIGTERM, are stopped, or became daemons go as well")
    func stubborn() throws {
        for script in [
            "trap '' TERM HUP INT; echo up; while :; do sleep 1; done",
            "echo up; kill -STOP $$; :",
            "T=$(cat /proc/$$/cmdline | tr '\\0' ' '); setsid setsid sh -c 'trap : TERM; sleep 1000; :' \"$T\" & sleep 0.1; echo up; sleep 1000; :",
        ] {
            let run = try Run("afterLine", script)
            #expect(try run.child.wait() == .signalled(SIGKILL))
            #expect(run.leavesNothing(), "\(script)")
        }
    }

    @Test("an orderly end waits until all is gone")
    func finish() throws {
        let run = try Run("finish", "echo up; sleep 1000; :")
        #expect(try run.child.wait() == .exited(0))
        #expect(run.child.output.contains("finished true"))
        #expect(processes(with: run.token).isEmpty)
        #expect(run.scratch.entries.isEmpty)
    }

    @Test("start, lines and end of a child are passed on; then owner and minder end")
    func ordinary() throws {
        let run = try Run("run", "echo one; echo two >&2; exit 7")
        #expect(try run.child.wait() == .exited(0))
        let lines = run.child.output.split(separator: "\n").map(String.init)
        #expect(Array(lines.suffix(3)) == ["line one", "line two", "ended exited with code 7"])
        #expect(lines[2].hasPrefix("started "))
        #expect(run.leavesNothing())
    }

    @Test(
        "the run-time directory is made where nobody else can touch it: a directory of somebody else's is passed over")
    func runtimeDirectory() throws {
        let foreign = try Scratch()
        for mode: mode_t in [0o755, 0o770, 0o1777] {
            #expect(chmod(foreign.path, mode) == 0)
            let run = try Run("finish", "echo up; sleep 1000; :", more: ["XDG_RUNTIME_DIR": foreign.path])
            #expect(try run.child.wait() == .exited(0))
            #expect(run.child.output.contains("directory \(run.scratch.path)/netemu-"), "\(run.child.output)")
        }
        #expect(chmod(foreign.path, 0o700) == 0)
        let own = try Run("finish", "echo up; sleep 1000; :", more: ["XDG_RUNTIME_DIR": foreign.path])
        #expect(try own.child.wait() == .exited(0))
        #expect(own.child.output.contains("directory \(foreign.path)/netemu-"))
        // Others could rename what is made here: the next place is taken.
        let open = try Scratch()
        #expect(chmod(open.path, 0o777) == 0)
        let run = try Run("finish", "echo up; sleep 1000; :", more: ["TMPDIR": open.path])
        #expect(try run.child.wait() == .exited(0))
        #expect(run.child.output.contains("directory /tmp/netemu-"))
    }

    @Test("an owner that runs out of descriptors while the minder starts leaves nothing", arguments: 4...12)
    func fewDescriptors(limit: Int) throws {
        let scratch = try Scratch()
        let command = "ulimit -n \(limit); exec \"$@\""
        let child = try Child(
            ["/bin/sh", "-c", command, "sh", try #require(Self.probe.path), "finish", "/bin/sh", "-c", "echo up"],
            environment: ["TMPDIR": scratch.path, "XDG_RUNTIME_DIR": ""])
        _ = try child.wait()
        #expect(eventually { scratch.entries.isEmpty }, "\(child.transcript)")
    }

    @Test("two owners at once do not disturb each other")
    func two() throws {
        let staying = try Run("run", "echo up; sleep 1000; :")
        try staying.child.wait(for: "line up")
        let dying = try Run("afterLine", "echo up; sleep 1000; :")
        #expect(try dying.child.wait() == .signalled(SIGKILL))
        #expect(dying.leavesNothing())
        #expect(staying.child.status == nil)
        #expect(staying.scratch.entries.count == 1)
        staying.child.signal(SIGKILL)
        #expect(staying.leavesNothing())
    }

    @Test("Ctrl-C signals to the minder have no effect on it; its name tells what it is; it is small and alone")
    func signalsToMinder() throws {
        let run = try Run("run", "echo up; sleep 1000; :")
        let text = try run.child.wait(for: "line up")
        let pid = try #require(text.split(separator: "\n").first?.split(separator: " ").last.flatMap { pid_t($0) })
        for number in [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGPIPE] { kill(pid, number) }
        func status(_ key: String) -> String? {
            textOfFile("/proc/\(pid)/status")?.split(separator: "\n").first { $0.hasPrefix(key + ":") }
                .flatMap { $0.split(whereSeparator: { $0 == "\t" || $0 == " " }).dropFirst().first.map(String.init) }
        }
        #expect(status("Name") == "netemu-minder")
        #expect(status("Threads") == "1")
        #expect(try #require(status("RssAnon").flatMap { Int($0) }) < 4096)
        #expect(getpgid(pid) == pid)
        #expect(run.child.status == nil)
        run.child.signal(SIGKILL)
        #expect(run.leavesNothing())
    }

    @Test("only programs named at the start are started, with arguments their own check lets pass")
    func refused() throws {
        let other = try Run("otherProgram", "echo up")
        try other.child.wait()
        #expect(other.child.output.contains("failed /bin/cat is not a program that was named at the start"))
        let probe = try Child(
            [try #require(Self.probe.path), "run", "/bin/sh", "forbidden"], environment: ["TMPDIR": other.scratch.path])
        try probe.wait()
        #expect(probe.output.contains("failed forbidden is not for this program"))
    }

    @Test("where any file may be started its arguments are looked at all the same")
    func anyFile() throws {
        let run = try Run("anyFile", "echo up; exit 7")
        #expect(try run.child.wait() == .exited(0))
        #expect(run.child.output.contains("line up\nended exited with code 7"), "\(run.child.output)")
        let probe = try Child(
            [try #require(Self.probe.path), "anyFile", "/bin/sh", "forbidden"],
            environment: ["TMPDIR": run.scratch.path])
        try probe.wait()
        #expect(probe.output.contains("failed forbidden is not for this program"))
        #expect(run.leavesNothing())
    }

    @Test("a minder that is killed takes its children along, and its owner is told")
    func killedMinder() throws {
        let run = try Run("killMinder", "echo up; sleep 1000; :")
        #expect(try run.child.wait() == .exited(0))
        #expect(run.child.output.contains("minder ended"))
        #expect(run.leavesNothing())
    }

    @Test(
        "without a descriptor for a child, here or in the minder, that one has not started; the next one is started",
        arguments: [("noRoom", "from"), ("noRoomInMinder", "to")])
    func noRoom(phase: String, way: String) throws {
        let run = try Run(phase, "echo up; exit 7")
        #expect(try run.child.wait() == .exited(0), "\(run.child.transcript)")
        let lines = run.child.output.split(separator: "\n").map(String.init)
        #expect(lines.contains { $0.hasPrefix("failed recvmsg \(way) the minder: Too many open files") }, "\(lines)")
        #expect(Array(lines.suffix(2)) == ["line up", "ended exited with code 7"], "\(lines)")
        #expect(!lines.contains("minder ended"))
        #expect(run.leavesNothing())
    }

    @Test("forty children leave no descriptor behind, here or in the minder")
    func leaks() throws {
        let scratch = try Scratch()
        let probe = try Child(
            [try #require(Self.probe.path), "leaks", "/bin/sh", "-c", "echo x"],
            environment: ["TMPDIR": scratch.path, "XDG_RUNTIME_DIR": ""])
        #expect(try probe.wait() == .exited(0))
        let words = probe.output.split(separator: "\n").map { $0.split(separator: " ") }
        #expect(words[0].dropFirst() == words[1].dropFirst(), "\(probe.output)")
        #expect(scratch.entries.isEmpty)
    }

    @Test("a minder is not forked beside threads; no directory is an error that names the last place")
    func impossible() throws {
        let path = try #require(Self.probe.path)
        let threads = try Child([path, "threads"])
        #expect(try threads.wait() == .exited(1))
        #expect(threads.output.contains("the minder has to be started before any thread; there are 2"))
    }
}
