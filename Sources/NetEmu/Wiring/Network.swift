// Cards and back-ends: made, joined, taken away, in the order and by the rules of the topology.

import Link
import Linux
import Netdevs
import Virtio

extension Emulation {
    /// Makes what the command line asked for.
    func makeNetwork() throws(EmulationError) {
        for step in configuration.network {
            switch step {
            case .netdev(let id, let plan): try makeNetdev(id, plan)
            case .card(let id, let plan): try makeCard(id, plan)
            }
        }
    }

    /// Makes the back-end of a client; it is not started.
    @discardableResult
    func makeNetdev(_ id: ClientID, _ plan: NetdevPlan) throws(EmulationError) -> (any Netdev)? {
        guard let client = topology[id] else { return nil }
        let netdev = try netdev(for: client, plan)
        netdev.onChange = { [weak self, weak netdev] in
            guard let self, let netdev else { return }
            self.updateLink(of: id)
            self.netdevChanged(id, netdev)
        }
        netdevs[id] = netdev
        // A back-end of -net is on a hub from the start.
        if let peer = client.peer.flatMap({ topology[$0] }), peer.hub != nil, netdevs[peer.id] == nil {
            makeHubPort(peer)
        }
        return netdev
    }

    private func netdev(for client: NetClient, _ plan: NetdevPlan) throws(EmulationError) -> any Netdev {
        guard case .backEnd(let kind) = plan.wanted else { return makeHubPort(client) }
        let site = NetdevSite(
            name: client.name, location: plan.location, memory: memory, reactor: reactor, chardevs: chardevs,
            programs: programs)
        do throws(EmulationError) { return try kind.make(site) } catch { throw error.located(at: plan.location) }
    }

    /// The port of a hub, around the link of the back-end that hangs on it, or waiting for a card.
    @discardableResult
    func makeHubPort(_ client: NetClient) -> HubPortNetdev {
        let number = client.hub ?? 0
        let hub = hubs[number] ?? Hub()
        hubs[number] = hub
        var link: FrameLink?
        if let peer = client.peer, case .frames(let own)? = netdevs[peer]?.door { link = own }
        let port = HubPortNetdev(number, hub, behind: link, on: reactor)
        netdevs[client.id] = port
        return port
    }

    /// Makes the card of a client, joins it to what it hangs on and shows it to the guest.
    func makeCard(_ id: ClientID, _ plan: CardPlan) throws(EmulationError) {
        guard let client = topology[id], let identity = CardIdentity(client, plan.settings) else { return }
        do throws(EmulationError) {
            let card = NetworkCard(identity, try guest.plug(identity), on: reactor)
            do throws(EmulationError) { try connect(card, client) } catch {
                guest.unplug(card.device) {}
                throw error
            }
            cards[id] = card
            if runState == .paused { card.device.suspend {} }
        } catch { throw EmulationError(location: plan.location, text: error.text, hints: error.hints) }
    }

    private func connect(_ card: NetworkCard, _ client: NetClient) throws(EmulationError) {
        guard let peer = client.peer.flatMap({ topology[$0] }) else { return card.connectToNothing() }
        try card.connect(to: netdevs[peer.id] ?? makeHubPort(peer))
    }

    /// A back-end came up or went down, or somebody pulled its cable.
    func updateLink(of id: ClientID) {
        if let card = card(of: id) { return card.netdevChanged() }
        guard let netdev = netdevs[id], case .frames(let link) = netdev.door else { return }
        link.setUp(netdev.isUp && !unplugged.contains(id))
    }

    /// The card that hangs on a back-end.
    func card(of netdev: ClientID) -> NetworkCard? { topology[netdev]?.peer.flatMap { cards[$0] } }

    /// A back-end leaves the topology's list or loses its card: it ends.
    func endNetdev(_ id: ClientID) {
        guard let netdev = netdevs.removeValue(forKey: id) else { return }
        removeFilters(of: id)
        unplugged.remove(id)
        endingNetdevs.append(netdev)
        netdev.stop()
        if let chardev = netdev.chardev { chardevs.giveBack(chardev) }
        endingNetdevs.removeAll { $0.isGone }
    }

    /// The guest has let go of a card: it and a back-end that was removed before go.
    func removeCard(_ id: ClientID) {
        leavingCards.remove(id)
        guard let card = cards.removeValue(forKey: id) else { return }
        if let netdev = topology.removeCard(id) { endNetdev(netdev) }
        card.disconnect {}
    }
}
