// x-passt-upgrade: another program takes the place of a passt while a stream runs through it, byte for byte, whatever that
// program does; and what is refused before anything happens.

import Glibc
import TestSupport
import Testing

@Suite("a passt that is upgraded under a running guest", .serialized)
struct PasstUpgradeTests {
    private func node(_ ground: Ground, more: [String] = [], isHere: Bool = true) throws -> Session {
        let session = try ground.session(
            words: [
                "-netdev", "passt,id=n,path={passt},vhost-user=on,tcp-ports=18080",
                "-device", "virtio-net-pci,netdev=n",
            ] + more)
        if isHere { try session.waitForLease() }
        return session
    }

    private func answer(_ session: Session, _ command: String, seconds: Double = 40) throws -> [String] {
        try session.monitor(command, seconds: seconds).split(whereSeparator: \.isNewline).dropFirst().map(String.init)
    }

    private func quit(_ session: Session) throws {
        session.child.write("quit\n")
        #expect(try session.child.wait(seconds: 20) == .exited(0), "\(session.child.transcript)")
    }

    /// Runs `body` while a stream goes out, which has to arrive whole.
    private func whileStreaming(_ session: Session, _ ground: Ground, _ body: () throws -> Void) throws {
        let stream = try CountedStream(from: session, to: gateway, on: ground)
        try body()
        try stream.end(at: session)
    }

    @Test("a stream goes on through the same program, started anew, and through another", arguments: privileges)
    func upgraded(privilege: Privilege) throws {
        try withGround(as: privilege) { ground in
            let other = ground.script("newer", "exec \(ground.passt) \"$@\"")
            let session = try node(ground)
            let first = try #require(try session.passtPID())
            try whileStreaming(session, ground) {
                for command in ["x-passt-upgrade n", "x-passt-upgrade n \(other)"] {
                    let said = try answer(session, command)
                    #expect(said == ["n: 1 had, 1 moved, 0 lost"], "\(session.child.transcript)")
                }
                let now = try session.passtPID()
                #expect(now != first && kill(first, 0) != 0)
            }
            // The newer one is the one that is started again from now on.
            let second = try #require(try session.passtPID())
            #expect(unlink(other) == 0)
            kill(second, SIGKILL)
            try session.child.wait(for: "Failed to execute child process “\(other)”", seconds: 20)
            try quit(session)
        }
    }

    /// Those who may switch TCP_REPAIR.
    private static var privileges: [Privilege] { Privilege.available.filter { $0 != .plain } }

    @Test(
        "a program that is no passt, or never becomes ready, gives its place back, and the stream goes on",
        arguments: [
            ("exit 3", "Passt exited with code 3"),
            ("exec sleep 1000", "Passt was not ready within 5 s and was killed"),
            ("exec /usr/bin/python3 -c '\(mute)' \"$@\"", "no answer to "),
        ])
    func notTaken(script: String, why: String) throws {
        try withGround(as: .mapped) { ground in
            let other = ground.script("newer", script)
            let session = try node(ground)
            try whileStreaming(session, ground) {
                let said = try answer(session, "x-passt-upgrade n \(other)")
                #expect(said.count == 1 && said[0].hasPrefix("Error: \(other) was not taken: "), "\(said)")
                #expect(said[0].contains(why), "\(said)")
                #expect(said[0].hasSuffix("\(ground.passt) goes on: n: 1 had, 1 moved, 0 lost"), "\(said)")
            }
            let again = try answer(session, "x-passt-upgrade n")
            #expect(again.count == 1 && again[0].hasPrefix("n: ") && again[0].hasSuffix(", 0 lost"), "\(again)")
            try quit(session)
        }
    }

    /// It listens, says that it is ready, and does nothing more.
    private static let mute = """
        import os, socket, sys, time
        words = sys.argv
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(next(word for word in words if word.endswith(".sock")))
        listener.listen()
        open(next(word for word in words if word.endswith(".pid")), "w").write(str(os.getpid()) + "\\n")
        time.sleep(1000)
        """

    /// A helper that is the real one but the second time: then it kills passt in the middle of its load.
    private static let killer = """
        import glob, os, socket, sys
        helper = socket.socket(socket.AF_UNIX)
        helper.connect(sys.argv[-1])
        print("netemu-repair: connected to it", flush=True)
        helper.recvmsg(1, 4096)
        os.kill(int(open(glob.glob("*.pid")[0]).read()), 9)
        """

    @Test("a program that is killed while it loads gives its place back, and the stream goes on", arguments: privileges)
    func killedInLoad(privilege: Privilege) throws {
        try withGround(as: privilege) { ground in
            let repair = try Peers.built("netemu-repair").require()
            let marks = ground.directory.path
            let helper = ground.script(
                "helper",
                """
                if [ -e \(marks)/first ] && mkdir \(marks)/second 2>/dev/null; then
                    exec /usr/bin/python3 -c '\(Self.killer)' "$@"
                fi
                : >>\(marks)/first
                exec \(repair) "$@"
                """)
            let session = try node(ground, more: ["-repair", helper])
            try whileStreaming(session, ground) {
                let said = try answer(session, "x-passt-upgrade n")
                #expect(said.first?.contains("was not taken: ") == true, "\(said)")
                #expect(said.first?.hasSuffix("goes on: n: 1 had, 1 moved, 0 lost") == true, "\(said)")
            }
            try quit(session)
        }
    }

    @Test("one at a time; nothing that is in its way is done meanwhile, and a guest on its way keeps its passt")
    func busy() throws {
        try withGround(as: .mapped) { ground in
            let path = "\(ground.directory.path)/second"
            let session = try node(ground, more: ["-monitor", "unix:\(path),server=on,wait=off"])
            let other = try UnixClient(path: path)
            session.child.write("x-passt-upgrade n \(ground.script("newer", "exec sleep 1000"))\n")
            usleep(300_000)
            for command in ["x-passt-upgrade n", "migrate tcp:127.0.0.1:1", "netdev_del n"] {
                let word = command.split(separator: " ")[0]
                other.write("\(command)\n")
                _ = try other.wait(for: "Error: \(word) not allowed while the passt of n is replaced", seconds: 4)
            }
            try session.child.wait(for: "0 had, 0 moved, 0 lost", seconds: 20)
            let there = try node(ground, more: ["-incoming", "unix:\(ground.directory.path)/m"], isHere: false)
            other.write("migrate_set_parameter max-bandwidth 100k\nmigrate -d unix:\(ground.directory.path)/m\n")
            other.write("x-passt-upgrade n\n")
            _ = try other.wait(for: "Error: x-passt-upgrade not allowed while migrating", seconds: 10)
            other.write("migrate_cancel\n")
            #expect(try there.child.wait(seconds: 20) == .exited(1))
            try quit(session)
        }
    }

    @Test("right behind a move that was called off, whatever that had begun")
    func behindMove() throws {
        try withGround(as: .mapped) { ground in
            let session = try node(ground)
            #expect(try answer(session, "migrate_set_parameter max-bandwidth 2M") == [])
            try whileStreaming(session, ground) {
                for pause in [0, 3000, 10_000, 30_000, 100_000, 500_000] as [UInt32] {
                    let path = "\(ground.directory.path)/m\(pause)"
                    let there = try node(ground, more: ["-incoming", "unix:\(path)"], isHere: false)
                    #expect(eventually { access(path, F_OK) == 0 })
                    #expect(try answer(session, "migrate -d unix:\(path)") == [])
                    usleep(pause)
                    #expect(try answer(session, "migrate_cancel") == [])
                    var said = [""]
                    let isOver = try eventually {
                        said = try answer(session, "x-passt-upgrade n")
                        return said != ["Error: x-passt-upgrade not allowed while migrating"]
                    }
                    #expect(isOver && said == ["n: 1 had, 1 moved, 0 lost"], "\(said)\n\(session.child.transcript)")
                    #expect(try there.child.wait(seconds: 20) == .exited(1), "\(there.child.transcript)")
                }
            }
            try quit(session)
        }
    }

    @Test("without a helper nothing is done while there is a connection to lose, and it is said how many")
    func withoutHelper() throws {
        try withGround(as: .mapped) { ground in
            let session = try node(ground, more: ["-repair", "off"])
            let pid = try session.passtPID()
            try whileStreaming(session, ground) {
                let said = try answer(session, "x-passt-upgrade n")
                #expect(
                    said == [
                        "Error: n: 1 connection would be lost: no repair helper (-repair off)",
                        "passt goes on as it is. Without connections it can be upgraded",
                    ])
            }
            #expect(try session.passtPID() == pid)
            #expect(try eventually { try answer(session, "x-passt-upgrade n").first?.hasPrefix("n: ") == true })
            #expect(try session.passtPID() != pid)
            try quit(session)
        }
    }

    @Test("what is no passt of netemu's over vhost-user is refused by name, and under the sandbox what was not named")
    func refused() throws {
        try withGround(as: .mapped) { ground in
            let session = try node(
                ground,
                more: ["-netdev", "passt,id=s,path={passt}", "-device", "virtio-net-pci,netdev=s", "-sandbox", "on"])
            #expect(try answer(session, "x-passt-upgrade x") == ["Error: Device 'x' not found"])
            let stream = try answer(session, "x-passt-upgrade s")
            #expect(stream.first?.hasPrefix("Error: s is no passt of netemu's own") == true, "\(stream)")
            let missing = try answer(session, "x-passt-upgrade n /nowhere/passt")
            #expect(missing.first?.contains("“/nowhere/passt” (No such file or directory)") == true, "\(missing)")
            let unnamed = try answer(session, "x-passt-upgrade n /bin/false")
            #expect(unnamed.first?.hasPrefix("Error: /bin/false is not among the programs") == true, "\(unnamed)")
            let said = try answer(session, "x-passt-upgrade n")
            #expect(said == ["n: 0 had, 0 moved, 0 lost"], "\(session.child.transcript)")
            try quit(session)
        }
    }
}
