// A machine that counts in its memory moves from one end of a connection to the other while it counts, and goes on
// there where it stood. Both ends are in this process.
//
//   swift run example-move-a-counter

import Bytes
import Linux
import Migration

/// The machine: a counter in the first bytes of its memory.
final class Counter {
    let memory: SharedMemory
    let pages: MemoryPages
    var isRunning = false

    init() throws {
        memory = try SharedMemory(name: "counter", size: 16 << 20)
        pages = MemoryPages(memory)
    }

    var value: UInt64 { memory.bytes.load(as: UInt64.self) }

    func count() {
        guard isRunning else { return }
        memory.bytes.storeBytes(of: value + 1, as: UInt64.self)
        pages.mark(offset: 0, count: 8)
    }
}

final class Program {
    let reactor: Reactor
    let here: Counter
    let there: Counter
    var source: SourceSession?
    var destination: DestinationSession?
    let greeting = MigrationGreeting(
        program: "counter", version: "1", host: .ofThisProcess(),
        machine: [MigrationSection(name: "memory", bytes: Array("16 MiB".utf8))])

    init() throws {
        reactor = try Reactor()
        (here, there) = (try Counter(), try Counter())
    }

    func run() throws {
        let (one, other) = try UnixSocket.pair()
        here.isRunning = true
        for _ in 0..<1000 { here.count() }
        try here.pages.beginTracking()
        source = try SourceSession(
            MigrationSource(greeting, pages: here.pages), over: MigrationChannel(one), on: reactor
        ) { [unowned self] in carryOut($0) }
        let now = Instant(nanoseconds: reactor.nowNanoseconds)
        destination = try DestinationSession(
            MigrationDestination(greeting, pages: there.pages, now: now), over: MigrationChannel(other), on: reactor
        ) { [unowned self] in carryOut($0) }
        source?.start()
        while !there.isRunning || here.isRunning {
            here.count()
            try reactor.turn(maxWaitNanoseconds: 10_000_000)
        }
        for _ in 0..<1000 { there.count() }
        while source?.status.word != .completed { try reactor.turn(maxWaitNanoseconds: 10_000_000) }
        print("here: \(here.value), there: \(there.value), \(source?.status.pages.normal ?? 0) pages sent")
    }

    private func carryOut(_ action: MigrationSource.Action) {
        switch action {
        case .answered: break
        case .stopGuest:
            here.isRunning = false
            source?.tell { source, now in source.guestStopped(now: now) }
        case .save:
            let name = MigrationSection(name: "name", bytes: Array("a counter".utf8))
            source?.tell { source, now in source.saved([name], now: now) }
        case .ended(let outcome): print(outcome == .completed(report: []) ? "it runs there" : "\(outcome)")
        }
    }

    private func carryOut(_ action: MigrationDestination.Action) {
        switch action {
        case .compare(let other):
            let agree = other.machine == greeting.machine
            destination?.tell { end, now in
                if agree { end.accept(now: now) } else { end.fail("another memory", now: now) }
            }
        case .prepare(let state):
            for part in state { print("\(part.name): \(String(decoding: part.bytes, as: UTF8.self))") }
            destination?.tell { end, now in end.prepared(now: now) }
        case .load: destination?.tell { end, now in end.loaded(now: now) }
        case .start: there.isRunning = true
        case .deliver, .ended: break
        }
    }
}

try Program().run()
