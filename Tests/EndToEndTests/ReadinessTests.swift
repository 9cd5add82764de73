// A service manager is told when netemu is ready and when it ends (sd_notify(3)); the test plays the manager.

import Glibc
import Linux
import TestSupport
import Testing

@Suite("readiness")
struct ReadinessTests {
    /// The next datagram that arrives, as lines.
    private func next(_ socket: CInt, seconds: Int) throws -> [String] {
        guard try waitReadable(socket, milliseconds: seconds * 1000) else {
            throw TestFailure(description: "no message within \(seconds) s")
        }
        var room = [UInt8](repeating: 0, count: 4096)
        let count = recv(socket, &room, room.count, CInt(MSG_DONTWAIT))
        return String(decoding: room.prefix(max(0, count)), as: UTF8.self).split(separator: "\n").map(String.init)
    }

    private func isSilent(_ socket: CInt) throws -> Bool { try !waitReadable(socket, milliseconds: 300) }

    @Test("READY=1 comes when the back-end is ready, STOPPING=1 when the end begins; by path, also a long one")
    func path() throws {
        try withGround(as: .mapped) { ground in
            let folder = ground.directory.path + "/" + String(repeating: "d", count: 120)
            #expect(mkdir(folder, 0o755) == 0)
            for name in [ground.directory.path + "/notify", folder + "/notify"] {
                let manager = try UnixSocket.listen(at: name, kind: .datagrams)
                // passt is slow: netemu is not ready before it.
                let passt = ground.script(
                    "slow-passt",
                    "while ! test -e \(ground.directory.path)/go; do sleep 0.02; done\nexec \(ground.passt) \"$@\"")
                let child = try ground.start(
                    ["-nic", "passt,path=\(passt)", "-monitor", "none", "-sandbox", "on"],
                    environment: ["NOTIFY_SOCKET": name])
                #expect(try isSilent(manager.raw))
                #expect(creat(ground.directory.path + "/go", 0o600) >= 0)
                #expect(try next(manager.raw, seconds: 20) == ["READY=1", "MAINPID=\(child.pid)"])
                child.signal(SIGTERM)
                #expect(try next(manager.raw, seconds: 20) == ["STOPPING=1"])
                #expect(try child.wait() == .exited(0))
                #expect(unlink(ground.directory.path + "/go") == 0)
            }
        }
    }

    @Test("the manager may have an abstract name, and of a daemon it is told the daemon's pid")
    func abstract() throws {
        try withTemporaryDirectory { directory in
            let name = "netemu-notify-\(getpid())-\(UInt32.random(in: 0 ... .max))"
            let manager = try UnixSocket.listen(atAbstract: name, kind: .datagrams)
            let program = try Peers.built("netemu").require()
            let parent = try Child(
                [program, "-nic", "none", "-monitor", "none", "-daemonize", "-pidfile", directory.path + "/pid"],
                environment: ["NOTIFY_SOCKET": "@" + name])
            #expect(try parent.wait() == .exited(0), "\(parent.transcript)")
            let pid = try #require(textOfFile(directory.path + "/pid").flatMap { pid_t($0.dropLast()) })
            defer { kill(pid, SIGKILL) }
            #expect(try next(manager.raw, seconds: 20) == ["READY=1", "MAINPID=\(pid)"])
            kill(pid, SIGTERM)
            #expect(try next(manager.raw, seconds: 20) == ["STOPPING=1"])
            #expect(eventually { !directory.entries.contains("pid") })
        }
    }

    @Test("a manager that is not there, or takes nothing, is a warning")
    func absent() throws {
        try withGround(as: .mapped) { ground in
            for address in ["/nowhere/notify", "@nobody-listens-here", "vsock:2:1"] {
                let child = try ground.start(
                    ["-nic", "none", "-guest", "node,run=ip link"], environment: ["NOTIFY_SOCKET": address])
                #expect(try child.wait() == .exited(0))
                #expect(child.errors.contains("netemu: warning: cannot tell the service manager READY=1: "))
            }
        }
    }
}
