// Accepted command lines: what they come to. Numbers, names and addresses as QEMU gives them.

import Link
import Linux
import PasstLauncher
import Testing

@testable import NetEmu

@Suite("accepted command lines")
struct CommandLineTests {
    static func build(_ line: String) throws(OptionError) -> Configuration {
        try build(words: CommandLineErrorTests.words(line))
    }

    static func build(words: [String]) throws(OptionError) -> Configuration {
        guard case .run(let configuration) = try ConfigurationBuilder.build(words, random: { 4 }) else {
            throw OptionError("asks for help")
        }
        return configuration
    }

    static func cards(_ line: String) throws -> [String] {
        let topology = try build(line).topology
        return topology.clients.compactMap { client in
            guard case .card(let model, let mac, _) = client.kind else { return nil }
            return "\(client.name) \(model) \(mac) \(client.peer.flatMap { topology[$0]?.name } ?? "-")"
        }
    }

    @Test("the main line makes one virtio card on a generated id")
    func mainLine() throws {
        #expect(
            try Self.cards("-nic passt,vhost-user=on") == ["virtio-net-pci.0 virtio-net-pci 52:54:00:12:34:56 #net004"])
        #expect(
            try Self.cards("-nic passt,model=virtio,vhost-user=on") == [
                "virtio-net-pci.0 virtio-net-pci 52:54:00:12:34:56 #net004"
            ])
    }

    @Test("net.rst: -netdev passt with -device virtio-net keeps the ids and the address that were typed")
    func netdevAndDevice() throws {
        let line =
            "-netdev passt,id=netdev0,vhost-user=on -device virtio-net,mac=9a:2b:2c:2d:2e:2f,id=virtio0,netdev=netdev0"
        #expect(try Self.cards(line) == ["virtio0 virtio-net-pci 9a:2b:2c:2d:2e:2f netdev0"])
        let reversed = "-device virtio-net,netdev=netdev0 -netdev passt,id=netdev0,vhost-user=on"
        #expect(
            try Self.cards(reversed) == ["virtio-net-pci.0 virtio-net-pci 52:54:00:12:34:56 netdev0"],
            "phases, not typing order")
    }

    @Test("addresses are the first free ones, cards before devices, explicit ones are skipped")
    func addressesAreNumbered() throws {
        let vu = "passt,vhost-user=on"
        let line =
            "-device virtio-net,netdev=x -netdev \(vu),id=x -nic \(vu),mac=52:54:00:12:34:57 -nic \(vu) -nic \(vu)"
        #expect(
            try Self.cards(line) == [
                "virtio-net-pci.0 virtio-net-pci 52:54:00:12:34:57 #net004",
                "virtio-net-pci.1 virtio-net-pci 52:54:00:12:34:56 #net104",
                "virtio-net-pci.2 virtio-net-pci 52:54:00:12:34:58 #net204",
                "virtio-net-pci.3 virtio-net-pci 52:54:00:12:34:59 x",
            ])
    }

    @Test("a multicast address is refused by -nic and taken by -device, as in QEMU")
    func multicastAddress() throws {
        let line = "-netdev passt,id=x,vhost-user=on -device virtio-net,netdev=x,mac=01:54:00:12:34:56"
        #expect(try Self.cards(line) == ["virtio-net-pci.0 virtio-net-pci 01:54:00:12:34:56 x"])
    }

    @Test("-nic none and -nodefaults make no card")
    func noCards() throws {
        #expect(try Self.cards("-nic none").isEmpty)
        #expect(try Self.cards("-nodefaults").isEmpty)
        #expect(try Self.cards("-nic none -nic passt,vhost-user=on").count == 1)
    }

    @Test("a back-end without a card, and a model that is none, are warnings after the start")
    func lateWarnings() throws {
        let lone = try Self.build("-netdev passt,id=u,vhost-user=on")
        #expect(lone.topology.warnings == ["netdev u has no peer"])
        let bad = try Self.build("-nic passt,vhost-user=on,model=foo")
        #expect(bad.topology.clients.allSatisfy { !$0.isCard })
        #expect(
            bad.topology.warnings == [
                "netdev #net004 has no peer",
                "requested NIC (anonymous, model foo) was not created (not supported by this machine?)",
            ])
    }

    @Test("options about a processor, a display or firmware warn once each")
    func meaninglessOptions() throws {
        let line = "-cpu host -smp 2 -smp 4 -enable-kvm -M q35 -display none -nographic -nic none"
        #expect(
            try Self.build(line).warnings.map(\.text) == [
                "-cpu has no effect: netemu has no processor", "-smp has no effect: netemu has no processor",
                "-enable-kvm has no effect: netemu has no processor", "-display has no effect: netemu has no display",
                "-nographic has no effect: netemu has no display", "-M has no effect: netemu has no emulated board",
            ])
    }

    @Test("a bare word is a boolean that is on, with QEMU's warning")
    func bareBoolean() throws {
        let plan = try Self.build("-nic passt,vhost-user,nodhcp")
        let netdev = try #require(plan.firstOnRings)
        guard let options = (netdev.kind as? PasstKind)?.options else { throw OptionError("no passt") }
        #expect(options.vhostUser && !options.dhcp)
        #expect(
            plan.warnings.first?.message
                == "-nic passt,vhost-user,nodhcp: warning: short-form boolean option 'vhost-user' deprecated\n"
                + "Please use vhost-user=on instead")
    }

    @Test(
        "memory: suffixes, fractions, the object with -numa or -machine",
        arguments: [
            ("-m 256", UInt64(256) << 20), ("-m 1G", 1 << 30), ("-m size=64M", 64 << 20), ("-m 1.5G", 1536 << 20),
            ("-m 131072k", 128 << 20), ("", 128 << 20),
            ("-m 256 -object memory-backend-memfd,id=m,share=on,size=256M -numa node,memdev=m", 256 << 20),
            ("-m 256 -object memory-backend-memfd,id=m,size=256M -machine memory-backend=m", 256 << 20),
            (
                "-m 32 -object memory-backend-memfd,id=a,size=16M -object memory-backend-memfd,id=b,size=16M -numa node,memdev=a -numa node,memdev=b",
                32 << 20
            ),
        ] as [(String, UInt64)])
    func memorySizes(_ line: String, _ size: UInt64) throws {
        let plan = try Self.build(line + " -nic passt,vhost-user=on")
        #expect(plan.memory.size == size)
        #expect(plan.memory.isShared)
    }

    @Test("a script: run= with doubled commas, script= with a home directory, the failure status")
    func scripts() throws {
        let plan = try Self.build(words: ["-nic", "none", "-guest", "node,run=a,,b; c && d=e,hostname=box"])
        #expect(plan.guest as? NodeGuestKind == NodeGuestKind(script: .text("a,b; c && d=e"), hostname: "box"))
        #expect(plan.failureStatus == 125)
        #expect(try Self.build("-nic none").failureStatus == 1)
    }

    /// Who has stdin and stdout on a terminal.
    static func stdio(_ line: String) throws -> String {
        var plan = try build("-nic none " + line)
        plan.useTerminal()
        guard let device = plan.chardevs.first(where: { if case .stdio = $0.kind { true } else { false } }) else {
            return "nobody"
        }
        let users = (plan.console == device.id ? ["console"] : []) + plan.monitors.map { _ in "monitor" }
        return users.joined(separator: "+") + (device.isMultiplexed ? " shared" : "")
    }

    @Test(
        "who has stdin and stdout",
        arguments: [
            ("", "console+monitor shared"), ("-monitor stdio", "monitor"), ("-serial stdio", "console"),
            ("-serial mon:stdio", "console+monitor shared"), ("-monitor none", "nobody"),
            ("-guest node,run=ip", "nobody"), ("-guest none", "monitor"),
        ])
    func stdioUse(_ line: String, _ who: String) throws { #expect(try Self.stdio(line) == who) }

    @Test("-serial unix: takes QEMU's keys")
    func serialSocket() throws {
        func socket(_ line: String) throws -> ChardevPlan.Kind? {
            let plan = try Self.build("-nic none -serial " + line)
            return plan.chardevs.first { $0.id == plan.console }?.kind
        }
        var plan = SocketChardevPlan(address: .unix(UnixAddress(path: "/tmp/c")))
        #expect(try socket("unix:/tmp/c") == .socket(plan))
        plan.isServer = true
        #expect(try socket("unix:/tmp/c,server=on,wait=off") == .socket(plan))
        plan.waits = true
        #expect(try socket("unix:/tmp/c,server=on") == .socket(plan))
    }

    @Test(
        "help and version are answers, not runs",
        arguments: [
            (["-h"], "usage: netemu"), (["--help", "-bogus"], ""), (["-version"], "netemu version 0.1.0"),
            (["-netdev", "help"], "passt"), (["-netdev", "passt,help"], "  mtu=<int> - "),
            (["-nic", "model=help"], "virtio-net-pci"),
            (["-device", "help"], "virtio-net-pci"), (["-device", "virtio-net-pci,help"], "  mac=<str> - "),
        ] as [([String], String)])
    func help(_ words: [String], _ part: String) throws {
        guard !words.contains("-bogus") else {
            #expect(throws: OptionError.self) { try ConfigurationBuilder.build(words) }
            return
        }
        guard case .print(let text) = try ConfigurationBuilder.build(words) else {
            Issue.record("ran")
            return
        }
        #expect(text.contains(part))
    }
}
