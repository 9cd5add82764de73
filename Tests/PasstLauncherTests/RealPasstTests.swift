// passt itself, behind a minder (Tests/Programs/minder-probe), as root, as a mapped root and as a plain uid.

import CLinux
import Glibc
import Linux
import TestSupport
import Testing

@Suite("passt itself", .enabled(if: Peers.passt.isThere, "\(Peers.passt.hint)"))
struct RealPasstTests {
    /// A probe with a supervised passt in a namespace; its run-time directory lies in a directory of its own.
    private final class Run {
        let namespace: Namespace
        let child: Child
        let parent: String

        init(as privilege: Privilege) throws {
            var template = Array("/tmp/netemu-test-XXXXXX".utf8CString)
            #expect(mkdtemp(&template) != nil)
            parent = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
            chmod(parent, 0o1777)
            namespace = try Namespace(as: privilege)
            let probe = try #require(Peers.built("minder-probe").path)
            let passt = try #require(Peers.passt.path)
            child = try namespace.start(
                [probe, "passt", passt], input: .pipe, environment: ["TMPDIR": parent, "XDG_RUNTIME_DIR": ""])
        }

        deinit {
            namespace.end()
            _ = isClean
        }

        /// The number behind `word` in the `count`th line that begins so.
        func number(_ word: String, _ count: Int = 1) throws -> pid_t {
            let deadline = ne_monotonic_ns() + 20_000_000_000
            while ne_monotonic_ns() < deadline, child.status == nil {
                let lines = child.output.split(separator: "\n").filter { $0.hasPrefix(word + " ") }
                if lines.count >= count, let pid = pid_t(lines[count - 1].split(separator: " ")[1]) { return pid }
                usleep(2000)
            }
            throw TestFailure(description: "no \(word) number \(count)\n\(child.transcript)")
        }

        /// An orphan may wait a while for pid 1 to take it off the table: that counts as gone.
        func isGone(_ pid: pid_t) -> Bool {
            let deadline = ne_monotonic_ns() + 20_000_000_000
            while ne_monotonic_ns() < deadline {
                guard let line = textOfFile("/proc/\(pid)/stat"), let name = line.lastIndex(of: ")") else {
                    return true
                }
                if line[name...].hasPrefix(") Z") { return true }
                usleep(2000)
            }
            return false
        }

        /// The directory that held the run-time directory is empty.
        var isClean: Bool {
            let deadline = ne_monotonic_ns() + 20_000_000_000
            while ne_monotonic_ns() < deadline {
                if rmdir(parent) == 0 || errno == ENOENT { return true }
                usleep(2000)
            }
            return false
        }
    }

    @Test("it becomes ready, takes a connection, and an orderly end leaves nothing", arguments: Privilege.available)
    func ready(privilege: Privilege) throws {
        let run = try Run(as: privilege)
        let pid = try run.number("ready")
        run.child.write("connect\n")
        #expect(try run.number("connected") > 0)
        run.child.write("quit\n")
        #expect(try run.child.wait() == .exited(0))
        #expect(run.child.output.contains("finished true"))
        #expect(kill(pid, 0) != 0)
        #expect(run.isClean)
    }

    @Test("it is started again after kill -9, and after a hang", arguments: Privilege.available)
    func restarts(privilege: Privilege) throws {
        let run = try Run(as: privilege)
        let first = try run.number("ready")
        run.child.write("kill\n")
        let second = try run.number("ready", 2)
        run.child.write("hang\nhung\n")
        let third = try run.number("ready", 3)
        #expect(Set([first, second, third]).count == 3)
        #expect(kill(first, 0) != 0 && kill(second, 0) != 0)
        #expect(run.child.output.contains("down Passt did not answer and was killed"))
        run.child.write("stop-it\n")
        try run.child.wait(for: "stopped")
        #expect(run.isGone(third))
        run.child.write("quit\n")
        #expect(try run.child.wait() == .exited(0))
        #expect(run.isClean)
    }

    @Test("kill -9 of its owner, running or starting, leaves no process and no file", arguments: Privilege.available)
    func killed(privilege: Privilege) throws {
        let run = try Run(as: privilege)
        let pid = try run.number("ready")
        let minder = try run.number("minder")
        run.child.signal(SIGKILL)
        #expect(run.isGone(minder) && run.isGone(pid))
        #expect(run.isClean)

        for moment in 0..<6 {
            let early = try Run(as: privilege)
            let minder = try early.number("minder")
            usleep(UInt32(moment) * 3000)
            early.child.signal(SIGKILL)
            #expect(early.isGone(minder))
            #expect(early.isClean)
        }
    }

    @Test("as root it becomes nobody and still goes with its owner")
    func nobody() throws {
        guard Privilege.available.contains(.root) else { return }
        let run = try Run(as: .root)
        let pid = try run.number("ready")
        let uid = textOfFile("/proc/\(pid)/status")?.split(separator: "\n").first { $0.hasPrefix("Uid:") }
        #expect(uid?.contains("65534") == true)
        run.child.signal(SIGKILL)
        #expect(run.isGone(pid))
    }
}
