// Whether the guest runs: -S, stop, cont, system_reset.

import Virtio

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

    /// The guest stands still: its rings are worked on no more.
    func pauseGuest() {
        guard runState == .running else { return }
        runState = .paused
        guest.pause()
        for card in cards.values { card.device.suspend {} }
    }

    func resetGuest() { guest.reset() }
}
