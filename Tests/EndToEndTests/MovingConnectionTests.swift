// A guest moves between two netemus, each with a passt of its own over vhost-user that forwards the same port of the same
// host: the second passt can only start when the first has given its connections away.

import Glibc
import TestSupport
import Testing

@Suite("connections of a guest that moves", .serialized)
struct MovingConnectionTests {
    private func node(_ ground: Ground, more: [String] = []) throws -> Session {
        try ground.session(
            words: [
                "-netdev", "passt,id=n,path={passt},vhost-user=on,tcp-ports=18080",
                "-device", "virtio-net-pci,netdev=n,id=d0",
            ] + more)
    }

    /// Moves the guest, and ends the netemu in which it was.
    private func move(_ here: Session, to there: Session, at path: String, report: String) throws {
        _ = try here.lines("migrate unix:\(path)")
        #expect(try here.lines("info status") == ["VM status: paused (postmigrate)"], "\(here.child.transcript)")
        #expect(try eventually { try there.lines("info status") == ["VM status: running"] })
        let told = try there.lines("info migrate").joined(separator: "\n")
        #expect(told.contains(report), "\(told)\n\(there.child.transcript)")
        try here.quit()
    }

    @Test("without a helper the guest moves alone, which is said; what it begins afterwards works")
    func alone() throws {
        try withGround(as: .mapped) { ground in
            let here = try node(ground, more: ["-repair", "off"])
            try here.waitForLease()
            let path = "\(ground.directory.path)/m"
            let there = try node(ground, more: ["-repair", "off", "-incoming", "unix:\(path)"])
            try move(here, to: there, at: path, report: "n: 0 had, 0 moved, 0 lost")
            #expect(here.child.transcript.contains("no repair helper (-repair off)"), "\(here.child.transcript)")
            let status = try there.run("curl -sSf -o /dev/null http://\(gateway):8080/bytes/1000", seconds: 30).status
            #expect(status == 0, "\(there.child.transcript)")
            try there.quit()
        }
    }

    @Test(
        "a port that somebody has at the destination: refused in passt's words, and the guest goes on here, its stream too"
    )
    func portInUse() throws {
        try withGround(as: .mapped) { ground in
            let here = try node(ground)
            try here.waitForLease()
            let stream = try CountedStream(from: here, to: gateway, on: ground)
            let path = "\(ground.directory.path)/m"
            let other = try ground.namespace.start([try Peers.built("host-peer").require(), "echo:18081"])
            try other.wait(for: "ready")
            let there = try ground.session(
                words: [
                    "-netdev", "passt,id=n,path={passt},vhost-user=on,tcp-ports=18081",
                    "-device", "virtio-net-pci,netdev=n,id=d0", "-incoming", "unix:\(path)",
                ])
            let answer = try here.lines("migrate unix:\(path)", seconds: 60).joined(separator: "\n")
            #expect(
                answer.contains(
                    "n: Passt exited with code 1 (Listen failed for HOST TCP port */18081: Address already in use"),
                "\(answer)")
            #expect(try there.child.wait() == .exited(1), "\(there.child.transcript)")
            #expect(there.child.errors.contains("18081"), "\(there.child.transcript)")
            #expect(try eventually { try here.lines("info status") == ["VM status: running"] })
            try stream.goOn()
            try stream.end(at: here)
            try here.quit()
        }
    }

    @Test("a stream goes on through another passt, and a third one, byte for byte")
    func stream() throws {
        try withGround(as: .mapped) { ground in
            var here = try node(ground)
            try here.waitForLease()
            let stream = try CountedStream(from: here, to: gateway, on: ground)
            for round in 1...2 {
                let path = "\(ground.directory.path)/m\(round)"
                let there = try node(ground, more: ["-incoming", "unix:\(path)"])
                try move(here, to: there, at: path, report: "n: 1 had, 1 moved, 0 lost")
                here = there
                try stream.goOn()
            }
            try stream.end(at: here)
            try here.quit()
        }
    }
}
