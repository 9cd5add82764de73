// The cards of -device, -nic model= and -net nic: QEMU's names, and which properties each has. The properties
// themselves are in CardProperties.swift.

import Virtio

enum CardTables {
    /// Names of virtio cards, and the model that each is. `virtio-net` is QEMU's alias.
    static let virtioModels = [
        "virtio": "virtio-net-pci", "virtio-net": "virtio-net-pci", "virtio-net-pci": "virtio-net-pci",
        "virtio-net-pci-non-transitional": "virtio-net-pci-non-transitional",
        "virtio-net-pci-transitional": "virtio-net-pci-transitional", "virtio-net-device": "virtio-net-device",
    ]
    /// The other cards of QEMU's PC machines: names only, the device is the same.
    static let otherModels = [
        "e1000", "e1000-82544gc", "e1000-82545em", "e1000e", "i82550", "i82551", "i82557a", "i82557b", "i82557c",
        "i82558a", "i82558b", "i82559a", "i82559b", "i82559c", "i82559er", "i82562", "i82801", "igb", "ne2k_isa",
        "ne2k_pci", "pcnet", "rtl8139", "tulip", "usb-net", "vmxnet3",
    ]

    /// What `-device` can begin with.
    static let drivers: [ListGrammar.Head] = (virtioModels.keys.filter { $0 != "virtio" } + otherModels).sorted().map {
        ListGrammar.Head($0, keys(of: virtioModels[$0] ?? $0))
    }

    /// The properties of a model, by its type name.
    static func keys(of model: String) -> KeyTable { tables[model] ?? KeyTable(title: model, rows: CardProperties.all) }

    private static let tables = Dictionary(
        uniqueKeysWithValues: Set(virtioModels.values).union(otherModels).map {
            ($0, KeyTable(title: $0, rows: rows(of: $0)))
        })

    private static func rows(of model: String) -> [KeyRow] {
        let common = CardProperties.all
        switch model {
        case "virtio-net-device": return common + CardProperties.virtio
        case _ where model.hasPrefix("virtio"):
            return common + CardProperties.virtio + CardProperties.pci + CardProperties.virtioOnPCI
        case "e1000e": return common + CardProperties.pci + CardProperties.e1000 + CardProperties.e1000e
        case _ where model.hasPrefix("e1000"): return common + CardProperties.pci + CardProperties.e1000
        case "ne2k_isa": return common + CardProperties.isa
        case "usb-net": return common + CardProperties.usb
        default: return common + CardProperties.pci
        }
    }

    /// The cards that a PC's board could make.
    static let boardModels = drivers.compactMap { CardModel(named: $0.word) }.filter {
        !["virtio-net-device", "ne2k_isa", "usb-net"].contains($0.name)
    }

    /// The classes of QEMU that a model is of: `-global` may name any.
    static func classes(of model: String) -> Set<String> {
        var classes: Set<String> = [model, "device"]
        if model != "virtio-net-device", model != "ne2k_isa", model != "usb-net" { classes.insert("pci-device") }
        if model.hasPrefix("virtio") { classes.formUnion(["virtio-net-device", "virtio-device"]) }
        if model.hasPrefix("virtio-net-pci") { classes.formUnion(["virtio-pci", "virtio-net-pci-base"]) }
        return classes
    }

    static let overview: String = {
        let lines = drivers.map(\.word).filter { $0 != "virtio-net" }.map { name in
            let bus =
                switch name {
                case "ne2k_isa": "ISA"
                case "usb-net": "usb-bus"
                case "virtio-net-device": "virtio-bus"
                default: "PCI"
                }
            return "name \"\(name)\", bus \(bus)" + (name == "virtio-net-pci" ? ", alias \"virtio-net\"" : "")
        }
        return (["Network devices:"] + lines).joined(separator: "\n")
    }()

    static var modelHelp: String {
        let names =
            otherModels + virtioModels.values.filter { $0 != "virtio-net-pci" } + ["virtio-net-pci (aka virtio)"]
        return "Available NIC models for this configuration:\n" + Set(names).sorted().joined(separator: "\n")
    }
}

extension CardModel {
    /// The card that QEMU calls `name`, aliases included; nil when none is called so.
    init?(named name: String) {
        if let model = CardTables.virtioModels[name] {
            self.init(name: model, isVirtio: true)
        } else if CardTables.otherModels.contains(name) {
            self.init(name: name, isVirtio: false)
        } else {
            return nil
        }
    }
}
