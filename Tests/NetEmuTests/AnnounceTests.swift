// announce_self: what a monitor's user asks for, the rounds on a reactor, the frames that leave a card of the node.

import GuestNode
import Link
import Linux
import TestSupport
import Testing
import Virtio

@testable import NetEmu

@Suite("announce_self")
struct AnnounceTests {
    @Test("the guest is asked to announce all of its cards, or those that were named")
    func command() throws {
        let script = try MachineScript("device_add virtio-net-pci,id=d0", "device_add virtio-net-pci,id=d1")
        #expect(script.type("announce_self") == ["> "])
        #expect(script.type("announce_self d1") == ["> "])
        #expect(script.type("announce_self d1,d0 second") == ["> "])
        #expect(
            script.guest.log.suffix(3) == [
                "announce 5 '' by all", "announce 5 '' by d1", "announce 5 'second' by d1+d0",
            ])
        for line in ["announce_self d7", "announce_self d0,d7"] {
            #expect(script.type(line) == ["Error: Device 'd7' not found", "> "])
        }
        #expect(script.guest.log.count { $0.hasPrefix("announce") } == 3)
        #expect(
            script.type("help announce_self").contains(
                "announce_self [interfaces] [id] -- Trigger GARP/RARP announcements"))
    }

    @Test("five rounds are made; one that is asked for again under the same id begins anew, others go on")
    func rounds() throws {
        let reactor = try Reactor()
        var made: [String] = []
        let announcer = Announcer(on: reactor) { made.append($0?.sorted().joined(separator: "+") ?? "all") }
        announcer.begin(id: "a", cards: ["x"])
        announcer.begin(id: "a", cards: ["y"])
        announcer.begin()
        #expect(made == ["x", "y", "all"])
        #expect(try reactor.turn { made.count >= 11 })
        #expect(made.count { $0 == "x" } == 1 && made.count { $0 == "y" } == 5 && made.count { $0 == "all" } == 5)
    }

    private func announced(by stand: CardStand) -> [[UInt8]] {
        stand.port.frames.filter { $0.count == 60 && $0[12] == 0x80 && $0[13] == 0x35 }
    }

    @Test("the node's card asks about itself five times, also when it was named; a card that is none does not")
    func frames() throws {
        let stand = try CardStand()
        stand.guest.announce(.init(), id: "", by: [])
        #expect(try stand.reactor.turn { !stand.port.frames.isEmpty })
        #expect(announced(by: stand).isEmpty)
        stand.guest.announce(.init(), id: "", by: [stand.card])
        stand.guest.announce(.init(), id: "other", by: nil)
        #expect(try stand.reactor.turn { announced(by: stand).count >= 10 })
        #expect(Set(announced(by: stand)).count == 1 && announced(by: stand).count == 10)
    }

    private static let tcpdump = Peers.system("tcpdump")

    @Test("tcpdump calls it by its name", .enabled(if: tcpdump.isThere, "tcpdump is missing"))
    func readByTcpdump() throws {
        let program = try Self.tcpdump.require()
        let stand = try CardStand()
        stand.guest.announce(.init(), id: "", by: nil)
        #expect(try stand.reactor.turn { !announced(by: stand).isEmpty })
        let frame = try #require(announced(by: stand).first)
        try withTemporaryDirectory { directory in
            let length = [UInt8(frame.count), 0, 0, 0]
            let file: [UInt8] =
                [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0] + [UInt8](repeating: 0, count: 8)  // pcap 2.4, little-endian
                + [0, 0, 4, 0, 1, 0, 0, 0]  // 256 KiB a frame, Ethernet
                + [UInt8](repeating: 0, count: 8) + length + length + frame
            try SmallFile.write(file, to: directory.path + "/c")
            let child = try Child([program, "-enr", directory.path + "/c"])
            #expect(try child.wait() == .exited(0), "\(child.transcript)")
            let said = child.output.lowercased()
            #expect(
                said.contains("reverse arp") && said.contains("reverse request who-is 52:54:00:12:34:56"), "\(said)")
        }
    }
}
