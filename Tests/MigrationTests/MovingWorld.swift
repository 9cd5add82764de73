// Both ends of a migration in one process and in simulated time: owners that do what a script says, a connection that
// takes so many bytes, loses what is on the way when it is cut, and an end that is stopped.

import Bytes
import Linux
import Migration

/// What an owner is asked for.
enum Step: CaseIterable, Sendable { case compare, stop, save, prepare, load }

/// What goes wrong, and when.
struct Script {
    var mode = MigrationSource.Mode.answered
    var parameters = MigrationParameters()
    var patience = MigrationPatience()
    var sections = World.sections
    var program = "netemu"
    /// The owner gives up as soon as this phase is reached.
    var sourceFails: MigrationSource.Phase?
    var destinationFails: MigrationDestination.Phase?
    var cancelIn: MigrationSource.Phase?
    /// From this phase on an end neither reads nor writes nor looks at the time (SIGSTOP).
    var sourceStops: MigrationSource.Phase?
    var destinationStops: MigrationDestination.Phase?
    /// Stopped for good, or until nothing else happens any more.
    var isWokenLater = false
    /// From this phase on an end does not exist any more (SIGKILL).
    var sourceDies: MigrationSource.Phase?
    var destinationDies: MigrationDestination.Phase?
    /// The connection ends when the destination has read so many bytes, or the source has; what is on the way is lost.
    var cutForward: Int?
    var cutBackward: Int?
    /// Owners that do not answer.
    var ownerIsSlow = false
    /// What the owner waits for before it stops the guest.
    var waitsBeforeStop: Interval?
    /// Owners that answer later.
    var takes: [Step: Interval] = [:]
    var refusal: String?
    /// Frames that arrive for a card, and in which phase of the source.
    var arrivals: [MigrationSource.Phase: [ArrivedFrame]] = [:]
}

/// Two ends and what they have.
final class World {
    static let sections = [
        MigrationSection(name: "node", bytes: Array("state of the node".utf8)),
        MigrationSection(name: "card:net0", bytes: []),
        MigrationSection(name: "back-end:net0", bytes: (0..<1000).map { UInt8(truncatingIfNeeded: $0) }),
    ]
    static let machine = [MigrationSection(name: "memory", bytes: [0, 0, 0, 40])]

    static func greeting(_ program: String = "netemu") -> MigrationGreeting {
        MigrationGreeting(
            program: program, version: "0.1", host: HostIdentity(boot: "b007", network: 7), machine: machine)
    }

    var script: Script
    let memory: TestMemory
    let copy: TestMemory
    let source: MigrationSource
    let destination: MigrationDestination
    var now = Instant(nanoseconds: 1_000_000_000)

    // Who runs.
    var sourceRuns = true
    var destinationRuns = false
    var sourceOutcome: SourceOutcome?
    var destinationEnd: MigrationFailure??
    var delivered: [ArrivedFrame] = []
    var taken: [MigrationSection] = []
    var everyoneRan = false
    var sourceSeen: [MigrationSource.Phase] = []

    // The connection.
    private static let buffer = 16_384
    private var forward: [UInt8] = []
    private var backward: [UInt8] = []
    private(set) var forwardRead = 0
    private(set) var backwardRead = 0
    private(set) var stream: [UInt8] = []
    private var isCut = false
    private var isSourceClosed = false
    private var isDestinationClosed = false
    private var isSourceStopped = false
    private var isDestinationStopped = false
    private var isSourceDead = false
    private var isDestinationDead = false
    private var isWoken = false
    private var isCancelled = false
    /// Answers of slow owners.
    private var answers: [(due: Instant, give: () -> Void)] = []

    init(_ script: Script = Script(), pages: Int = 40) {
        self.script = script
        memory = TestMemory(pages: pages)
        copy = TestMemory(pages: pages)
        memory.fill(min(3, pages - 1)..<min(5, pages), seed: 1)
        if pages > 20 { memory.fill(15..<16, seed: 2) }
        source = MigrationSource(
            Self.greeting(), pages: memory, mode: script.mode, parameters: script.parameters,
            patience: script.patience)
        destination = MigrationDestination(
            Self.greeting(script.program), pages: copy, patience: script.patience, now: now)
    }

    /// Runs until nothing happens any more, and a thousand seconds of waiting.
    func run() {
        source.start(now: now)
        for _ in 0..<200_000 {
            if step() { continue }
            let deadlines = [
                answers.map(\.due).min(),
                isSourceStopped || isSourceDead ? nil : source.nextDeadline,
                isDestinationStopped || isDestinationDead ? nil : destination.nextDeadline,
            ]
            if let next = deadlines.compactMap({ $0 }).min() {
                now = max(now, next)
                if !isSourceStopped, !isSourceDead { source.advance(to: now) }
                if !isDestinationStopped, !isDestinationDead { destination.advance(to: now) }
            } else if script.isWokenLater, !isWoken {
                isWoken = true
                (isSourceStopped, isDestinationStopped) = (false, false)
            } else {
                return
            }
        }
    }

    private func step() -> Bool {
        now = now + .microseconds(50)
        let before = progress
        var didSomething = giveAnswers()
        didSomething = turnSource() || didSomething
        didSomething = turnDestination() || didSomething
        everyoneRan = everyoneRan || sourceRuns && destinationRuns
        return didSomething || before != progress
    }

    private func giveAnswers() -> Bool {
        let due = answers.filter { $0.due <= now }
        answers.removeAll { $0.due <= now }
        for answer in due { answer.give() }
        return !due.isEmpty
    }

    /// `body` is called when so much time has passed.
    func later(_ time: Interval, _ body: @escaping () -> Void) { answers.append((now + time, body)) }

    private func answer(_ step: Step, _ give: @escaping () -> Void) {
        guard let time = script.takes[step] else { return give() }
        answers.append((now + time, give))
    }

    /// Changes with every byte that goes a step further.
    private var progress: Int { 2 * (forwardRead + backwardRead) + forward.count + backward.count }

    // MARK: the source

    private func turnSource() -> Bool {
        note(source.phase)
        guard !isSourceStopped, !isSourceDead else { return false }
        writeSource()
        note(source.phase)
        guard !isSourceStopped, !isSourceDead else { return false }
        readSource()
        let actions = source.takeActions()
        for action in actions { carryOut(action) }
        if source.isOver, source.output(now: now).isEmpty { isSourceClosed = true }
        return !actions.isEmpty
    }

    private func note(_ phase: MigrationSource.Phase) {
        if sourceSeen.last != phase {
            sourceSeen.append(phase)
            for frame in script.arrivals[phase] ?? [] { source.arrived(frame) }
        }
        if script.sourceStops == phase, !isWoken { isSourceStopped = true }
        if script.sourceDies == phase { die(source: true) }
        if script.cancelIn == phase, !isCancelled { isCancelled = source.cancel(now: now) }
        if script.sourceFails == phase { source.fail("the source's owner gave up", now: now) }
    }

    private func die(source isSource: Bool) {
        if isSource {
            (isSourceDead, isSourceClosed, sourceRuns) = (true, true, false)
        } else {
            (isDestinationDead, isDestinationClosed, destinationRuns) = (true, true, false)
        }
    }

    private func writeSource() {
        guard !isCut, !isDestinationClosed else { return }
        let output = source.output(now: now)
        let count = min(output.count, Self.buffer - forward.count)
        guard count > 0 else { return }
        forward += output[..<count]
        stream += output[..<count]
        source.wrote(count, now: now)
    }

    private func readSource() {
        while !backward.isEmpty, !isCut {
            var count = min(backward.count, source.inputRoom.count)
            if let cut = script.cutBackward { count = min(count, cut - backwardRead) }
            source.inputRoom.copyBytes(from: backward[..<count])
            backward.removeFirst(count)
            backwardRead += count
            source.received(count, now: now)
            if backwardRead == script.cutBackward { isCut = true }
            if count == 0 { break }
        }
        if isCut || isDestinationClosed && backward.isEmpty { source.inputEnded(now: now) }
    }

    private func carryOut(_ action: MigrationSource.Action) {
        switch action {
        case .answered: break
        case .stopGuest:
            guard !script.ownerIsSlow else { return }
            guard let wait = script.waitsBeforeStop else { return stopGuest() }
            answers.append(
                (
                    now + wait,
                    { [unowned self] in
                        source.guestStops(now: now)
                        stopGuest()
                    }
                ))
        case .save: answer(.save) { [unowned self] in source.saved(script.sections, now: now) }
        case .ended(let outcome):
            sourceOutcome = outcome
            if case .kept = outcome { sourceRuns = true } else { sourceRuns = false }
        }
    }

    private func stopGuest() {
        sourceRuns = false
        answer(.stop) { [unowned self] in source.guestStopped(now: now) }
    }

    // MARK: the destination

    private func turnDestination() -> Bool {
        note(destination.phase)
        guard !isDestinationStopped, !isDestinationDead else { return false }
        readDestination()
        note(destination.phase)
        guard !isDestinationStopped, !isDestinationDead else { return false }
        let actions = destination.takeActions()
        for action in actions {
            carryOut(action)
            note(destination.phase)
        }
        writeDestination()
        if destination.isOver, destination.output.isEmpty { isDestinationClosed = true }
        return !actions.isEmpty
    }

    private func note(_ phase: MigrationDestination.Phase) {
        if script.destinationStops == phase, !isWoken { isDestinationStopped = true }
        if script.destinationDies == phase { die(source: false) }
        if script.destinationFails == phase { destination.fail("the destination's owner gave up", now: now) }
    }

    private func readDestination() {
        while !forward.isEmpty, !isCut {
            var count = min(forward.count, destination.inputRoom.count)
            if let cut = script.cutForward { count = min(count, cut - forwardRead) }
            destination.inputRoom.copyBytes(from: forward[..<count])
            forward.removeFirst(count)
            forwardRead += count
            destination.received(count, now: now)
            if forwardRead == script.cutForward { isCut = true }
            if count == 0 { break }
        }
        if isCut || isSourceClosed && forward.isEmpty { destination.inputEnded(now: now) }
    }

    private func writeDestination() {
        let output = destination.output
        guard !isCut, !isSourceClosed, !output.isEmpty else {
            if isCut || isSourceClosed { destination.outputFailed(now: now) }
            return
        }
        backward += output
        destination.wrote(output.count, now: now)
    }

    private func carryOut(_ action: MigrationDestination.Action) {
        switch action {
        case .compare:
            if let refusal = script.refusal { return destination.fail(refusal, now: now) }
            answer(.compare) { [unowned self] in destination.accept(now: now) }
        case .prepare(let sections):
            taken = sections
            answer(.prepare) { [unowned self] in destination.prepared(now: now) }
        case .load:
            answer(.load) { [unowned self] in destination.loaded(report: Array("nothing lost".utf8), now: now) }
        case .start: destinationRuns = true
        case .deliver(let frame): delivered.append(frame)
        case .ended(let failure): destinationEnd = .some(failure)
        }
    }
}
