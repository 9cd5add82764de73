// What a user can say about a passt, under the names of QEMU's passt netdev, and the command line it
// becomes: QEMU's words in QEMU's order, then netemu's own. Values are passt's to judge; what would
// break supervision is refused (PasstArgument.swift).

/// The options of one passt.
public struct PasstOptions: Equatable, Sendable {
    /// The program: a path, or a name to be found in PATH.
    public var path: String?
    /// `--quiet`: passt says only what is wrong.
    public var quiet = true
    /// `--vhost-user`: it works on rings; otherwise frames go over its socket.
    public var vhostUser = true
    /// `--mtu`, in bytes; 0 assigns none.
    public var mtu: Int?
    /// `--address`: the guest's, by DHCP.
    public var address: String?
    /// `--netmask`: a prefix length or a mask.
    public var netmask: String?
    /// `--mac-addr`: passt's own, the gateway's.
    public var mac: String?
    /// `--gateway`: as the guest sees it.
    public var gateway: String?
    /// `--interface`: of the host, from which addresses and routes are taken.
    public var interface: String?
    /// `--outbound`: address that connections leave from.
    public var outbound: String?
    /// `--outbound-if4`: interface that IPv4 leaves by.
    public var outboundIf4: String?
    /// `--outbound-if6`: interface that IPv6 leaves by.
    public var outboundIf6: String?
    /// `--dns`: a name server that is told to the guest.
    public var dns: String?
    /// `--search`, once for each: the search list.
    public var search: [String] = []
    /// `--fqdn`: the guest's name.
    public var fqdn: String?
    /// Name servers are told by DHCP; otherwise `--no-dhcp-dns`.
    public var dhcpDNS = true
    /// The search list is told by DHCP; otherwise `--no-dhcp-search`.
    public var dhcpSearch = true
    /// `--map-host-loopback`: the guest reaches the host's loopback by this address.
    public var mapHostLoopback: String?
    /// `--map-guest-addr`: the host's own address as the guest sees it.
    public var mapGuestAddr: String?
    /// `--dns-forward`: queries to this address go to the host's name server.
    public var dnsForward: String?
    /// `--dns-host`: that name server.
    public var dnsHost: String?
    /// TCP is forwarded; otherwise `--no-tcp`.
    public var tcp = true
    /// UDP is forwarded; otherwise `--no-udp`.
    public var udp = true
    /// Echoes are forwarded; otherwise `--no-icmp`.
    public var icmp = true
    /// The guest gets its address by DHCP; otherwise `--no-dhcp`.
    public var dhcp = true
    /// Neighbours are resolved over IPv6; otherwise `--no-ndp`.
    public var ndp = true
    /// The guest gets its address by DHCPv6; otherwise `--no-dhcpv6`.
    public var dhcpv6 = true
    /// The router is advertised over IPv6; otherwise `--no-ra`.
    public var ra = true
    /// `--freebind`: addresses need not be the host's to be bound.
    public var freebind = false
    /// IPv4; otherwise `--ipv6-only`.
    public var ipv4 = true
    /// IPv6; otherwise `--ipv4-only`.
    public var ipv6 = true
    /// `--tcp-ports`: ports that lead to the guest, as passt writes them.
    public var tcpPorts: [String] = []
    /// `--udp-ports`: ports that lead to the guest, as passt writes them.
    public var udpPorts: [String] = []
    /// More words for passt's own command line.
    public var param: [String] = []

    /// passt's own defaults over rings, and quiet.
    public init() {}

    /// Another one with the same options can run beside it: it listens at no port of the host, and no word that is passt's
    /// own names a file.
    public var contendsForNothing: Bool { tcpPorts.isEmpty && udpPorts.isEmpty && param.isEmpty }

    /// Refuses `param` words that would break supervision.
    public func validate() throws(PasstError) {
        if let refusal = PasstArgument.refusal(in: param) {
            throw .refusedParameter(refusal.word, reason: refusal.reason)
        }
    }

    /// Names files of `param` (`--pcap`, `--log-file`, `--conf-path`) as seen from `directory`: passt runs in another.
    public mutating func resolveFiles(in directory: String) {
        param = PasstArgument.resolved(param, in: directory)
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

    /// Its socket, below the run-time directory.
    public var socket: String { name + ".sock" }
    /// Where it says that it is ready.
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
