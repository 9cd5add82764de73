// Connections of a node's live on when its back-end, a real passt over vhost-user, hands them to another, and when the
// guest goes on where it was. Both passts are in one network namespace and forward the same port.

import Glibc
import Linux
import PasstLauncher
import PasstSession
import TestSupport
import Testing
import Virtio

@testable import NetEmu

@Suite(
    "Connections that move with a passt of ours",
    .enabled(if: Peers.passt.isThere && geteuid() == 0, Comment(rawValue: Peers.passt.hint + ", as root")), .serialized)
struct MovingPasstTests {
    private static let flows = 5
    private static let bytesEach = 32_768

    private func onStage(_ body: (MovingStage) throws -> Void) throws {
        try inNamespace { stage, _ in try body(stage) }
    }

    private func inNamespace(_ body: (MovingStage, Namespace) throws -> Void) throws {
        try withNamespace(as: .root) { namespace in
            let peer = try namespace.start([try Peers.built("host-peer").require(), "echo:9007"])
            try peer.wait(for: "ready")
            try inside(namespace) {
                let stage = try MovingStage()
                do { try body(stage, namespace) } catch {
                    throw TestFailure(description: "\(error)\n\(stage.said.lines.joined(separator: "\n"))")
                }
                try stage.end()
            }
        }
    }

    private func helper() throws -> String { try Peers.built("netemu-repair").require() }

    private func talkingFlows(_ stage: MovingStage) throws -> FlowSet {
        let flows = try FlowSet(Self.flows, on: stage, port: 9007, bytesEach: Self.bytesEach)
        try flows.talk(until: 0.4)
        return flows
    }

    private func prepare(_ netdev: PasstNetdev, on stage: MovingStage) throws {
        let _: Bool = try stage.answer { done in netdev.prepareToSave(elsewhere: false) { done(true) } }
    }

    private func save(_ netdev: any MovingNetdev, on stage: MovingStage) throws -> NetdevState {
        try stage.suspend()
        return try stage.answer { netdev.saveState($0) }.get()
    }

    /// The card goes to the destination, which has the state already.
    private func land(_ source: PasstNetdev, _ destination: PasstNetdev, on stage: MovingStage) throws {
        source.forgetState()
        try stage.unplug(from: source)
        try stage.plug(into: destination)
        stage.device.resume()
    }

    /// The first half of a move; the destination is held until the source has let go of its port.
    private func move(
        from source: PasstNetdev, to destination: PasstNetdev, on stage: MovingStage
    ) throws -> ConnectionReport {
        if !destination.isHeldForState {
            destination.isHeldForState = true
            destination.start()
            #expect(destination.isReady && destination.info == "waiting for the guest's state")
        }
        try prepare(source, on: stage)
        let state = try save(source, on: stage)
        let refusal: EmulationError?? = try stage.answer { done in destination.prepareState(state) { done($0) } }
        #expect(refusal == .some(nil))
        let report: ConnectionReport = try stage.answer { destination.loadState($0) }
        try land(source, destination, on: stage)
        return report
    }

    @Test("with a helper every connection goes on, byte for byte, and the source's passt ends")
    func moves() throws {
        try onStage { stage in
            let source = try stage.makePasst("n0", helper: try helper(), ports: ["18080"])
            try stage.boot(on: source)
            let flows = try talkingFlows(stage)
            #expect(source.canMove && source.expectedLosses == [])
            let destination = try stage.makePasst("n1", helper: try helper(), ports: ["18080"])
            let report = try move(from: source, to: destination, on: stage)
            #expect(report == ConnectionReport(had: Self.flows, moved: Self.flows, lost: []))
            try flows.talk(until: 1)
            #expect(flows.outcome == FlowOutcome(whole: Self.flows), "\(flows.unfinished)")
            #expect(source.info == "passt has ended: its connections live elsewhere")
            #expect(!source.isGone)
        }
    }

    @Test("a destination's passt that listens nowhere is there, with its helper, before anything has stopped")
    func early() throws {
        try onStage { stage in
            let source = try stage.makePasst("n0", helper: try helper())
            try stage.boot(on: source)
            let flows = try talkingFlows(stage)
            let destination = try stage.makePasst("n1", helper: try helper())
            let (busy, other) = (
                try stage.makePasst("n2", helper: nil, ports: ["18081"]), try stage.makePasst("n3", helper: nil)
            )
            for (netdev, elsewhere) in [(destination, false), (busy, false), (other, true)] {
                netdev.isHeldForState = true
                netdev.start()
                let refusal: EmulationError?? = try stage.answer { done in
                    netdev.prepareEarly(elsewhere: elsewhere) { done($0) }
                }
                #expect(refusal == .some(nil))
            }
            #expect(destination.info.hasPrefix("vhost-user,connected to pid "))
            #expect(busy.info == "waiting for the guest's state" && other.info == busy.info)
            #expect(stage.runningPrograms == 3)
            let report = try move(from: source, to: destination, on: stage)
            #expect(report.moved == Self.flows)
            try flows.talk(until: 1)
            #expect(flows.outcome == FlowOutcome(whole: Self.flows), "\(flows.unfinished)")
            try stage.wait("the end of passt and helpers") { stage.runningPrograms == 1 }
        }
    }

    @Test("a helper that came early ends with a state that has no connections")
    func earlyForNothing() throws {
        try onStage { stage in
            let source = try stage.makePasst("n0", helper: try helper())
            try stage.boot(on: source)
            let destination = try stage.makePasst("n1", helper: try helper())
            destination.isHeldForState = true
            destination.start()
            let early: EmulationError?? = try stage.answer { done in
                destination.prepareEarly(elsewhere: false) { done($0) }
            }
            #expect(early == .some(nil) && stage.runningPrograms == 3)
            let report = try move(from: source, to: destination, on: stage)
            #expect(report.had == 0)
            try stage.wait("the end of passt and helpers") { stage.runningPrograms == 1 }
            let flows = try FlowSet(2, on: stage, port: 9007, bytesEach: 1000)
            try flows.talk(until: 1)
            #expect(flows.outcome == FlowOutcome(whole: 2))
        }
    }

    @Test("without a helper the guest moves, its connections are lost, and both are said before")
    func withoutHelper() throws {
        try onStage { stage in
            let source = try stage.makePasst("n0", helper: nil)
            try stage.boot(on: source)
            let flows = try talkingFlows(stage)
            #expect(
                source.expectedLosses
                    == ["n0: its connections will be lost: no repair helper (none was asked for)"])
            let destination = try stage.makePasst("n1", helper: nil)
            let report = try move(from: source, to: destination, on: stage)
            #expect(report.had == 0 && report.lost == [])
            try flows.talk(until: 1, patience: 5)
            #expect(flows.outcome.whole == 0 && flows.outcome.wrong == 0)
            let others = try FlowSet(2, on: stage, port: 9007, bytesEach: 1000)
            try others.talk(until: 1)
            #expect(others.outcome == FlowOutcome(whole: 2))
        }
    }

    @Test("a helper that will not help is said in its words, and the destination tells which connections that costs")
    func helperFails() throws {
        try onStage { stage in
            let source = try stage.makePasst("n0", helper: "/bin/false")
            try stage.boot(on: source)
            try prepare(source, on: stage)
            #expect(
                source.expectedLosses == ["n0: its connections will be lost: no repair helper (it exited with code 1)"])
            let other = try stage.makePasst("n1", helper: try helper())
            try stage.unplug(from: source)
            try stage.boot(on: other)
            _ = try talkingFlows(stage)
            let destination = try stage.makePasst("n2", helper: "/bin/false")
            let report = try move(from: other, to: destination, on: stage)
            #expect(report.had == Self.flows && report.moved == 0 && report.lost.count == Self.flows)
            #expect(report.lost.allSatisfy { $0.hasSuffix(": no repair helper (it exited with code 1)") })
        }
    }

    @Test("a guest that goes on where it was keeps its connections, and the next attempt works without a hand")
    func takenBack() throws {
        try onStage { stage in
            let source = try stage.makePasst("n0", helper: try helper(), ports: ["18080"])
            try stage.boot(on: source)
            let flows = try talkingFlows(stage)
            for share in [0.6, 0.8] {
                try prepare(source, on: stage)
                let state = try save(source, on: stage)
                let loss: EmulationError?? = try stage.answer { done in source.takeBack(state) { done($0) } }
                #expect(loss == .some(nil))
                stage.device.resume()
                try flows.talk(until: share)
            }
            let destination = try stage.makePasst("n1", helper: try helper(), ports: ["18080"])
            let report = try move(from: source, to: destination, on: stage)
            #expect(report.moved == Self.flows)
            try flows.talk(until: 1)
            #expect(flows.outcome == FlowOutcome(whole: Self.flows), "\(flows.unfinished)")
        }
    }

    @Test("a guest that is taken back from elsewhere gets a fresh passt, without what it had")
    func takenBackLater() throws {
        try onStage { stage in
            let source = try stage.makePasst("n0", helper: try helper())
            try stage.boot(on: source)
            let flows = try talkingFlows(stage)
            try prepare(source, on: stage)
            _ = try save(source, on: stage)
            source.forgetState()
            let loss: EmulationError?? = try stage.answer { done in source.takeBack(NetdevState()) { done($0) } }
            #expect(loss??.text == "the guest's connections are not here any more")
            stage.device.resume()
            let others = try FlowSet(2, on: stage, port: 9007, bytesEach: 1000)
            try others.talk(until: 1)
            #expect(others.outcome == FlowOutcome(whole: 2))
            #expect(flows.outcome.wrong == 0)
        }
    }

    @Test("a guest that never left has lost nothing, and no helper stays")
    func neverSaved() throws {
        try onStage { stage in
            let source = try stage.makePasst("n0", helper: try helper())
            try stage.boot(on: source)
            try prepare(source, on: stage)
            #expect(stage.runningPrograms == 2)
            let loss: EmulationError?? = try stage.answer { done in source.takeBack(NetdevState()) { done($0) } }
            #expect(loss == .some(nil))
            try stage.wait("the helper's end") { stage.runningPrograms == 1 }
        }
    }

    @Test("what a passt that was started by hand gave away is kept for the next one at its socket")
    func byHand() throws {
        try withTemporaryDirectory { directory in
            try inNamespace { stage, namespace in
                let first = try RepairablePasst("p", in: namespace, directory, helpedBy: .netemuRepair)
                let netdev = try stage.makeVhostUser(first.path)
                try stage.boot(on: netdev)
                let flows = try talkingFlows(stage)
                #expect(netdev.expectedLosses.first?.hasSuffix("its repair helper is started by hand") == true)
                let state = try save(netdev, on: stage)
                let loss: EmulationError?? = try stage.answer { done in netdev.takeBack(state) { done($0) } }
                #expect(loss??.text.hasPrefix("its connections are lost: ") == true)
                #expect(loss??.text.contains("a fresh netemu-repair or passt-repair") == true)
                stage.device.resume()
                first.passt.end()
                unlink("\(directory.path)/p.pid")
                let second = try RepairablePasst("p", in: namespace, directory, helpedBy: .netemuRepair)
                try stage.wait("the state in the next one") {
                    stage.said.lines.contains { $0.hasSuffix("what the former back-end gave away is loaded") }
                }
                try flows.talk(until: 1)
                #expect(flows.outcome == FlowOutcome(whole: Self.flows), "\(flows.unfinished)\n\(second.log)")
                netdev.stop()
            }
        }
    }

    @Test("a destination's passt that does not start refuses the guest with its reason")
    func noDestination() throws {
        try onStage { stage in
            let destination = try stage.makePasst("n1", helper: nil, ports: ["nonsense"])
            destination.isHeldForState = true
            destination.start()
            let refusal: EmulationError?? = try stage.answer { done in
                destination.prepareState(NetdevState(bytes: [1])) { done($0) }
            }
            #expect(refusal??.text.hasPrefix("Passt exited with code 1") == true)
        }
    }
}
