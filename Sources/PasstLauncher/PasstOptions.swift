// What a user can say about a passt, under the names of QEMU's passt netdev, and the command line it
// becomes: QEMU's words in QEMU's order, then netemu's own. Values are passt's to judge; what would
// break supervision is refused (PasstArgument.swift).

/// The options of one passt.
public struct PasstOptions: Equatable, Sendable {
    /// The program: a path, or a name to be found in PATH.
    public var path: String?
    public var quiet = true
    public var vhostUser = true
    public var mtu: Int?
    public var address: String?
    public var netmask: String?
    public var mac: String?
    public var gateway: String?
    public var interface: String?
    public var outbound: String?
    public var outboundIf4: String?
    public var outboundIf6: String?
    public var dns: String?
    public var search: [String] = []
    public var fqdn: String?
    public var dhcpDNS = true
    public var dhcpSearch = true
    public var mapHostLoopback: String?
    public var mapGuestAddr: String?
    public var dnsForward: String?
    public var dnsHost: String?
    public var tcp = true
    public var udp = true
    public var icmp = true
    public var dhcp = true
    public var ndp = true
    public var dhcpv6 = true
    public var ra = true
    public var freebind = false
    public var ipv4 = true
    public var ipv6 = true
    public var tcpPorts: [String] = []
    public var udpPorts: [String] = []
    /// More words for passt's own command line.
    public var param: [String] = []

    public init() {}

    /// Refuses `param` words that would break supervision.
    public func validate() throws(PasstError) {
        if let refusal = PasstArgument.refusal(in: param) {
            throw .refusedParameter(refusal.word, reason: refusal.reason)
        }
    }

    /// The words that QEMU would give, from `--vhost-user` (stream mode has no such word) to the last `param`, in QEMU's order.
    public var arguments: [String] {
        var words: [String] = []
        func add(_ option: String, if isWanted: Bool) { if isWanted { words.append(option) } }
        func add(_ option: String, _ value: String?) { if let value { words += [option, value] } }
        add("--vhost-user", if: vhostUser)
        add("--quiet", if: quiet)
        add("--mtu", mtu.map(String.init))
        add("--address", address)
        add("--netmask", netmask)
        add("--mac-addr", mac)
        add("--gateway", gateway)
        add("--interface", interface)
        add("--outbound", outbound)
        add("--outbound-if4", outboundIf4)
        add("--outbound-if6", outboundIf6)
        add("--dns", dns)
        add("--fqdn", fqdn)
        add("--no-dhcp-dns", if: !dhcpDNS)
        add("--no-dhcp-search", if: !dhcpSearch)
        add("--map-host-loopback", mapHostLoopback)
        add("--map-guest-addr", mapGuestAddr)
        add("--dns-forward", dnsForward)
        add("--dns-host", dnsHost)
        add("--no-tcp", if: !tcp)
        add("--no-udp", if: !udp)
        add("--no-icmp", if: !icmp)
        add("--no-dhcp", if: !dhcp)
        add("--no-ndp", if: !ndp)
        add("--no-dhcpv6", if: !dhcpv6)
        add("--no-ra", if: !ra)
        add("--freebind", if: freebind)
        add("--ipv6-only", if: !ipv4)
        add("--ipv4-only", if: !ipv6)
        // QEMU joins the domains by spaces; passt takes one argument for one domain.
        for domain in search { add("--search", domain) }
        add("--tcp-ports", tcpPorts.isEmpty ? nil : tcpPorts.joined(separator: ","))
        add("--udp-ports", udpPorts.isEmpty ? nil : udpPorts.joined(separator: ","))
        return words + param
    }
}

/// The files of one passt in the run-time directory, and the words that name them. Relative names keep
/// a socket's path below the 101 bytes from which passt leaves its repair socket out.
public struct PasstFiles: Equatable, Sendable {
    /// Letters, digits, `.`, `_`, `-`; at most 32 bytes.
    public let name: String

    /// nil for a name that is no plain file name.
    public init?(name: String) {
        guard Self.isPlain(name) else { return nil }
        self.name = name
    }

    /// The files of the `number`th passt.
    public init(number: Int) { name = "passt\(number)" }

    public var socket: String { name + ".sock" }
    public var pid: String { name + ".pid" }
    /// passt's own default: the socket's name with `.repair`.
    public var repair: String { socket + ".repair" }

    /// The end of every command line that netemu makes.
    var arguments: [String] { ["-f", "-s", socket, "--pid", pid] }

    static func isPlain(_ name: String) -> Bool {
        (1...32).contains(name.utf8.count) && !name.hasPrefix(".") && !name.hasPrefix("-")
            && name.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x5f: true
                default: false
                }
            }
    }
}
