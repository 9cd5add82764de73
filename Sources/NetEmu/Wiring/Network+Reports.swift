// `info stats`: what cards and back-ends have moved, dropped and signalled. QEMU has no such command; what is
// counted is what this process sees: of rings that another process works on, the signals.

import Link
import Virtio

extension Emulation {
    /// - Parameter name: of one client; nil for all.
    func statistics(of name: String?) throws(EmulationError) -> [String] {
        let wanted = topology.clients.filter { !$0.isDeleted && (name == nil || $0.name == name) }
        if let name, wanted.isEmpty { throw EmulationError(text: "Device '\(name)' not found") }
        return wanted.flatMap { client in
            if let card = cards[client.id] { return lines(of: card) }
            return netdevs[client.id].map { lines(of: $0, client.name) } ?? []
        }
    }

    private func lines(of card: NetworkCard) -> [String] {
        card.device.queues.map { queue in
            var line = "\(card.name): queue=\(queue.number),\(queue.direction)"
            line += ",kicks=\(queue.kicks),calls=\(queue.calls)"
            if let counters = queue.frames {
                line += ",frames=\(counters.frames),bytes=\(counters.bytes)"
                line += ",malformed=\(counters.malformed),too-long=\(counters.tooLong)"
            }
            return line
        }
    }

    private func lines(of netdev: any Netdev, _ name: String) -> [String] {
        guard case .frames(let link) = netdev.door else { return ["\(name): on the card's rings, in another process"] }
        func text(_ counters: LinkCounters) -> String {
            "frames=\(counters.frames),bytes=\(counters.bytes),dropped-link-down=\(counters.droppedWhileDown),"
                + "blocked=\(counters.blocked)"
        }
        return [
            "\(name): from-guest,\(text(link.counters(.card)))", "\(name): to-guest,\(text(link.counters(.netdev)))",
        ]
    }
}
