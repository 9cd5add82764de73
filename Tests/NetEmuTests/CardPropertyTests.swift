// Properties of cards: what libvirt and QEMU's own lines write, at QEMU's defaults and beside them; -set and -global.
// Values and texts are those of QEMU 11.1.

import Testing

@testable import NetEmu

@Suite("properties of cards")
struct CardPropertyTests {
    static func cards(_ words: [String]) throws -> [String] {
        let topology = try CommandLineTests.build(words: ["-nodefaults"] + words).topology
        return topology.clients.compactMap { client in
            guard case .card(_, let mac, _) = client.kind else { return nil }
            return "\(client.name) \(mac) \(client.peer.flatMap { topology[$0]?.name } ?? "-")"
        }
    }

    static func plan(_ words: [String]) throws -> CardPlan {
        let made = try CommandLineTests.build(words: ["-nodefaults"] + words)
        guard case .card(_, let plan)? = made.network.last else { throw OptionError("no card") }
        return plan
    }

    @Test("libvirt's JSON numbers and booleans are taken for what QEMU takes them for")
    func libvirtJSON() throws {
        let device =
            #"{"driver":"virtio-net-pci","id":"net0","mac":"52:54:00:aa:bb:cc","bus":"pci.1","addr":"0x0","vectors":4,"#
            + #""multifunction":true,"rombar":0,"romsize":65536,"bootindex":1,"acpi-index":2,"disable-legacy":"on"}"#
        #expect(try Self.cards(["-device", device]) == ["net0 52:54:00:aa:bb:cc -"])
    }

    @Test(
        "a property of the wrong type in JSON",
        arguments: [
            (#""vectors":"4""#, "Parameter 'vectors' expects uint64"),
            (#""bootindex":"4""#, "Invalid parameter type for 'bootindex', expected: integer"),
            (#""multifunction":"on""#, "Invalid parameter type for 'multifunction', expected: boolean"),
            (#""rombar":"x""#, "Invalid parameter type for 'rombar', expected: integer"),
            (#""disable-legacy":true"#, "Invalid parameter type for 'disable-legacy', expected: string"),
            (#""rx_queue_size":1000000"#, "Parameter 'rx_queue_size' expects uint16_t"),
            (#""rx_queue_size":"256""#, "Parameter 'rx_queue_size' expects uint64"),
            (#""host_mtu":-1"#, "Parameter 'host_mtu' expects uint16_t"),
            (#""id":"1x""#, "Invalid qdev ID '1x'"),
        ])
    func wrongTypes(_ member: String, _ text: String) {
        let device = #"{"driver":"virtio-net-pci",\#(member)}"#
        let said = ObstacleTests.refused(["-nodefaults", "-device", device])
        #expect(said == ["netemu: -device \(device): \(text)"])
    }

    @Test("an id that is no string is none, a driver that is none is missing")
    func noString() throws {
        #expect(
            try Self.cards(["-device", #"{"driver":"virtio-net-pci","id":5}"#]) == [
                "virtio-net-pci.0 52:54:00:12:34:56 -"
            ])
        let said = ObstacleTests.refused(["-nodefaults", "-device", #"{"driver":5}"#])
        #expect(said == [#"netemu: -device {"driver":5}: Parameter 'driver' is missing"#])
    }

    @Test(
        "every property of QEMU's table is known by its name, and silent at QEMU's default",
        arguments: CardTables.drivers)
    func defaults(head: ListGrammar.Head) throws {
        for row in head.keys.rows {
            let usual: String
            switch row.role {
            case .only(let value), .noEffect(usual: let value?): usual = value
            default: continue
            }
            let line = "\(head.word),\(row.name)=\(usual)"
            #expect(try CommandLineTests.build(words: ["-nodefaults", "-device", line]).warnings.isEmpty, "\(line)")
        }
    }

    @Test(
        "properties at other values: those that would change frames are refused, the others warned of",
        arguments: [
            ("virtio-net-pci,ioeventfd=off", true), ("virtio-net-pci,gso=off", true),
            ("virtio-net-pci,ctrl_vq=off", true),
            ("virtio-net-pci,packed=on", false), ("virtio-net-pci,mq=on", false),
            ("virtio-net-pci,any_layout=off", false),
            ("e1000,init-vet=off", true), ("virtio-net-device,packed=off", true), ("usb-net,msos-desc=off", true),
        ])
    func others(_ device: String, _ isTaken: Bool) {
        #expect(ObstacleTests.refused(["-nodefaults", "-device", device]).isEmpty == isTaken)
    }

    @Test(
        "a property of another model is none",
        arguments: ["e1000,csum=off", "ne2k_isa,addr=3", "virtio-net-device,vectors=3", "rtl8139,host_mtu=1500"])
    func foreign(_ device: String) {
        let parts = device.split(whereSeparator: { $0 == "," || $0 == "=" })
        #expect(
            ObstacleTests.refused(["-nodefaults", "-device", device]).first?.hasPrefix(
                "netemu: -device \(device): Property '\(parts[0]).\(parts[1])' not found") == true)
    }

    @Test("a numeric property is read as C reads numbers")
    func numbers() throws {
        #expect(try Self.plan(["-device", "virtio-net-pci,host_mtu=02000"]).settings.mtu == 1024)
        #expect(try Self.plan(["-device", "virtio-net-pci,host_mtu= 0x200"]).settings.mtu == 512)
        #expect(
            ObstacleTests.refused(["-nodefaults", "-device", "virtio-net-pci,host_mtu=08"]) == [
                "netemu: -device virtio-net-pci,host_mtu=08: Parameter 'host_mtu' expects integer"
            ])
    }

    @Test(
        "an address of zeros is no address: the card gets the next free one",
        arguments: [
            ["-device", "virtio-net-pci,mac=00:00:00:00:00:00"],
            ["-nic", "hubport,hubid=0,mac=00:00:00:00:00:00"], ["-net", "nic,macaddr=00:00:00:00:00:00"],
        ])
    func zeroAddress(_ words: [String]) throws {
        #expect(
            try Self.cards(words + ["-device", "virtio-net-pci"]).map { $0.split(separator: " ")[1] } == [
                "52:54:00:12:34:56", "52:54:00:12:34:57",
            ])
    }

    @Test("cards in JSON come behind the others")
    func jsonIsLast() throws {
        #expect(
            try Self.cards(["-device", #"{"driver":"virtio-net-pci","id":"a"}"#, "-device", "virtio-net-pci,id=b"]) == [
                "b 52:54:00:12:34:56 -", "a 52:54:00:12:34:57 -",
            ])
    }

    // MARK: -set and -global

    @Test("-set adds a key to the option in front of it")
    func set() throws {
        #expect(
            try Self.cards(["-device", "virtio-net-pci,id=d0", "-set", "device.d0.mac=52:54:00:00:00:07"]) == [
                "d0 52:54:00:00:00:07 -"
            ])
        let made = try CommandLineTests.build("-netdev hubport,id=n0 -set netdev.n0.hubid=1 -set netdev.n0.hubid=2")
        #expect(made.topology.hubs.map(\.id) == [2])
        let nic = try CommandLineTests.build("-nic hubport,id=n0,hubid=0 -set nic.n0.hubid=1")
        #expect(nic.topology.hubs.map(\.id) == [1])
        let mux = try CommandLineTests.build("-nodefaults -chardev null,id=c0 -set chardev.c0.mux=on")
        #expect(mux.chardevs.map(\.isMultiplexed) == [true])
    }

    @Test(
        "what -set cannot do",
        arguments: [
            ("device.d0.mac=x", "there is no device \"d0\" defined"),
            ("foo.n0.hubid=1", "There is no option group 'foo'"),
            ("netdev.n0.hubid", "can't parse: \"netdev.n0.hubid\""), ("netdev.n0=1", "can't parse: \"netdev.n0=1\""),
            ("", "can't parse: \"\""), ("netdev..hubid=1", "can't parse: \"netdev..hubid=1\""),
            ("object.m0.size=2M", "-set is not supported with object"),
            ("machine.x.y=1", "-set is not supported with machine"),
            ("memory.x.size=1", "there is no memory \"x\" defined"),
            ("netdev.s.server=on", "there is no netdev \"s\" defined"),
            ("chardev.c0.bogus=on", "Invalid parameter 'bogus'"),
            ("chardev.c0.mux=maybe", "Parameter 'mux' expects 'on' or 'off'"),
        ])
    func setErrors(_ value: String, _ text: String) {
        let words = [
            "-nodefaults", "-chardev", "null,id=c0", "-netdev", "stream,id=s,addr.type=unix,addr.path=/s", "-set",
            value,
        ]
        #expect(ObstacleTests.refused(words) == ["netemu: -set \(value): \(text)"])
    }

    @Test("what -set sets is told as the amended option's fault")
    func setValue() {
        #expect(
            ObstacleTests.refused(["-device", "virtio-net-pci,id=d0", "-nodefaults", "-set", "device.d0.mac=zz"]) == [
                "netemu: -device virtio-net-pci,id=d0: Property 'virtio-net-device.mac' doesn't take value 'zz'"
            ])
    }

    @Test(
        "-global gives every card of a class a property; what is typed with the card counts more",
        arguments: [
            (["virtio-net-pci.mac=52:54:00:00:00:07"], "52:54:00:00:00:07"),
            (["driver=virtio-net-pci,property=mac,value=52:54:00:00:00:07"], "52:54:00:00:00:07"),
            (["virtio-net-device.mac=52:54:00:00:00:07"], "52:54:00:00:00:07"),
            (["virtio-net-pci.mac=52:54:00:00:00:07", "virtio-net-pci.mac=52:54:00:00:00:09"], "52:54:00:00:00:09"),
            (["e1000.mac=52:54:00:00:00:07"], "52:54:00:12:34:56"),
            (["virtio-net.mac=52:54:00:00:00:07"], "52:54:00:12:34:56"),
        ] as [([String], String)])
    func global(_ globals: [String], _ mac: String) throws {
        let options = globals.flatMap { ["-global", $0] }
        #expect(try Self.cards(["-device", "virtio-net-pci,id=a"] + options) == ["a \(mac) -"])
        #expect(
            try Self.cards(options + ["-device", "virtio-net-pci,id=a,mac=52:54:00:00:00:08"]) == [
                "a 52:54:00:00:00:08 -"
            ])
    }

    @Test("-global reaches the device of -nic and -net nic, but not their address")
    func globalOfNIC() throws {
        let words = [
            "-global", "virtio-net-pci.host_mtu=1400", "-global", "virtio-net-pci.mac=52:54:00:00:00:07", "-nic",
            "hubport,hubid=0,model=virtio",
        ]
        #expect(try Self.plan(words).settings.mtu == 1400)
        #expect(try Self.cards(words).map { $0.split(separator: " ")[1] } == ["52:54:00:12:34:56"])
    }

    @Test("-global netdev= is what a card hangs on")
    func globalNetdev() throws {
        #expect(
            try Self.cards([
                "-global", "virtio-net-pci.netdev=n0", "-netdev", "hubport,id=n0,hubid=0", "-device",
                "virtio-net-pci,id=a",
            ]) == ["a 52:54:00:12:34:56 n0"])
    }

    @Test(
        "what -global cannot give a card",
        arguments: [
            ("virtio-net-pci.mac=zz", "Property 'virtio-net-device.mac' doesn't take value 'zz'"),
            ("virtio-net-pci.bogus=zz", "Property 'virtio-net-pci.bogus' not found"),
            ("virtio-net-pci.host_mtu=zz", "Parameter 'host_mtu' expects uint64"),
            ("virtio-net-pci.bootindex=maybe", "Parameter 'bootindex' expects int64"),
            ("virtio-net-pci.csum=maybe", "Parameter 'csum' expects 'on' or 'off'"),
            ("virtio-net-pci.host_mtu=99999", "Parameter 'host_mtu' expects uint16_t"),
        ])
    func globalErrors(_ value: String, _ text: String) {
        #expect(
            ObstacleTests.refused(["-nodefaults", "-global", value, "-device", "virtio-net-pci"]) == [
                "netemu: can't apply global \(value): \(text)"
            ])
    }

    @Test(
        "what -global cannot read",
        arguments: [
            ("foo", "Invalid parameter 'foo'"), ("foo=bar", "Invalid parameter 'foo'"),
            ("driver=virtio-net-pci,property=mac", "options 'driver', 'property', and 'value' are required"),
            ("", "options 'driver', 'property', and 'value' are required"),
        ])
    func globalForm(_ value: String, _ text: String) {
        #expect(ObstacleTests.refused(["-nodefaults", "-global", value]) == ["netemu: -global \(value): \(text)"])
    }
}
