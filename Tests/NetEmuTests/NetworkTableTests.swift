// `info network` and the warnings after the start, line by line, as QEMU 11.1 prints them for the same command
// line. Where QEMU's transcript has the back-end `user`, the row has passt: the other words are the same. The
// board's choice of a card is q35's.

import PasstLauncher
import Testing

@testable import NetEmu

/// What a command line makes.
struct NetworkTable: Sendable, CustomTestStringConvertible {
    let line: String
    /// Digits of generated ids, two for each, in the order in which they are asked for.
    let digits: [UInt8]
    let network: [String]
    let warnings: [String]
    init(_ line: String, digits: [UInt8] = [], _ network: [String], warnings: [String] = []) {
        self.line = line
        self.digits = digits
        self.network = network
        self.warnings = warnings
    }
    var testDescription: String { line }
}

private let passt = "type=passt,stream,connected to pid 7"
private let onRings = "type=passt,vhost-user,connected to pid 7"

private func card(_ name: String, _ model: String, _ last: String) -> String {
    "\(name): index=0,type=nic,model=\(model),macaddr=52:54:00:12:34:\(last)"
}

/// The command lines of net.rst, and those without a network.
private let common: [NetworkTable] = [
    NetworkTable(
        "-nic passt", digits: [4], [card("e1000e.0", "e1000e", "56"), " \\ #net004: index=0,\(passt)"]),
    NetworkTable(
        "-net nic -net passt,tcp-ports=10001,udp-ports=10001", digits: [17, 89],
        [
            "hub 0", " \\ hub0port1: #net189: index=0,\(passt)",
            " \\ hub0port0: " + card("e1000e.0", "e1000e", "56"),
        ]),
    NetworkTable(
        "-netdev passt,id=netdev0 -device virtio-net,mac=9a:2b:2c:2d:2e:2f,id=virtio0,netdev=netdev0",
        [
            "virtio0: index=0,type=nic,model=virtio-net-pci,macaddr=9a:2b:2c:2d:2e:2f",
            " \\ netdev0: index=0,\(passt)",
        ]),
    NetworkTable(
        "-nic passt,model=virtio,vhost-user=on", digits: [57],
        [card("virtio-net-pci.0", "virtio-net-pci", "56"), " \\ #net057: index=0,\(onRings)"]),
    NetworkTable(
        "-m 256 -object memory-backend-memfd,id=m0,share=on,size=256M -numa node,memdev=m0 "
            + "-nic passt,model=virtio,vhost-user=on", digits: [56],
        [card("virtio-net-pci.0", "virtio-net-pci", "56"), " \\ #net056: index=0,\(onRings)"]),
    NetworkTable(
        "-m 256 -object memory-backend-memfd,id=memfd0,share=on,size=256M -numa node,memdev=memfd0 "
            + "-chardev socket,id=chr0,path=/p4.sock -netdev vhost-user,id=netdev0,chardev=chr0 "
            + "-device virtio-net,netdev=netdev0",
        [
            card("virtio-net-pci.0", "virtio-net-pci", "56"),
            " \\ netdev0: index=0,type=vhost-user,vhost-user0 to chr0",
        ]),
    NetworkTable("-nic none", []), NetworkTable("-net none", []), NetworkTable("-nodefaults", []),
    NetworkTable(
        "-nic none -nic passt", digits: [9], [card("e1000e.0", "e1000e", "56"), " \\ #net009: index=0,\(passt)"]),
    NetworkTable(
        "-net none -net nic -net passt", digits: [1, 30],
        [
            "hub 0", " \\ hub0port1: #net130: index=0,\(passt)",
            " \\ hub0port0: " + card("e1000e.0", "e1000e", "56"),
        ]),
    NetworkTable(
        "-netdev passt,id=x -device virtio-net,netdev=x,mac=01:54:00:12:34:56",
        [
            "virtio-net-pci.0: index=0,type=nic,model=virtio-net-pci,macaddr=01:54:00:12:34:56",
            " \\ x: index=0,\(passt)",
        ]),
    NetworkTable("-netdev passt,id=u", ["u: index=0,\(passt)"], warnings: ["netdev u has no peer"]),
    NetworkTable(
        "-nic passt,model=foo", digits: [65], ["#net065: index=0,\(passt)"],
        warnings: [
            "netdev #net065 has no peer",
            "requested NIC (anonymous, model foo) was not created (not supported by this machine?)",
        ]),
]

private let hubs: [NetworkTable] = [
    NetworkTable(
        "-netdev passt,id=u0 -netdev hubport,id=h0,hubid=0,netdev=u0 -netdev hubport,id=h1,hubid=0 "
            + "-netdev hubport,id=h2,hubid=0 -device virtio-net-pci,netdev=h1 -device e1000,netdev=h2",
        [
            "hub 0", " \\ h2: " + card("e1000.0", "e1000", "57"),
            " \\ h1: " + card("virtio-net-pci.0", "virtio-net-pci", "56"), " \\ h0: u0: index=0,\(passt)",
        ]),
    NetworkTable(
        "-netdev passt,id=u0 -netdev passt,id=u1 -netdev hubport,id=p0,hubid=0,netdev=u0 "
            + "-netdev hubport,id=p1,hubid=0 -netdev hubport,id=q0,hubid=7,netdev=u1 -netdev hubport,id=q1,hubid=7 "
            + "-device virtio-net-pci,netdev=p1,id=n0 -device virtio-net-pci,netdev=q1,id=n1",
        [
            "hub 7", " \\ q1: " + card("n1", "virtio-net-pci", "57"), " \\ q0: u1: index=0,\(passt)", "hub 0",
            " \\ p1: " + card("n0", "virtio-net-pci", "56"), " \\ p0: u0: index=0,\(passt)",
        ]),
    NetworkTable(
        "-netdev hubport,id=h0,hubid=3", ["hub 3", " \\ h0"],
        warnings: ["hub port h0 has no peer", "netdev h0 has no peer"]),
    NetworkTable(
        "-netdev hubport,id=h0,hubid=3 -device virtio-net-pci,netdev=h0",
        ["hub 3", " \\ h0: " + card("virtio-net-pci.0", "virtio-net-pci", "56")],
        warnings: ["hub 3 is not connected to host network"]),
    NetworkTable(
        "-net nic", digits: [0], ["hub 0", " \\ hub0port0: " + card("e1000e.0", "e1000e", "56")],
        warnings: ["hub 0 is not connected to host network"]),
    NetworkTable(
        "-net passt", digits: [37], ["hub 0", " \\ hub0port0: #net037: index=0,\(passt)"],
        warnings: ["hub 0 with no nics"]),
    NetworkTable(
        "-nic hubport,hubid=2 -nic hubport,hubid=2,model=virtio", digits: [11, 35],
        [
            "hub 2", " \\ #net135: " + card("virtio-net-pci.0", "virtio-net-pci", "57"),
            " \\ #net011: " + card("e1000e.0", "e1000e", "56"),
        ], warnings: ["hub 2 is not connected to host network"]),
    NetworkTable(
        "-net nic,model=virtio -net nic,model=e1000 -net passt", digits: [1, 2, 43],
        [
            "hub 0", " \\ hub0port2: #net243: index=0,\(passt)", " \\ hub0port1: " + card("e1000.0", "e1000", "57"),
            " \\ hub0port0: " + card("virtio-net-pci.0", "virtio-net-pci", "56"),
        ]),
    NetworkTable(
        "-netdev passt,id=u0 -net nic,netdev=u0,model=virtio", digits: [0],
        [card("virtio-net-pci.0", "virtio-net-pci", "56"), " \\ u0: index=0,\(passt)"]),
    NetworkTable(
        "-netdev hubport,id=h0,hubid=-1 -nic none", ["hub -1", " \\ h0"],
        warnings: ["hub port h0 has no peer", "netdev h0 has no peer"]),
    NetworkTable(
        "-net nic,model=foo -net passt", digits: [87, 84],
        ["hub 0", " \\ hub0port1: #net184: index=0,\(passt)", " \\ hub0port0"],
        warnings: [
            "hub port hub0port0 has no peer", "hub 0 with no nics", "netdev hub0port0 has no peer",
            "requested NIC (#net087, model foo) was not created (not supported by this machine?)",
        ]),
    NetworkTable(
        "-nodefaults -nic hubport,hubid=1,model=foo -nic hubport,hubid=1,id=zz,model=bar", digits: [43],
        ["hub 1", " \\ zz", " \\ #net043"],
        warnings: [
            "hub port zz has no peer", "hub port #net043 has no peer", "netdev #net043 has no peer",
            "netdev zz has no peer",
            "requested NIC (anonymous, model foo) was not created (not supported by this machine?)",
            "requested NIC (anonymous, model bar) was not created (not supported by this machine?)",
        ]),
    // Two ports of two hubs, one behind the other: no card, no back-end, no warning.
    NetworkTable(
        "-netdev hubport,id=x,hubid=0 -netdev hubport,id=y,hubid=1,netdev=x",
        ["hub 1", " \\ y: x: index=0,type=hubport,", "hub 0", " \\ x: y: index=0,type=hubport,"]),
    // A port and a card may have one name.
    NetworkTable(
        "-netdev hubport,id=x,hubid=5 -device virtio-net,id=x",
        ["hub 5", " \\ x", card("x", "virtio-net-pci", "56")],
        warnings: ["hub port x has no peer", "netdev x has no peer", "nic x has no peer"]),
]

private let streams: [NetworkTable] = [
    NetworkTable(
        "-netdev stream,id=netdev0,server=on,addr.type=inet,addr.host=127.0.0.1,addr.port=21250 "
            + "-device virtio-net,netdev=netdev0",
        [card("virtio-net-pci.0", "virtio-net-pci", "56"), " \\ netdev0: index=0,type=stream,listening"]),
    NetworkTable(
        "-netdev stream,id=netdev0,server=on,addr.type=unix,addr.path=/st.sock -device virtio-net,netdev=netdev0",
        [card("virtio-net-pci.0", "virtio-net-pci", "56"), " \\ netdev0: index=0,type=stream,listening"]),
    NetworkTable(
        "-netdev stream,id=netdev0,reconnect-ms=500,addr.type=unix,addr.path=/x -device virtio-net,netdev=netdev0",
        [card("virtio-net-pci.0", "virtio-net-pci", "56"), " \\ netdev0: index=0,type=stream,connecting"]),
    NetworkTable(
        #"-netdev {"type":"stream","id":"netdev0","server":true,"addr":{"type":"inet","host":"127.0.0.1","port":"21260"}} "#
            + #"-device {"driver":"virtio-net-pci","netdev":"netdev0","id":"vn0"}"#,
        [card("vn0", "virtio-net-pci", "56"), " \\ netdev0: index=0,type=stream,listening"]),
    NetworkTable(
        "-netdev stream,id=x,addr.type=vsock,addr.cid=1,addr.port=1", ["x: index=0,type=stream,connecting"],
        warnings: ["netdev x has no peer"]),
    // No id of the new way is wrong.
    NetworkTable(
        "-netdev stream,id=1x,addr.type=unix,addr.path=/x", ["1x: index=0,type=stream,connecting"],
        warnings: ["netdev 1x has no peer"]),
    NetworkTable(
        "-netdev stream,id=x,addr.type=unix,addr.path=/x,id=y", ["y: index=0,type=stream,connecting"],
        warnings: ["netdev y has no peer"]),
    // Lists that are read the new way come first, whatever the typing order.
    NetworkTable(
        "-nodefaults -netdev passt,id=a -netdev stream,id=b,addr.type=unix,addr.path=/x -netdev passt,id=c "
            + #"-netdev {"type":"passt","id":"d"}"#,
        [
            "b: index=0,type=stream,connecting", "d: index=0,\(passt)", "a: index=0,\(passt)", "c: index=0,\(passt)",
        ],
        warnings: ["netdev b has no peer", "netdev d has no peer", "netdev a has no peer", "netdev c has no peer"]),
    NetworkTable(
        "-nodefaults -netdev hubport,id=h,hubid=1,netdev=s -netdev stream,id=s,addr.type=unix,addr.path=/x",
        ["hub 1", " \\ h: s: index=0,type=stream,connecting"], warnings: ["hub 1 with no nics"]),
]

/// Names and addresses of cards.
private let numbering: [NetworkTable] = [
    NetworkTable(
        "-nic passt,mac=52:54:00:12:34:57 -nic passt -nic passt -netdev passt,id=x -device virtio-net,netdev=x",
        digits: [96, 24, 10],
        [
            card("e1000e.0", "e1000e", "57"), " \\ #net096: index=0,\(passt)", card("e1000e.1", "e1000e", "56"),
            " \\ #net124: index=0,\(passt)", card("e1000e.2", "e1000e", "58"), " \\ #net210: index=0,\(passt)",
            card("virtio-net-pci.0", "virtio-net-pci", "59"), " \\ x: index=0,\(passt)",
        ]),
    NetworkTable(
        "-nic passt,id=u1,model=virtio -nic passt,model=virtio", digits: [70],
        [
            card("virtio-net-pci.0", "virtio-net-pci", "56"), " \\ u1: index=0,\(passt)",
            card("virtio-net-pci.1", "virtio-net-pci", "57"), " \\ #net070: index=0,\(passt)",
        ]),
    NetworkTable(
        "-net nic,id=n1 -net passt,id=u1",
        ["hub 0", " \\ hub0port1: u1: index=0,\(passt)", " \\ hub0port0: " + card("e1000e.0", "e1000e", "56")]),
    NetworkTable(
        "-nodefaults -device virtio-net,id=a -device virtio-net -device virtio-net,id=virtio-net-pci.2 "
            + "-device virtio-net -device e1000",
        [
            card("a", "virtio-net-pci", "56"), card("virtio-net-pci.1", "virtio-net-pci", "57"),
            card("virtio-net-pci.2", "virtio-net-pci", "58"), card("virtio-net-pci.3", "virtio-net-pci", "59"),
            card("e1000.0", "e1000", "5a"),
        ],
        warnings: [
            "nic a has no peer", "nic virtio-net-pci.1 has no peer", "nic virtio-net-pci.2 has no peer",
            "nic virtio-net-pci.3 has no peer", "nic e1000.0 has no peer",
        ]),
    // An address that is taken may be given again by hand.
    NetworkTable(
        "-nodefaults -device virtio-net,mac=52:54:00:12:34:56 -device virtio-net "
            + "-device virtio-net,mac=52:54:00:12:34:58 -device virtio-net -nic hubport,hubid=1,mac=52:54:00:12:34:57",
        digits: [6],
        [
            "hub 1", " \\ #net006: " + card("e1000e.0", "e1000e", "57"),
            card("virtio-net-pci.0", "virtio-net-pci", "56"), card("virtio-net-pci.1", "virtio-net-pci", "58"),
            card("virtio-net-pci.2", "virtio-net-pci", "58"), card("virtio-net-pci.3", "virtio-net-pci", "59"),
        ],
        warnings: ["hub 1 is not connected to host network"]
            + (0..<4).map { "nic virtio-net-pci.\($0) has no peer" }),
]

@Suite("info network, per command line")
struct NetworkTableTests {
    static func configuration(_ table: NetworkTable) throws -> Configuration {
        var rest = table.digits[...]
        let random = { rest.popFirst() ?? 0 }
        guard
            case .run(let made) = try ConfigurationBuilder.build(
                CommandLineErrorTests.words(table.line), random: random)
        else { throw OptionError("asks for help") }
        return made
    }

    /// What the running back-ends of these rows say of themselves.
    static func info(_ configuration: Configuration) -> (NetClient) -> String {
        { client in
            for case .netdev(client.id, let plan) in configuration.network {
                switch plan.kind {
                case let passt as PasstKind: return "\(passt.worksOnRings ? "vhost-user" : "stream"),connected to pid 7"
                case let stream as StreamKind: return stream.isServer ? "listening" : "connecting"
                case let user as VhostUserKind: return "vhost-user0 to \(user.chardev ?? "")"
                default: return ""
                }
            }
            return "?"
        }
    }

    static func lines(_ topology: Topology) -> [String] {
        topology.report(info: { _ in "stream,connected to pid 7" }).lines
    }

    @Test("the lines and the warnings are QEMU's", arguments: [common, hubs, streams, numbering].flatMap { $0 })
    func table(_ table: NetworkTable) throws {
        let made = try Self.configuration(table)
        #expect(made.topology.report(info: Self.info(made)).lines == table.network)
        #expect(made.topology.warnings == table.warnings)
    }

    @Test("a card's generated name is nobody else's, unlike in QEMU, so that set_link means one client")
    func namesAreUnique() throws {
        let line = "-netdev hubport,id=e1000.0,hubid=0 -device e1000,netdev=e1000.0"
        let made = try Self.configuration(NetworkTable(line, []))
        // QEMU calls this card e1000.0.
        #expect(made.topology.clients.map(\.name) == ["e1000.0", "e1000.1"])
    }

    @Test("ports of a hub go one by one, and the hub stays")
    func hubPortsAreRemoved() throws {
        var topology = Topology()
        _ = try topology.addHubPort("h0", hub: 0, netdev: nil)
        _ = try topology.addNetdev("u0", "passt", worksOnRings: false)
        _ = try topology.addHubPort("h1", hub: 0, netdev: "u0")
        #expect(Self.lines(topology) == ["hub 0", " \\ h1: u0: index=0,\(passt)", " \\ h0"])
        _ = try topology.removeNetdev("u0")
        #expect(Self.lines(topology) == ["hub 0", " \\ h1", " \\ h0"])
        _ = try topology.removeNetdev("h1")
        #expect(Self.lines(topology) == ["hub 0", " \\ h0"])
        _ = try topology.removeNetdev("h0")
        #expect(Self.lines(topology) == ["hub 0"])
    }

    @Test("what -net made is no netdev")
    func legacyIsNotRemoved() throws {
        var topology = try Self.configuration(NetworkTable("-net nic -net passt,id=u1", [])).topology
        let before = Self.lines(topology)
        for name in ["hub0port1", "u1"] {
            #expect(throws: OptionError("Device '\(name)' is not a netdev")) { try topology.removeNetdev(name) }
        }
        #expect(throws: OptionError("Device '#net' not found")) { try topology.removeNetdev("#net") }
        #expect(Self.lines(topology) == before)
    }

    @Test("a card shows the back-end that was removed under it until it goes itself")
    func removedUnderCard() throws {
        let line = "-nic passt,id=u1,model=virtio -nic passt,model=virtio"
        var topology = try Self.configuration(NetworkTable(line, digits: [70], [])).topology
        let before = Self.lines(topology)
        _ = try topology.removeNetdev("u1")
        #expect(Self.lines(topology) == before)
        #expect(throws: OptionError("Device 'u1' not found")) { try topology.removeNetdev("u1") }
        let card = try #require(topology.card(named: "virtio-net-pci.0"))
        topology.removeCard(card.id)
        #expect(Self.lines(topology) == Array(before[2...]))
    }

    @Test("a port behind a port: removing one leaves the other alone on its hub")
    func portBehindPort() throws {
        let line = "-netdev hubport,id=x,hubid=0 -netdev hubport,id=y,hubid=1,netdev=x"
        var topology = try Self.configuration(NetworkTable(line, [])).topology
        _ = try topology.removeNetdev("x")
        #expect(Self.lines(topology) == ["hub 1", " \\ y", "hub 0"])
    }

    @Test("a card behind a removed port stays with it on the hub until it goes itself, as in QEMU")
    func cardBehindRemovedPort() throws {
        let line = "-netdev hubport,id=h0,hubid=5 -device virtio-net,netdev=h0,id=d0"
        var topology = try Self.configuration(NetworkTable(line, [])).topology
        let before = Self.lines(topology)
        #expect(before == ["hub 5", " \\ h0: " + card("d0", "virtio-net-pci", "56")])
        _ = try topology.removeNetdev("h0")
        #expect(Self.lines(topology) == before)
        _ = try topology.addHubPort("h0", hub: 5, netdev: nil)
        #expect(Self.lines(topology) == ["hub 5", " \\ h0"] + before.dropFirst())
        topology.removeCard(try #require(topology.card(named: "d0")).id)
        #expect(Self.lines(topology) == ["hub 5", " \\ h0"])
    }

    @Test("filters stand under the client they hang on, wherever it is shown")
    func filters() throws {
        let line = "-netdev passt,id=u0 -netdev passt,id=u1 -device virtio-net-pci,netdev=u0,id=vn0"
        let made = try Self.configuration(NetworkTable(line, []))
        let filter = "  - f0: type=filter-dump,file=z0.pcap,maxlen=65536,position=tail,status=on,insert=behind,"
        func shown(on name: String) throws -> [String] {
            let list = KeyValueList(pairs: [.init("netdev", name), .init("file", "z0.pcap")])
            let plan = try FilterOption.plan(list, id: "f0", location: nil)
            return made.topology.report(info: Self.info(made), filters: { $0.name == name ? [plan] : [] }).lines
        }
        #expect(
            try shown(on: "u1") == [
                "u1: index=0,\(passt)", "filters:", filter + "netdev=u1,queue=all", card("vn0", "virtio-net-pci", "56"),
                " \\ u0: index=0,\(passt)",
            ])
        #expect(
            try shown(on: "u0") == [
                "u1: index=0,\(passt)", card("vn0", "virtio-net-pci", "56"), " \\ u0: index=0,\(passt)", "filters:",
                filter + "netdev=u0,queue=all",
            ])
    }
}
