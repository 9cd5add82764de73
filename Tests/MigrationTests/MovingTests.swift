import Bytes
import Testing

@testable import Migration

@Suite("a migration from one end to the other")
struct MovingTests {
    @Test("memory, state and the guest go over, and only one side runs at a time")
    func whole() {
        let world = World()
        world.run()
        #expect(world.sourceOutcome == .completed(report: Array("nothing lost".utf8)))
        #expect(world.destinationEnd == .some(nil))
        #expect(world.destinationRuns && !world.sourceRuns && !world.everyoneRan)
        #expect(world.copy.equals(world.memory))
        #expect(world.taken == World.sections)
        let order: [MigrationSource.Phase] = [
            .greeting, .rounds, .stopping, .saving, .sections, .preparing, .committing, .committed, .completed,
        ]
        #expect(world.sourceSeen == order.filter { world.sourceSeen.contains($0) })
        let status = world.source.status(now: world.now)
        #expect(status.word == .completed && status.pages.normal == 3 && status.pages.zero == 37)
        #expect(status.totalRAM == 40 * 4096 && status.remaining == 0 && status.downtime != nil)
        #expect(status.transferred == UInt64(world.stream.count))
        #expect(status.precopyBytes + status.downtimeBytes == status.transferred)
        #expect(world.destination.status(now: world.now).word == .completed)
    }

    @Test("what the guest writes between the rounds goes over; what it wrote back is not sent again")
    func rounds() {
        let world = World()
        world.memory.onTake = { memory, take in
            if take == 1 {
                memory.set(30, 9)  // News.
                memory.set(31, 0)  // Zeros as before.
                memory.set(4, memory.room[4 * 4096])  // What it was.
                memory.zero(15..<16)  // A page of zeros now.
                memory.dirty.insert(15..<16)
            }
            if take == 2 { memory.set(32, 1, at: 4095) }
            if take == 3 { memory.set(33, 2) }
        }
        world.run()
        #expect(world.destinationRuns && world.copy.equals(world.memory))
        let status = world.source.status(now: world.now)
        #expect(status.pages.unchanged == 1 && status.pages.normal == 6)
        #expect(status.iterations == 2 && world.memory.takes == 3)
    }

    @Test("pages that lie in many pieces, and runs longer than a frame")
    func pieces() {
        for piece in [1, 3, 64, 1000] {
            let world = World(pages: 300)
            world.memory.fill(100..<290, seed: 3)
            world.memory.piece = piece
            world.run()
            #expect(world.destinationRuns && world.copy.equals(world.memory), "\(piece)")
        }
    }

    @Test("a guest that writes faster than memory moves is stopped after so many rounds")
    func manyRounds() {
        var script = Script()
        script.parameters.downtimeLimit = .zero
        script.parameters.mostRounds = 5
        let world = World(script)
        world.memory.onTake = { memory, take in
            if take <= 5 { for page in 0..<40 { memory.set(page, UInt8(take), at: 17) } }
        }
        world.run()
        #expect(world.destinationRuns && world.copy.equals(world.memory))
        #expect(world.source.status(now: world.now).iterations == 6)
    }

    @Test("rounds go on while they shrink the rest and the rest is large")
    func shrinking() {
        let world = World(pages: 2000)
        world.memory.fill(0..<2000, seed: 5)
        world.memory.onTake = { memory, take in
            let count = take < 8 ? 1600 >> take : 0
            memory.fill(0..<count, seed: UInt64(take) + 10)
            memory.dirty.insert(0..<count)
        }
        world.run()
        #expect(world.destinationRuns && world.copy.equals(world.memory))
        // 800 and 400 pages are more than 1 MiB, 200 are not; one more take when the guest stands still.
        #expect(world.source.status(now: world.now).iterations == 4)
    }

    @Test("the bandwidth is kept while the guest runs")
    func bandwidth() {
        var script = Script()
        script.parameters.maxBandwidth = 1_000_000
        let world = World(script, pages: 600)
        world.memory.fill(0..<600, seed: 7)
        world.run()
        #expect(world.destinationRuns && world.copy.equals(world.memory))
        let rounds = world.source.status(now: world.now).phases.rounds
        #expect(rounds > .milliseconds(2000) && rounds < .milliseconds(2700), "\(rounds.milliseconds) ms")
    }

    @Test(
        "a bandwidth that is set while memory is copied is kept from then on",
        arguments: [(0, 600), (4_000_000, 1100)] as [(UInt64, Int64)])
    func otherBandwidth(bandwidth: UInt64, most: Int64) {
        var script = Script()
        script.parameters.maxBandwidth = 1_000_000
        let world = World(script, pages: 600)
        world.memory.fill(0..<600, seed: 7)
        world.later(.milliseconds(500)) {
            var parameters = world.script.parameters
            parameters.maxBandwidth = bandwidth
            world.source.change(parameters, now: world.now)
        }
        world.run()
        #expect(world.destinationRuns && world.copy.equals(world.memory))
        let rounds = world.source.status(now: world.now).phases.rounds.milliseconds
        #expect(rounds >= 500 && rounds < most, "\(rounds) ms")
    }

    @Test("a bandwidth that is next to nothing moves the guest all the same", arguments: [1, 19, 300, 8000])
    func smallBandwidth(bandwidth: UInt64) {
        var script = Script()
        script.parameters.maxBandwidth = bandwidth
        let world = World(script, pages: 200)
        world.memory.fill(0..<150, seed: 7)
        world.run()
        #expect(world.destinationRuns && world.copy.equals(world.memory))
        let rounds = world.source.status(now: world.now).phases.rounds
        let least = Double(150 * 4096) / Double(max(bandwidth, 8192))
        #expect(Double(rounds.milliseconds) > 900 * least, "\(rounds.milliseconds) ms")
    }

    @Test("what the owner waits for before it stops the guest is no downtime")
    func lateStop() {
        let world = World(Script(waitsBeforeStop: .seconds(3)), pages: 100)
        world.run()
        let status = world.source.status(now: world.now)
        #expect(world.destinationRuns && status.total >= .seconds(3))
        #expect(status.downtime.map { $0 < .seconds(1) } == true, "\(String(describing: status.downtime))")
        #expect(status.phases.rounds >= .seconds(3) && status.phases.stop < .seconds(1))
    }

    @Test("a snapshot goes in one direction and starts its guest later")
    func snapshot() {
        var script = Script()
        script.mode = .snapshot
        let world = World(script)
        world.run()
        #expect(world.sourceOutcome == .completed(report: []) && !world.sourceRuns)
        #expect(world.destinationRuns && world.copy.equals(world.memory) && world.taken == World.sections)

        let copy = TestMemory(pages: 40)
        let later = MigrationDestination(World.greeting(), pages: copy, answers: false, now: world.now)
        var started = false
        feed(later, world.stream, now: world.now) { if $0 == .start { started = true } }
        #expect(started && later.phase == .completed && copy.equals(world.memory) && later.output.isEmpty)
    }

    @Test("who does not answer in time gets a snapshot; who does is asked", arguments: [true, false])
    func silentEnd(answers: Bool) {
        var script = Script()
        script.mode = .either(within: .seconds(3))
        if !answers { script.destinationStops = .greeting }
        script.isWokenLater = true
        let world = World(script, pages: 3)
        world.run()
        #expect(world.source.isSnapshot == !answers)
        #expect(world.destinationRuns && !world.sourceRuns && !world.everyoneRan)
    }

    @Test("sections of many megabytes go over in parts")
    func largeSections() {
        var script = Script()
        script.sections = [
            MigrationSection(name: "large", bytes: [UInt8](repeating: 7, count: 3_000_001)),
            MigrationSection(name: "small", bytes: [1]),
        ]
        let world = World(script)
        world.run()
        #expect(world.destinationRuns && world.taken == script.sections)
    }

    @Test("what is too large to move leaves the guest where it is")
    func tooLarge() {
        var script = Script()
        script.sections = [MigrationSection(name: String(repeating: "n", count: 65), bytes: [])]
        let world = World(script)
        world.run()
        #expect(world.sourceRuns && !world.destinationRuns)
        #expect(world.source.status(now: world.now).word == .failed)
    }

    @Test("machines that differ: one line, on both sides")
    func refusal() {
        var script = Script()
        script.refusal = "net0: mtu is 1500 there and 9000 here"
        let world = World(script)
        world.run()
        #expect(world.sourceRuns && !world.destinationRuns)
        #expect(world.source.status(now: world.now).failure?.description == script.refusal)
        #expect(world.destination.status(now: world.now).failure?.description == script.refusal)
    }

    @Test("QEMU's words for each phase, and its figures")
    func words() {
        let words: [(MigrationSource.Phase, MigrationStatus.Word)] = [
            (.greeting, .setup), (.rounds, .active), (.saving, .device), (.preparing, .device), (.committed, .device),
        ]
        for (phase, word) in words {
            let world = World(Script(sourceStops: phase))
            world.run()
            #expect(world.source.status(now: world.now).word == word, "\(phase)")
        }
        var status = MigrationStatus()
        #expect(status.word == .none && status.throughput == 0 && status.timeLeft == nil)
        status.total = .milliseconds(100)
        status.transferred = 12_500_000
        status.pages.normal = 100
        status.remaining = 50 * 4096
        #expect(status.throughput == 1000 && status.timeLeft == .milliseconds(50))
    }

    @Test("another program is named")
    func otherProgram() {
        var script = Script()
        script.program = "other"
        let world = World(script)
        world.run()
        #expect(world.sourceRuns && !world.destinationRuns)
        #expect(world.destinationEnd == .some(.program("netemu", here: "other")))
        #expect(world.source.status(now: world.now).failure == .refused("the other end is netemu, this one is other"))
    }
}

/// Gives a destination all bytes and then the end, and answers what it asks.
func feed(
    _ destination: MigrationDestination, _ stream: some Collection<UInt8>, now: Instant,
    _ see: (MigrationDestination.Action) -> Void = { _ in }
) {
    var rest = stream[...]
    var isOver = false
    while true {
        let actions = destination.takeActions()
        for action in actions {
            see(action)
            switch action {
            case .compare: destination.accept(now: now)
            case .prepare: destination.prepared(now: now)
            case .load: destination.loaded(now: now)
            case .start, .deliver, .ended: break
            }
        }
        if !actions.isEmpty { continue }
        let room = destination.inputRoom
        let count = min(room.count, rest.count)
        guard count > 0 else {
            if isOver { return }
            isOver = true
            destination.inputEnded(now: now)
            continue
        }
        room.copyBytes(from: rest.prefix(count))
        rest = rest.dropFirst(count)
        destination.received(count, now: now)
    }
}
