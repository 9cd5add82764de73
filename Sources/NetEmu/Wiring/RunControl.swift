// Whether the guest runs: -S, stop, cont, system_reset.

/// QEMU's run states, as far as netemu has them.
enum RunState: String {
    /// `-S`, before the first `cont`.
    case prelaunch = "paused (prelaunch)"
    case running
    case paused
}

extension Emulation {
    /// The guest runs, or goes on.
    func resumeGuest() {
        // Before everything is ready nothing runs, whoever is at a monitor already.
        guard phase == .running, runState != .running else { return }
        if runState == .paused { for card in cards.values { card.device.resume() } }
        runState = .running
        guest.resume()
    }

    /// The guest stands still, and then its rings are worked on no more; `done` when both are so.
    func pauseGuest(_ done: @escaping () -> Void) {
        guard runState == .running else { return done() }
        runState = .paused
        guest.pause { [weak self] in
            guard let self, self.runState == .paused else { return done() }
            self.suspend(Array(self.cards.values), done)
        }
    }

    private func suspend(_ cards: [NetworkCard], _ done: @escaping () -> Void) {
        var moving = cards.count
        guard moving > 0 else { return done() }
        for card in cards {
            card.device.suspend {
                moving -= 1
                if moving == 0 { done() }
            }
        }
    }

    func resetGuest() { guest.reset() }
}
