import Bytes
import Testing

@testable import Migration

@Suite("frames that come while the guest is on its way")
struct ArrivalTests {
    @Test("frames that come in between are delivered first, in their order, also those behind COMMIT")
    func arrivals() {
        var script = Script()
        let frames = (0..<4).map { ArrivedFrame(card: "net0", bytes: [UInt8($0), 1, 2]) }
        script.arrivals = [.stopping: [frames[0]], .sections: [frames[1]], .preparing: [frames[2]]]
        script.arrivals[.committed] = [frames[3]]
        let world = World(script)
        world.run()
        #expect(world.destinationRuns && world.delivered == frames)
        #expect(world.source.status(now: world.now).arrived == 4)
    }

    @Test("frames that come behind COMMIT go over, also more of them than have room at once")
    func manyLateArrivals() {
        var script = Script()
        let frames = (0..<60).map { ArrivedFrame(card: "net0", bytes: [UInt8](repeating: $0, count: 65_000)) }
        script.arrivals[.committed] = frames
        let world = World(script)
        world.run()
        #expect(world.destinationRuns && world.delivered == frames)
        let status = world.source.status(now: world.now)
        #expect(status.arrived == 60 && status.arrivedDropped == 0)
    }

    @Test("frames beyond the limit are counted, and come back when the guest stays")
    func tooManyArrivals() {
        var script = Script()
        let frames = (0..<70).map { ArrivedFrame(card: "net0", bytes: [UInt8](repeating: UInt8($0), count: 65_000)) }
        script.arrivals = [.saving: frames]
        script.sourceFails = .sections
        let world = World(script)
        world.run()
        guard case .kept(_, wasStopped: true, let kept) = world.sourceOutcome else {
            Issue.record("\(String(describing: world.sourceOutcome))")
            return
        }
        #expect(kept == Array(frames[..<64]) && world.sourceRuns)
        #expect(world.source.status(now: world.now).arrivedDropped == 6)
    }

    @Test("frames behind a snapshot's COMMIT are counted, and come back when it fails", arguments: [true, false])
    func lateForSnapshot(fails: Bool) {
        var script = Script()
        script.mode = .snapshot
        script.sections = [MigrationSection(name: "large", bytes: [UInt8](repeating: 7, count: 300_000))]
        let frame = ArrivedFrame(card: "net0", bytes: [1, 2, 3])
        script.arrivals = [.saving: [frame], .committing: [frame, frame]]
        let world = World(script)
        if fails { world.script.sourceFails = .committing }
        world.run()
        let status = world.source.status(now: world.now)
        guard fails else {
            #expect(world.delivered == [frame] && status.arrived == 1 && status.arrivedDropped == 2)
            return
        }
        guard case .kept(_, wasStopped: true, let kept) = world.sourceOutcome else {
            Issue.record("\(String(describing: world.sourceOutcome))")
            return
        }
        #expect(kept == [frame, frame, frame] && status.arrivedDropped == 0)
    }
}
