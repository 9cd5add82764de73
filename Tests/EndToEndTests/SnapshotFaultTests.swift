// Snapshots through descriptors that whoever started netemu has opened.

import Glibc
import TestSupport
import Testing

@Suite("snapshots through descriptors", .serialized)
struct SnapshotFaultTests {
    /// netemu behind what a shell does first.
    private func node(_ ground: Ground, after shell: String, more: [String] = []) throws -> Session {
        let console = "\(ground.directory.path)/c\(ground.directory.entries.count)"
        let child = try ground.namespace.start(
            ["unshare", "-m", "sh", "-c", "\(shell)\nexec \"$@\"", "sh", try Peers.built("netemu").require()]
                + ["-monitor", "stdio", "-serial", "unix:\(console),server=on,wait=off"] + more,
            input: .pipe, directory: ground.directory.path, environment: ["XDG_RUNTIME_DIR": ground.runtime])
        do { return try Session(child: child, console: UnixClient(path: console)) } catch {
            throw TestFailure(description: "\(error)\n\(child.transcript)")
        }
    }

    private func answer(_ session: Session, _ command: String) throws -> [String] {
        try session.monitor(command, seconds: 40).split(whereSeparator: \.isNewline).dropFirst().map(String.init)
    }

    private func quit(_ session: Session) throws {
        session.child.write("quit\n")
        #expect(try session.child.wait(seconds: 20) == .exited(0), "\(session.child.transcript)")
    }

    @Test("a snapshot goes into a descriptor, and a guest comes from one")
    func descriptor() throws {
        try withGround(as: .mapped) { ground in
            let file = "\(ground.directory.path)/snapshot"
            let here = try node(ground, after: "exec 7>\(file)", more: ["-nic", "none", "-m", "16"])
            _ = try here.run("echo here")
            #expect(try answer(here, "migrate fd:7") == [], "\(here.child.transcript)")
            #expect(try answer(here, "info status") == ["VM status: paused (postmigrate)"])
            try quit(here)
            let there = try node(
                ground, after: "exec 7<\(file)", more: ["-nic", "none", "-m", "16", "-incoming", "fd:7"])
            #expect(try eventually { try answer(there, "info status") == ["VM status: running"] })
            #expect(try there.run("echo it is $?").output.contains("it is 0"))
            try quit(there)
        }
    }
}
