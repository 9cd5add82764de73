// The keys of `-netdev passt`, as typed and checked, become the launcher's options.

import PasstLauncher

extension PasstOptions {
    /// - Parameter list: checked against `NetdevTables.passt`.
    init(_ list: KeyValueList) {
        let values = CheckedValues(list: list)
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
