// The human monitor's transcripts of QEMU 11.1 (set_link; netdev_add and _del, device_add and _del), character for
// character. Where QEMU's user-mode back-end stood, a stream stands that has not found its peer; the help lists what
// netemu has.

import TestSupport
import Testing

@Suite("QEMU's monitor transcripts", .serialized)
struct MonitorTranscriptTests {
    /// A command and the lines of its answer.
    typealias Exchange = (command: String, answer: [String])

    private static let peer = "reconnect-ms=60000,addr.type=unix,addr.path=/nosuch/socket"

    @Test("set_link")
    func setLink() throws {
        let network = [
            "u1: index=0,type=stream,connecting",
            "vn0: index=0,type=nic,model=virtio-net-pci,macaddr=52:54:00:12:34:56",
            " \\ u0: index=0,type=stream,connecting",
        ]
        let help = #"Try "help set_link" for more information"#
        try replay(
            [
                "-netdev", "stream,id=u0,\(Self.peer)", "-device", "virtio-net-pci,netdev=u0,id=vn0", "-netdev",
                "stream,id=u1,\(Self.peer)",
            ],
            [
                ("info network", network), ("set_link vn0 off", []), ("info network", network),
                ("set_link vn0 on", []), ("set_link u0 off", []), ("info network", network), ("set_link u0 on", []),
                ("set_link nosuch off", ["Error: Device 'nosuch' not found"]),
                ("set_link vn0 maybe", ["Expected 'on' or 'off'", help]),
                ("set_link vn0", ["Expected 'on' or 'off'", help]),
                ("set_link", ["set_link: string expected", help]), ("set_link u1 off", []), ("info network", network),
            ])
    }

    @Test("netdev_add, device_add, netdev_del, device_del")
    func hotPlug() throws {
        let n0 = "n0: index=0,type=stream,connecting"
        let d0 = "d0: index=0,type=nic,model=virtio-net-pci,macaddr=52:54:00:12:34:56"
        let d2 = "d2: index=0,type=nic,model=e1000e,macaddr=52:54:00:12:34:57"
        try replay(
            ["-nic", "none"],
            [
                ("netdev_add stream,id=n0,\(Self.peer)", []), ("info network", [n0]),
                (
                    "netdev_add stream,id=n0,\(Self.peer)",
                    [
                        "netemu: Duplicate ID 'n0' for netdev",
                        #"Try "help netdev_add" for more information"#,
                    ]
                ),
                ("netdev_add user", ["Error: Parameter 'id' is missing"]),
                ("netdev_add foo,id=n1", ["Error: Parameter 'type' does not accept value 'foo'"]),
                ("netdev_add id=n1", ["Error: Parameter 'type' is missing"]),
                ("netdev_add passt,id=n1,bogus=1", ["Error: Invalid parameter 'bogus'"]),
                ("netdev_add", ["Error: Parameter 'id' is missing"]),
                (
                    "netdev_add help",
                    ["Available netdev backend types:", "passt", "stream", "vhost-user", "hubport"]
                ),
                ("device_add virtio-net-pci,netdev=n0,id=d0", []), ("info network", [d0, " \\ " + n0]),
                (
                    "device_add virtio-net-pci,netdev=n0,id=d1",
                    ["Error: Property 'virtio-net-device.netdev' can't take value 'n0', it's in use"]
                ),
                (
                    "device_add virtio-net-pci,netdev=nosuch,id=d1",
                    ["Error: Property 'virtio-net-device.netdev' can't find value 'nosuch'"]
                ),
                ("device_add virtio-net-pci,id=d0", ["Error: Duplicate device ID 'd0'"]),
                ("device_add e1000e,id=d2", []),
                // A hint follows, which QEMU does not have.
                (
                    "device_add nosuch",
                    [
                        "Error: 'nosuch' is not a valid device model name",
                        "What works today: virtio-net-pci, or virtio-net for short",
                    ]
                ),
                ("device_add", ["Error: Parameter 'driver' is missing"]), ("netdev_del n0", []),
                // What is behind the card has ended; QEMU shows its last words.
                ("netdev_del n0", ["Error: Device 'n0' not found"]),
                ("netdev_del nosuch", ["Error: Device 'nosuch' not found"]),
                (
                    "netdev_del",
                    ["netdev_del: string expected", #"Try "help netdev_del" for more information"#]
                ),
                ("device_del d0", []), ("device_del nosuch", ["Error: Device 'nosuch' not found"]),
                ("device_del d0", ["Error: Device d0 is already in the process of unplug"]),
                ("info status", ["VM status: paused (prelaunch)"]), ("info name", []),
                (
                    "info chardev",
                    ["compat_monitor0: filename=unix:{directory}/monitor,server=on", "serial0: filename=null"]
                ),
            ], card: d2)
    }

    @Test("netdev_add knows the ids of -netdev before it reads on, others when it makes the back-end")
    func takenIds() throws {
        try replay(
            ["-nic", "hubport,id=x,hubid=3", "-netdev", "hubport,id=y,hubid=4"],
            [
                ("netdev_add hubport,id=x,hubid=1", ["Error: Duplicate ID 'x'"]),
                (
                    "netdev_add hubport,id=y,hubid=1",
                    ["netemu: Duplicate ID 'y' for netdev", #"Try "help netdev_add" for more information"#]
                ),
            ])
    }

    @Test("a card shows the back-end that was removed under it: on its hub, with its last words")
    func removedUnderCard() throws {
        let network = [
            "hub 0", " \\ h0: d0: index=0,type=nic,model=virtio-net-pci,macaddr=52:54:00:12:34:56",
            "d1: index=0,type=nic,model=virtio-net-pci,macaddr=52:54:00:12:34:57",
            " \\ n0: index=0,type=stream,connecting",
        ]
        try replay(
            [
                "-netdev", "hubport,id=h0,hubid=0", "-netdev", "stream,id=n0,\(Self.peer)", "-device",
                "virtio-net-pci,netdev=h0,id=d0", "-device", "virtio-net-pci,netdev=n0,id=d1",
            ],
            [
                ("info network", network), ("netdev_del h0", []), ("netdev_del n0", []), ("info network", network),
                ("set_link n0 off", ["Error: Device 'n0' not found"]),
            ])
    }

    @Test("a guest that is reset while it stands still is as before its first start")
    func reset() throws {
        func status(_ text: String) -> Exchange { ("info status", ["VM status: \(text)"]) }
        try replay(
            ["-nic", "none"],
            [
                status("paused (prelaunch)"), ("system_reset", []), status("paused (prelaunch)"), ("cont", []),
                status("running"), ("system_reset", []), status("running"), ("stop", []), status("paused"),
                ("system_reset", []), status("paused (prelaunch)"), ("cont", []), status("running"), ("stop", []),
                status("paused"),
            ])
    }

    /// Types each command and compares what comes; at the end `info network` shows `card`, when one is given.
    private func replay(_ words: [String], _ exchanges: [Exchange], card: String? = nil) throws {
        try withTemporaryDirectory { directory in
            let path = directory.path + "/monitor"
            let netemu = try Peers.built("netemu").require()
            let child = try Child(
                [netemu] + words + ["-S", "-monitor", "unix:\(path),server=on,wait=off", "-serial", "null"])
            let client = try UnixClient(path: path)
            _ = try client.ask("info version", until: "0.1.0\n(netemu) ")
            for exchange in exchanges {
                let text = try client.ask(exchange.command, until: "\n(netemu) ")
                let lines = text.split(separator: "\n", omittingEmptySubsequences: false).dropFirst().dropLast()
                let expected = exchange.answer.map { $0.replacing("{directory}", with: directory.path) }
                #expect(lines.map(String.init) == expected, "\(exchange.command)")
            }
            if let card {
                let network = try client.ask("info network", until: "\n(netemu) ")
                #expect(network.contains("\n\(card)\n"), "\(network)")
            }
            child.signal(15)
            #expect(try child.wait() == .exited(0), "\(child.transcript)")
        }
    }
}
