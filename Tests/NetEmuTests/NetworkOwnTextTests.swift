// What is said of networks and devices where netemu is kinder or stricter than QEMU on purpose; each row says why.

import Testing

@testable import NetEmu

private let unix = "addr.type=unix,addr.path=/tmp/qq"
private let shortForms = "stdio, mon:stdio, none, null, unix:PATH, tcp:HOST:PORT, telnet:HOST:PORT, chardev:ID"

/// On purpose not QEMU's.
private let ownTexts: [Refusal] = [
    // QEMU aborts: two ports on one back-end, two cards of -net on one, a card and a back-end on one port.
    fault(
        "-netdev passt,id=u -nic hubport,hubid=3,netdev=u",
        "a hub's port has one peer: with netdev=u there is no place for the card\n"
            + "Leave netdev= out, and add -netdev hubport,id=ID,hubid=3,netdev=u",
        at: "-nic hubport,hubid=3,netdev=u"),
    fault(
        "-netdev passt,id=u -netdev hubport,id=x,hubid=0,netdev=u -netdev hubport,id=y,hubid=1,netdev=u",
        "netdev 'u' is in use", at: "-netdev hubport,id=y,hubid=1,netdev=u"),
    fault(
        "-netdev passt,id=x -net nic,netdev=x -net nic,netdev=x",
        "Property 'e1000e.netdev' can't take value 'x', it's in use", at: "-net nic,netdev=x"),
    // QEMU cuts numbers to their low bits.
    fault("-netdev stream,id=x,\(unix),reconnect-ms=-1", "Parameter 'reconnect-ms' expects uint32_t"),
    fault("-netdev stream,id=x,\(unix),reconnect-ms=4294967296", "Parameter 'reconnect-ms' expects uint32_t"),
    fault("-chardev socket,id=c,path=/q,reconnect-ms=-1", "Parameter 'reconnect-ms' expects uint32_t"),
    // QEMU starts and shows these errors in `info network`.
    fault("-netdev stream,id=x,addr.type=fd,addr.str=foo", "Invalid file descriptor number 'foo'"),
    fault("-netdev stream,id=x,addr.type=fd,addr.str=1", "descriptor 1 is netemu's own"),
    fault(
        "-netdev stream,id=x,addr.type=vsock,addr.cid=foo,addr.port=1",
        "Parameter 'addr.cid' expects a number of 32 bits, not 'foo'"),
    // QEMU names the member that is missing; the one that is there is what was typed.
    json(#""type":"passt","id":"x","tcp-ports":[{"x":1}]"#, "Parameter 'tcp-ports[0].x' is unexpected"),
    // QEMU looks for addr first.
    json(
        #""type":"stream","id":"x","addr.type":"unix","addr.path":"/q""#, "Parameter 'addr.type' is unexpected"),
    // QEMU takes every MTU; a virtio driver takes none below 68.
    fault("-device virtio-net,host_mtu=67", "host_mtu=67 is not possible: it must be 68 to 65535, or 0 for none"),
    // The range is checked before the chardev is looked for.
    fault(
        "-netdev vhost-user,id=x,chardev=c,queues=0", "vhost-user number of queues must be in range [1, 1024]"),
    fault(
        "-netdev vhost-user,id=x,chardev=c,queues=2", "queues=2 is not supported yet\nWhat works today: queues=1"),
    // QEMU: Unable to parse FD number.
    fault("-chardev socket,id=c", "chardev: socket: no path, host or fd given"),
    fault("-monitor unix:", "Parameter 'path' is missing"),
    fault(
        "-nic none -chardev socket,id=c,path=/q,reconnect=1",
        "Parameter 'reconnect' is not supported yet\nUse reconnect-ms=",
        at: "-chardev socket,id=c,path=/q,reconnect=1"),
    // QEMU: parse error.
    fault("-monitor tcp:foo", "'tcp:foo': HOST:PORT is wanted"),
    fault("-monitor tcp::", "'tcp::': HOST:PORT is wanted"),
    fault(
        "-serial foo",
        "'foo' is not a valid char driver\nnetemu: -serial foo: could not connect serial device to character backend "
            + "'foo'\nWhat is accepted: \(shortForms)"),
    // QEMU adds a second line, without news.
    fault("-monitor unix:/q,bogus=1", "Invalid parameter 'bogus'"),
    // QEMU: could not connect serial device to character backend.
    fault("-serial chardev:nosuch", "chardev \"nosuch\" not found"),
    // QEMU's first line, and how to do it; for the second line it aborts.
    fault(
        "-nodefaults -chardev null,id=c,mux=on -mon c -mon c -mon c -mon c -mon c",
        "too many uses of multiplexed chardev 'c' (maximum is 4)", at: "-mon c"),
    fault(
        "-nodefaults -chardev null,id=c -mon c -mon c", "chardev 'c' is already in use\nAdd mux=on to share it",
        at: "-mon c"),
    fault(
        "-nodefaults -chardev null,id=c -serial chardev:c -mon c",
        "chardev 'c' is already in use\nAdd mux=on to share it", at: "-mon c"),
    fault("-nic hubport,hubid=0,hubi=1", "Invalid parameter 'hubi'\nDid you mean hubid=?"),
]

@Suite("networks and devices refused in netemu's own words")
struct NetworkOwnTextTests {
    @Test("netemu's own text answers", arguments: ownTexts)
    func ownText(_ refusal: Refusal) {
        #expect(CommandLineErrorTests.message(refusal.line) == "netemu: " + refusal.answer)
    }

    @Test("-net nic,name= is what the monitor calls the card; QEMU has no such key any more")
    func cardName() throws {
        let made = try CommandLineTests.build("-net nic,name=lan -net passt")
        #expect(
            made.topology.report(info: { _ in "" }).lines.contains {
                $0.hasPrefix(" \\ hub0port0: lan: index=0,type=nic,model=e1000e,")
            })
        #expect(
            CommandLineErrorTests.message("-net nic,name=a -net nic,name=a")
                == "netemu: -net nic,name=a: Duplicate ID 'a'")
    }

    @Test("keys that change nothing are told, each once")
    func withoutEffect() throws {
        let line = "-net nic,addr=3,vectors=0 -net passt -device virtio-net-pci,bootindex=1"
        #expect(
            try CommandLineTests.build(line).warnings.map(\.message) == [
                "-net nic,addr=3,vectors=0: warning: addr= has no effect: netemu has no PCI bus",
                "-net nic,addr=3,vectors=0: warning: vectors= has no effect: netemu has no MSI-X vectors",
                "-device virtio-net-pci,bootindex=1: warning: bootindex= has no effect: netemu has no emulated board",
            ])
    }
}
