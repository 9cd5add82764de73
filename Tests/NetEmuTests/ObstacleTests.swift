// Whole command lines: what changes nothing is warned of once, what would boot a machine is refused, and everything that
// stands in the way is told in one run, in typing order, with what to do.

import Testing

@testable import NetEmu

@Suite("what stands in the way of a command line")
struct ObstacleTests {
    static let leaveOut = "Leave it out: -guest node boots without it"

    /// What is refused, a block a thing.
    static func refused(_ words: [String]) -> [String] {
        do throws(OptionError) {
            _ = try ConfigurationBuilder.build(words, random: { 4 })
            return []
        } catch { return error.messages }
    }

    static func warned(_ line: String) throws -> [String] {
        try CommandLineTests.build("-nodefaults " + line).warnings.map(\.message)
    }

    @Test("all refusals in one run, in typing order, each with what to do")
    func everything() {
        let line = "-drive file=x -nic passt -kernel k -cpu host -netdev user,id=u -device e1000,netdev=u d.img -qmp x"
        #expect(
            Self.refused(CommandLineErrorTests.words(line)) == [
                "netemu: -drive file=x: needs -guest qemu, which is not supported yet\n" + Self.leaveOut,
                "netemu: -kernel k: needs -guest uml, which is not supported yet\n" + Self.leaveOut,
                "netemu: -netdev user,id=u: network backend 'user' is not supported yet\n"
                    + "What works today: passt, stream, vhost-user, hubport",
                "netemu: d.img: a disk image needs -guest qemu, which is not supported yet\n" + Self.leaveOut,
                "netemu: -qmp x: not supported yet\nLeave it out; what works today: -monitor stdio",
            ])
    }

    @Test("a line without a network is told so behind the rest")
    func noNetwork() {
        #expect(
            Self.refused(["-hda", "x"]) == [
                "netemu: -hda x: needs -guest qemu, which is not supported yet\n" + Self.leaveOut,
                "netemu: no network: QEMU's default, -net nic -net user, is not supported yet\n"
                    + "Add -nic passt,vhost-user=on",
            ])
    }

    @Test("of mistakes the first one is told, where QEMU stops, beside what netemu does not have")
    func firstMistake() {
        let line = "-device virtio-net,foo=1 -netdev hubport,id=h -hda x"
        #expect(
            Self.refused(CommandLineErrorTests.words(line)) == [
                "netemu: -netdev hubport,id=h: Parameter 'hubid' is missing",
                "netemu: -hda x: needs -guest qemu, which is not supported yet\n" + Self.leaveOut,
            ])
        #expect(Self.refused(["-nic", "none", "-bogus", "value", "-hda", "x"]).count == 2)
    }

    @Test(
        "what misses only something that was refused is no obstacle of its own",
        arguments: [
            "-netdev tap,id=t -device virtio-net,netdev=t",
            "-netdev user,id=u -netdev hubport,id=h,hubid=0,netdev=u -device virtio-net,netdev=h",
            "-chardev pty,id=c -netdev vhost-user,id=v,chardev=c -device virtio-net,netdev=v",
            "-nodefaults -drive if=none,id=d -set drive.d.file=x",
        ])
    func consequences(_ line: String) {
        #expect(Self.refused(CommandLineErrorTests.words(line)).count == 1)
    }

    @Test(
        "what changes nothing in the network warns once and goes on",
        arguments: [
            ("-echr 1", "-echr has no effect: netemu has no escape character but Ctrl-A"),
            ("-blockdev a -blockdev b", "-blockdev has no effect: netemu has no disks"),
            ("-drive if=pflash,file=x", "-drive has no effect: netemu has no firmware"),
            ("-snapshot", "-snapshot has no effect: netemu has no disks"),
            ("-fsdev local,id=f", "-fsdev has no effect: netemu has no file systems to share"),
            ("-d int", "-d has no effect: netemu has no such log of its own"),
            ("-trace x -trace y", "-trace has no effect: netemu has no such log of its own"),
            ("-add-fd fd=3,set=1", "-add-fd has no effect: netemu has no sets of descriptors"),
            (
                "-device virtio-rng-pci -device virtio-rng-pci",
                "-device virtio-rng-pci has no effect: netemu has no such device"
            ),
            ("-device virtio-balloon", "-device virtio-balloon has no effect: netemu has no such device"),
            ("-device host-x86_64-cpu", "-device host-x86_64-cpu has no effect: netemu has no such device"),
            ("-object secret,id=s,data=x", "-object secret has no effect: nothing in netemu uses it"),
            ("-object iothread,id=i", "-object iothread has no effect: nothing in netemu uses it"),
            ("-global PIIX4_PM.disable_s3=1", "-global PIIX4_PM.disable_s3=1 has no effect: netemu has no such device"),
        ])
    func warnings(_ line: String, _ text: String) throws { #expect(try Self.warned(line) == ["warning: " + text]) }

    @Test("a device that carries a disk is refused as the disk is")
    func diskDevice() {
        #expect(
            Self.refused(["-nic", "none", "-device", "virtio-blk-pci,drive=d"]) == [
                "netemu: -device virtio-blk-pci,drive=d: 'virtio-blk-pci' needs -guest qemu, which is not supported yet\n"
                    + Self.leaveOut
            ])
    }

    @Test("a back-end on rings hangs on a hub in each way that one on frames does, whatever guest memory is")
    func hubAndRings() throws {
        let chardev = "-chardev socket,id=c,path=/s,server=on,wait=off "
        let memory = "-object memory-backend-ram,id=m,size=128M -machine memory-backend=m "
        for line in [
            chardev + "-net nic,model=virtio -net vhost-user,chardev=c", "-net nic -net passt,vhost-user=on",
            "-netdev passt,id=p,vhost-user=on -netdev hubport,id=h,hubid=0,netdev=p",
            "-nic hubport,hubid=0,model=e1000 -netdev vhost-user,id=v,chardev=c -netdev hubport,id=h,hubid=0,netdev=v "
                + chardev,
        ] {
            #expect(throws: Never.self) { try CommandLineTests.build(memory + line) }
        }
    }

    @Test("help of an option without a part here is an answer; -M help lists machines")
    func help() throws {
        for (words, part) in [
            (["-cpu", "help"], "netemu has no processor"), (["-M", "help"], "Supported machines are:\n"),
            (["-machine", "?"], "Supported machines are:\n"), (["-device", "e1000,help"], "e1000 options:\n"),
            (["-device", "driver=help"], "name \"e1000\", bus PCI"),
            (["-device", "driver=e1000,?"], "e1000 options:\n"),
            (["-object", "memory-backend-ram,help"], "memory-backend-ram options:\n"),
        ] {
            guard case .print(let text) = try ConfigurationBuilder.build(words) else {
                Issue.record("\(words) ran")
                continue
            }
            #expect(text.contains(part))
        }
    }

    @Test("two dashes with nothing behind them are netemu's own failure, 1; with a command it is 125")
    func loneDashes() {
        #expect(Self.refused(["-nic", "none", "--"]) == ["netemu: --: a command is missing behind it"])
        #expect(!OptionScanner.asksForScript(["-nic", "none", "--"]))
        #expect(OptionScanner.asksForScript(["-nic", "none", "--", "ls"]))
        #expect(Self.refused(["-nic", "none", "--", "ls", "-bogus", "x"]).count == 1)
    }

    @Test("a warning has QEMU's order: place, the word, the text")
    func order() throws {
        #expect(
            try Self.warned("-device virtio-net-pci,vectors=4") == [
                "-device virtio-net-pci,vectors=4: warning: vectors= has no effect: netemu has no emulated board"
            ])
    }
}
