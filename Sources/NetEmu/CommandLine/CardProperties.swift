// The properties of QEMU's cards, with their types and defaults as `-device MODEL,help` of QEMU 11.1 tells them: what
// netemu's card does of each. At QEMU's default nothing is said of those that it has no part for.

import Virtio

enum CardProperties {
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

    private static let noBoard = "netemu has no emulated board"
    private static let notOffered = "netemu's card does not offer it"
    private static let noTiming = "netemu sends at the end of a turn"

    /// Of every card.
    static let all = [
        KeyRow("netdev", .string, "the id of the back-end"),
        KeyRow("mac", .string, "the card's MAC address"),
        KeyRow.ignored("bus", .string, noBoard),
        KeyRow.ignored("bootindex", .fitting(.int32), noBoard),
    ]

    static let pci = [
        KeyRow.ignored("addr", .string, noBoard, usual: "-1"),
        KeyRow.ignored("acpi-index", .fitting(.uint32), noBoard, usual: "0"),
        KeyRow.ignored("multifunction", .boolean, noBoard, usual: "off"),
        KeyRow.ignored("rombar", .fitting(.int32), noBoard, usual: "-1"),
        KeyRow.ignored("romfile", .string, noBoard), KeyRow.ignored("romsize", .fitting(.uint32), noBoard),
        KeyRow.ignored("sriov-pf", .string, noBoard), KeyRow("failover_pair_id", .notYet, ""),
        KeyRow.ignored("x-max-bounce-buffer-size", .size, noBoard, usual: "4096"),
        KeyRow.ignored("x-pcie-ari-nextfn-1", .boolean, noBoard, usual: "off"),
        KeyRow.ignored("x-pcie-err-unc-mask", .boolean, noBoard, usual: "on"),
        KeyRow.ignored("x-pcie-ext-tag", .boolean, noBoard, usual: "on"),
        KeyRow.ignored("x-pcie-lnksta-dllla", .boolean, noBoard, usual: "on"),
        KeyRow.ignored("x-pcie-flr-init", .boolean, noBoard, usual: "on"),
    ]

    static let virtio =
        [
            KeyRow("host_mtu", .fitting(.uint16), "the MTU that the device tells its driver, 68 to 65535"),
            KeyRow(
                "rx_queue_size", .fitting(.uint16), "entries of the receive queue, 256, 512 or 1024 (default 256)"),
            KeyRow("tx_queue_size", .fitting(.uint16), "entries of the transmit queue: 256"),
        ] + features.map { KeyRow($0.key, .boolean, $0.help + " (default on)") }
        + [
            "packed", "iommu_platform", "mq", "rss", "hash", "in_order", "failover", "guest_rsc_ext",
        ].map { KeyRow.only($0, "off") } + ["queue_reset", "any_layout"].map { KeyRow.only($0, "on") }
        + [
            "gso", "guest_announce", "notify_on_empty", "ctrl_vq", "ctrl_rx", "ctrl_vlan", "ctrl_rx_extra",
            "ctrl_mac_addr", "ctrl_guest_offloads", "guest_tunnel", "guest_tunnel_csum", "guest_uso4", "guest_uso6",
            "host_tunnel", "host_tunnel_csum", "host_uso",
        ].map { KeyRow.ignored($0, .boolean, notOffered, usual: "on") }
        + [
            "hash-ipv4", "hash-ipv6", "hash-ipv6ex", "hash-tcp4", "hash-tcp6", "hash-tcp6ex", "hash-udp4",
            "hash-udp6", "hash-udp6ex",
        ].map { KeyRow.ignored($0, .choice(["on", "off", "auto"]), notOffered, usual: "auto") }
        + [
            KeyRow.ignored("rsc_interval", .fitting(.uint32), notOffered, usual: "300000"),
            KeyRow.ignored("speed", .fitting(.int32), "netemu's link has no speed", usual: "-1"),
            KeyRow.ignored("duplex", .choice(["half", "full"]), "netemu's link has no speed"),
            KeyRow.ignored("tx", .string, noTiming, usual: "bh"),
            KeyRow.ignored("x-txburst", .fitting(.int32), noTiming, usual: "256"),
            KeyRow.ignored("x-txtimer", .fitting(.uint32), noTiming, usual: "150000"),
            KeyRow.ignored("use-disabled-flag", .boolean, noBoard, usual: "on"),
            KeyRow.ignored("use-started", .boolean, noBoard, usual: "on"),
            KeyRow.ignored("x-disable-legacy-check", .boolean, noBoard, usual: "off"),
        ]

    static let virtioOnPCI = [
        KeyRow.only("ats", "off"), KeyRow.only("page-per-vq", "off"), KeyRow.only("disable-modern", "off"),
        KeyRow.ignored("disable-legacy", .choice(["on", "off", "auto"]), noBoard, usual: "auto"),
        KeyRow.ignored("vectors", .fitting(.uint32), noBoard, usual: "4294967295"),
        KeyRow.ignored("ioeventfd", .boolean, noBoard, usual: "on"),
        KeyRow.ignored("aer", .boolean, noBoard, usual: "off"),
        KeyRow.ignored("modern-pio-notify", .boolean, noBoard, usual: "off"),
        KeyRow.ignored("virtio-pci-bus-master-bug-migration", .boolean, noBoard, usual: "off"),
        KeyRow.ignored("x-ats-page-aligned", .boolean, noBoard, usual: "on"),
        KeyRow.ignored("x-pcie-pm-no-soft-reset", .boolean, noBoard, usual: "off"),
    ]

    static let e1000 = [
        KeyRow.ignored("init-vet", .boolean, noBoard, usual: "on"),
        KeyRow.ignored("migrate_tso_props", .boolean, noBoard, usual: "on"),
        KeyRow.ignored("migrate-timadj", .boolean, noBoard, usual: "on"),
    ]

    static let e1000e = [
        KeyRow.ignored("disable_vnet_hdr", .fitting(.uint8), noBoard, usual: "0"),
        KeyRow.ignored("subsys", .fitting(.uint16), noBoard, usual: "0"),
        KeyRow.ignored("subsys_ven", .fitting(.uint16), noBoard, usual: "32902"),
    ]

    static let isa = [
        KeyRow.ignored("iobase", .fitting(.uint32), noBoard, usual: "768"),
        KeyRow.ignored("irq", .fitting(.uint32), noBoard, usual: "9"),
    ]

    static let usb = [
        KeyRow.ignored("attached", .boolean, noBoard), KeyRow.ignored("msos-desc", .boolean, noBoard, usual: "on"),
        KeyRow("pcap", .notYet, ""), KeyRow.ignored("port", .string, noBoard),
        KeyRow.ignored("serial", .string, noBoard),
    ]
}
