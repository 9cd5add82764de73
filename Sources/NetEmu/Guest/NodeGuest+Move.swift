// The node goes on in another process.
//
//     booted      a script was begun, or there is none to begin; otherwise the other side begins its own
//     written     nanoseconds since 1970 64, by the clock of the host: what measures the world learns how long it was away
//     node        GuestNode's section, in its length

import Bytes
import Glibc
import GuestNode

extension NodeGuest: MovingGuest {
    var kind: String { NodeGuestKind.name }

    func save() -> [UInt8] {
        var out = StateEncoder()
        out.flag(hasBegunScript)
        out.integer(Self.timeOfDay)
        out.data(node.section(now: now))
        return out.bytes
    }

    func restore(_ state: [UInt8]) throws(EmulationError) {
        do throws(StateError) {
            var input = StateDecoder(state)
            let hasBooted = try input.flag()
            let written: UInt64 = try input.integer()
            let section = try input.data(limit: MovableLimits.state)
            try input.finish()
            try node.restore(from: section, now: now)
            took(hasBooted: hasBooted)
            leftAt = written
        } catch { throw EmulationError(text: "the state of the node cannot be taken up: \(error)") }
    }

    /// It runs again: two hosts' clocks may differ, and a snapshot may be years old.
    func tellAbsence() {
        guard let leftAt else { return }
        self.leftAt = nil
        let longest: UInt64 = 100 * 365 * 86400 * 1_000_000_000
        let now = Self.timeOfDay
        let time = now > leftAt ? min(now &- leftAt, longest) : 0
        node.wasAway(for: Interval(nanoseconds: Int64(time)))
    }

    private static var timeOfDay: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return UInt64(clamping: time.tv_sec) &* 1_000_000_000 &+ UInt64(clamping: time.tv_nsec)
    }
}
