// From a plan to a place in the topology. The command line, in its order of phases, and the monitor
// both come this way, so the same words are said of the same fault.

extension Topology {
    /// Adds a back-end. `isLegacy`: of `-net`, on hub 0.
    /// - Parameter random: two digits of a generated id.
    public mutating func add(
        _ plan: NetdevPlan, isLegacy: Bool = false, random: () -> UInt8
    ) throws(OptionError) -> ClientID {
        let client = try place(plan, isLegacy: isLegacy, random: random)
        if plan.isOption { listOption(client) }
        return client
    }

    private mutating func place(
        _ plan: NetdevPlan, isLegacy: Bool, random: () -> UInt8
    ) throws(OptionError) -> ClientID {
        let name = plan.id ?? numbering.netID(random: random())
        switch plan.wanted {
        case .hubPort(let port): return try addHubPort(name, hub: port.hub, netdev: port.netdev)
        case .backEnd(let kind):
            let type = Swift.type(of: kind).name
            guard isLegacy else { return try addNetdev(name, type, worksOnRings: kind.worksOnRings) }
            return try addLegacyNetdev(name, type, worksOnRings: kind.worksOnRings)
        }
    }

    /// Adds a card; nil when no card has the model that was asked for, which is only worth a warning.
    /// - Parameters:
    ///   - netdev: the back-end of the same `-nic`.
    ///   - random: two digits of a generated id.
    public mutating func add(
        _ plan: CardPlan, on netdev: ClientID? = nil, random: () -> UInt8
    ) throws(OptionError) -> ClientID? {
        switch plan.origin {
        case .nic: return try addAutomatic(plan, name: nil, peer: netdev.map { .netdev($0) } ?? .nothing)
        case .legacy:
            let name = plan.id ?? numbering.netID(random: random())
            return try addAutomatic(plan, name: name, peer: try legacyPeer(plan))
        case .device: return try addDevice(plan)
        }
    }

    private func legacyPeer(_ plan: CardPlan) throws(OptionError) -> CardPeer {
        guard let wanted = plan.netdev else { return .hub0 }
        guard let found = netdev(named: wanted) else { throw OptionError("netdev '\(wanted)' not found") }
        let model = plan.model?.name ?? "nic"
        guard found.peer == nil else {
            throw OptionError("Property '\(model).netdev' can't take value '\(wanted)', it's in use")
        }
        return .netdev(found.id)
    }

    /// A card that QEMU's machine makes: it is called by its model, whatever its id, unless it was given a name.
    private mutating func addAutomatic(
        _ plan: CardPlan, name: String?, peer: CardPeer
    ) throws(OptionError) -> ClientID? {
        guard let model = plan.model else {
            addMissingCard(name, model: plan.typedModel ?? "", onHub0: peer == .hub0)
            return nil
        }
        if let name = plan.name, client(named: name) != nil { throw OptionError("Duplicate ID '\(name)'") }
        return try addCard(plan.name, model: model, mac: plan.mac, peer: peer)
    }

    private mutating func addDevice(_ plan: CardPlan) throws(OptionError) -> ClientID? {
        guard let model = plan.model else { return nil }
        if let id = plan.id { try checkUnused(device: id) }
        var peer = CardPeer.nothing
        if let netdev = plan.netdev {
            peer = .netdev(try freeNetdev(netdev, for: model))
        }
        return try addCard(plan.id, model: model, mac: plan.mac, peer: peer)
    }
}
