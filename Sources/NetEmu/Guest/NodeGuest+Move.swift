// The node goes on in another process.
//
//     booted      a script was begun, or there is none to begin; otherwise the other side begins its own
//     node        GuestNode's section, in its length

import Bytes
import GuestNode

extension NodeGuest: MovingGuest {
    var kind: String { NodeGuestKind.name }

    func save() -> [UInt8] {
        var out = StateEncoder()
        out.flag(hasBegunScript)
        out.data(node.section(now: now))
        return out.bytes
    }

    func restore(_ state: [UInt8]) throws(EmulationError) {
        do throws(StateError) {
            var input = StateDecoder(state)
            let hasBooted = try input.flag()
            let section = try input.data(limit: MovableLimits.state)
            try input.finish()
            try node.restore(from: section, now: now)
            took(hasBooted: hasBooted)
        } catch { throw EmulationError(text: "the state of the node cannot be taken up: \(error)") }
    }
}
