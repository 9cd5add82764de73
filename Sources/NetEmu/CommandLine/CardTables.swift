// The cards of -device, -nic model= and -net nic: QEMU's names, and the properties of the one that netemu is.

import Virtio

enum CardTables {
    /// Names of virtio cards, and the model that each is. `virtio-net` is QEMU's alias.
    static let virtioModels = [
        "virtio": "virtio-net-pci", "virtio-net": "virtio-net-pci", "virtio-net-pci": "virtio-net-pci",
        "virtio-net-pci-non-transitional": "virtio-net-pci-non-transitional",
        "virtio-net-pci-transitional": "virtio-net-pci-transitional",
    ]
    /// The other cards of QEMU's PC machines: names only, the device is the same.
    static let otherModels = [
        "e1000", "e1000-82544gc", "e1000-82545em", "e1000e", "i82550", "i82551", "i82557a", "i82557b", "i82557c",
        "i82558a", "i82558b", "i82559a", "i82559b", "i82559c", "i82559er", "i82562", "i82801", "igb", "ne2k_isa",
        "ne2k_pci", "pcnet", "rtl8139", "tulip", "usb-net", "vmxnet3",
    ]

    /// A feature that a property switches off.
    static let features: [(key: String, bits: UInt64, help: String)] = [
        ("mrg_rxbuf", NetFeature.mergeableBuffers, "a frame may span several receive buffers"),
        ("csum", NetFeature.checksum, "the device completes checksums of sent frames"),
        ("guest_csum", NetFeature.guestChecksum, "the driver takes frames with incomplete checksums"),
        ("guest_tso4", NetFeature.guestTSO4, "the driver takes large TCP segments over IPv4"),
        ("guest_tso6", NetFeature.guestTSO6, "the driver takes large TCP segments over IPv6"),
        ("guest_ecn", NetFeature.guestECN, "the driver takes large segments with ECN"),
        ("guest_ufo", NetFeature.guestUFO, "the driver takes large UDP datagrams"),
        ("host_tso4", NetFeature.hostTSO4, "the device cuts large TCP segments over IPv4"),
        ("host_tso6", NetFeature.hostTSO6, "the device cuts large TCP segments over IPv6"),
        ("host_ecn", NetFeature.hostECN, "the device cuts large segments with ECN"),
        ("host_ufo", NetFeature.hostUFO, "the device cuts large UDP datagrams"),
        ("indirect_desc", NetFeature.indirectDescriptors, "descriptors may stand in tables of their own"),
        ("event_idx", NetFeature.eventIndex, "notifications are wanted at an index"),
        ("status", NetFeature.status, "the device tells whether its link is up"),
    ]

    /// Properties of QEMU's machine, bus and migration: accepted at the value that says "as netemu is", refused otherwise.
    static let fixed: [(key: String, value: String)] = [
        ("packed", "off"), ("iommu_platform", "off"), ("ats", "off"), ("page-per-vq", "off"), ("mq", "off"),
        ("rss", "off"), ("hash", "off"), ("in_order", "off"), ("queue_reset", "on"), ("any_layout", "on"),
        ("failover", "off"), ("disable-modern", "off"),
    ]

    /// Where QEMU would put the card, and what its firmware does with it: accepted with a warning, there is neither.
    static let places = [
        "addr", "bus", "bootindex", "romfile", "rombar", "romsize", "multifunction", "vectors", "disable-legacy",
        "acpi-index", "speed", "duplex",
    ]

    private static let notYet = [
        "gso", "guest_announce", "notify_on_empty", "ctrl_vq", "ctrl_rx", "ctrl_vlan", "ctrl_rx_extra",
        "ctrl_mac_addr", "ctrl_guest_offloads", "tx", "x-txtimer", "x-txburst", "failover_pair_id", "use-started",
    ]

    static let device = KeyTable(
        title: "virtio-net-pci",
        rows: [
            KeyRow("netdev", .string, "the id of the back-end"),
            KeyRow("mac", .string, "the card's MAC address"),
            KeyRow("host_mtu", .integer, "the MTU that the device tells its driver, 68 to 65535"),
            KeyRow("rx_queue_size", .integer, "entries of the receive queue, 256, 512 or 1024 (default 256)"),
            KeyRow("tx_queue_size", .integer, "entries of the transmit queue: 256"),
        ] + features.map { KeyRow($0.key, .boolean, $0.help + " (default on)") }
            + fixed.map { KeyRow($0.key, .boolean, "only \($0.value)") }
            + places.map { KeyRow($0, .string, "nothing in netemu acts on it", hasEffect: false) }
            + notYet.map { KeyRow($0, .notYet, "") })

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
