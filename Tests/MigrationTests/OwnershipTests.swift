// Who has the guest after a failure: every row is one thing that goes wrong in one phase.

import Bytes
import Testing

@testable import Migration

/// One way to go wrong.
struct Fault: CustomTestStringConvertible, Sendable {
    var name: String
    var make: @Sendable (inout Script) -> Void
    var testDescription: String { name }

    static let sourcePhases: [MigrationSource.Phase] = [
        .greeting, .rounds, .stopping, .saving, .sections, .preparing, .committing, .committed,
    ]
    static let destinationPhases: [MigrationDestination.Phase] = [
        .greeting, .comparing, .receiving, .preparing, .prepared, .loading, .started,
    ]

    static let all: [Fault] =
        sourcePhases.flatMap { phase in
            [
                Fault(name: "the source's owner fails in \(phase)") { $0.sourceFails = phase },
                Fault(name: "migrate_cancel in \(phase)") { $0.cancelIn = phase },
                Fault(name: "the source is stopped in \(phase)") { $0.sourceStops = phase },
                Fault(name: "the source is stopped in \(phase) and goes on later") {
                    $0.sourceStops = phase
                    $0.isWokenLater = true
                },
                Fault(name: "the source is killed in \(phase)") { $0.sourceDies = phase },
            ]
        }
        + destinationPhases.flatMap { phase in
            [
                Fault(name: "the destination's owner fails in \(phase)") { $0.destinationFails = phase },
                Fault(name: "the destination is stopped in \(phase)") { $0.destinationStops = phase },
                Fault(name: "the destination is stopped in \(phase) and goes on later") {
                    $0.destinationStops = phase
                    $0.isWokenLater = true
                },
                Fault(name: "the destination is killed in \(phase)") { $0.destinationDies = phase },
            ]
        } + [
            Fault(name: "the guest does not stop") { $0.ownerIsSlow = true },
            Fault(name: "nothing goes wrong") { _ in },
        ]
}

@Suite("who owns the guest")
struct OwnershipTests {
    /// What holds after everything that can go wrong.
    private func check(_ world: World, _ name: String) {
        let script = world.script
        let sourceLives = script.sourceDies == nil || !world.sourceSeen.contains { $0 == script.sourceDies }
        let committed = world.source.commitEnd.map { world.source.writer.written >= $0 } ?? false
        #expect(!world.everyoneRan, "two run: \(name)")
        let isDestinationStill = script.destinationStops != nil && !script.isWokenLater
        if world.destination.ownsGuest, script.destinationDies == nil, !isDestinationStill {
            #expect(world.destinationRuns, "COMMIT came, nobody runs: \(name)")
            #expect(world.copy.equals(world.memory), "another memory: \(name)")
            #expect(world.taken == World.sections, "another state: \(name)")
        }
        if !world.destination.ownsGuest { #expect(!world.destinationRuns, "without COMMIT: \(name)") }
        let isSourceStill = script.sourceStops != nil && !script.isWokenLater
        if sourceLives, !committed, !isSourceStill {
            #expect(world.sourceRuns, "COMMIT was not sent, the source must go on: \(name)")
        }
        if sourceLives, committed { #expect(!world.sourceRuns, "COMMIT was sent: \(name)") }
        if case .uncertain = world.sourceOutcome { #expect(committed && !world.sourceRuns, "\(name)") }
        if case .completed = world.sourceOutcome { #expect(world.destination.ownsGuest, "\(name)") }
        if sourceLives, !isSourceStill { #expect(world.source.isOver, "the source waits for ever: \(name)") }
    }

    @Test("a failure in each phase: never two run, and never none where the rules promise it", arguments: Fault.all)
    func fault(_ fault: Fault) {
        var script = Script()
        fault.make(&script)
        let world = World(script)
        world.run()
        check(world, fault.name)
    }

    @Test("the connection is cut at a thousand places")
    func cuts() {
        let whole = World()
        whole.run()
        var generator = SeededGenerator(seed: 11)
        var outcomes: [String: Int] = [:]
        for index in 0..<1000 {
            var script = Script()
            let isForward = index % 8 != 0
            if isForward {
                script.cutForward = Int.random(in: 0..<whole.forwardRead, using: &generator)
            } else {
                script.cutBackward = Int.random(in: 0..<whole.backwardRead, using: &generator)
            }
            let world = World(script)
            world.run()
            check(world, "cut at \(script.cutForward ?? -1) or back \(script.cutBackward ?? -1)")
            outcomes[world.sourceRuns ? "source" : world.destinationRuns ? "destination" : "none", default: 0] += 1
        }
        #expect((outcomes["source"] ?? 0) > 500, "\(outcomes)")
    }

    @Test("the connection is cut behind every message, in both directions")
    func cutsBetween() {
        let whole = World()
        whole.run()
        var at = Preamble.size
        while at <= whole.stream.count {
            for cut in [at, at - 1, at + 1] where cut < whole.stream.count {
                var script = Script()
                script.cutForward = cut
                let world = World(script)
                world.run()
                check(world, "cut at \(cut)")
            }
            guard at + 8 <= whole.stream.count else { break }
            at += FrameHeader.size + whole.stream[at + 4..<at + 8].reduce(0) { $0 << 8 | Int($1) }
        }
        for cut in 0...whole.backwardRead {
            var script = Script()
            script.cutBackward = cut
            let world = World(script)
            world.run()
            check(world, "cut back at \(cut)")
        }
    }

    @Test("a snapshot that breaks off before COMMIT leaves the guest running; nobody starts half of one")
    func snapshotFaults() {
        for phase in [MigrationSource.Phase.rounds, .stopping, .saving, .sections] {
            var script = Script()
            script.mode = .snapshot
            script.cancelIn = phase
            let world = World(script)
            world.run()
            #expect(world.sourceRuns && !world.destinationRuns, "\(phase)")
        }
    }

    @Test("a snapshot whose state the destination refuses starts nothing")
    func refusedSnapshot() {
        var script = Script()
        script.mode = .snapshot
        script.destinationFails = .preparing
        let world = World(script)
        world.run()
        #expect(!world.sourceRuns && !world.destinationRuns && world.destination.phase == .failed)
    }

    @Test("who waits in vain says for what, and how long it was")
    func waits() {
        let patience = MigrationPatience()
        let source: [(MigrationDestination.Phase, MigrationFailure)] = [
            (.greeting, .late(.greeting, patience.reply)), (.receiving, .late(.writing, patience.silence)),
            (.preparing, .late(.prepared, patience.prepared)), (.loading, .late(.started, patience.started)),
        ]
        for (phase, failure) in source {
            let world = World(Script(destinationStops: phase), pages: 100)
            world.memory.fill(50..<100, seed: 4)
            world.run()
            #expect(world.source.failure == failure, "\(phase)")
        }
        let destination: [(MigrationSource.Phase, MigrationFailure)] = [
            (.greeting, .late(.greeting, patience.greeting)), (.rounds, .late(.reading, patience.quiet)),
            (.committing, .late(.commit, patience.commit)),
        ]
        for (phase, failure) in destination {
            let world = World(Script(sourceStops: phase))
            world.run()
            #expect(world.destination.failure == failure, "\(phase)")
        }
        let slow = World(Script(ownerIsSlow: true))
        slow.run()
        #expect(slow.source.failure == .late(.stop, patience.stop))
        #expect("\(MigrationFailure.late(.stop, patience.stop))" == "the guest did not stop within 10000 ms")
    }

    @Test("cancelling behind COMMIT is refused, and a cancelled migration says so to both")
    func cancelled() {
        var script = Script()
        script.cancelIn = .saving
        let world = World(script)
        world.run()
        #expect(world.source.status(now: world.now).word == .cancelled)
        #expect(world.destinationEnd == .some(.refused("the migration was cancelled")))
        script.cancelIn = .committed
        let late = World(script)
        late.run()
        #expect(late.destinationRuns && late.source.phase == .completed)
    }
}
