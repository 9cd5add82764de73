// The guest says on its networks where it is.

import GuestNode

extension Network {
    /// Announcements by some cards, or by all, in rounds; those under way with the same id are over.
    func announce(
        _ parameters: AnnounceSchedule.Parameters, id: String, by names: [String]?
    ) throws(EmulationError) {
        guard let names else { return site.guest.announce(parameters, id: id, by: nil) }
        var devices: [any CardDevice] = []
        for name in names {
            guard let client = topology.card(named: name), let card = cards[client.id] else { throw .noDevice(name) }
            devices.append(card.device)
        }
        site.guest.announce(parameters, id: id, by: devices)
    }
}
