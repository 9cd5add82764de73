// -netdev, -nic and -device: which back-ends and cards there are. Rules and texts of QEMU's net.c;
// the default model is e1000e by name, virtio-net-pci when the back-end is vhost-user.

import Link
import Linux
import PasstLauncher

extension ConfigurationBuilder {
    mutating func addNetdev(_ parsed: ParsedOption) throws(OptionError) {
        hasNetworkOption = true
        _ = try add(try NetdevOption.plan(parsed.list, location: parsed.option.location))
    }

    /// A vhost-user back-end's character device is a unix socket: descriptors go through it.
    private func checkChardev(_ plan: NetdevPlan) throws(OptionError) {
        guard case .vhostUser(let user) = plan.kind else { return }
        guard let chardev = configuration.chardevs.first(where: { $0.id == user.chardev }) else {
            throw OptionError("chardev \"\(user.chardev)\" not found")
        }
        if let objection = chardev.vhostUserObjection { throw OptionError(objection) }
    }

    private mutating func add(_ plan: NetdevPlan) throws(OptionError) -> ClientID {
        try checkChardev(plan)
        let client = try configuration.topology.add(plan, random: random)
        configuration.network.append(.netdev(client, plan))
        return client
    }

    private mutating func add(_ plan: CardPlan, on netdev: ClientID? = nil) throws(OptionError) {
        guard let client = try configuration.topology.add(plan, on: netdev, random: random) else { return }
        configuration.network.append(.card(client, plan))
    }

    mutating func addNIC(_ parsed: ParsedOption) throws(OptionError) {
        hasNetworkOption = true
        let type = parsed.list["type"] ?? "user"
        if type == "none" { return }
        guard usedNICs < 8 else { throw OptionError("no more on-board/default NIC slots available") }
        if parsed.list["type"] == nil, parsed.list["netdev"] != nil { throw OptionError("Invalid parameter 'netdev'") }
        var card = CardPlan(origin: .nic, mac: try nicMAC(parsed.list["mac"]), location: parsed.option.location)
        card.typedModel = parsed.list["model"]
        let plan = try NetdevOption.plan(
            type, id: parsed.id, parsed.list.without("type", "id", "mac", "model"), location: parsed.option.location)
        usedNICs += 1
        // q35's default is a name; on rings only a virtio card will do.
        card.model = CardModel(named: card.typedModel ?? (plan.worksOnRings ? "virtio" : "e1000e"))
        let netdev = try add(plan)
        try add(card, on: netdev)
    }

    /// - Parameter why: what QEMU adds in one of two places.
    private func nicMAC(_ text: String?, _ why: String = "") throws(OptionError) -> MACAddress? {
        guard let text else { return nil }
        guard let mac = MACAddress(text) else { throw OptionError("invalid syntax for ethernet address") }
        guard !mac.isMulticast else { throw OptionError("NIC cannot have multicast MAC address\(why)") }
        return mac
    }

    mutating func addDevice(_ parsed: ParsedOption) throws(OptionError) {
        try add(try DeviceOption.plan(parsed.list, id: parsed.id, location: parsed.option.location))
    }

    /// `-net`: a card on hub 0, or a back-end on hub 0.
    mutating func addLegacy(_ parsed: ParsedOption) throws(OptionError) {
        hasNetworkOption = true
        guard let type = parsed.list["type"] else { throw OptionError("Parameter 'type' is missing") }
        let keys = parsed.list.without("type", "id")
        if type == "none" {
            _ = try KeyTable(title: "none", rows: []).read(keys)
            return
        }
        guard type == "nic" else {
            let plan = try NetdevOption.plan(type, id: parsed.id, keys, location: parsed.option.location)
            if case .hubPort = plan.kind {
                throw OptionError("network backend 'hubport' is only supported with -netdev/-nic")
            }
            try checkChardev(plan)
            let client = try configuration.topology.add(plan, isLegacy: true, random: random)
            configuration.network.append(.netdev(client, plan))
            return
        }
        let values = try NetdevTables.legacyNIC.read(keys)
        guard usedNICs < 8 else { throw OptionError("no more on-board/default NIC slots available") }
        usedNICs += 1
        var card = CardPlan(
            origin: .legacy, id: parsed.id, mac: try nicMAC(values.string("macaddr"), " (odd 1st byte)"),
            location: parsed.option.location)
        card.typedModel = values.string("model")
        card.netdev = values.string("netdev")
        card.name = values.string("name")
        card.model = CardModel(named: card.typedModel ?? legacyDefault(card.netdev))
        try add(card)
    }

    private func legacyDefault(_ netdev: String?) -> String {
        let peer = netdev.flatMap { configuration.topology.netdev(named: $0) }
        if case .netdev(_, worksOnRings: true)? = peer?.kind { return "virtio" }
        return "e1000e"
    }
}
