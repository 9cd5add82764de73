import Bytes
import Testing

@testable import Migration

@Suite("who waits for whom, and how long")
struct PatienceTests {
    private static func time(of step: Step) -> Interval {
        let patience = MigrationPatience()
        return switch step {
        case .compare: patience.compare
        case .stop: patience.stop
        case .save: patience.save
        case .prepare: patience.prepare
        case .load: patience.start
        }
    }

    @Test("owners who take all of their time but a second move the guest, each alone and all together")
    func slowOwners() {
        for steps in Step.allCases.map({ [$0] }) + [Step.allCases] {
            var script = Script()
            for step in steps { script.takes[step] = Self.time(of: step) - .seconds(1) }
            let world = World(script)
            world.run()
            #expect(world.sourceOutcome == .completed(report: Array("nothing lost".utf8)), "\(steps)")
            #expect(world.destinationRuns && !world.everyoneRan && world.copy.equals(world.memory), "\(steps)")
        }
    }

    @Test("an owner who takes a second more ends it at its own end, whose words the other end repeats")
    func lateOwners() {
        let waits: [Step: MigrationFailure.Wait] = [.stop: .stop, .save: .save, .prepare: .prepare, .compare: .compare]
        for (step, wait) in waits {
            let time = Self.time(of: step)
            let world = World(Script(takes: [step: time + .seconds(1)]))
            world.run()
            let late = MigrationFailure.late(wait, time)
            let isSource = step == .stop || step == .save
            let (here, there) = (MigrationFailure.refused("\(late)"), late)
            #expect(world.source.failure == (isSource ? there : here), "\(step)")
            #expect(world.destination.failure == (isSource ? here : there), "\(step)")
            #expect(world.sourceRuns && !world.destinationRuns)
        }
        let world = World(Script(takes: [.load: Self.time(of: .load) + .seconds(1)]))
        world.run()
        #expect(world.sourceOutcome == .completed(report: Array("the state was not loaded in time".utf8)))
        #expect(world.destinationRuns && !world.sourceRuns)
    }

    @Test("who waits waits longer than the other one may take, whatever is set")
    func relations() {
        var generator = SeededGenerator(seed: 9)
        for round in 0..<1000 {
            var patience = MigrationPatience()
            func time() -> Interval { .milliseconds(Int64.random(in: 1...100_000, using: &generator)) }
            if round > 0 {
                (patience.greeting, patience.silence, patience.compare) = (time(), time(), time())
                (patience.stop, patience.save, patience.prepare) = (time(), time(), time())
                (patience.start, patience.drain, patience.margin) = (time(), time(), time())
            }
            #expect(patience.reply > patience.compare && patience.reply >= patience.greeting)
            #expect(patience.prepared > patience.prepare)
            #expect(patience.started > patience.start + patience.drain)
            #expect(patience.quiet > patience.stop + patience.save && patience.quiet > patience.silence)
            #expect(patience.commit > patience.silence && patience.end > patience.drain)
        }
    }

    @Test("who has begun to answer gets no snapshot, and has as long as anybody")
    func answering() throws {
        let patience = MigrationPatience()
        let source = MigrationSource(
            World.greeting(), pages: TestMemory(pages: 4), mode: .either(within: .seconds(1)))
        source.start(now: Instant(nanoseconds: 0))
        #expect(source.nextDeadline == Instant(nanoseconds: 0) + .seconds(1))
        source.inputRoom.copyBytes(from: Preamble(isFromSource: false).bytes)
        source.received(Preamble.size, now: Instant(nanoseconds: 5))
        source.wrote(source.output(now: Instant(nanoseconds: 5)).count, now: Instant(nanoseconds: 5))
        let limit = Instant(nanoseconds: 0) + patience.reply
        #expect(source.nextDeadline == limit)
        source.advance(to: limit)
        #expect(!source.isSnapshot && source.failure == .late(.greeting, patience.reply))
    }
}
