// What is shown of a running network, as values: `info network`, and what cards and back-ends have moved, dropped and
// signalled. What is counted is what this process sees: of rings that another process works on, the signals.

import Link
import Virtio

/// What a client has moved.
enum TrafficReport: Sendable {
    case queue(card: String, CardQueue)
    /// A link, seen from the back-end, or from a card that hangs on none.
    case link(client: String, fromGuest: LinkCounters, toGuest: LinkCounters)
    /// What a back-end has dropped itself.
    case drops(netdev: String, [(reason: String, frames: UInt64)])
    /// Another process works on the card's rings.
    case elsewhere(netdev: String)
}

extension Network {
    var report: NetworkReport {
        topology.report(
            info: { self.netdevs[$0.id]?.info ?? self.lastWords[$0.id] ?? "" },
            filters: { client in self.captures.filter { $0.netdev == client.id }.map(\.plan) })
    }

    /// - Parameter name: of one client; nil for all.
    func traffic(of name: String?) throws(EmulationError) -> [TrafficReport] {
        let wanted = topology.clients.filter { !$0.isDeleted && (name == nil || $0.name == name) }
        if let name, wanted.isEmpty { throw .noDevice(name) }
        return wanted.flatMap { client in
            if let card = cards[client.id] {
                return card.device.queues.map { TrafficReport.queue(card: card.name, $0) }
                    + (card.looseEnd.map { [Self.traffic(of: $0, card.name)] } ?? [])
            }
            return netdevs[client.id].map { traffic(of: $0, client) } ?? []
        }
    }

    private func traffic(of netdev: any Netdev, _ client: NetClient) -> [TrafficReport] {
        guard let link = link(of: client.id) else { return [.elsewhere(netdev: client.name)] }
        let own: [TrafficReport] = netdev.drops.isEmpty ? [] : [.drops(netdev: client.name, netdev.drops)]
        return [Self.traffic(of: link, client.name)] + own
    }

    private static func traffic(of link: FrameLink, _ name: String) -> TrafficReport {
        .link(client: name, fromGuest: link.counters(.card), toGuest: link.counters(.netdev))
    }
}
