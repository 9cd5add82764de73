// Two netemus and a guest that moves between them, as a user would do it.

import Glibc
import TestSupport
import Testing

@Suite("a guest moves between two netemus", .serialized)
struct MigrationTests {
    /// A third netemu is the network: passt and two sockets on a hub.
    private func withHub(_ body: (Ground, Child) throws -> Void) throws {
        try withGround(as: .mapped) { ground in
            var words = ["-guest", "none", "-monitor", "stdio"]
            words += ["-netdev", "passt,id=p,path={passt}", "-netdev", "hubport,id=hp,hubid=0,netdev=p"]
            for end in ["a", "b"] {
                let path = "\(ground.directory.path)/\(end)"
                words += ["-netdev", "stream,id=\(end),server=on,addr.type=unix,addr.path=\(path)"]
                words += ["-netdev", "hubport,id=h\(end),hubid=0,netdev=\(end)"]
            }
            let hub = try ground.start(words, input: .pipe)
            try hub.wait(for: "(netemu) ")
            try body(ground, hub)
            hub.write("quit\n")
            #expect(try hub.wait(seconds: 20) == .exited(0), "\(hub.transcript)")
        }
    }

    private func node(_ ground: Ground, at end: String, more: [String] = []) throws -> Session {
        try ground.session(
            words: [
                "-netdev", "stream,id=n,server=off,addr.type=unix,addr.path=\(ground.directory.path)/\(end)",
                "-device", "virtio-net-pci,netdev=n,id=d0",
            ] + more)
    }

    @Test("a counting stream goes on in the other process, byte for byte, there and back again")
    func stream() throws {
        try withHub { ground, _ in
            let bytes = 30_000_000
            let first = try node(ground, at: "a")
            try first.waitForLease()
            let unmoved = try first.run("ramp send -n \(bytes) \(gateway) 9000", seconds: 60)
            #expect(unmoved.status == 0, "\(unmoved.output)")
            try ground.peer.wait(for: "sink: \(bytes) bytes", seconds: 60)
            let line = try #require(ground.peer.output.split(separator: "\n").first { $0.contains("sink: \(bytes)") })
            let resets = ground.namespace.resets
            var (here, ends, said) = (first, ["b", "a", "b"], "")
            here.console.write("ramp send -n \(bytes) \(gateway) 9000 4M; echo fin''ished=$?\n")
            for round in 0..<3 {
                let path = "\(ground.directory.path)/m\(round)"
                let there = try node(ground, at: ends.removeFirst(), more: ["-incoming", "unix:\(path)"])
                #expect(try there.lines("info status") == ["VM status: paused (inmigrate)"])
                #expect(try here.lines("migrate unix:\(path)") == [], "\(here.child.transcript)")
                #expect(try here.lines("info status") == ["VM status: paused (postmigrate)"])
                #expect(try here.lines("info migrate").first == "Status: \t\tcompleted")
                #expect(try eventually { try there.lines("info status") == ["VM status: running"] })
                try here.quit()
                said += try here.console.readToEnd()
                here = there
            }
            // On a slow machine it may be over before the last move.
            if !said.contains("finished=") { said += try here.console.wait(forLine: "finished=", seconds: 60) }
            #expect(said.contains("finished=0"), "\(said)")
            #expect(
                eventually { ground.peer.output.split(separator: "\n").filter { $0 == line }.count == 2 },
                "\(ground.peer.output)")
            // Who ends a connection out of turn makes passt, and with it the kernel, reset it.
            #expect(ground.namespace.resets == resets)
            #expect(try here.run("ping -c 1 \(gateway)").status == 0)
            try here.quit()
        }
    }

    @Test("a snapshot in a file, or through a program, goes on as often as one likes", arguments: ["file", "exec"])
    func snapshot(way: String) throws {
        try withGround(as: .mapped) { ground in
            let file = ground.directory.path + "/snapshot"
            let (out, back) =
                way == "file" ? ("file:\(file)", "file:\(file)") : ("exec:exec cat>\(file)", "exec:cat \(file)")
            let first = try ground.session(words: ["-nic", "none"])
            first.console.write("echo one; sleep 3; echo wo''ke=$?\n")
            _ = try first.console.wait(for: "\none\n")
            #expect(try first.lines("migrate \"\(out)\"", seconds: 30) == [], "\(first.child.transcript)")
            #expect(try first.lines("info status") == ["VM status: paused (postmigrate)"])
            try first.quit()
            for _ in 0..<2 {
                let next = try ground.session(words: ["-nic", "none", "-incoming", back])
                _ = try next.console.wait(for: "woke=0", seconds: 20)
                try next.quit()
            }
            #expect(eventually { ground.leftovers == [] })
        }
    }

    @Test("a script moves with its task: what it prints and its status are the other netemu's")
    func script() throws {
        try withGround(as: .mapped) { ground in
            let path = ground.directory.path + "/m"
            let task = ["-nic", "none", "-guest", "node,run=echo begun; sleep 2; echo done; false"]
            let first = try ground.start(task + ["-monitor", "stdio"], input: .pipe)
            try first.wait(for: "begun")
            let next = try ground.start(task + ["-incoming", "unix:\(path)"])
            #expect(eventually { access(path, F_OK) == 0 })
            first.write("migrate unix:\(path)\n")
            #expect(try next.wait(seconds: 20) == .exited(1), "\(next.transcript)")
            #expect(next.output == "done\n", "\(next.transcript)")
            first.write("info status\nquit\n")
            #expect(try first.wait(seconds: 20) == .exited(0), "\(first.transcript)")
            #expect(!first.output.contains("done") && first.output.contains("paused (postmigrate)"))
        }
    }

    @Test("a guest that never ran (-S) begins its script there")
    func unborn() throws {
        try withGround(as: .mapped) { ground in
            let path = ground.directory.path + "/m"
            let task = ["-nic", "none", "-guest", "node,run=echo born", "-monitor"]
            let first = try ground.start(task + ["stdio", "-S"], input: .pipe)
            try first.wait(for: "(netemu) ")
            let next = try ground.start(
                task + ["unix:\(path).monitor,server=on,wait=off", "-incoming", "unix:\(path)"])
            #expect(eventually { access(path, F_OK) == 0 })
            first.write("migrate unix:\(path)\n")
            let monitor = try UnixClient(path: "\(path).monitor")
            #expect(
                try eventually { try monitor.ask("info status", until: "\n(netemu) ").contains("VM status: paused\n") })
            monitor.write("cont\n")
            #expect(try next.wait(seconds: 20) == .exited(0), "\(next.transcript)")
            #expect(next.output == "born\n" && !first.output.contains("born"))
        }
    }

    @Test("a destination that is killed at any moment, or stopped, leaves the guest here, or has it alone")
    func killed() throws {
        try withGround(as: .mapped) { ground in
            let first = try ground.session(words: ["-nic", "none"])
            for round in 0..<15 {
                let path = "\(ground.directory.path)/k\(round)"
                let next = try ground.start(
                    ["-nic", "none", "-incoming", "unix:\(path)", "-monitor", "stdio"], input: .pipe)
                #expect(eventually { access(path, F_OK) == 0 })
                #expect(try first.lines("migrate -d unix:\(path)") == [])
                usleep(UInt32(round * round * 150))
                kill(next.pid, SIGKILL)
                _ = try next.wait(seconds: 20)
                #expect(
                    try eventually {
                        let status = try first.lines("info migrate").first ?? ""
                        return ["failed", "completed"].contains { status.contains($0) }
                    })
                if try first.lines("info status") == ["VM status: running"] { continue }
                // It had been handed over, or nobody knows: the one that had it is dead for certain.
                #expect(try first.lines("info status") == ["VM status: paused (postmigrate)"])
                #expect(try first.lines("cont") == [])
            }
            #expect(try first.run("echo alive").output.contains("alive"))
            try first.quit()
        }
    }
}
