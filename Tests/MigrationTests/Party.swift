import Bytes
import Glibc
import Linux
import Testing

@testable import Migration

/// Both ends over real descriptors in one loop.
final class Party {
    let reactor: Reactor
    let spawner: DirectSpawner
    let memory: MemoryPages
    let copy: MemoryPages
    private let room: SharedMemory
    private let other: SharedMemory
    let state = [MigrationSection(name: "node", bytes: (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 7) })]
    var source: SourceSession?
    var destination: DestinationSession?
    var taken: [MigrationSection] = []
    var outcome: SourceOutcome?
    var end: MigrationFailure??
    var hasStarted = false
    var refusal: String?
    /// The guest writes two pages, one of them new, without a mark.
    var writesWhenStopped = false
    var failure: ConnectFailure?
    var place: String?
    var connectors: [MigrationConnector] = []
    var patience = MigrationPatience()
    /// How long a program that says nothing may yet answer.
    var answersWithin: MigrationSource.Mode?

    init(size: Int = 8 << 20, filled: Int = 3 << 20) throws {
        signal(SIGPIPE, SIG_IGN)
        reactor = try Reactor()
        spawner = DirectSpawner(reactor: reactor)
        room = try SharedMemory(name: "source", size: size)
        other = try SharedMemory(name: "destination", size: size)
        memset(room.base, 0x5a, filled)
        (memory, copy) = (MemoryPages(room), MemoryPages(other))
        try memory.beginTracking()
    }

    var isCopied: Bool { memcmp(room.base, other.base, room.size) == 0 }

    func send(over channel: MigrationChannel) throws {
        let machine = MigrationSource(World.greeting(), pages: memory, mode: channel.mode)
        source = try SourceSession(machine, over: channel, on: reactor, patience: patience) { [unowned self] in
            carryOut($0)
        }
        source?.start()
    }

    func receive(over channel: MigrationChannel) throws {
        let now = Instant(nanoseconds: reactor.nowNanoseconds)
        let machine = MigrationDestination(
            World.greeting(), pages: copy, answers: channel.output != nil, now: now)
        destination = try DestinationSession(machine, over: channel, on: reactor) { [unowned self] in carryOut($0) }
    }

    /// Connects by URI.
    func open(_ text: String, isIncoming: Bool, spawns: Bool = true) throws {
        let connector = MigrationConnector(
            try MigrationURI(text), isIncoming: isIncoming, on: reactor, spawner: spawns ? spawner : nil
        ) { [unowned self] event in
            switch event {
            case .listening(let place): self.place = place
            case .connected(let channel):
                do { if isIncoming { try receive(over: channel) } else { try send(over: channel) } } catch {
                    Issue.record("\(error)")
                }
            case .failed(let failure): self.failure = failure
            case .said: break
            }
        }
        if let answersWithin { connector.answersWithin = answersWithin }
        connectors.append(connector)
        connector.start()
    }

    private func carryOut(_ action: MigrationSource.Action) {
        switch action {
        case .answered: break
        case .stopGuest:
            if writesWhenStopped {
                room.bytes[100] = 1
                room.bytes[room.size - 1] = 1
            }
            source?.tell { source, now in source.guestStopped(now: now) }
        case .save: source?.tell { [state] source, now in source.saved(state, now: now) }
        case .ended(let outcome): self.outcome = outcome
        }
    }

    private func carryOut(_ action: MigrationDestination.Action) {
        switch action {
        case .compare:
            destination?.tell { [refusal] end, now in
                if let refusal { end.fail(refusal, now: now) } else { end.accept(now: now) }
            }
        case .prepare(let sections):
            taken = sections
            destination?.tell { end, now in end.prepared(now: now) }
        case .load: destination?.tell { end, now in end.loaded(now: now) }
        case .start: hasStarted = true
        case .deliver: break
        case .ended(let failure): end = .some(failure)
        }
    }

    /// Turns until `isDone`, or for a minute.
    func run(until isDone: () -> Bool) throws {
        let deadline = reactor.nowNanoseconds + 60_000_000_000
        while !isDone(), reactor.nowNanoseconds < deadline {
            try reactor.turn(maxWaitNanoseconds: 100_000_000)
        }
    }

    func expectMoved(_ comment: String = "") {
        #expect(outcome == .completed(report: []), "\(comment) \(String(describing: failure))")
        #expect(end == .some(nil) && hasStarted && isCopied && taken == state, "\(comment)")
    }
}
