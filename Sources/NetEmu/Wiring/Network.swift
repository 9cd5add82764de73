// The network at run time: cards, back-ends, hubs and captures, made, joined and taken away in the order and by the
// rules of the topology. Beside this file: what comes and goes later (+HotPlug), captures (+Captures), what is shown
// of it (+Reports). It does not know who asks, nor what becomes of netemu when something fails: it tells.

import Link
import Linux
import Virtio

/// Cards and back-ends that are there, and how they hang together.
final class Network {
    /// What a network is made of, and where.
    struct Site {
        let reactor: Reactor
        let chardevs: ChardevTable
        let programs: NetdevPrograms
        let guest: any Guest
        let voice: Voice
        /// The kinds of back-end that can be added.
        var kinds = NetdevKinds.all
    }

    let site: Site
    var topology: Topology
    var netdevs: [ClientID: any Netdev] = [:]
    var cards: [ClientID: NetworkCard] = [:]
    private var hubs: [Int32: Hub] = [:]
    /// Who works the rings of back-ends that hang on hubs, by back-end.
    var drivers: [ClientID: HubDriver] = [:]
    /// Back-ends without a card whose cable `set_link` pulled.
    var unplugged: Set<ClientID> = []
    /// Back-ends that were removed and have not ended yet.
    private var ending: [any Netdev] = []
    var captures: [Capture] = []
    /// Back-ends whose adding is not answered yet.
    var awaited: [ClientID: (EmulationError?) -> Void] = [:]
    /// Cards that the guest was asked to let go of.
    var leavingCards: Set<ClientID> = []
    /// What removed back-ends said of themselves at last: a card that hangs on one still shows it.
    var lastWords: [ClientID: String] = [:]
    /// Cards move nothing, those that come included.
    private(set) var isSuspended = false
    /// A back-end whose card moves nothing, whatever the guest does (+Upgrade).
    var held: ClientID?
    /// Cards hang on nothing yet: their state is to come (+Move).
    var isExpecting = false
    /// Where frames are while the guest is on its way.
    var inboxes: [CardInbox] = []
    /// A back-end tells something of itself; its cable is up to date already.
    var onEvent: ((ClientID, NetdevEvent) -> Void)?

    init(_ site: Site, _ topology: Topology = Topology()) {
        self.site = site
        self.topology = topology
    }

    // MARK: making

    /// Makes what the command line asked for; nothing is started.
    func make(_ steps: [NetworkStep]) throws(EmulationError) {
        for step in steps {
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
        netdev.onEvent = { [weak self] in self?.netdevSaid(id, $0) }
        netdevs[id] = netdev
        // A back-end of -net is on a hub from the start.
        if let peer = client.peer.flatMap({ topology[$0] }), peer.hub != nil, netdevs[peer.id] == nil {
            do throws(EmulationError) { try makeHubPort(peer) } catch { throw error.located(at: plan.location) }
        }
        return netdev
    }

    private func netdev(for client: NetClient, _ plan: NetdevPlan) throws(EmulationError) -> any Netdev {
        let place = NetdevSite(
            name: client.name, location: plan.location, reactor: site.reactor, chardevs: site.chardevs,
            programs: site.programs, voice: site.voice)
        do throws(EmulationError) {
            if case .backEnd(let kind) = plan.wanted { return try kind.make(place) }
            // The port may have come with the back-end behind it.
            if let port = netdevs[client.id] { return port }
            return try makeHubPort(client)
        } catch { throw error.located(at: plan.location) }
    }

    /// The port of a hub, around the link of the back-end that hangs on it, or waiting for a card.
    @discardableResult
    private func makeHubPort(_ client: NetClient) throws(EmulationError) -> HubPortNetdev {
        let number = client.hub ?? 0
        let hub = hubs[number] ?? Hub()
        hubs[number] = hub
        if let peer = client.peer, case .rings(let rings)? = netdevs[peer]?.door {
            try makeDriver(of: peer, rings, hubPort: client.id)
        }
        let port = HubPortNetdev(hub, behind: client.peer.flatMap { link(of: $0) }, on: site.reactor)
        netdevs[client.id] = port
        return port
    }

    private func makeDriver(
        of backEnd: ClientID, _ rings: RingPeer, hubPort: ClientID
    ) throws(EmulationError) {
        let name = topology[backEnd]?.name ?? ""
        let driver = try HubDriver(
            rings, HubDriver.Site(name: name, hubPort: hubPort, reactor: site.reactor, voice: site.voice))
        driver.onLink = { [weak self] in self?.updateLink(of: backEnd) }
        drivers[backEnd] = driver
    }

    /// The link that a back-end's frames pass; nil when a card's rings are worked on elsewhere.
    func link(of id: ClientID) -> FrameLink? {
        if let driver = drivers[id] { return driver.link }
        guard case .frames(let link)? = netdevs[id]?.door else { return nil }
        return link
    }

    /// Makes the card of a client, joins it to what it hangs on and shows it to the guest.
    func makeCard(_ id: ClientID, _ plan: CardPlan) throws(EmulationError) {
        guard let client = topology[id], let identity = CardIdentity(client, plan.settings) else { return }
        do throws(EmulationError) {
            let card = NetworkCard(identity, try site.guest.plug(identity), on: site.reactor)
            do throws(EmulationError) { if !isExpecting { try connect(card, client) } } catch {
                site.guest.unplug(card.device) {}
                throw error
            }
            cards[id] = card
            if isSuspended { card.device.suspend {} }
        } catch { throw error.located(at: plan.location) }
    }

    func connect(_ card: NetworkCard, _ client: NetClient) throws(EmulationError) {
        guard let peer = client.peer.flatMap({ topology[$0] }) else { return card.connectToNothing() }
        if let netdev = netdevs[peer.id] { return try card.connect(to: netdev) }
        try card.connect(to: try makeHubPort(peer))
    }

    // MARK: running

    func start() {
        // Those that get a state; one on a hub gets none.
        if isExpecting { for entry in cardsInOrder { movingNetdev(of: entry.client)?.netdev.isHeldForState = true } }
        for netdev in netdevs.values { netdev.start() }
    }

    /// The start need not wait for a back-end any more.
    var isReady: Bool { netdevs.values.allSatisfy(\.isReady) }

    private func netdevSaid(_ id: ClientID, _ event: NetdevEvent) {
        updateLink(of: id)
        settleAwaited(id, event)
        if event == .ended { ending.removeAll { $0.isGone } }
        onEvent?(id, event)
    }

    /// A back-end came up or went down, or somebody pulled its cable.
    func updateLink(of id: ClientID) {
        if let card = card(of: id) { return card.netdevChanged() }
        guard let netdev = netdevs[id], let link = link(of: id) else { return }
        link.setUp((drivers[id]?.isUp ?? netdev.isUp) && !unplugged.contains(id))
    }

    /// The card that hangs on a back-end.
    func card(of netdev: ClientID) -> NetworkCard? { topology[netdev]?.peer.flatMap { cards[$0] } }

    /// The cards move nothing from now on, nor do those that come; `done` when that is so.
    func suspendCards(_ done: @escaping () -> Void) {
        isSuspended = true
        var moving = cards.count
        guard moving > 0 else { return done() }
        for card in cards.values {
            card.device.suspend {
                moving -= 1
                if moving == 0 { done() }
            }
        }
    }

    func resumeCards() {
        guard isSuspended else { return }
        isSuspended = false
        for (id, card) in cards where held == nil || topology[id]?.peer != held { card.device.resume() }
        for inbox in inboxes { inbox.giveBack() }
    }

    // MARK: the end

    /// A back-end leaves the topology's list or loses its card: it ends.
    func endNetdev(_ id: ClientID) {
        guard let netdev = netdevs.removeValue(forKey: id) else { return }
        removeCaptures(of: id)
        endDrivers(of: id)
        unplugged.remove(id)
        ending.append(netdev)
        netdev.stop()
        if let chardev = netdev.chardev { site.chardevs.giveBack(chardev) }
        ending.removeAll { $0.isGone }
    }

    /// A back-end on rings leaves its hub, or the hub's port goes: the back-end can serve a card afterwards.
    private func endDrivers(of id: ClientID) {
        for (backEnd, driver) in drivers where backEnd == id || driver.hubPort == id {
            removeCaptures(of: backEnd)
            drivers[backEnd] = nil
            driver.close()
        }
    }

    /// Ends every back-end; `isGone` follows.
    func stop() { for netdev in netdevs.values { netdev.stop() } }

    /// No back-end holds anything any more.
    var isGone: Bool { netdevs.values.allSatisfy(\.isGone) && ending.allSatisfy(\.isGone) }

    /// Writes what captures have not written yet.
    func close() { for capture in captures { capture.end(patience: 500) } }
}
