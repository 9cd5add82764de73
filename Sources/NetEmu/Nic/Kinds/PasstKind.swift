// `-netdev passt`: its keys, the launcher's options that they become, the program, what is made of both. What the
// words mean is passt's to say; the process is PasstLauncher's.

import Glibc
import Linux
import PasstLauncher

/// A passt that netemu starts.
struct PasstKind: NetdevKind {
    static let name = "passt"
    let options: PasstOptions

    init(_ list: KeyValueList) throws(OptionError) { options = PasstOptions(try Self.keys.read(list)) }

    var worksOnRings: Bool { options.vhostUser }
    /// With both families off passt goes on with both.
    var withholdsAddress: String? {
        !options.ipv4 && options.ipv6 ? "ipv4=off" : !options.dhcp ? "dhcp=off" : nil
    }

    static func insteadOfCapture(_ file: String) -> [String] {
        ["passt captures itself: param=--pcap,param=\(file)"]
    }

    /// passt runs in the run-time directory, which is removed; files are meant as seen from netemu's.
    private var resolvedOptions: PasstOptions {
        var options = options
        if let here = getcwd(nil, 0) {
            options.resolveFiles(in: String(systemText: here))
            free(here)
        }
        return options
    }

    static var programsOfMonitor: [MindedProgram] { (try? PasstProgram(nil)).map { [$0.minded] } ?? [] }

    func programs() throws(EmulationError) -> [MindedProgram] { [try program().minded] }
    var isHelpedByRepair: Bool { options.vhostUser }

    private func program() throws(EmulationError) -> PasstProgram {
        do throws(PasstError) {
            try options.validate()
            return try PasstProgram(options.path)
        } catch { throw EmulationError(location: nil, sentence: "\(error)") }
    }

    func make(_ site: NetdevSite) throws(EmulationError) -> any Netdev {
        guard let minder = site.programs.minder else {
            throw EmulationError(text: "no passt was found when netemu started")
        }
        let launch = PasstLaunch(
            options: resolvedOptions, program: try program(), files: PasstFiles(number: site.programs.nextNumber()),
            directory: minder.directory, tools: PasstTools(spawner: minder, reactor: site.reactor),
            repair: site.programs.repair, repairProblem: site.programs.repairProblem, voice: site.voice)
        return try PasstNetdev(site.name, location: site.location, launch: launch)
    }

    static let keys = KeyTable(
        title: name,
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
}

extension PasstOptions {
    fileprivate init(_ values: CheckedValues) {
        self.init()
        path = values.path("path")
        vhostUser = values.boolean("vhost-user") ?? false
        mtu = values.integer("mtu").map { Int($0) }
        setAddresses(values)
        setServices(values)
        tcpPorts = values.strings("tcp-ports")
        udpPorts = values.strings("udp-ports")
        param = values.strings("param")
    }

    private mutating func setAddresses(_ values: CheckedValues) {
        address = values.string("address")
        netmask = values.string("netmask")
        mac = values.string("mac")
        gateway = values.string("gateway")
        interface = values.string("interface")
        outbound = values.string("outbound")
        outboundIf4 = values.string("outbound-if4")
        outboundIf6 = values.string("outbound-if6")
        dns = values.string("dns")
        search = values.strings("search")
        fqdn = values.string("fqdn")
        mapHostLoopback = values.string("map-host-loopback")
        mapGuestAddr = values.string("map-guest-addr")
        dnsForward = values.string("dns-forward")
        dnsHost = values.string("dns-host")
    }

    private mutating func setServices(_ values: CheckedValues) {
        quiet = values.boolean("quiet") ?? true
        dhcpDNS = values.boolean("dhcp-dns") ?? true
        dhcpSearch = values.boolean("dhcp-search") ?? true
        tcp = values.boolean("tcp") ?? true
        udp = values.boolean("udp") ?? true
        icmp = values.boolean("icmp") ?? true
        dhcp = values.boolean("dhcp") ?? true
        ndp = values.boolean("ndp") ?? true
        dhcpv6 = values.boolean("dhcpv6") ?? true
        ra = values.boolean("ra") ?? true
        freebind = values.boolean("freebind") ?? false
        ipv4 = values.boolean("ipv4") ?? true
        ipv6 = values.boolean("ipv6") ?? true
    }
}
