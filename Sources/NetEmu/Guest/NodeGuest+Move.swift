// The node goes on in another process: NodeGuestState has the bytes.

import Bytes
import GuestNode

extension NodeGuest: MovingGuest {
    var kind: String { NodeGuestKind.name }
    var connectionCount: Int? { node.connectionCount }

    func markWrites() { node.markWrites() }

    /// It left when its clock stopped.
    func save() -> [UInt8] {
        let stood = node.standingSince.map { now.since($0) } ?? .zero
        return NodeGuestState(
            hasBooted: hasBegunScript, node: node.section(now: now), timeLeft: holdTime(),
            departure: NodeGuestState.worldTime &- UInt64(clamping: stood.nanoseconds)
        ).bytes
    }

    func restore(_ state: [UInt8]) throws(EmulationError) {
        do throws(StateError) {
            let moved = try NodeGuestState(state)
            try node.restore(from: moved.node, now: now)
            node.wasAway(for: moved.away())
            node.standStill(at: now)
            took(hasBooted: moved.hasBooted)
            // A script that came along has the time that it had left; one that is begun here has this side's.
            if moved.hasBooted { timeLeft = moved.timeLeft }
        } catch { throw EmulationError(text: "the state of the node cannot be taken up: \(error)") }
    }
}
