// Two real passt on one host with the same addresses, a node moved from one to the other as net.rst's session does with a
// guest, the helper of each connected: which connections live on. No passt option beyond the session's own.

import PasstSession
import TestSupport
import Testing

@Suite(
    "A node moved between two real passt",
    .enabled(
        if: Peers.passt.isThere && Peers.passtRepair.isThere, Comment(rawValue: Peers.passt.hint)), .serialized)
struct PasstSessionTests {
    static let bytesEach = 32_768

    /// Opens `flows`, talks, moves in the middle of it, talks on.
    private func session(_ flows: Int, with program: RepairProgram) throws -> (FlowOutcome, Move, String) {
        try withTemporaryDirectory { directory in
            try withNamespace(as: .mapped) { namespace in
                let peer = try namespace.start([try Peers.built("host-peer").require(), "echo:9007"])
                try peer.wait(for: "ready")
                let source = try RepairablePasst("src", in: namespace, directory, helpedBy: program)
                let destination = try RepairablePasst("dst", in: namespace, directory, helpedBy: program)
                let log = { [source, destination].map(\.log).joined(separator: "\n") }
                do {
                    let (set, move) = try self.moved(flows, from: source, to: destination, with: program)
                    let sockets = try namespace.run(["ss", "-tnoim"]).child.output
                    let times = textOfFile("/proc/\(destination.passt.pid)/stat") ?? ""
                    return (set.outcome, move, "\(log())\n\(times)\n\(set.unfinished)\n\(sockets.suffix(6000))")
                } catch { throw TestFailure(description: "\(error)\n\(log())") }
            }
        }
    }

    private func moved(
        _ flows: Int, from source: RepairablePasst, to destination: RepairablePasst, with program: RepairProgram
    ) throws -> (FlowSet, Move) {
        let node = try MovableNode(on: source)
        let set = try FlowSet(flows, on: node, port: 9007, bytesEach: Self.bytesEach)
        try set.talk(until: 0.4)
        let underWay = set.bytesUnderWay
        let move = try node.move(to: destination)
        try set.talk(until: 1)
        print(
            "passt-session | \(program.rawValue) | \(flows) flows | \(set.outcome) | \(underWay) bytes under way | "
                + "\(move.stateBytes) bytes of state | save \(move.saveMilliseconds) ms | "
                + "load \(move.loadMilliseconds) ms | down \(move.downMilliseconds) ms")
        return (set, move)
    }

    @Test("with netemu-repair every connection goes on, byte for byte", arguments: [1, 20, 500])
    func survive(flows: Int) throws {
        let (outcome, _, log) = try session(flows, with: .netemuRepair)
        #expect(outcome == FlowOutcome(whole: flows), "\(log.suffix(12000))")
    }

    /// The source passt keeps its sockets and with them addresses and ports (its own fault, counted here).
    @Test("with passt-repair the same session loses them")
    func passtRepair() throws {
        let (outcome, _, log) = try session(20, with: .passtRepair)
        #expect(outcome.wrong == 0)
        // A source that has died has freed them.
        #expect(outcome.whole == 0 || log.hasPrefix("src: passt ended"), "\(log.prefix(12_000))")
    }

    /// A peer that is not on the loopback may meet passt's timer loop (its own fault, counted here); no other loss.
    @Test("to another address of the host no connection is lost; those that passt's timer stalls are counted")
    func otherAddress() throws {
        try inSession(services: ["echo:9007"]) { namespace, source, destination in
            _ = try namespace.run(["ip", "addr", "add", "203.0.113.9/32", "dev", "lo"])
            let node = try MovableNode(on: source)
            let set = try FlowSet(20, on: node, to: "203.0.113.9", port: 9007, bytesEach: Self.bytesEach)
            try set.talk(until: 0.4)
            _ = try node.move(to: destination)
            try set.talk(until: 1, patience: 5)
            print("passt-session | netemu-repair | 20 flows, peer not on the loopback | \(set.outcome)")
            #expect(set.outcome.lost == 0 && set.outcome.wrong == 0, "\(destination.passt.transcript.suffix(3000))")
        }
    }

    /// passt subtracts a byte for the FIN of a CLOSE_WAIT socket; what that does to the end is counted, not demanded.
    @Test("connections that the host had closed: every byte is there; how they end is counted")
    func halfClosed() throws {
        try inSession(services: ["source:9010:1000"]) { _, source, destination in
            let node = try MovableNode(on: source)
            let set = try HalfClosedSet(20, on: node, port: 9010, bytesEach: 1000)
            _ = try node.move(to: destination)
            let outcome = try set.finish(within: 5)
            print("passt-session | netemu-repair | 20 flows in CLOSE_WAIT | \(outcome)")
            #expect(outcome.wrong == 0)
        }
    }

    private func inSession(
        services: [String], _ body: (Namespace, RepairablePasst, RepairablePasst) throws -> Void
    ) throws {
        try withTemporaryDirectory { directory in
            try withNamespace(as: .mapped) { namespace in
                let peer = try namespace.start([try Peers.built("host-peer").require()] + services)
                try peer.wait(for: "ready")
                let source = try RepairablePasst("src", in: namespace, directory, helpedBy: .netemuRepair)
                let destination = try RepairablePasst("dst", in: namespace, directory, helpedBy: .netemuRepair)
                try body(namespace, source, destination)
            }
        }
    }
}
