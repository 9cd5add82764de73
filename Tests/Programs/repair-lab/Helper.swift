// netemu-repair as a child of the lab, and the server that it serves.

import Bytes
import CLinux
import Glibc
import Linux
import RepairHelper

/// A helper process: this very program, called with `--helper`, or another one.
final class Helper {
    let pid: pid_t
    private let log: String

    init(_ arguments: [String], without call: String? = nil, program: String? = nil) throws {
        log = "/tmp/repair-lab-\(getpid())-\(ne_monotonic_ns())"
        let own = ["/proc/self/exe", "--helper"] + (call.map { ["--without", $0] } ?? [])
        let words = (program.map { [$0] } ?? own) + arguments
        var argv: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) }
        argv.append(nil)
        defer { for word in argv { free(word) } }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 2, log, O_WRONLY | O_CREAT, 0o600)
        var pid = pid_t()
        guard posix_spawn(&pid, words[0], &actions, nil, argv, environ) == 0 else {
            throw LabFailure("cannot start the helper")
        }
        self.pid = pid
    }

    deinit {
        kill(pid, SIGKILL)
        unlink(log)
    }

    /// Whether it has neither ended nor become a zombie.
    var isRunning: Bool {
        var info = siginfo_t()
        return waitid(P_PID, id_t(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_signo == 0
    }

    /// The exit status, or 128 and the signal, within a minute.
    func wait() throws -> Int {
        for _ in 0..<6000 {
            var status: CInt = 0
            if waitpid(pid, &status, WNOHANG) == pid {
                return status & 0x7f == 0 ? Int(status >> 8) : 128 + Int(status & 0x7f)
            }
            usleep(10_000)
        }
        throw LabFailure("the helper does not end: \(words)")
    }

    /// What it said on standard error.
    var words: String {
        guard let fd = try? check(ne_open(log, O_RDONLY, 0), "open") else { return "" }
        defer { close(fd) }
        var room = [UInt8](repeating: 0, count: 4096)
        let n = read(fd, &room, room.count)
        return String(decoding: room.prefix(max(0, n)), as: UTF8.self)
    }
}

/// A repair server with its own reactor, pumped by hand.
final class Server {
    let reactor: Reactor
    let server: RepairServer
    let path: String

    init(_ path: String, patience: Interval = .seconds(20)) throws {
        self.path = path
        reactor = try Reactor()
        server = try RepairServer(path: path, reactor: reactor, patience: patience)
    }

    func awaitHelper() throws {
        try eventually("a helper connects") {
            try reactor.turn(maxWaitNanoseconds: 1_000_000)
            return server.hasHelper
        }
    }

    func request(_ command: RepairCommand, _ sockets: [CInt]) throws -> RepairServerMachine.Outcome {
        var outcome: RepairServerMachine.Outcome?
        try require(server.request(command, sockets) { outcome = $0 }, "a request is under way")
        for _ in 0..<60_000 where outcome == nil { try reactor.turn(maxWaitNanoseconds: 1_000_000) }
        guard let outcome else { throw LabFailure("the request does not end") }
        return outcome
    }
}

func removeDirectory(_ path: String) { _ = try? run("rm", "-r", path) }

/// A directory of its own for a scenario, removed by the caller.
func scratchDirectory() throws -> String {
    var template = Array(((access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp") + "/repair-lab-XXXXXX").utf8CString)
    guard let path = mkdtemp(&template) else { throw LabFailure("mkdtemp: errno \(errno)") }
    return String(cString: path)
}
