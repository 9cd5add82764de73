// What is written to guest memory while it is copied, and by whom: the guest and cards of this process mark it in the
// memory's own tracking, back-ends on rings in their logs. Where one cannot, memory is compared, and that is said.

import Linux
import Virtio

/// The marks of one move.
final class GuestWrites {
    private let site: MoveSite
    private var hasWarned = false
    private var isOver = false

    /// Nothing is marked yet.
    init(_ site: MoveSite) { self.site = site }

    /// Guest and cards mark what they write from now on.
    func begin() {
        guard site.memory.isInARow, let guest = site.guest as? any MovingGuest else { return }
        // What was written before goes over in any case.
        guest.markWrites()
        guard let tracking = try? site.memory.beginTracking() else { return }
        tracking.onTake = { [weak guest] in guest?.markWrites() }
    }

    /// Back-ends do, too, when `done` is called.
    func beginLogs(_ done: @escaping () -> Void) {
        site.network.beginLogs { [weak self] in
            guard let self, !isOver else { return }
            warnOfGap()
            done()
        }
    }

    /// Says once why memory is compared, where it is.
    func warnOfGap() {
        guard let gap = site.memory.tracking?.gap, !hasWarned else { return }
        hasWarned = true
        site.voice.warn("all memory is compared while the guest stands still, which takes longer: \(gap)")
    }

    /// Nobody wants to know any more.
    func end() {
        guard !isOver else { return }
        isOver = true
        site.network.endLogs()
        site.memory.endTracking()
    }
}
