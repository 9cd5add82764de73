// Cards, scripted back-ends and monitor commands in one process: what each is told, and what stays behind.

import Glibc
import Link
import Linux
import TestSupport
import Testing

@testable import NetEmu

@Suite("the network at run time")
struct NetworkTests {
    static let card = "device_add virtio-net-pci,netdev=n0,id=d0"
    static let d0 = "d0: index=0,type=nic,model=virtio-net-pci,macaddr=52:54:00:12:34:56"

    @Test("frames pass between a card and its back-end, and no cable that was pulled")
    func frames() throws {
        let script = try MachineScript("netdev_add scripted,id=n0", Self.card)
        let card = try #require(script.card("d0"))
        let netdev = try #require(script.netdev("n0"))
        #expect(card.link?.send([testFrame(60)], from: .card) == 1)
        #expect(netdev.link?.send([testFrame(70)], from: .netdev) == 1)
        #expect(netdev.port.takeFrames() == [testFrame(60)] && card.port.takeFrames() == [testFrame(70)])
        for name in ["d0", "n0"] {
            #expect(script.type("set_link \(name) off") == ["> "] && !card.isUp)
            #expect(card.link?.send([testFrame(60)], from: .card) == 1)
            #expect(netdev.port.takeFrames().isEmpty)
            #expect(script.type("set_link \(name) on") == ["> "] && card.isUp)
        }
        #expect(card.link?.counters(.card).droppedWhileDown == 2)
    }

    @Test("both ends of a cable have to be in: the card's and the back-end's")
    func bothEnds() throws {
        let script = try MachineScript("netdev_add scripted,id=n0", Self.card, "set_link d0 off", "set_link n0 off")
        let card = try #require(script.card("d0"))
        #expect(script.type("set_link d0 on") == ["> "] && !card.isUp)
        #expect(script.type("set_link n0 on") == ["> "] && card.isUp)
        #expect(script.type("set_link nobody on") == ["Error: Device 'nobody' not found", "> "])
        #expect(throws: EmulationError.noDevice("nobody")) { try script.network.setLink("nobody", isUp: true) }
    }

    @Test("the cable of a back-end without a card stays pulled until it is plugged in, whatever the peer does")
    func cableWithoutCard() throws {
        let script = try MachineScript("netdev_add scripted,id=n0", "set_link n0 off")
        let netdev = try #require(script.netdev("n0"))
        #expect(netdev.link?.isUp == false)
        netdev.connect()
        #expect(netdev.link?.isUp == false)
        #expect(script.type("set_link n0 on") == ["> "] && netdev.link?.isUp == true)
        netdev.lose()
        #expect(netdev.link?.isUp == false)
    }

    @Test("netdev_add answers when the back-end is there, and keeps only its own monitor waiting")
    func awaited() throws {
        let script = try MachineScript()
        #expect(script.type("netdev_add scripted,id=n0,ready=off") == [])
        #expect(script.session.isWaiting && script.netdev("n0")?.log == ["start"])
        let other = MonitorSession(target: script.machine, prompt: "> ")
        other.receive(Array("info status\n".utf8))
        #expect(String(decoding: other.takeOutput(), as: UTF8.self).hasSuffix("VM status: running\r\n> "))
        script.netdev("n0")?.connect()
        #expect(script.answer() == ["> "] && !script.session.isWaiting)
        #expect(script.events == [.connected])
    }

    @Test("a monitor comes with object_add and goes with object_del; its device is its own meanwhile")
    func monitorObject() throws {
        let script = try MachineScript()
        try script.chardevs.add(ChardevPlan(id: "c", kind: .null))
        let memory = script.machine.objects
        #expect(
            script.type("object_add monitor-hmp,id=m,chardev=nosuch") == ["Error: chardev \"nosuch\" not found", "> "])
        #expect(
            script.type("object_add monitor-hmp,id=m,chardev=c,readline=off") == [
                "Error: readline=off is not supported yet", "What works today: readline=on", "> ",
            ])
        #expect(script.type("object_add monitor-hmp,id=m,chardev=c") == ["> "])
        #expect(script.machine.objects == memory + ["m"] && script.machine.names(of: .objects).contains("m"))
        #expect(script.type("object_add monitor-hmp,id=n,chardev=c") == ["Error: chardev 'c' is already in use", "> "])
        let taken = "Error: attempt to add duplicate property 'm' to object (type 'container')"
        #expect(script.type("object_add monitor-hmp,id=m,chardev=c") == [taken, "> "])
        #expect(script.type("chardev-remove c") == ["Error: Chardev 'c' is busy", "> "])
        #expect(script.type("object_del m") == ["> "] && script.machine.objects == memory)
        #expect(script.type("chardev-remove c") == ["> "])
    }

    @Test("a back-end that never comes up is told to who asked, and leaves nothing: its id is free")
    func failingAdd() throws {
        let script = try MachineScript("netdev_add scripted,id=n0,ready=off")
        let netdev = try #require(script.netdev("n0"))
        netdev.fail("no luck")
        #expect(script.answer() == ["Error: no luck", "> "])
        #expect(script.info == [] && script.network.isGone && netdev.log == ["start", "stop"])
        #expect(script.type("netdev_add scripted,id=n0,broken=on") == ["Error: it is broken", "> "])
        #expect(script.info == [])
        #expect(script.type("netdev_add scripted,id=n0") == ["> "])
        #expect(script.info == ["n0: index=0,type=scripted,up"])
    }

    @Test("what cannot be added is refused by name, kind and key, and nothing changes")
    func refusals() throws {
        let script = try MachineScript("netdev_add scripted,id=n0")
        let help = #"Try "help netdev_add" for more information"#
        #expect(
            script.type("netdev_add scripted,id=n0") == ["netemu: Duplicate ID 'n0' for netdev", help, "> "])
        #expect(script.type("netdev_add scripted,id=n1,bogus=1").first == "Error: Invalid parameter 'bogus'")
        #expect(script.type("netdev_add foo,id=n1").first == "Error: Parameter 'type' does not accept value 'foo'")
        #expect(
            script.type("device_add virtio-net-pci,netdev=n1,id=d1").first
                == "Error: Property 'virtio-net-device.netdev' can't find value 'n1'")
        #expect(script.info == ["n0: index=0,type=scripted,up"] && script.guest.cards.isEmpty)
    }

    @Test("a back-end that dies takes the carrier with it and brings it back")
    func death() throws {
        let script = try MachineScript("netdev_add scripted,id=n0", Self.card)
        let (card, netdev) = (try #require(script.card("d0")), try #require(script.netdev("n0")))
        netdev.lose()
        #expect(!card.isUp && script.info == [Self.d0, " \\ n0: index=0,type=scripted,down"])
        #expect(script.type("set_link n0 on") == ["> "] && !card.isUp)
        netdev.connect()
        #expect(card.isUp)
        #expect(script.events == [.disconnected, .connected])
    }

    @Test("a card goes when the guest has let go of it, not before")
    func slowUnplug() throws {
        let script = try MachineScript("netdev_add scripted,id=n0", Self.card)
        script.guest.isSlow = true
        #expect(script.type("device_del d0") == ["> "])
        #expect(script.info == [Self.d0, " \\ n0: index=0,type=scripted,up"])
        #expect(script.type("device_del d0") == ["Error: Device d0 is already in the process of unplug", "> "])
        #expect(script.events == [])
        script.guest.catchUp()
        #expect(script.events == [] && script.info == ["n0: index=0,type=scripted,up"])
        #expect(script.type("device_del d0") == ["Error: Device 'd0' not found", "> "])
        #expect(script.type(Self.card) == ["> "] && script.card("d0")?.isUp == true)
    }

    @Test("a card without an id is removed by the name that info network shows")
    func unnamedCard() throws {
        let script = try MachineScript("netdev_add scripted,id=n0", "device_add virtio-net-pci,netdev=n0")
        #expect(script.type("device_del virtio-net-pci.0") == ["> "])
        #expect(script.info == ["n0: index=0,type=scripted,up"])
    }

    @Test("a back-end that is removed before its card is shown behind that, with its last words, until the card goes")
    func netdevFirst() throws {
        let script = try MachineScript("netdev_add scripted,id=n0,lingers=on", Self.card)
        let (card, netdev) = (try #require(script.card("d0")), try #require(script.netdev("n0")))
        #expect(script.type("netdev_del n0") == ["> "])
        #expect(netdev.log == ["start", "stop"] && !card.isConnected)
        #expect(script.info == [Self.d0, " \\ n0: index=0,type=scripted,up"] && !script.network.isGone)
        #expect(script.type("netdev_del n0") == ["Error: Device 'n0' not found", "> "])
        netdev.end()
        #expect(script.network.isGone)
        #expect(script.type("device_del d0") == ["> "] && script.info == [])
    }

    @Test("a card whose back-end wants rings is refused where the guest has none, and leaves nothing")
    func rings() throws {
        let script = try MachineScript("netdev_add scripted,id=n0,rings=on")
        #expect(
            script.type(Self.card).first == "Error: d0: the back-end works on a card's rings, and the guest has none")
        #expect(script.guest.cards.isEmpty && script.info == ["n0: index=0,type=scripted,up"])
        #expect(script.type("info stats n0") == ["n0: on the card's rings, in another process", "> "])
    }

    @Test("a hub carries what one port hears to the others")
    func hub() throws {
        let script = try MachineScript(
            "netdev_add scripted,id=a", "netdev_add scripted,id=b", "netdev_add hubport,id=pa,hubid=3,netdev=a",
            "netdev_add hubport,id=pb,hubid=3,netdev=b", "netdev_add hubport,id=pc,hubid=3",
            "device_add virtio-net-pci,netdev=pc,id=d0")
        let (a, b) = (try #require(script.netdev("a")), try #require(script.netdev("b")))
        #expect(a.link?.send([testFrame(80)], from: .netdev) == 1)
        #expect(b.port.takeFrames() == [testFrame(80)] && a.port.takeFrames() == [])
        #expect(script.card("d0")?.port.takeFrames() == [testFrame(80)])
        #expect(script.type("netdev_del pb") == ["> "])
        #expect(a.link?.send([testFrame(81)], from: .netdev) == 1)
        #expect(b.port.takeFrames() == [] && script.card("d0")?.port.takeFrames() == [testFrame(81)])
    }

    @Test(
        "a back-end on rings hangs on a hub: it has counters and captures there, and none when the hub's port has gone")
    func ringsOnHub() throws {
        let script = try MachineScript(
            "netdev_add scripted,id=r,rings=on", "netdev_add scripted,id=b",
            "netdev_add hubport,id=pb,hubid=0,netdev=b",
            "netdev_add hubport,id=pr,hubid=0,netdev=r")
        let b = try #require(script.netdev("b"))
        let capture = "object_add filter-dump,id=f0,netdev=r,file=/dev/null"
        let none = "dropped-too-long=0,dropped-uncut=0,dropped-no-checksum=0,blocked=0"
        for _ in 0..<2 {
            // Nobody is at the rings: what the hub hands on is dropped where the driver's link is down.
            #expect(b.link?.send([testFrame(60)], from: .netdev) == 1)
            #expect(
                script.type("info stats r") == [
                    "r: from-guest,frames=0,bytes=0,dropped-link-down=1,\(none)",
                    "r: to-guest,frames=0,bytes=0,dropped-link-down=0,\(none)", "> ",
                ])
            #expect(script.type(capture) == ["> "] && script.network.captures.count == 1)
            #expect(script.type("netdev_add hubport,id=x,hubid=1,netdev=r").first == "Error: netdev 'r' is in use")
            #expect(script.type("netdev_del pr") == ["> "] && script.network.captures.isEmpty)
            #expect(script.type("info stats r") == ["r: on the card's rings, in another process", "> "])
            #expect(script.type(capture).first?.contains("carries no frames here") == true)
            #expect(script.type("netdev_add hubport,id=pr,hubid=0,netdev=r") == ["> "])
        }
        #expect(script.type(capture) == ["> "] && script.type("netdev_del r") == ["> "])
        #expect(script.network.captures.isEmpty && b.link?.send([testFrame(60)], from: .netdev) == 1)
        #expect(script.info.contains(" \\ pr"))
    }

    @Test("info memdev and info memory_size_summary are QEMU's; memory that is not the guest's can be removed")
    func memory() throws {
        let script = try MachineScript()
        func lines(_ id: String) -> [String] {
            [
                "memory backend: \(id)", "  size:  16777216", "  merge: true", "  dump: true", "  prealloc: false",
                "  share: true", "  reserve: true", "  policy: default", "  host nodes: ",
            ]
        }
        #expect(script.type("info memdev") == lines("m0") + lines("spare") + ["> "])
        #expect(script.type("info memory_size_summary") == ["base memory: 16777216", "plugged memory: 0", "> "])
        #expect(script.type("object_del spare") == ["> "])
        #expect(script.type("object_del spare") == ["Error: object 'spare' not found", "> "])
        #expect(script.type("info memdev") == lines("m0") + ["> "])
        let usual = try MachineScript(memory: MemoryPlan())
        #expect(usual.type("info memdev").prefix(2) == ["memory backend: guest-ram", "  size:  134217728"])
    }

    @Test("a capture sees frames until it, or its back-end, is removed")
    func capture() throws {
        try withTemporaryDirectory { directory in
            let script = try MachineScript("netdev_add scripted,id=n0", Self.card)
            let path = directory.path + "/c.pcap"
            func size() -> Int {
                var status = stat()
                return stat(path, &status) == 0 ? Int(status.st_size) : -1
            }
            let add = "object_add filter-dump,id=f0,netdev=n0,file=\(path)"
            #expect(script.type(add) == ["> "])
            #expect(script.type(add).first?.hasPrefix("Error: attempt to add duplicate property 'f0'") == true)
            #expect(script.info.contains { $0.hasPrefix("  - f0: type=filter-dump,file=\(path)") })
            let link = try #require(script.card("d0")?.link)
            _ = link.send([testFrame(60)], from: .card)
            #expect(try script.reactor.turn { size() == 24 + 16 + 60 }, "\(size())")
            #expect(script.type("object_del f0") == ["> "])
            _ = link.send([testFrame(60)], from: .card)
            #expect(script.type("object_del f0") == ["Error: object 'f0' not found", "> "])
            #expect(script.type("object_del m0") == ["Error: object 'm0' is in use, can not be deleted", "> "])
            #expect(script.type(add) == ["> "] && script.type("netdev_del n0") == ["> "])
            #expect(script.network.captures.isEmpty && size() == 24)
        }
    }

    @Test("info stats counts what a card and a back-end have moved")
    func statistics() throws {
        let script = try MachineScript("netdev_add scripted,id=n0", Self.card)
        _ = script.card("d0")?.link?.send([testFrame(60), testFrame(70)], from: .card)
        #expect(script.type("info stats d0") == ["d0: queue=0,receive,kicks=3,calls=4", "> "])
        let none = "dropped-too-long=0,dropped-uncut=0,dropped-no-checksum=0,blocked=0"
        #expect(
            script.type("info stats n0") == [
                "n0: from-guest,frames=2,bytes=130,dropped-link-down=0,\(none)",
                "n0: to-guest,frames=0,bytes=0,dropped-link-down=0,\(none)", "> ",
            ])
        let pending = Offload(pendingChecksum: .init(start: 34, offset: 16))
        let taken = testFrame(60).withUnsafeBytes { bytes in
            FrameView.withOneSpan(bytes, offload: pending) { script.card("d0")?.link?.send($0, from: .card) }
        }
        #expect(taken == 1)
        #expect(
            script.type("info stats n0").first
                == "n0: from-guest,frames=3,bytes=190,dropped-link-down=0,\(none),checksums-completed=1")
        #expect(script.type("set_link n0 off") == ["> "])
        _ = script.card("d0")?.link?.send([testFrame(60)], from: .card)
        #expect(script.type("info stats n0").first?.contains("frames=3,bytes=190,dropped-link-down=1,") == true)
        #expect(script.type("info stats").count == 4)
        #expect(script.type("info stats x") == ["Error: Device 'x' not found", "> "])
    }

    @Test("what a hub drops, and what a card that hangs on nothing sends, is counted, too")
    func unusualDrops() throws {
        let script = try MachineScript("netdev_add hubport,id=h0,hubid=1", "device_add virtio-net,id=d1")
        let answer = script.type("info stats h0")
        #expect(answer.count == 4 && answer[2] == "h0: dropped-slow=0,dropped-looped=0")
        _ = script.card("d1")?.link?.send([testFrame(60)], from: .card)
        let loose = script.type("info stats d1")
        #expect(loose.contains { $0.hasPrefix("d1: from-guest,frames=0,bytes=0,dropped-link-down=1,") }, "\(loose)")
    }
}
