// -netdev, -nic and -device: which back-ends and cards there are. Rules and texts of QEMU's net.c;
// the default model is e1000e by name, virtio-net-pci when the back-end is vhost-user.

import Link
import Linux
import PasstLauncher

extension OptionRow {
    private static let types = NetdevKinds.names.joined(separator: "|")

    static let nic = OptionRow(
        "nic", "[\(types)][,model=MODEL][,mac=MAC][,key=value...] | none",
        "a network card and its back-end in one (-netdev passt,help lists the keys)", phase: .nic,
        reads: .list(NetworkLists.nic), answer: NetworkLists.answer(NetworkLists.nic)
    ) { builder, parsed throws(OptionError) in try builder.addNIC(parsed) }

    static let netdev = OptionRow(
        "netdev", "\(types),id=ID[,key=value...]", "a back-end", phase: .netdev, reads: .list(NetworkLists.netdev)
    ) { builder, parsed throws(OptionError) in try builder.addNetdev(parsed) }

    static let net = OptionRow(
        "net", "nic[,model=MODEL][,macaddr=MAC][,netdev=ID] | TYPE[,key=value...] | none",
        "a card or a back-end on hub 0, in the old way", phase: .net, reads: .list(NetworkLists.net),
        answer: NetworkLists.answer(NetworkLists.net)
    ) { builder, parsed throws(OptionError) in try builder.addLegacy(parsed) }

    static let nodefaults = OptionRow("nodefaults", nil, "no default network") { _, _ in }
}

/// The lists of -nic, -netdev and -net.
enum NetworkLists {
    /// With one of these there is no default network.
    static let options: Set<String> = ["nic", "netdev", "net", "nodefaults"]
    private static let types = NetdevKinds.names.map { ListGrammar.Head($0, NetdevKinds.keys(of: $0) ?? legacyCard) }

    static let nic = ListGrammar(
        implied: "type", heads: types, shared: ["id", "mac", "model"], alone: ["none"], identity: .always,
        overview: NetdevKinds.help)
    static let netdev = ListGrammar(
        implied: "type", heads: types, shared: ["id"], identity: .short, structured: .first,
        overview: NetdevKinds.help, reader: { text throws(OptionError) in try NetdevOption.list(text) },
        // What is not read the short way is looked at when it is read.
        check: { list throws(OptionError) in
            if list.dialect != .short { _ = try NetdevOption.plan(list, location: nil) }
        })
    static let net = ListGrammar(
        implied: "type",
        heads: [ListGrammar.Head("nic", legacyCard)] + types.filter { $0.word != HubPortPlan.name }, shared: ["id"],
        alone: ["none"], identity: .always, overview: NetdevKinds.help)

    /// `-net nic`.
    static let legacyCard = KeyTable(
        title: "nic",
        rows: [
            KeyRow("netdev", .string, "the id of a back-end (default: hub 0)"),
            KeyRow("macaddr", .string, "the card's MAC address"),
            KeyRow("model", .string, "the card's model"),
            KeyRow("name", .string, "what the monitor calls the card"),
            KeyRow("addr", .string, "netemu has no PCI bus", .noEffect(usual: nil)),
            KeyRow("vectors", .unsigned, "netemu has no MSI-X vectors", .noEffect(usual: nil)),
        ], isVisited: true)

    /// What the list asks for instead of a run: the models of cards for `model=help`, otherwise what the grammar's own
    /// `help` shows.
    static func answer(_ grammar: ListGrammar) -> OptionRow.Answer {
        { option in
            let text = option.value ?? ""
            let asksForCards = text.split(separator: ",").contains { $0 == "model=help" || $0 == "model=?" }
            return asksForCards ? CardTables.modelHelp : grammar.help(text)
        }
    }
}

extension ConfigurationBuilder {
    mutating func addNetdev(_ parsed: ParsedOption) throws(OptionError) {
        _ = try add(try NetdevOption.plan(parsed.list, location: parsed.option.location))
    }

    /// The character device that a back-end takes is there, and will do.
    private func checkChardev(_ plan: NetdevPlan) throws(OptionError) {
        guard let kind = plan.kind, let id = kind.chardev else { return }
        guard let chardev = configuration.chardevs.first(where: { $0.id == id }) else {
            throw OptionError("chardev \"\(id)\" not found")
        }
        if let objection = kind.objection(to: chardev) { throw objection }
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
        card.settings = try settings(of: card.model)
        let netdev = try add(plan)
        try add(card, on: netdev)
    }

    /// The card's address of `-nic` or `-net nic`; nil when none is given.
    /// - Parameter why: what stands behind the refusal of a multicast address; QEMU explains it for one of the two only.
    private func nicMAC(_ text: String?, _ why: String = "") throws(OptionError) -> MACAddress? {
        guard let text, !text.isEmpty else { return nil }
        guard let mac = MACAddress(text) else { throw OptionError("invalid syntax for ethernet address") }
        guard !mac.isMulticast else { throw OptionError("NIC cannot have multicast MAC address\(why)") }
        // All zeros is no address: the card gets the next free one.
        return mac.rawValue == 0 ? nil : mac
    }

    mutating func addDevice(_ parsed: ParsedOption) throws(OptionError) {
        if let driver = parsed.list["driver"], case .ignored? = QEMUDevice(named: driver) {
            return warn("-device \(driver) has no effect: netemu has no such device")
        }
        try add(
            try DeviceOption.plan(
                parsed.list, id: parsed.id, location: parsed.option.location, globals: configuration.globals,
                in: configuration.topology))
    }

    /// What -global says of a card that the machine makes; its address and back-end are the option's own.
    private func settings(of model: CardModel?) throws(OptionError) -> CardSettings {
        guard let model else { return CardSettings() }
        return try DeviceOption.settings(
            CheckedValues(list: try GlobalProperty.defaults(configuration.globals, of: model)))
    }

    /// `-net`: a card on hub 0, or a back-end on hub 0.
    mutating func addLegacy(_ parsed: ParsedOption) throws(OptionError) {
        guard let type = parsed.list["type"] else { throw OptionError("Parameter 'type' is missing") }
        let keys = parsed.list.without("type", "id")
        if type == "none" {
            _ = try KeyTable(title: "none", rows: []).read(keys)
            return
        }
        guard type == "nic" else {
            let plan = try NetdevOption.plan(type, id: parsed.id, keys, location: parsed.option.location)
            if case .hubPort = plan.wanted {
                throw OptionError("network backend 'hubport' is only supported with -netdev/-nic")
            }
            try checkChardev(plan)
            let client = try configuration.topology.add(plan, isLegacy: true, random: random)
            configuration.network.append(.netdev(client, plan))
            return
        }
        let values = try NetworkLists.legacyCard.read(keys)
        guard usedNICs < 8 else { throw OptionError("too many NICs") }
        if let wanted = values.string("netdev"), configuration.topology.netdev(named: wanted) == nil {
            throw OptionError("netdev '\(wanted)' not found")
        }
        usedNICs += 1
        var card = CardPlan(
            origin: .legacy, id: parsed.id, mac: try nicMAC(values.string("macaddr"), " (odd 1st byte)"),
            location: parsed.option.location)
        card.typedModel = values.string("model")
        card.netdev = values.string("netdev")
        card.name = values.string("name")
        card.model = CardModel(named: card.typedModel ?? legacyDefault(card.netdev))
        card.settings = try settings(of: card.model)
        try add(card)
    }

    private func legacyDefault(_ netdev: String?) -> String {
        let peer = netdev.flatMap { configuration.topology.netdev(named: $0) }
        if case .netdev(_, worksOnRings: true)? = peer?.kind { return "virtio" }
        return "e1000e"
    }
}
