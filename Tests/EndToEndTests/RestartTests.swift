// passt dies or hangs in the middle of a transfer: its connections die with it, but the node is back with link, lease
// and echo within three seconds, and `info network` is right at each moment.

import Glibc
import TestSupport
import Testing

@Suite("a passt that dies or hangs", .serialized)
struct RestartTests {
    /// How passt is lost.
    enum Loss: String, CaseIterable, Sendable { case killed, hung }

    @Test(
        "lost in the middle of a transfer, it is replaced; link, lease and echo are back",
        arguments: Loss.allCases, Privilege.available)
    func replaced(loss: Loss, privilege: Privilege) throws {
        try withGround(as: privilege) { ground in
            let session = try ground.session()
            try session.waitForLease()
            let first = try #require(try session.passtPID())
            session.console.write("curl -s -m 30 -o /dev/null http://\(gateway):8080/bytes/4000000000\n")
            usleep(300_000)

            kill(first, loss == .killed ? SIGKILL : SIGSTOP)
            let second = try waitForOther(than: first, in: session)
            #expect(second != first)
            #expect(kill(first, 0) != 0, "the old passt still exists")
            session.console.write("\u{3}")
            try session.waitForLease()
            #expect(try session.run("ping -c 1 -W 5 \(gateway)").status == 0)
            let size = 1_000_000
            let again = try session.run("curl -sSf --sha256 -o /dev/null http://\(gateway):8080/bytes/\(size)")
            #expect(again.status == 0, "\(again.output)")
        }
    }

    @Test("without its run-time directory passt cannot be started, which is said; it comes back with the directory")
    func noDirectory() throws {
        try withGround(as: .mapped) { ground in
            let session = try ground.session()
            let first = try #require(try session.passtPID())
            let path = try #require(ground.leftovers.first.map { "\(ground.runtime)/\($0)" })
            let away = ground.directory.path + "/away"
            #expect(rename(path, away) == 0)
            kill(first, SIGKILL)
            try session.child.wait(for: "netemu's run-time directory \(path) has been removed")
            #expect(rename(away, path) == 0)
            _ = try waitForOther(than: first, in: session)
        }
    }

    @Test("with no descriptor left passt cannot be started, and netemu lives on; it comes back with room for it")
    func noDescriptors() throws {
        try withGround(as: .mapped) { ground in
            let session = try ground.session()
            let first = try #require(try session.passtPID())
            let limit = { (soft: String) in
                try ground.namespace.run(["prlimit", "--pid", "\(session.child.pid)", "--nofile=\(soft):"]).status
            }
            #expect(try limit("3") == .exited(0))
            kill(first, SIGKILL)
            try session.child.wait(for: "(Too many open files); starting passt again")
            #expect(try limit("1024") == .exited(0))
            _ = try waitForOther(than: first, in: session)
            #expect(!session.child.errors.contains("has ended"))
        }
    }

    @Test("a passt that is stopped is replaced in its default mode, too, without any traffic")
    func stoppedStream() throws {
        try withGround(as: .mapped) { ground in
            let session = try ground.session(words: ["-nic", "passt,id=n0,model=virtio,path=\(ground.passt)"])
            try session.waitForLease()
            let first = try #require(try session.passtPID())
            kill(first, SIGSTOP)
            _ = try waitForOther(than: first, in: session)
            #expect(kill(first, 0) != 0, "the old passt still exists")
            #expect(session.child.errors.contains("n0: Passt was stopped and did not go on, and was killed; starting"))
            try session.waitForLease()
            #expect(try session.run("ping -c 1 -W 2 \(gateway)").status == 0)
        }
    }

    @Test("a passt that runs and reads nothing is replaced in its default mode, too")
    func deafStream() throws {
        try withGround(as: .mapped) { ground in
            let program = """
                import os, socket, sys, time
                word = lambda option: sys.argv[sys.argv.index(option) + 1]
                listener = socket.socket(socket.AF_UNIX)
                listener.bind(word("-s"))
                listener.listen()
                open(word("--pid"), "w").write(f"{os.getpid()}\\n")
                peer = listener.accept()
                time.sleep(1000)
                """
            let deaf = ground.script("deaf", "exec /usr/bin/python3 -c '\(program)' \"$@\"")
            let child = try ground.start(["-nic", "passt,id=n0,model=virtio,path=\(deaf)", "-monitor", "none"])
            let said = "n0: passt has not read what it was sent for 2 s; starting passt again in 100 ms"
            _ = try child.wait(for: said, seconds: 30)
            child.signal(15)
            #expect(try child.wait() == .exited(0), "\(child.transcript)")
        }
    }

    @Test("killed five times in a row, it comes back each time")
    func repeatedly() throws {
        try withGround(as: .mapped) { ground in
            let session = try ground.session()
            try session.waitForLease()
            for _ in 0..<5 {
                let pid = try #require(try session.passtPID())
                kill(pid, SIGKILL)
                _ = try waitForOther(than: pid, in: session)
            }
            try session.waitForLease()
            #expect(try session.run("ping -c 1 -W 2 \(gateway)").status == 0)
        }
    }

    /// Asks `info network` until it names another passt; until then it must never claim the lost one is connected
    /// once that has gone.
    private func waitForOther(than first: pid_t, in session: Session) throws -> pid_t {
        var other: pid_t?
        _ = try eventually {
            other = try session.passtPID()
            return other != nil && other != first
        }
        guard let other, other != first else {
            throw TestFailure(description: "no new passt\n\(session.child.transcript)")
        }
        return other
    }
}
