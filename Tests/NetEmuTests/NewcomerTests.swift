// What somebody types who knows QEMU and not netemu, or neither: each line runs, or says what to type.

import Testing

@testable import NetEmu

@Suite("a newcomer's lines")
struct NewcomerTests {
    private static func refused(_ words: String...) -> [String] { ObstacleTests.refused(words) }

    @Test("a word that is no option is told what it stands for")
    func words() {
        for (word, meant) in [
            ("help", "netemu -help"), ("version", "netemu -version"), ("passt", "netemu -nic passt"),
            ("user", "netemu -nic user"), ("node", "netemu -nic passt -guest node"),
        ] {
            #expect(Self.refused(word) == ["netemu: \(word): this is no option\nType: \(meant)"])
            #expect(Self.refused("-nic", "none", word) == ["netemu: \(word): this is no option\nType: \(meant)"])
        }
    }

    @Test("an empty word, a program that starts others, and a script without its option: one line says what to type")
    func strayWords() {
        let empty = "netemu: '': this is no option\nAn empty word: is it a variable of the shell that is empty?"
        #expect(Self.refused("") == [empty] && Self.refused("-nic", "none", "") == [empty])
        for (words, line) in [
            (
                ["sudo", "qemu-system-x86_64", "-nic", "passt", "-name", "a b"],
                "sudo netemu -nic passt -name 'a b'"
            ),
            (["env", "/usr/bin/qemu-kvm", "-nic", "none"], "env netemu -nic none"),
            (["-nic", "none", "run", "echo a, b"], "netemu -nic passt -guest node,run='echo a,, b'"),
            (["-nic", "none", "run", "-S"], "netemu -nic passt -guest node,run='…'"),
            (["-nic", "none", "run"], "netemu -nic passt -guest node,run='…'"),
        ] {
            let word = words[0].hasPrefix("-") ? "run" : words[0]
            #expect(ObstacleTests.refused(words) == ["netemu: \(word): this is no option\nType: \(line)"])
        }
        #expect(Self.refused("-nic", "none", "sudo", "qemu-kvm").first?.contains("a disk image needs") == true)
    }

    @Test("the program's name in front of a pasted line is left out, with one warning; elsewhere it is a disk image")
    func programName() throws {
        for name in ["qemu-system-x86_64", "/usr/bin/qemu-system-aarch64", "/usr/libexec/qemu-kvm", "netemu"] {
            let made = try CommandLineTests.build(words: [name, "-nic", "none"])
            #expect(made.warnings.map(\.message) == ["\(name): warning: a program's name is no option: it is left out"])
        }
        let line = "Type: netemu -nic passt,vhost-user=on -monitor stdio"
        #expect(Self.refused("qemu-system-x86_64", "-monitor", "stdio").last?.hasSuffix(line) == true)
        #expect(Self.refused("-nic", "none", "qemu-system-x86_64").last?.contains("a disk image needs") == true)
        #expect(Self.refused("my-qemu-system").first?.contains("a disk image needs") == true)
    }

    @Test("without a network the line to type instead has one card for each that was typed")
    func oneCard() throws {
        for (words, instead) in [
            (
                ["-device", "virtio-net-pci"],
                "netemu -netdev passt,id=n0,vhost-user=on -device virtio-net-pci,netdev=n0"
            ),
            (
                ["-monitor", "stdio", "--device", "e1000,id=a", "-device", "e1000"],
                "netemu -netdev passt,id=n0 -monitor stdio --device e1000,id=a,netdev=n0 -device e1000"
            ),
            (["-device", "virtio-rng-pci"], "netemu -nic passt,vhost-user=on -device virtio-rng-pci"),
        ] {
            let typed = words.filter { $0.hasPrefix("virtio-net") || $0.hasPrefix("e1000") }.count
            #expect(ObstacleTests.refused(words).last?.split(separator: "\n").last == "Type: \(instead)")
            let cards = try CommandLineTests.cards(String(instead.dropFirst("netemu ".count)))
            #expect(cards.count == max(1, typed), "\(cards)")
        }
        let two = Self.refused("-device", "virtio-net-pci", "-kernel", "k")
        let added = "Add -netdev passt,id=n0,vhost-user=on, and netdev=n0 to -device virtio-net-pci"
        #expect(two.last?.split(separator: "\n").last == Substring(added))
    }

    @Test("a comma in a script is explained where what follows it is no key")
    func comma() {
        for (text, key, meant) in [
            ("run=echo a, b", " b", "'echo a,, b'"), ("run=curl -H x, y=z", " y", "'curl -H x,, y=z'"),
            ("run=echo a,b,c,timeout=3", "b", "'echo a,,b,,c'"), ("run=a,nope", "pe", "a,,nope"),
        ] {
            let hint = "A comma in a value is typed twice: run=\(meant)"
            let said = Self.refused("-nic", "none", "-guest", "node,\(text)")
            #expect(said == ["netemu: -guest node,\(text): Invalid parameter '\(key)'\n\(hint)"])
        }
        // Where no text stands in front, there is no comma to explain.
        #expect(Self.refused("-nic", "none", "-guest", "node,runn=a").first?.contains("typed twice") == false)
    }

    @Test(
        "a key of -guest that wants a text is not on because it stands alone", arguments: ["run", "script", "hostname"])
    func bareKeys(key: String) {
        let want = key == "script" ? "script=<str>" : "\(key)=<str>"
        for word in [key, "no" + key] {
            #expect(
                Self.refused("-nic", "none", "-guest", "node,\(word)") == [
                    "netemu: -guest node,\(word): Parameter '\(key)' needs a value: \(want)"
                ])
        }
    }

    @Test("a second -guest is refused: there is one guest")
    func twoGuests() {
        #expect(
            Self.refused("-nic", "none", "-guest", "node,run=a", "-guest", "node,run=b") == [
                "netemu: -guest node,run=b: there is one guest, and -guest node,run=a says what it is already\n"
                    + "Put all keys into one -guest"
            ])
    }

    @Test("a daemon has no standard output: a script is refused there")
    func daemon() throws {
        for key in ["run=ip addr", "script=s"] {
            #expect(
                Self.refused("-nic", "none", "-daemonize", "-guest", "node,\(key)").first?.hasPrefix(
                    "netemu: -daemonize: what the script prints would be lost: a daemon has no standard output\nLeave ")
                    == true)
        }
        _ = try CommandLineTests.build("-nic none -daemonize -guest node")
    }

    @Test("-S without a monitor says that nobody can type cont; what would have to end by itself is refused")
    func neverContinued() throws {
        let text = "the guest will never run: there is no monitor in which cont could be typed"
        func check(_ line: String, isPiped: Bool = false) throws -> [String] {
            var made = try CommandLineTests.build(line)
            if isPiped { made.usePipe() }
            do throws(OptionError) { try made.checkStop() } catch { return error.messages }
            return made.warnings.map(\.message)
        }
        let hint = "\nLeave -S out, or add -monitor unix:PATH,server=on,wait=off"
        #expect(try check("-nic none -S") == ["-S: warning: \(text)\(hint)"])
        #expect(try check("-nic none -S -guest node,run=x,timeout=1") == ["-S: warning: \(text)\(hint)"])
        #expect(try check("-nic none -S -guest node,run=x") == ["netemu: -S: \(text)\(hint)"])
        #expect(try check("-nic none -S -monitor stdio -guest node,run=x") == [])
        #expect(try check("-nic none -S -serial mon:stdio") == [])
        // Nothing of the pipe would ever be read.
        #expect(try check("-nic none -S", isPiped: true) == ["netemu: -S: \(text)\(hint)"])
        #expect(try check("-nic none -S -monitor stdio", isPiped: true) == [])
        #expect(try check("-nic none -S -daemonize", isPiped: true) == ["-S: warning: \(text)\(hint)"])
    }
}
