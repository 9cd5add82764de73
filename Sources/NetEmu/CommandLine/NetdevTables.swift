// What can stand behind -netdev, -nic and -device: types, models and the keys of each
// (QEMU 11.1's names). Reading, help and the manual's check use these rows.

enum NetdevTables {
    /// Back-end types that QEMU has and netemu does not have yet.
    static let notYet = [
        "user", "tap", "l2tpv3", "socket", "dgram", "vde", "bridge", "vhost-vdpa",
    ]
    /// Types that QEMU knows by name only.
    static let notCompiled = ["none", "nic", "netmap"]
    static let implemented = ["passt", "stream", "hubport", "vhost-user"]
    /// Types whose lists are read the new way: with dots into structures, without bare words.
    static let structured: Set<String> = ["stream", "dgram"]

    static let passt = KeyTable(
        title: "passt",
        rows: [
            KeyRow("path", .path, "the passt program (default: passt, found in PATH)"),
            KeyRow("quiet", .boolean, "let passt print errors only (default on)"),
            KeyRow(
                "vhost-user", .boolean,
                "connect by vhost-user: passt works on the card's rings (default off: frames over a socket)"),
            KeyRow("mtu", .integer, "the MTU that DHCP offers, in bytes"),
            KeyRow("address", .string, "the guest's address, with or without a prefix length"),
            KeyRow("netmask", .string, "the guest's netmask or prefix length"),
            KeyRow("mac", .string, "passt's own MAC address"),
            KeyRow("gateway", .string, "the default gateway that the guest is told"),
            KeyRow("interface", .string, "the host interface whose addresses and routes are copied"),
            KeyRow("outbound", .string, "the source address of outgoing connections"),
            KeyRow("outbound-if4", .string, "the interface of outgoing IPv4 connections"),
            KeyRow("outbound-if6", .string, "the interface of outgoing IPv6 connections"),
            KeyRow("dns", .string, "the name server that the guest is told"),
            KeyRow("search", .list, "a search domain that the guest is told (may repeat)"),
            KeyRow("fqdn", .string, "the guest's full name for DHCP"),
            KeyRow("dhcp-dns", .boolean, "tell the name servers by DHCP (default on)"),
            KeyRow("dhcp-search", .boolean, "tell the search domains by DHCP (default on)"),
            KeyRow("map-host-loopback", .string, "the address by which the guest reaches the host's loopback"),
            KeyRow("map-guest-addr", .string, "the address by which the guest reaches the host's own address"),
            KeyRow("dns-forward", .string, "the address at which queries are forwarded to the host's name server"),
            KeyRow("dns-host", .string, "the host's name server for dns-forward"),
            KeyRow("tcp", .boolean, "carry TCP (default on)"),
            KeyRow("udp", .boolean, "carry UDP (default on)"),
            KeyRow("icmp", .boolean, "carry ICMP echo (default on)"),
            KeyRow("dhcp", .boolean, "answer DHCP (default on)"),
            KeyRow("ndp", .boolean, "answer neighbour discovery (default on)"),
            KeyRow("dhcpv6", .boolean, "answer DHCPv6 (default on)"),
            KeyRow("ra", .boolean, "send router advertisements (default on)"),
            KeyRow("freebind", .boolean, "bind to addresses that the host does not have (default off)"),
            KeyRow("ipv4", .boolean, "carry IPv4 (default on)"),
            KeyRow("ipv6", .boolean, "carry IPv6 (default on)"),
            KeyRow("tcp-ports", .list, "forward these host TCP ports to the guest (may repeat)"),
            KeyRow("udp-ports", .list, "forward these host UDP ports to the guest (may repeat)"),
            KeyRow("param", .list, "one more word for passt's own command line (may repeat)"),
        ])

    static let object = KeyTable(
        title: "memory-backend-memfd",
        rows: [
            KeyRow("size", .size, "bytes"),
            KeyRow("share", .boolean, "let a back-end map the memory (default on)"),
        ]
            + [
                "dump", "host-nodes", "hugetlb", "hugetlbsize", "merge", "policy", "prealloc", "prealloc-context",
                "prealloc-threads", "reserve", "seal", "x-use-canonical-path-for-ramblock-id",
            ].map { KeyRow($0, .notYet, "What works today: id=, size=, share=") })

    static let guestNode = KeyTable(
        title: "node",
        rows: [
            KeyRow("run", .string, "a script for the node's shell; `;` goes on, `&&` stops, `,,` is a comma"),
            KeyRow("script", .path, "a file with such a script"),
            KeyRow("hostname", .string, "the node's name (default: node)"),
        ])

    static let memory = KeyTable(
        title: "memory",
        rows: [
            KeyRow("size", .string, "guest memory"),
            KeyRow("slots", .notYet, "What works today: -m SIZE"),
            KeyRow("maxmem", .notYet, "What works today: -m SIZE"),
        ])

    static let name = KeyTable(
        title: "name",
        rows: [
            KeyRow("guest", .string, "the name of this guest"),
            KeyRow("process", .notYet, ""), KeyRow("debug-threads", .notYet, ""),
        ])

    static let numaNode = KeyTable(
        title: "node",
        rows: [
            KeyRow("memdev", .string, "the id of a memory object"),
            KeyRow("nodeid", .unsigned, "netemu has no processor", hasEffect: false),
            KeyRow("cpus", .list, "netemu has no processor", hasEffect: false),
        ])

    static var netdevHelp: String { "Available netdev backend types:\n" + implemented.joined(separator: "\n") }

    /// The table of a list; nil for a word that has none, or none with keys that change nothing.
    static func table(for word: OptionWord, _ list: KeyValueList) -> KeyTable? {
        switch word {
        case .device: CardTables.device
        case .numa: numaNode
        case .net where list["type"] == "nic": legacyNIC
        case .netdev, .nic, .net: list["type"].flatMap(keys(of:))
        default: nil
        }
    }

    /// The keys of a back-end; nil for a type that is not carried out.
    static func keys(of type: String) -> KeyTable? {
        switch type {
        case "passt": passt
        case "stream": stream
        case "vhost-user": vhostUser
        case "hubport": hubPort
        default: nil
        }
    }
}
