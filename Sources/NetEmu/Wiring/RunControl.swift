// Whether the guest runs: -S, stop, cont, system_reset; and whether it is here at all.

/// QEMU's run states, as far as netemu has them.
enum RunState: String {
    /// `-S`, before the first `cont`; also after a reset, as long as the guest stands still.
    case prelaunch
    case running
    case paused
    /// `-incoming`: the guest is to come.
    case inmigrate
    /// It stands still and is on its way to another netemu; it is not known yet who has it.
    case finishMigrate = "finish-migrate"
    /// It went to another netemu.
    case postmigrate

    /// There is a guest here that `cont` lets run.
    var isHere: Bool { self != .inmigrate && self != .finishMigrate }
}

/// Starts, stops and resets the guest and its cards.
final class RunControl {
    private let guest: any Guest
    private let network: Network
    private(set) var state = RunState.prelaunch
    /// Before everything is ready nothing runs, whoever is at a monitor already; nor once netemu ends.
    var isAllowed = false
    private var pausing: Pause?
    /// What the guest did before it was stopped to move.
    private var beforeMove = RunState.prelaunch

    init(_ guest: any Guest, _ network: Network) {
        self.guest = guest
        self.network = network
    }

    /// The guest runs, or goes on.
    func resume() {
        guard isAllowed, state != .running, state.isHere else { return }
        pausing = nil
        state = .running
        network.resumeCards()
        guest.resume()
    }

    /// The guest stands still, and then its rings are worked on no more; `done` when both are so, or when it was
    /// resumed before that.
    /// Whoever asks meanwhile is answered then, too.
    func pause(_ done: @escaping () -> Void) {
        guard state == .running else {
            // One that comes back stands still then.
            if state == .finishMigrate { beforeMove = .paused }
            if let pausing { pausing.waiting.append(done) } else { done() }
            return
        }
        halt(as: .paused, done)
    }

    private func halt(as next: RunState, _ done: @escaping () -> Void) {
        state = next
        let pause = Pause(waiting: [done])
        pausing = pause
        guest.pause { [weak self] in
            guard let self, self.state != .running else { return pause.end() }
            self.network.suspendCards {
                if self.pausing === pause { self.pausing = nil }
                pause.end()
            }
        }
    }

    /// One stop on its way, and who waits for it.
    private final class Pause {
        var waiting: [() -> Void]
        init(waiting: [() -> Void]) { self.waiting = waiting }

        func end() {
            let waiting = waiting
            self.waiting = []
            for done in waiting { done() }
        }
    }

    /// The guest begins anew; one that stands still is then as before its first start. One that is not here does not.
    func reset() {
        guard state.isHere else { return }
        if state == .paused || state == .postmigrate { state = .prelaunch }
        guest.reset()
    }

    // MARK: moving

    /// The guest is to come.
    func expectGuest() { state = .inmigrate }

    /// The guest stands still to move, whatever it did before; `done` when nobody works on its rings.
    func haltForMove(_ done: @escaping () -> Void) {
        guard state != .running else {
            beforeMove = .running
            return halt(as: .finishMigrate, done)
        }
        pause { [self] in
            // Somebody may have typed `cont` meanwhile.
            guard state != .running else { return haltForMove(done) }
            beforeMove = state
            state = .finishMigrate
            network.suspendCards(done)
        }
    }

    /// It did not move: it goes on as before.
    func moveFailed() {
        guard state == .finishMigrate else { return }
        state = beforeMove == .running ? .paused : beforeMove
        if beforeMove == .running { resume() }
    }

    /// It has moved, or nobody knows: it stands still until somebody takes it back.
    func moved() { if state == .finishMigrate { state = .postmigrate } }

    /// It came, and runs if it did before and nobody wants otherwise.
    func arrived(isRunning: Bool) {
        guard state == .inmigrate else { return }
        state = .paused
        if isRunning { resume() }
    }

    /// It ran before it was stopped to move.
    var ranBeforeMove: Bool { beforeMove == .running }
}
