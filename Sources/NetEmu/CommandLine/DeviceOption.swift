// `-device` and `device_add`: a checked list becomes the plan of a card.

import Link

extension OptionRow {
    static let device = OptionRow(
        "device", "virtio-net[-pci],netdev=ID[,id=ID][,mac=MAC][,key=value...]", "a network card for a back-end",
        phase: .device, reads: .list(DeviceOption.grammar)
    ) { builder, parsed throws(OptionError) in try builder.addDevice(parsed) }
}

enum DeviceOption {
    static let grammar = ListGrammar(
        implied: "driver", heads: CardTables.drivers, shared: ["id"], identity: .short, structured: .last,
        overview: CardTables.overview)

    /// - Parameters:
    ///   - globals: `-global`; what is typed with the card counts more.
    ///   - topology: where its back-end is looked for.
    static func plan(
        _ list: KeyValueList, id: String?, location: String?, globals: [GlobalProperty] = [], in topology: Topology
    ) throws(OptionError) -> CardPlan {
        let model = try model(list)
        let name = if let id { id } else { try self.id(list) }
        // As in QEMU, an id that is taken is told before any property.
        if let name { try topology.checkUnused(device: name) }
        var plan = CardPlan(origin: .device, id: name, model: model, location: location)
        let defaults = try GlobalProperty.defaults(globals, of: model)
        let own = try check(list.without("driver", "id"), CardTables.keys(of: model.name), model, in: topology)
        let values = CheckedValues(list: KeyValueList(pairs: defaults.pairs + own))
        plan.netdev = values.string("netdev")
        plan.mac = try mac(values.string("mac"), model)
        plan.settings = try settings(values)
        return plan
    }

    /// One property after another, in the order of QEMU's table: of several mistakes its first is told.
    private static func check(
        _ list: KeyValueList, _ table: KeyTable, _ model: CardModel, in topology: Topology
    ) throws(OptionError) -> [KeyValueList.Pair] {
        let unknown = { (key: String) in "Property '\(table.title).\(key)' not found" }
        var pairs: [KeyValueList.Pair] = []
        for pair in list.pairs where list.pairs.last(where: { $0.key == pair.key }) == pair { pairs.append(pair) }
        pairs.sort { HashOrder.bucket($0.key) < HashOrder.bucket($1.key) }
        for pair in pairs {
            let values = try table.read(KeyValueList(pairs: [pair], dialect: list.dialect), unknown: unknown)
            if pair.key == "mac" { _ = try mac(values.string("mac"), model) }
            if pair.key == "netdev" { _ = try topology.freeNetdev(pair.value, for: model) }
        }
        return pairs
    }

    private static func model(_ list: KeyValueList) throws(OptionError) -> CardModel {
        // In JSON only a string names one.
        let named = list.pairs.last { $0.key == "driver" && ($0.type == .text || $0.type == .string) }
        guard let driver = named?.value else { throw OptionError("Parameter 'driver' is missing") }
        if let model = CardModel(named: driver), driver != "virtio" { return model }
        switch QEMUDevice(named: driver) {
        case .boots:
            throw .lack(
                "'\(driver)' needs -guest qemu, which is not supported yet", hints: [OptionMeaning.leaveOut])
        case .notYet: throw .lack("device '\(driver)' is not supported yet", hints: ["What works today: \(works)"])
        case .ignored: throw .lack("'\(driver)' has no meaning here: netemu has network cards only")
        case nil:
            throw OptionError(
                "'\(driver)' is not a valid device model name", hints: ["What works today: \(works)"])
        }
    }

    private static let works = "virtio-net-pci, or virtio-net for short"

    /// The id in JSON: QEMU does without one that is no string.
    private static func id(_ list: KeyValueList) throws(OptionError) -> String? {
        guard list.dialect == .json, let id = list.pairs.last(where: { $0.key == "id" && $0.type == .string }) else {
            return nil
        }
        guard Value.isWellFormed(id: id.value) else { throw OptionError("Invalid qdev ID '\(id.value)'") }
        return id.value
    }

    static func settings(_ values: CheckedValues) throws(OptionError) -> CardSettings {
        var settings = CardSettings()
        settings.mtu = try mtu(values.integer("host_mtu"))
        for (key, bits, _) in CardProperties.features where values.boolean(key) == false {
            settings.withheldFeatures |= bits
        }
        if let size = values.integer("rx_queue_size") {
            settings.receiveQueueSize = try queueSize(size, "rx_queue_size", largest: 1024)
        }
        if let size = values.integer("tx_queue_size") {
            settings.transmitQueueSize = try queueSize(size, "tx_queue_size", largest: 256)
        }
        return settings
    }

    private static func queueSize(_ size: Int64, _ key: String, largest: Int64) throws(OptionError) -> UInt16 {
        guard (256...largest).contains(size), size & (size - 1) == 0 else {
            let between = "256 and \(largest)" + (largest == 1024 ? "." : "")
            throw OptionError("Invalid \(key) (= \(size)), must be a power of 2 between \(between)")
        }
        return UInt16(size)
    }

    static func mac(_ text: String?, _ model: CardModel) throws(OptionError) -> MACAddress? {
        guard let text else { return nil }
        guard let mac = MACAddress(text) else {
            let owner = model.isVirtio ? "virtio-net-device" : model.name
            throw OptionError("Property '\(owner).mac' doesn't take value '\(text)'")
        }
        return mac.rawValue == 0 ? nil : mac
    }

    private static func mtu(_ value: Int64?) throws(OptionError) -> UInt16? {
        guard let value, value != 0 else { return nil }
        guard (68...65535).contains(value) else {
            throw OptionError("host_mtu=\(value) is not possible: it must be 68 to 65535, or 0 for none")
        }
        return UInt16(value)
    }
}
