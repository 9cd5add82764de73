// Whether the guest runs: -S, stop, cont, system_reset.

/// QEMU's run states, as far as netemu has them.
enum RunState: String {
    /// `-S`, before the first `cont`; also after a reset, as long as the guest stands still.
    case prelaunch
    case running
    case paused
}

/// What changed of the run state.
enum RunEvent: Equatable {
    case resumed
    /// The guest stands still and nobody works on its rings.
    case stopped
    case reset
}

/// Starts, stops and resets the guest and its cards.
final class RunControl {
    private let guest: any Guest
    private let network: Network
    private(set) var state = RunState.prelaunch
    /// Before everything is ready nothing runs, whoever is at a monitor already; nor once netemu ends.
    var isAllowed = false
    var onEvent: ((RunEvent) -> Void)?

    init(_ guest: any Guest, _ network: Network) {
        self.guest = guest
        self.network = network
    }

    /// The guest runs, or goes on.
    func resume() {
        guard isAllowed, state != .running else { return }
        network.resumeCards()
        state = .running
        guest.resume()
        onEvent?(.resumed)
    }

    /// The guest stands still, and then its rings are worked on no more; `done` when both are so, or when it was
    /// resumed before that.
    func pause(_ done: @escaping () -> Void) {
        guard state == .running else { return done() }
        state = .paused
        guest.pause { [weak self] in
            guard let self, self.state != .running else { return done() }
            self.network.suspendCards {
                if self.state != .running { self.onEvent?(.stopped) }
                done()
            }
        }
    }

    /// The guest begins anew; one that stands still is then as before its first start.
    func reset() {
        if state == .paused { state = .prelaunch }
        guest.reset()
        onEvent?(.reset)
    }
}
