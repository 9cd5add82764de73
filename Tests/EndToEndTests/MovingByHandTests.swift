// The session of QEMU's documentation (net.rst): who moves a guest starts passt and a helper on each side.

import Glibc
import TestSupport
import Testing

/// passts and helpers as a user starts them.
private final class Hand {
    let ground: Ground
    private var passts: [String: Child] = [:]

    init(_ ground: Ground) { self.ground = ground }

    private func path(_ name: String) -> String { "\(ground.directory.path)/passt_\(name).socket" }
    private func repairPath(_ name: String) -> String { "\(ground.directory.path)/passt-repair_\(name).socket" }

    func startPasst(_ name: String) throws {
        passts[name]?.end()
        unlink(repairPath(name))
        passts[name] = try ground.namespace.start([
            ground.passt, "-f", "--debug", "--vhost-user", "--socket", path(name), "--repair-path", repairPath(name),
        ])
        #expect(eventually { access(repairPath(name), F_OK) == 0 })
    }

    func endPasst(_ name: String) { passts[name]?.end() }

    /// Of no use before it is connected.
    func startHelper(_ name: String) throws {
        let helper = try ground.namespace.start([
            try Peers.built("netemu-repair").require(), "-v", "--wait", "10", repairPath(name),
        ])
        try helper.wait(for: "connected to")
    }

    /// A netemu with its passt and helper.
    func side(_ name: String, isHelped: Bool = true, more: [String] = []) throws -> Session {
        try startPasst(name)
        if isHelped { try startHelper(name) }
        return try ground.session(
            words: [
                "-chardev", "socket,id=chr0,path=\(path(name)),reconnect-ms=100",
                "-netdev", "vhost-user,id=netdev0,chardev=chr0", "-device", "virtio-net,netdev=netdev0",
            ] + more)
    }

    /// No helper was connected to a passt that was to take a state, which it says only with --debug.
    func waitForRefusal(_ name: String) throws { try passts[name]?.wait(for: "TCP_REPAIR helper listening socket") }
}

@Suite("a guest moves with passt and helpers started by hand", .serialized)
struct MovingByHandTests {
    private func expectRunning(_ session: Session) throws {
        let runs = try eventually { try session.lines("info status") == ["VM status: running"] }
        #expect(runs, "\(session.child.transcript)")
    }

    /// The guest is there now, its connection with it.
    private func goOn(from here: Session, at there: Session) throws {
        try expectRunning(there)
        try there.converse("behind")
        try here.quit()
        try there.quit()
    }

    private func withHand(_ body: (Hand, Session) throws -> Void) throws {
        try withGround(as: .mapped) { ground in
            let hand = Hand(ground)
            let here = try hand.side("src")
            try here.waitForLease()
            here.console.write("nc \(gateway) 9007\n")
            try here.converse("before")
            try body(hand, here)
        }
    }

    @Test("the session of QEMU's documentation")
    func session() throws {
        try withHand { hand, here in
            let there = try hand.side("dst", more: ["-incoming", "tcp:127.0.0.1:4444"])
            #expect(try here.lines("migrate tcp:127.0.0.1:4444") == [], "\(here.child.transcript)")
            try goOn(from: here, at: there)
        }
    }

    @Test("a destination's helper that comes a moment late is waited for")
    func late() throws {
        try withHand { hand, here in
            let there = try hand.side("dst", isHelped: false, more: ["-incoming", "tcp:127.0.0.1:4444"])
            #expect(try here.lines("migrate -d tcp:127.0.0.1:4444") == [])
            try hand.waitForRefusal("dst")
            try hand.startHelper("dst")
            try goOn(from: here, at: there)
        }
    }

    @Test("after an attempt that failed, a fresh passt and a fresh helper, as the text asks for; then the guest moves")
    func again() throws {
        try withHand { hand, here in
            // Its passt has gone: nobody there can take the state that the source has given away by then.
            let lost = try hand.side("lost", more: ["-incoming", "tcp:127.0.0.1:4444"])
            hand.endPasst("lost")
            #expect(try here.lines("migrate -d tcp:127.0.0.1:4444") == [])
            let isGiven = try eventually { try here.lines("info status") == ["VM status: paused (finish-migrate)"] }
            #expect(isGiven, "\(here.child.transcript)")
            lost.child.end()
            try expectRunning(here)
            try here.child.wait(
                for: "Start passt anew at that socket, and a fresh netemu-repair or passt-repair beside it")
            try hand.startPasst("src")
            try hand.startHelper("src")
            try here.child.wait(for: "what the former back-end gave away is loaded")
            try here.converse("still here")
            // The helper has done its work.
            try hand.startHelper("src")
            let there = try hand.side("dst", more: ["-incoming", "tcp:127.0.0.1:4445"])
            #expect(try here.lines("migrate tcp:127.0.0.1:4445") == [], "\(here.child.transcript)")
            try goOn(from: here, at: there)
        }
    }
}
