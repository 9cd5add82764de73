// -name, -mon, -object monitor-hmp, -run-with, -msg and -net nic: what libvirt writes, with QEMU 11.1's texts.

import Glibc
import Linux
import Testing

@testable import NetEmu

@Suite("names, monitors and messages as libvirt writes them")
struct LibvirtOptionTests {
    @Test("-name takes the process's name and threads, and the last name counts")
    func names() throws {
        let made = try CommandLineTests.build("-nodefaults -name x,debug-threads=on -name guest=y,process=z")
        #expect(made.name == "y")
        #expect(made.warnings.map(\.text) == ["process= has no effect: netemu keeps its name"])
        #expect(try CommandLineTests.build("-nodefaults -name y -name debug-threads=on").name == "y")
        #expect(
            ObstacleTests.refused(["-nodefaults", "-name", "x,debug-threads=maybe"]) == [
                "netemu: -name x,debug-threads=maybe: Parameter 'debug-threads' expects 'on' or 'off'"
            ])
    }

    @Test("-mon has an id of its own, and -object monitor-hmp is a monitor, wherever its device stands")
    func monitors() throws {
        #expect(
            try CommandLineTests.build("-nodefaults -chardev null,id=c -mon chardev=c,id=monitor,mode=readline")
                .monitors
                .map(\.chardev) == ["c"])
        #expect(
            try CommandLineTests.build("-nodefaults -object monitor-hmp,id=m,chardev=c -chardev null,id=c").monitors
                .map(\.chardev) == ["c"])
        let twice = "-nodefaults -chardev null,id=c -chardev null,id=d -mon c,id=m -mon d,id=m"
        #expect(
            ObstacleTests.refused(CommandLineErrorTests.words(twice)) == [
                "netemu: -mon d,id=m: Duplicate ID 'm' for mon"
            ])
        let shared =
            "-nodefaults -chardev null,id=c -object monitor-hmp,id=m,chardev=c -object monitor-hmp,id=n,chardev=c"
        #expect(
            ObstacleTests.refused(CommandLineErrorTests.words(shared)).first?.hasPrefix(
                "netemu: chardev 'c' is already in use")
                == true)
    }

    @Test("the monitor of an object has its id, by which it can be removed")
    func monitorObject() throws {
        let made = try CommandLineTests.build(
            "-nodefaults -chardev null,id=c -chardev null,id=d -mon d -object monitor-hmp,id=m,chardev=c")
        #expect(Dictionary(uniqueKeysWithValues: made.monitors.map { ($0.chardev, $0.id) }) == ["c": "m", "d": nil])
        #expect(
            ObstacleTests.refused(
                CommandLineErrorTests.words(
                    "-nodefaults -chardev null,id=c -object monitor-hmp,id=m,chardev=c,readline=off")
            )
            .first?.hasSuffix("readline=off is not supported yet\nWhat works today: readline=on") == true)
    }

    @Test("-run-with user= is -runas")
    func runWith() throws {
        #expect(
            try CommandLineTests.build("-nodefaults -run-with user=nobody,async-teardown=off").process.runAs == "nobody"
        )
        #expect(
            ObstacleTests.refused(["-nodefaults", "-run-with", "bogus=on"]) == [
                "netemu: -run-with bogus=on: Invalid parameter 'bogus'"
            ])
    }

    @Test("more cards of -net nic than a board has: QEMU's text")
    func tooManyCards() {
        let words = (0..<9).flatMap { _ in ["-net", "nic"] }
        #expect(ObstacleTests.refused(words) == ["netemu: -net nic: too many NICs"])
    }

    @Test("a server without a path gets one of its own")
    func emptyPath() throws {
        let paths = [try pathOfServer(), try pathOfServer()]
        #expect(paths.allSatisfy { $0.contains("/netemu-socket-") })
        #expect(paths[0] != paths[1])
    }

    private func pathOfServer() throws -> String {
        let made = try CommandLineTests.build("-netdev stream,id=n,server=on,addr.type=unix,addr.path=")
        guard case .netdev(_, let plan)? = made.network.first, let kind = plan.kind as? StreamKind else { return "" }
        guard case .unix(let address) = kind.address else { return "" }
        return address.path
    }

    @Test("-msg puts the time and the guest's name in front")
    func messages() {
        let style = MessageStyle(askedIn: ["-msg", "timestamp=on,guest-name=on", "-name", "box", "-netdev", "foo"])
        #expect(style == MessageStyle(hasTime: true, guestName: "box"))
        var time = timespec()
        (time.tv_sec, time.tv_nsec) = (1_767_323_045, 678_901_234)
        #expect(style.prefix(at: time) == "2026-01-02T03:04:05.678901Z box ")
        #expect(MessageStyle(askedIn: ["-msg", "timestamp=on", "-msg", "timestamp=off"]) == MessageStyle())
        #expect(MessageStyle(askedIn: ["-msg", "guest-name=on"]) == MessageStyle())
        #expect(
            ObstacleTests.refused(["-nodefaults", "-msg", "timestamp=maybe"]) == [
                "netemu: -msg timestamp=maybe: Parameter 'timestamp' expects 'on' or 'off'"
            ])
    }
}
