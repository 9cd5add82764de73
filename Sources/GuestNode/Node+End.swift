// How a node ends: its sockets are given back, as a kernel does for programs that are gone, and what was said is
// still delivered. Whoever turns the node decides how long that may take; nothing here waits.

import Bytes
import NetStack

extension Node {
    /// The tools stand still from now on and every socket is given back. Go on turning until ``isSilent``.
    public func leave(now: Instant) {
        isLeaving = true
        host.tcp.releaseAll(now: own(now))
        onWork?()
    }

    /// What has not ended since ``leave(now:)`` is reset; the RSTs leave in the next turn.
    public func breakConnections(now: Instant) {
        host.tcp.abortAll(now: own(now))
        onWork?()
    }

    /// Everything that was said has been acknowledged, and every frame was taken by its back-end.
    public var isSilent: Bool { host.tcp.isQuiet && interfaces.allSatisfy(\.isDrained) }

    /// No call tells that a back-end has taken the last frames: the node looks again a moment later.
    func drainDeadline(after turn: Instant) -> Instant? {
        interfaces.allSatisfy(\.isDrained) ? nil : turn + .milliseconds(1)
    }
}
