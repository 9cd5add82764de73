import Testing

@testable import PasstLauncher

@Suite("passt's command line")
struct PasstOptionsTests {
    @Test("without options it is QEMU's: vhost-user, quiet")
    func defaults() { #expect(PasstOptions().arguments == ["--vhost-user", "--quiet"]) }

    @Test("every option becomes QEMU's word, in QEMU's order, with params last")
    func all() throws {
        var options = PasstOptions()
        options.param = ["--runas", "0"]
        options.udpPorts = ["3-5"]
        options.tcpPorts = ["1", "2"]
        options.search = ["a.b", "c.d"]
        (options.ipv4, options.ipv6, options.freebind) = (false, false, true)
        (options.tcp, options.udp, options.icmp, options.dhcp) = (false, false, false, false)
        (options.ndp, options.dhcpv6, options.ra) = (false, false, false)
        (options.dnsHost, options.dnsForward) = ("h", "f")
        (options.mapGuestAddr, options.mapHostLoopback) = ("mg", "mh")
        (options.dhcpSearch, options.dhcpDNS) = (false, false)
        (options.fqdn, options.dns, options.outboundIf6, options.outboundIf4) = ("fq", "d", "o6", "o4")
        (options.outbound, options.interface, options.gateway, options.mac) = ("o", "i", "g", "m")
        (options.netmask, options.address, options.mtu, options.quiet) = ("n", "a", 1500, false)
        let expected = """
            --vhost-user --mtu 1500 --address a --netmask n --mac-addr m --gateway g --interface i --outbound o \
            --outbound-if4 o4 --outbound-if6 o6 --dns d --fqdn fq --no-dhcp-dns --no-dhcp-search \
            --map-host-loopback mh --map-guest-addr mg --dns-forward f --dns-host h --no-tcp --no-udp --no-icmp \
            --no-dhcp --no-ndp --no-dhcpv6 --no-ra --freebind --ipv6-only --ipv4-only --search a.b --search c.d
            """.split(separator: " ").map(String.init)
        #expect(
            options.arguments == expected + ["--tcp-ports", "1,2", "--udp-ports", "3-5", "--runas", "0"])
        try options.validate()
    }

    @Test("QEMU's own example, but for the search domains, which QEMU makes one domain of")
    func example() {
        var options = PasstOptions()
        (options.vhostUser, options.ipv4) = (false, false)
        (options.tcpPorts, options.udpPorts, options.search) = (["1", "2"], ["3"], ["a.b", "c.d"])
        options.param = ["--foo", "bar"]
        #expect(
            options.arguments == [
                "--quiet", "--ipv6-only", "--search", "a.b", "--search", "c.d", "--tcp-ports", "1,2", "--udp-ports",
                "3",
                "--foo", "bar",
            ])
    }

    @Test("files are named relative to the run-time directory, by plain names only")
    func files() {
        let files = PasstFiles(number: 3)
        #expect(files.arguments == ["-f", "-s", "passt3.sock", "--pid", "passt3.pid"])
        #expect(files.repair == "passt3.sock.repair")
        for name in ["", ".", "..", "-x", "a/b", "a b", "ä", String(repeating: "a", count: 33)] {
            #expect(PasstFiles(name: name) == nil)
        }
    }
}

@Suite("param= words")
struct PasstArgumentTests {
    @Test(
        "words that break supervision are refused, in every spelling getopt_long knows",
        arguments: [
            ["-F", "3"], ["-F3"], ["--fd", "3"], ["--fd=3"], ["--f"], ["--fd"], ["-1"], ["--one-off"], ["--one"],
            ["--o"],
            ["-f"], ["--foreground"], ["--fore"], ["-s", "x"], ["-sx"], ["--socket", "x"], ["--socket=x"], ["--sock"],
            ["--socket-path=x"], ["--socket-p=x"], ["-P", "x"], ["--pid=x"], ["--pi", "x"], ["--repair-path", "none"],
            ["--rep=none"], ["--vhost-user"], ["--vhost"], ["-h"], ["--help"], ["--version"], ["--print-capabilities"],
            // In a cluster, behind a value of another option, after a value.
            ["-q1"], ["-46f"], ["-df"], ["--mtu", "1500", "-1"], ["-m1500", "-f"], ["--mtu=1500", "--fd=3"],
            // Nothing may stop the reading of netemu's own words.
            ["--"], ["-"], ["word"], ["--quiet", "word"], ["--mtu"], ["-m"], ["-qm"], ["--runas"],
        ])
    func refused(words: [String]) { #expect(PasstArgument.refusal(in: words) != nil) }

    @Test(
        "other words pass, with their values, even where a value looks like a refused word",
        arguments: [
            [], ["--runas", "0"], ["--runas=0"], ["-m", "1500"], ["-m1500"], ["--mtu=1500"], ["-d"], ["--trace"],
            ["-46"],
            ["--log-file", "-f"], ["-l-f"], ["-l", "--fd"], ["--no-map-gw"], ["--migrate-exit"], ["--stats", "1"],
            ["--no-such-option"], ["-t", "80", "-u", "53"], ["-pfile"], ["--netmask", "24"], ["--conf-p", "x"],
        ] as [[String]])
    func accepted(words: [String]) { #expect(PasstArgument.refusal(in: words) == nil) }

    @Test("names of files are those of whoever typed them, in every spelling of an option that takes one")
    func files() {
        for (words, resolved) in [
            (
                ["--pcap", "a", "-p", "b", "-pc", "--pcap=d", "--pca=e"],
                ["--pcap", "/w/a", "-p", "/w/b", "-p/w/c", "--pcap=/w/d", "--pca=/w/e"]
            ),
            (
                ["-l", "log", "--log-file", "./x y", "--conf-p", "s"],
                ["-l", "/w/log", "--log-file", "/w/./x y", "--conf-p", "/w/s"]
            ),
            (["-qp", "f", "-dpf"], ["-qp", "/w/f", "-dp/w/f"]),
            // Whole names, no names, and values that are none.
            (
                ["--pcap", "/a", "-p/b", "--log-size", "p", "--search", "-p", "-S", "--pcap", "--pcap="],
                ["--pcap", "/a", "-p/b", "--log-size", "p", "--search", "-p", "-S", "--pcap", "--pcap="]
            ),
            (["--log", "1", "--pcap"], ["--log", "1", "--pcap"]),
        ] {
            var options = PasstOptions()
            options.param = words
            options.resolveFiles(in: "/w")
            #expect(options.param == resolved)
        }
    }

    @Test("the refusal names the word and the reason")
    func text() {
        var options = PasstOptions()
        options.param = ["--runas", "0", "--fd=3"]
        let error = #expect(throws: PasstError.self) { try options.validate() }
        #expect(error?.description == "param=--fd=3 is not accepted: netemu makes passt's socket itself")
        options.param = ["--one"]
        #expect(
            #expect(throws: PasstError.self) { try options.validate() }?.description
                == "param=--one is not accepted: it means --one-off: passt would end with the first connection")
        options.param = ["--runas"]
        #expect(
            #expect(throws: PasstError.self) { try options.validate() }?.description
                == "param=--runas is not accepted: it needs a value: add another param= with it")
    }

    @Test("the minder lets only such command lines pass as netemu makes")
    func objections() {
        let files = PasstFiles(number: 0).arguments
        func objection(_ words: [String]) -> String? { PasstCommandLine.objection(words) }
        #expect(objection(PasstOptions().arguments + files) == nil)
        #expect(objection(["--vhost-user", "--quiet", "--runas", "0"] + files) == nil)
        #expect(objection([]) != nil)
        // Without --vhost-user passt moves frames over its socket.
        #expect(objection(files) == nil)
        #expect(objection(["--quiet"] + files) == nil)
        #expect(objection(["--vhost-user", "--fd", "3"] + files) != nil)
        #expect(objection(["--vhost-user", "--runas"] + files) != nil)
        #expect(objection(["--vhost-user"] + files + ["--fd=3"]) != nil)
        #expect(objection(["--vhost-user", "-f", "-s", "../x.sock", "--pid", "../x.pid"]) != nil)
        #expect(objection(["--vhost-user", "-f", "-s", "a.sock", "--pid", "b.pid"]) != nil)
        #expect(objection(["--vhost-user", "-f", "-s", "/tmp/a.sock", "--pid", "/tmp/a.pid"]) != nil)
    }
}
