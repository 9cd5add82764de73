import CLinux
import Glibc
import Testing

@testable import Linux

@Suite("programs that are started")
struct DirectSpawnerTests {
    /// Runs a shell script to its end; all that was heard of it.
    private func run(_ script: String, in directory: CInt? = nil, placements: [DescriptorPlacement] = []) throws
        -> [ChildEvent]
    {
        let reactor = try Reactor()
        let spawner = DirectSpawner(reactor: reactor)
        var heard: [ChildEvent] = []
        let request = SpawnRequest(
            path: "/bin/sh", arguments: ["sh", "-c", script], directory: directory, placements: placements)
        _ = try spawner.spawn(request) { heard.append($0) }
        #expect(heard.isEmpty)
        #expect(try reactor.turn(until: { if case .ended? = heard.last { true } else { false } }))
        #expect(spawner.runningCount == 0)
        #expect(reactor.watchCount == 0)
        return heard
    }

    private func lines(_ events: [ChildEvent]) -> [String] {
        events.compactMap { if case .line(let text) = $0 { text } else { nil } }
    }

    @Test("first the start is told, then lines of both outputs, then the end")
    func events() throws {
        let heard = try run("echo out; echo err >&2; printf unfinished; exit 3")
        guard case .started(let pid)? = heard.first else { return #expect(Bool(false), "\(heard)") }
        #expect(pid > 1)
        #expect(Array(heard.dropFirst()) == [.line("out"), .line("err"), .line("unfinished"), .ended(.exited(3))])
    }

    @Test("an end by a signal is told as such")
    func signalled() throws { #expect(try run("kill -SEGV $$").last == .ended(.signalled(SIGSEGV))) }

    @Test("a program that is not there is an error at once, with the call and the path")
    func missing() throws {
        let reactor = try Reactor()
        let spawner = DirectSpawner(reactor: reactor)
        for (path, code) in [("/nonexistent/x", ENOENT), ("/etc/passwd", EACCES)] {
            #expect(throws: SpawnError.system(SystemError(call: "execve", code: code, subject: path))) {
                _ = try spawner.spawn(SpawnRequest(path: path, arguments: ["x"])) { _ in }
            }
        }
        #expect(spawner.runningCount == 0 && reactor.watchCount == 0)
    }

    @Test("requests that are too large, relative, empty or carry a zero byte are refused")
    func sizes() throws {
        let spawner = DirectSpawner(reactor: try Reactor())
        let bad = [
            SpawnRequest(path: "sh", arguments: ["sh"]), SpawnRequest(path: "/bin/sh", arguments: []),
            SpawnRequest(path: "/bin/sh", arguments: ["a\0b"]),
            SpawnRequest(path: "/bin/sh", arguments: .init(repeating: "x", count: 513)),
            SpawnRequest(path: "/bin/sh", arguments: [String(repeating: "x", count: 33_000)]),
            SpawnRequest(
                path: "/bin/sh", arguments: ["x"], placements: (0..<33).map { DescriptorPlacement(0, as: $0 + 3) }),
        ]
        for request in bad { #expect(throws: SpawnError.self) { _ = try spawner.spawn(request) { _ in } } }
    }

    @Test("the child works in the directory it was given by descriptor")
    func directory() throws {
        let scratch = try Scratch()
        let directory = FileDescriptor(owning: try check(ne_open(scratch.path, O_RDONLY | O_DIRECTORY, 0), "open"))
        #expect(lines(try run("pwd", in: directory.raw)) == [scratch.path])
    }

    @Test("descriptors are placed even where numbers cross, and the child has no other")
    func placements() throws {
        let first = FileDescriptor(owning: try check(ne_memfd_create("first"), "memfd_create"))
        let second = FileDescriptor(owning: try check(ne_memfd_create("second"), "memfd_create"))
        // A stray descriptor that would be inherited.
        let stray = open("/dev/null", O_RDONLY)
        defer { close(stray) }
        // Each source's number is the other's target.
        let heard = try run(
            "exec ls -l /proc/self/fd",
            placements: [
                DescriptorPlacement(first.raw, as: second.raw), DescriptorPlacement(second.raw, as: first.raw),
            ])
        let text = lines(heard).filter { $0.contains(" -> ") }
        func target(_ number: CInt) -> String? { text.first { $0.contains(" \(number) -> ") } }
        #expect(target(first.raw)?.contains("memfd:second") == true)
        #expect(target(second.raw)?.contains("memfd:first") == true)
        #expect(target(0)?.contains("/dev/null") == true)
        // 0, 1, 2, two memfds, and the one ls itself opens.
        #expect(text.count == 6, "\(text)")
    }

    @Test("the child blocks no signal and ignores none, whatever its parent does")
    func signalState() throws {
        var blocked = sigset_t()
        var before = sigset_t()
        sigemptyset(&blocked)
        for number in [SIGTERM, SIGINT, SIGHUP, SIGCHLD] { sigaddset(&blocked, number) }
        pthread_sigmask(SIG_BLOCK, &blocked, &before)
        signal(SIGPIPE, SIG_IGN)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        let status = lines(try run("exec cat /proc/self/status"))
        for key in ["SigBlk", "SigIgn", "SigCgt"] {
            #expect(status.contains("\(key):\(" ")0000000000000000"), "\(status.filter { $0.hasPrefix("Sig") })")
        }
    }

    @Test("a signal reaches the child's whole group, and what the child leaves in it ends with it")
    func group() throws {
        let token = "netemu-group-\(getpid())-\(ne_monotonic_ns())"
        let heard = try run("sh -c 'sleep 1000 # \(token)-a' & sh -c ': ; sleep 1000 # \(token)-b' & echo both; exit 0")
        #expect(heard.last == .ended(.exited(0)))
        #expect(eventually { processes(with: token).isEmpty })
    }

    @Test("a daemon that keeps the output open does not delay the end")
    func daemon() throws {
        let token = "netemu-daemon-\(ne_monotonic_ns())"
        let heard = try run(
            "setsid sh -c 'sleep 30; : \(token)' & while ! grep -q . /proc/$!/cmdline; do :; done; echo x")
        #expect(heard.last == .ended(.exited(0)))
        for pid in processes(with: token) { kill(pid, SIGKILL) }
    }

    @Test("output without end is cut to a burst, and how much is missing is told before the end")
    func flood() throws {
        let heard = try run("seq 1 20000")
        let dropped = heard.reduce(0) { if case .linesDropped(let count) = $1 { $0 + count } else { $0 } }
        #expect(lines(heard).count >= 256)
        #expect(lines(heard).count + dropped == 20_000)
    }

    @Test("what still runs is killed at the end of the spawner")
    func lifetime() throws {
        let token = "netemu-life-\(ne_monotonic_ns())"
        let reactor = try Reactor()
        do {
            let spawner = DirectSpawner(reactor: reactor)
            _ = try spawner.spawn(SpawnRequest(path: "/bin/sh", arguments: ["sh", "-c", "sleep 1000; : \(token)"])) {
                _ in
            }
            #expect(!processes(with: token).isEmpty)
        }
        #expect(eventually { processes(with: token).isEmpty })
        #expect(reactor.watchCount == 0)
    }
}
