// One thread that waits for everything: a child process, a timer that is moved, and the end of both.
//
//   swift run example-reactor-and-child

import Linux

final class Program {
    private let reactor: Reactor
    private let spawner: DirectSpawner
    private lazy var alarm = Alarm(on: reactor) { [unowned self] in tick() }
    private var ticks = 0
    private var isChildOver = false

    init() throws {
        reactor = try Reactor()
        spawner = DirectSpawner(reactor: reactor)
    }

    func run() throws {
        let request = SpawnRequest(path: "/bin/sh", arguments: ["sh", "-c", "echo from the child; exit 3"])
        _ = try spawner.spawn(request) { [unowned self] in childSaid($0) }
        tick()
        try reactor.run()
    }

    /// Three ticks, then nothing is due any more.
    private func tick() {
        ticks += 1
        alarm.set(ticks < 3 ? reactor.nowNanoseconds + 10_000_000 : nil)
        if ticks == 3 { print("three ticks") }
        stopWhenDone()
    }

    private func childSaid(_ event: ChildEvent) {
        if case .line(let line) = event { print("child: \(line)") }
        guard case .ended(let end) = event else { return }
        print("child: \(end)")
        isChildOver = true
        stopWhenDone()
    }

    private func stopWhenDone() { if ticks == 3, isChildOver { reactor.stop() } }
}

try Program().run()
