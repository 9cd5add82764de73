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

    private func lines(_ session: Session, _ command: String, seconds: Double = 30) throws -> [Substring] {
        Array(try session.monitor(command, seconds: seconds).split(whereSeparator: \.isNewline).dropFirst())
    }

    private func quit(_ session: Session) throws {
        session.child.write("quit\n")
        #expect(try session.child.wait(seconds: 20) == .exited(0), "\(session.child.transcript)")
    }

    @Test("a download goes on in the other process, byte for byte, there and back again")
    func download() throws {
        try withHub { ground, _ in
            let count = 150_000_000
            let url = "http://\(gateway):8080/bytes/\(count)"
            let first = try node(ground, at: "a")
            try first.waitForLease()
            let digest = try first.run("curl -sf --sha256 -o /dev/null \(url)", seconds: 60)
            #expect(digest.status == 0, "\(digest.output)")
            let wanted = try #require(digest.output.split(whereSeparator: \.isWhitespace).first { $0.count == 64 })
            var (here, ends) = (first, ["b", "a", "b"])
            here.console.write("curl -sf --sha256 -o /dev/null \(url); echo finished=$?\n")
            for round in 0..<3 {
                let path = "\(ground.directory.path)/m\(round)"
                let there = try node(ground, at: ends.removeFirst(), more: ["-incoming", "unix:\(path)"])
                #expect(try lines(there, "info status") == ["VM status: paused (inmigrate)"])
                #expect(try lines(here, "migrate unix:\(path)") == [], "\(here.child.transcript)")
                #expect(try lines(here, "info status") == ["VM status: paused (postmigrate)"])
                #expect(try lines(here, "info migrate").first == "Status: \t\tcompleted")
                #expect(try eventually { try lines(there, "info status") == ["VM status: running"] })
                try quit(here)
                here = there
            }
            let end = try here.console.wait(for: "finished=", seconds: 60)
            #expect(end.contains(wanted) && end.contains("finished=0"), "\(end)")
            #expect(try here.run("ping -c 1 \(gateway)").status == 0)
            try quit(here)
        }
    }
}
