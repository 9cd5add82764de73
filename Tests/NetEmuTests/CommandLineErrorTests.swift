// The error table: what is typed, and what netemu answers, character for character. Where QEMU has a
// text it is QEMU's, `netemu` for its name and `passt,vhost-user=on` for `user`.

import Testing

@testable import NetEmu

struct Refusal: Sendable, CustomTestStringConvertible {
    let line: String
    let answer: String
    init(_ line: String, _ answer: String) {
        self.line = line
        self.answer = answer
    }
    var testDescription: String { line }
}

private let idHint = "\nIdentifiers consist of letters, digits, '-', '.', '_', starting with a letter."
private let characterDevices =
    "stdio, mon:stdio, none, null, unix:PATH, tcp:HOST:PORT, telnet:HOST:PORT, chardev:ID"
private let node = "\nLeave it out: -guest node boots without it"
private let today = "\nWhat works today: passt, stream, vhost-user, hubport"
private let vu = "passt,vhost-user=on"

/// QEMU's own texts.
private let qemuTexts: [Refusal] = [
    Refusal(
        "-netdev hubport,id=a,hubid=3000000000,bogus=1",
        "-netdev hubport,id=a,hubid=3000000000,bogus=1: Parameter 'hubid' expects int32_t"),
    Refusal(
        "-netdev hubport,id=a,hubid=,bogus=1",
        "-netdev hubport,id=a,hubid=,bogus=1: Parameter 'hubid' expects an int64 value"),
    Refusal(
        "-netdev hubport,id=a,hubid=99999999999999999999",
        "-netdev hubport,id=a,hubid=99999999999999999999: Parameter 'hubid' expects an int64 value"),
    Refusal(
        "-nic hubport,hubid=1,id=n -object filter-dump,id=f,netdev=n,maxlen=5000000000,file=/x,bogus=1",
        "-object filter-dump,id=f,netdev=n,maxlen=5000000000,file=/x,bogus=1: Parameter 'maxlen' expects uint32_t"),
    Refusal(
        "-nic hubport,hubid=1,id=n -object filter-dump,id=f,netdev=n,maxlen=-1,file=/x",
        "-object filter-dump,id=f,netdev=n,maxlen=-1,file=/x: Parameter 'maxlen' expects a uint64 value"),
    Refusal(
        "-nic hubport,hubid=1,id=n -object filter-dump,id=f,netdev=n,bogus=1,queue=zz",
        "-object filter-dump,id=f,netdev=n,bogus=1,queue=zz: Parameter 'queue' does not accept value 'zz'"),
    Refusal(
        "-nic hubport,hubid=1,id=n -object filter-dump,id=f,netdev=n,bogus=1,insert=zz",
        "-object filter-dump,id=f,netdev=n,bogus=1,insert=zz: Parameter 'insert' does not accept value 'zz'"),
    Refusal(
        "-nic hubport,hubid=1,id=n -object filter-dump,id=f,netdev=n,file=/x,bogus=1,status=zz",
        "-object filter-dump,id=f,netdev=n,file=/x,bogus=1,status=zz: Invalid parameter 'bogus'"),
    Refusal(
        "-netdev af-xdp,id=x,ifname=v0",
        "-netdev af-xdp,id=x,ifname=v0: Parameter 'type' does not accept value 'af-xdp'"),
    Refusal(
        "-netdev passt,id=x,freebind=maybe",
        "-netdev passt,id=x,freebind=maybe: Parameter 'freebind' expects 'on' or 'off'"),
    Refusal("-netdev passt,id=1x", "-netdev passt,id=1x: Parameter 'id' expects an identifier" + idHint),
    Refusal("-netdev passt,id=a/b", "-netdev passt,id=a/b: Parameter 'id' expects an identifier" + idHint),
    Refusal("-netdev passt,id=x,mtu=abc", "-netdev passt,id=x,mtu=abc: Parameter 'mtu' expects an int64 value"),
    Refusal(
        "-netdev \(vu),id=x -device virtio-net,netdev=x,mac=zz:54:00:12:34:56",
        "-device virtio-net,netdev=x,mac=zz:54:00:12:34:56: "
            + "Property 'virtio-net-device.mac' doesn't take value 'zz:54:00:12:34:56'"),
    Refusal(
        "-nic \(vu),mac=53:54:00:12:34:56", "-nic \(vu),mac=53:54:00:12:34:56: NIC cannot have multicast MAC address"),
    Refusal(
        "-nic \(vu),mac=zz:54:00:12:34:56", "-nic \(vu),mac=zz:54:00:12:34:56: invalid syntax for ethernet address"),
    Refusal("-nic \(vu),mac=52:54:00:12:34", "-nic \(vu),mac=52:54:00:12:34: invalid syntax for ethernet address"),
    Refusal("-device virtio-net,foo=1", "-device virtio-net,foo=1: Property 'virtio-net-pci.foo' not found"),
    Refusal(
        "-device virtio-net,id=a -device virtio-net,id=a", "-device virtio-net,id=a: Duplicate ID 'a' for device"),
    Refusal("-netdev \(vu),id=x -netdev \(vu),id=x", "-netdev \(vu),id=x: Duplicate ID 'x' for netdev"),
    Refusal("-netdev \(vu),id=x -nic \(vu),id=x", "-nic \(vu),id=x: Duplicate ID 'x'"),
    Refusal(
        "-m foo",
        "-m foo: Parameter 'size' expects a non-negative number below 2^64\n"
            + "Optional suffix k, M, G, T, P or E means kilo-, mega-, giga-, tera-, peta-\nand exabytes, respectively."),
    Refusal(
        "-m 256 -object memory-backend-memfd,id=m,share=on,size=128M -numa node,memdev=m -nic none",
        "total memory for NUMA nodes (0x8000000) should equal RAM size (0x10000000)"),
    Refusal(
        "-object memory-backend-memfd,id=m,share=on",
        "-object memory-backend-memfd,id=m,share=on: Parameter 'size' is missing"),
    Refusal(
        "-m 256 -object memory-backend-memfd,id=m,share=on,size=100 -numa node,memdev=m",
        "-object memory-backend-memfd,id=m,share=on,size=100: "
            + "m backing store size 0x64 is too small for 'size' option 0x1000 plus 'offset' option 0x0"),
    Refusal("-netdev passt", "-netdev passt: Parameter 'id' is missing"),
    Refusal("-netdev id=x", "-netdev id=x: Parameter 'type' is missing"),
    Refusal("-netdev none,id=x", "-netdev none,id=x: network backend 'none' is not compiled into this binary"),
    Refusal("-netdev nic,id=x", "-netdev nic,id=x: network backend 'nic' is not compiled into this binary"),
    Refusal(
        "-netdev netmap,id=x,ifname=v",
        "-netdev netmap,id=x,ifname=v: network backend 'netmap' is not compiled into this binary"),
    Refusal(
        "-device virtio-net,netdev=nosuch",
        "-device virtio-net,netdev=nosuch: Property 'virtio-net-device.netdev' can't find value 'nosuch'"),
    Refusal(
        "-netdev \(vu),id=x -device virtio-net,netdev=x -device e1000,netdev=x",
        "-device e1000,netdev=x: Property 'e1000.netdev' can't take value 'x', it's in use"),
    Refusal(
        "-netdev \(vu),id=x -device virtio-net,netdev=x -device virtio-net-pci,netdev=x",
        "-device virtio-net-pci,netdev=x: Property 'virtio-net-device.netdev' can't take value 'x', it's in use"),
    Refusal("-m 256 -numa node,memdev=nosuch -nic none", "-numa node,memdev=nosuch: memdev=nosuch is ambiguous"),
    Refusal("-object memory-backend-memfd,size=1M", "-object memory-backend-memfd,size=1M: Parameter 'id' is missing"),
    Refusal("-object nosuch,id=x", "-object nosuch,id=x: Parameter 'qom-type' does not accept value 'nosuch'"),
    Refusal("-nosuchoption", "-nosuchoption: invalid option"),
    Refusal("-nic", "-nic: requires an argument"),
    Refusal("-netdev passt,id=x,bogus=1", "-netdev passt,id=x,bogus=1: Invalid parameter 'bogus'"),
    Refusal("-nic passt,bogus=1", "-nic passt,bogus=1: Invalid parameter 'bogus'"),
    Refusal("-netdev foo,id=x", "-netdev foo,id=x: Parameter 'type' does not accept value 'foo'"),
    Refusal("-nic foo", "-nic foo: Parameter 'type' does not accept value 'foo'"),
    Refusal("-netdev \(vu),id=x -nic netdev=x", "-nic netdev=x: Invalid parameter 'netdev'"),
    // QEMU 11.1 aborts here; the sentence is its own.
    Refusal(
        "-nic passt,model=e1000,vhost-user=on",
        "-nic passt,model=e1000,vhost-user=on: vhost-user requires frontend driver virtio-net-*"),
    Refusal(
        "-netdev \(vu),id=x -device e1000,netdev=x",
        "-device e1000,netdev=x: vhost-user requires frontend driver virtio-net-*"),
    Refusal(
        String(repeating: "-nic \(vu) ", count: 8) + "-nic \(vu)",
        "-nic \(vu): no more on-board/default NIC slots available"),
]

/// Texts of netemu: kinder than QEMU's, or about what QEMU does not have.
private let ownTexts: [Refusal] = [
    Refusal("-niv none", "-niv: invalid option\nDid you mean -nic?"),
    Refusal(
        "-nic passt,adress=1.2.3.4", "-nic passt,adress=1.2.3.4: Invalid parameter 'adress'\nDid you mean address=?"),
    // QEMU takes -m 0 as "the default".
    Refusal("-m 0", "-m 0: guest memory of 0 is not possible: it must be 16M to 64G"),
    Refusal("-m 1T", "-m 1T: guest memory of 1024G is not possible: it must be 16M to 64G"),
    Refusal(
        "-object memory-backend-memfd,id=m,size=256M -numa node,memdev=m -nic none",
        "total memory for NUMA nodes (0x10000000) should equal RAM size (0x8000000)\n"
            + "Type -m 256M: without -m the size is 128M"),
    Refusal(
        "-object memory-backend-memfd,id=m,size=128M,share=off -numa node,memdev=m -nic \(vu)",
        "-nic \(vu): vhost-user needs guest memory that can be shared, but memory-backend-memfd 'm' has share=off\n"
            + "Write share=on there"),
    Refusal(
        "-device nosuchdev",
        "-device nosuchdev: 'nosuchdev' is not a valid device model name\nWhat works today: virtio-net-pci, or virtio-net for short"
    ),
    Refusal("-netdev user,id=x", "-netdev user,id=x: network backend 'user' is not supported yet" + today),
    Refusal("-nic tap,ifname=t0", "-nic tap,ifname=t0: network backend 'tap' is not supported yet" + today),
    Refusal("-net nic -net user", "-net user: network backend 'user' is not supported yet" + today),
    Refusal(
        "-nic none -kernel vmlinuz", "-kernel vmlinuz: needs -guest uml, which is not supported yet" + node),
    Refusal("-nic none -drive file=x", "-drive file=x: needs -guest qemu, which is not supported yet" + node),
    Refusal("-nic none disk.img", "disk.img: a disk image needs -guest qemu, which is not supported yet" + node),
    Refusal(
        "-nic none -incoming foo",
        "-incoming foo: unknown migration protocol: foo\nFor example -incoming tcp:localhost:4444"
    ),
    Refusal(
        "-nic none -incoming tcp:",
        "-incoming tcp:: error parsing address ''\nFor example -incoming tcp:localhost:4444"
    ),
    Refusal(
        "",
        "no network: QEMU's default, -net nic -net user, is not supported yet\nType: netemu -nic passt,vhost-user=on"),
    Refusal(
        "-monitor stdio",
        "no network: QEMU's default, -net nic -net user, is not supported yet\nType: netemu -nic passt,vhost-user=on -monitor stdio"
    ),
    Refusal(
        "-monitor foo",
        "-monitor foo: 'foo' is not a valid char driver\nnetemu: -monitor foo: parse error: foo\nWhat is accepted: \(characterDevices)"
    ),
    Refusal("-nic none -monitor pty", "-monitor pty: not supported yet\nWhat works today: \(characterDevices)"),
    Refusal(
        "-nic none -monitor stdio -serial stdio",
        "-serial stdio: cannot use stdio by multiple character devices\n"
            + "Type -serial mon:stdio instead of both: Ctrl-A c switches"),
    Refusal(
        "-nic none -guest toaster",
        "-guest toaster: 'toaster' is not a kind of guest\nWhat works today: -guest node, -guest none"),
    Refusal(
        "-nic none -guest node,run=a,script=b", "-guest node,run=a,script=b: run= and script= cannot both be given"),
    Refusal(
        "-nic none -guest node,hostname=a_b",
        "-guest node,hostname=a_b: hostname 'a_b' must be 1 to 63 letters, digits and '-'"),
    Refusal(
        "-device virtio-net,host_mtu=67",
        "-device virtio-net,host_mtu=67: host_mtu=67 is not possible: it must be 68 to 65535, or 0 for none"),
]

@Suite("refused command lines")
struct CommandLineErrorTests {
    static func words(_ line: String) -> [String] { line.split(separator: " ").map(String.init) }

    static func message(_ line: String) -> String {
        do throws(OptionError) {
            _ = try ConfigurationBuilder.build(words(line), random: { 4 })
            return "(accepted)"
        } catch {
            return error.message
        }
    }

    @Test("QEMU's text answers", arguments: qemuTexts)
    func qemuText(_ refusal: Refusal) { #expect(Self.message(refusal.line) == "netemu: " + refusal.answer) }

    @Test("an id that a card has is told before what is wrong with a property")
    func takenBeforeProperties() {
        let device = #"{"driver":"rtl8139","id":"d","netdev":"nosuch"}"#
        #expect(
            ObstacleTests.refused(["-device", device, "-device", "virtio-net,id=d"]) == [
                "netemu: -device \(device): Duplicate device ID 'd'"
            ])
    }

    @Test("netemu's own text answers", arguments: ownTexts)
    func ownText(_ refusal: Refusal) { #expect(Self.message(refusal.line) == "netemu: " + refusal.answer) }

    @Test("a refused line with a script is told apart by its words alone")
    func scriptStatus() {
        #expect(OptionScanner.asksForScript(["-bogus", "-guest", "node,run=ip addr"]))
        #expect(OptionScanner.asksForScript(["--guest", "node,hostname=a,script=f"]))
        #expect(OptionScanner.asksForScript(["-nic", "none", "--", "ls"]))
        #expect(!OptionScanner.asksForScript(["-guest", "node,hostname=run"]))
        #expect(!OptionScanner.asksForScript(["-guest"]))
    }

    @Test("two dashes are one, and the message shows what was typed")
    func doubleDash() {
        #expect(Self.message("--netdev passt") == "netemu: --netdev passt: Parameter 'id' is missing")
        #expect(Self.message("--nosuch") == "netemu: --nosuch: invalid option")
    }

    @Test("every option of QEMU is known by its arity: none is called invalid")
    func everyOptionIsNamed() {
        for row in OptionTable.rows {
            let words = row.argument == nil ? ["-\(row.name)"] : ["-\(row.name)", "x"]
            do throws(OptionError) {
                let scanned = try OptionScanner.scan(words)
                #expect(scanned.count == 1)
            } catch { Issue.record("-\(row.name): \(error.text)") }
        }
        let names = OptionTable.rows.map(\.name)
        #expect(Set(names).count == names.count, "a name stands in the table once")
    }
}
