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
        implied: "driver",
        heads: ["virtio-net", "virtio-net-pci"].map { ListGrammar.Head($0, CardTables.device) }, shared: ["id"],
        keys: CardTables.device, identity: .always,
        overview: "Network devices:\nname \"virtio-net-pci\", bus none, alias \"virtio-net\"")

    static func plan(_ list: KeyValueList, id: String?, location: String?) throws(OptionError) -> CardPlan {
        guard let driver = list["driver"] else { throw OptionError("Parameter 'driver' is missing") }
        guard let model = CardModel(named: driver), driver != "virtio" else {
            throw OptionError(
                "'\(driver)' is not a valid device model name",
                hints: ["What works today: virtio-net-pci, or virtio-net for short"])
        }
        var plan = CardPlan(origin: .device, id: id, model: model, location: location)
        let unknown = { (key: String) in "Property '\(model.name).\(key)' not found" }
        let values = try CardTables.device.read(list.without("driver", "id"), unknown: unknown)
        plan.netdev = values.string("netdev")
        plan.mac = try mac(values.string("mac"), model)
        plan.settings = try settings(values)
        return plan
    }

    private static func settings(_ values: CheckedValues) throws(OptionError) -> CardSettings {
        for (key, value) in CardTables.fixed {
            guard let given = values.boolean(key), given != (value == "on") else { continue }
            throw OptionError(
                "\(key)=\(given ? "on" : "off") is not supported yet", hints: ["What works today: \(key)=\(value)"])
        }
        var settings = CardSettings()
        settings.mtu = try mtu(values.integer("host_mtu"))
        for (key, bits, _) in CardTables.features where values.boolean(key) == false {
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

    private static func mac(_ text: String?, _ model: CardModel) throws(OptionError) -> MACAddress? {
        guard let text else { return nil }
        guard let mac = MACAddress(text) else {
            let owner = model.isVirtio ? "virtio-net-device" : model.name
            throw OptionError("Property '\(owner).mac' doesn't take value '\(text)'")
        }
        return mac
    }

    private static func mtu(_ value: Int64?) throws(OptionError) -> UInt16? {
        guard let value, value != 0 else { return nil }
        guard (0...65535).contains(value) else { throw OptionError("Parameter 'host_mtu' expects uint16_t") }
        guard value >= 68 else {
            throw OptionError("host_mtu=\(value) is not possible: it must be 68 to 65535, or 0 for none")
        }
        return UInt16(value)
    }
}
