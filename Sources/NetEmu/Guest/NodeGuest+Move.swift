// The node goes on in another process.

import Bytes
import GuestNode

extension NodeGuest: MovingGuest {
    var kind: String { NodeGuestKind.name }

    func save() -> [UInt8] { node.section(now: now) }

    func restore(_ state: [UInt8]) throws(EmulationError) {
        do throws(StateError) { try node.restore(from: state, now: now) } catch {
            throw EmulationError(text: "the state of the node cannot be taken up: \(error)")
        }
        took(node.script)
    }
}
