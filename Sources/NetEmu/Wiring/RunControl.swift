// Whether the guest runs: -S, stop, cont, system_reset.

/// QEMU's run states, as far as netemu has them.
enum RunState: String {
    /// `-S`, before the first `cont`; also after a reset, as long as the guest stands still.
    case prelaunch
    case running
    case paused
}

/// Starts, stops and resets the guest and its cards.
final class RunControl {
    private let guest: any Guest
    private let network: Network
    private(set) var state = RunState.prelaunch
    /// Before everything is ready nothing runs, whoever is at a monitor already; nor once netemu ends.
    var isAllowed = false
    private var pausing: Pause?

    init(_ guest: any Guest, _ network: Network) {
        self.guest = guest
        self.network = network
    }

    /// The guest runs, or goes on.
    func resume() {
        guard isAllowed, state != .running else { return }
        network.resumeCards()
        pausing = nil
        state = .running
        guest.resume()
    }

    /// The guest stands still, and then its rings are worked on no more; `done` when both are so, or when it was
    /// resumed before that.
    /// Whoever asks meanwhile is answered then, too.
    func pause(_ done: @escaping () -> Void) {
        guard state == .running else {
            if let pausing { pausing.waiting.append(done) } else { done() }
            return
        }
        state = .paused
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

    /// The guest begins anew; one that stands still is then as before its first start.
    func reset() {
        if state == .paused { state = .prelaunch }
        guest.reset()
    }
}
