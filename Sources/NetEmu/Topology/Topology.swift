// Who is peer of whom: cards, back-ends, hubs and their ports, by QEMU's rules and with QEMU's words
// for what cannot be. Pure data: the command line is checked against it before anything runs, and the
// monitor changes the same value while everything runs. What a client does, nobody here knows.

import Link

/// The network clients of a netemu and how they hang together.
public struct Topology: Sendable {
    /// A hub; it stays when its last port has gone, as QEMU's does.
    public struct HubEntry: Sendable {
        /// The hub's number.
        public let id: Int32
        /// Newest first.
        public internal(set) var ports: [ClientID] = []
        var portsMade = 0
    }

    /// In order of creation, deleted ones that a card still shows included.
    public private(set) var clients: [NetClient] = []
    /// Newest first.
    public private(set) var hubs: [HubEntry] = []
    var numbering = NICNumbering()
    /// Cards that were asked for by a name that no card has.
    var missingCards: [String] = []
    private var made = 0

    /// Nobody yet.
    public init() {}

    /// The client of that name; nil when it is gone.
    public subscript(id: ClientID) -> NetClient? { clients.first { $0.id == id } }

    // MARK: finding

    /// The back-end or hub port called `name`; deleted ones are not found.
    public func netdev(named name: String) -> NetClient? {
        clients.first { $0.name == name && !$0.isCard && !$0.isDeleted }
    }

    /// The card that is called so.
    public func card(named name: String) -> NetClient? { clients.first { $0.name == name && $0.isCard } }

    /// Any client called `name`, as `set_link` looks for it.
    public func client(named name: String) -> NetClient? { clients.first { $0.name == name && !$0.isDeleted } }

    /// Every name that `set_link` takes.
    public var names: [String] { clients.filter { !$0.isDeleted }.map(\.name) }

    // MARK: back-ends

    /// A back-end that hangs on nothing yet.
    /// - Parameter name: its id, checked for its form.
    public mutating func addNetdev(_ name: String, _ type: String, worksOnRings: Bool) throws(OptionError)
        -> ClientID
    {
        try checkUnused(name)
        return append(name, .netdev(type, worksOnRings: worksOnRings), isNetdev: true)
    }

    /// A back-end of `-net`: on a new port of hub 0.
    public mutating func addLegacyNetdev(_ name: String, _ type: String, worksOnRings: Bool) throws(OptionError)
        -> ClientID
    {
        try checkUnused(name)
        let netdev = append(name, .netdev(type, worksOnRings: worksOnRings), isNetdev: false)
        join(netdev, makePort(hub: 0, name: nil))
        return netdev
    }

    /// `-netdev hubport`: a port of a hub, with a back-end behind it when `netdev` names one.
    public mutating func addHubPort(_ name: String, hub: Int32, netdev: String?) throws(OptionError) -> ClientID {
        try checkUnused(name)
        guard let wanted = netdev else { return makePort(hub: hub, name: name) }
        guard let found = self.netdev(named: wanted) else { throw OptionError("netdev '\(wanted)' not found") }
        guard found.peer == nil else { throw OptionError("netdev '\(wanted)' is in use") }
        let port = makePort(hub: hub, name: name)
        join(found.id, port)
        return port
    }

    /// - Throws: QEMU's text when a client of that name is there.
    func checkUnused(_ name: String) throws(OptionError) {
        if netdev(named: name) != nil { throw OptionError("Duplicate ID '\(name)'") }
    }

    /// - Throws: QEMU's text when a card of that id is there.
    func checkUnused(device id: String) throws(OptionError) {
        if card(named: id) != nil { throw OptionError("Duplicate device ID '\(id)'") }
    }

    // MARK: cards

    /// What a card hangs on.
    public enum CardPeer: Equatable, Sendable {
        /// Nobody.
        case nothing
        /// A back-end.
        case netdev(ClientID)
        /// `-net nic`: a new port of hub 0.
        case hub0
    }

    /// A card and what it hangs on. `name` nil gives `MODEL.N`, `mac` nil the next free address.
    public mutating func addCard(
        _ name: String?, model: CardModel, mac: MACAddress?, peer: CardPeer
    ) throws(OptionError) -> ClientID {
        if case .netdev(let id) = peer { try checkPeer(id, model) }
        let address = mac ?? numbering.nextMAC()
        if let mac { numbering.reserve(mac) }
        let unique = name ?? cardName(model.name)
        let card = append(
            unique, .card(model: model.name, mac: address, isVirtio: model.isVirtio), isNetdev: false)
        switch peer {
        case .nothing: break
        case .netdev(let id): join(card, id)
        case .hub0: join(card, makePort(hub: 0, name: nil))
        }
        return card
    }

    /// A card that was asked for and is of no known model: only a warning, but its hub port or back-end is there.
    /// - Parameter name: what the user called it.
    public mutating func addMissingCard(_ name: String?, model: String, onHub0: Bool) {
        if onHub0 { _ = makePort(hub: 0, name: nil) }
        _ = numbering.nextMAC()
        missingCards.append("\(name ?? "anonymous"), model \(model)")
    }

    /// The back-end that `-device …,netdev=` names, free for a card of `model`.
    public func freeNetdev(_ name: String, for model: CardModel) throws(OptionError) -> ClientID {
        let property = (model.isVirtio ? "virtio-net-device" : model.name) + ".netdev"
        guard let found = netdev(named: name) else {
            throw OptionError("Property '\(property)' can't find value '\(name)'")
        }
        guard found.peer == nil else {
            throw OptionError("Property '\(property)' can't take value '\(name)', it's in use")
        }
        return found.id
    }

    private func checkPeer(_ id: ClientID, _ model: CardModel) throws(OptionError) {
        if let client = self[id], let hub = client.hub, let other = client.peer.flatMap({ self[$0] }) {
            throw OptionError(
                "a hub's port has one peer: with netdev=\(other.name) there is no place for the card",
                hints: ["Leave netdev= out, and add -netdev hubport,id=ID,hubid=\(hub),netdev=\(other.name)"])
        }
        guard case .netdev(_, worksOnRings: true)? = self[id]?.kind, !model.isVirtio else { return }
        throw Self.needsVirtioCard
    }

    static let needsVirtioCard = OptionError("vhost-user requires frontend driver virtio-net-*")

    /// `MODEL.N`: how many cards of the model there are, or the next number that is free.
    private func cardName(_ model: String) -> String {
        var number = clients.filter { if case .card(model, _, _) = $0.kind { true } else { false } }.count
        while client(named: "\(model).\(number)") != nil { number += 1 }
        return "\(model).\(number)"
    }

    // MARK: removing

    /// `netdev_del`: what is to be stopped. A card keeps showing what it hung on, and its hub the port.
    public mutating func removeNetdev(_ name: String) throws(OptionError) -> NetClient {
        guard let found = netdev(named: name) else { throw OptionError("Device '\(name)' not found") }
        guard found.isNetdev else { throw OptionError("Device '\(name)' is not a netdev") }
        if let peer = found.peer, self[peer]?.isCard == true {
            change(found.id) { $0.isDeleted = true }
        } else {
            erase(found)
        }
        return found
    }

    /// The card has gone, and with it the deleted back-end that it hung on. Returns that one.
    @discardableResult
    public mutating func removeCard(_ id: ClientID) -> ClientID? {
        guard let card = self[id], case .card(_, let mac, _) = card.kind else { return nil }
        let peer = card.peer.flatMap { self[$0] }
        erase(card)
        numbering.release(mac)
        guard let peer, peer.isDeleted else { return nil }
        erase(peer)
        return peer.id
    }

    // MARK: parts

    private mutating func append(_ name: String, _ kind: NetClient.Kind, isNetdev: Bool) -> ClientID {
        let id = ClientID(number: made)
        made += 1
        clients.append(NetClient(id: id, name: name, kind: kind, isNetdev: isNetdev))
        return id
    }

    /// See `NetClient.isOption`.
    mutating func listOption(_ client: ClientID) {
        guard let index = clients.firstIndex(where: { $0.id == client }) else { return }
        clients[index].isOption = true
    }

    private mutating func makePort(hub: Int32, name: String?) -> ClientID {
        if !hubs.contains(where: { $0.id == hub }) { hubs.insert(HubEntry(id: hub), at: 0) }
        guard let index = hubs.firstIndex(where: { $0.id == hub }) else { return ClientID(number: -1) }
        let port = append(name ?? "hub\(hub)port\(hubs[index].portsMade)", .hubPort(hub: hub), isNetdev: name != nil)
        hubs[index].portsMade += 1
        hubs[index].ports.insert(port, at: 0)
        return port
    }

    private mutating func join(_ a: ClientID, _ b: ClientID) {
        change(a) { $0.peer = b }
        change(b) { $0.peer = a }
    }

    private mutating func erase(_ client: NetClient) {
        if let peer = client.peer { change(peer) { $0.peer = nil } }
        dropPort(client)
        clients.removeAll { $0.id == client.id }
    }

    private mutating func dropPort(_ client: NetClient) {
        guard let hub = client.hub, let index = hubs.firstIndex(where: { $0.id == hub }) else { return }
        hubs[index].ports.removeAll { $0 == client.id }
    }

    private mutating func change(_ id: ClientID, _ body: (inout NetClient) -> Void) {
        guard let index = clients.firstIndex(where: { $0.id == id }) else { return }
        body(&clients[index])
    }
}

/// A model of card, by QEMU's type name.
public struct CardModel: Equatable, Sendable {
    /// What it was called.
    public let name: String
    /// `virtio-net-*`: what a ring back-end can serve. Every model is a virtio device to the node; the others lend it
    /// their name only.
    public let isVirtio: Bool
}
