// A guest moves from one machine to another: both in one process, with scripted guests and back-ends, over a socket.

import Glibc
import Link
import Linux
import TestSupport
import Testing
import Virtio

@testable import NetEmu

/// Two machines with a monitor each, on one loop.
final class MovePair {
    let source: MachineScript
    let destination: MachineScript
    let directory: TemporaryDirectory
    let uri: String
    static let network = ["netdev_add scripted,id=n0", "device_add virtio-net-pci,netdev=n0,id=d0"]

    init(
        source network: [String] = MovePair.network, destination other: [String] = MovePair.network,
        memory: MemoryPlan = MachineScript.usual, hasRings: Bool = false, over socket: (CInt, CInt)? = nil
    ) throws {
        signal(SIGPIPE, SIG_IGN)
        directory = try TemporaryDirectory()
        let place = "unix:\(directory.path)/m"
        uri = socket.map { "fd:\($0.0)" } ?? place
        source = try MachineScript(hasRings: hasRings)
        destination = try MachineScript(
            memory: memory, incoming: socket.map { "fd:\($0.1)" } ?? place, hasRings: hasRings, on: source.reactor)
        for command in network { #expect(source.type(command) == ["> "]) }
        for command in other { #expect(destination.type(command) == ["> "]) }
        destination.life.start()
        if socket == nil { #expect(turn { destination.type("info migrate").contains("\t\(place)") }) }
    }

    func turn(until condition: () throws -> Bool) rethrows -> Bool {
        let deadline = source.reactor.nowNanoseconds + 20_000_000_000
        while try !condition() {
            guard source.reactor.nowNanoseconds < deadline else { return false }
            try? source.reactor.turn(maxWaitNanoseconds: 20_000_000)
        }
        return true
    }

    /// Types `migrate` and waits for its end; what was answered.
    func migrate() -> [String] {
        #expect(source.type("migrate \(uri)") == [])
        var answer: [String] = []
        #expect(
            turn {
                answer += source.answer()
                return answer.last == "> "
            })
        return answer
    }

    func byte(_ script: MachineScript, _ at: Int) -> UInt8? { script.memory.guest.span(at: UInt64(at), count: 1)?[0] }
}

@Suite("a guest moves")
struct MoveTests {
    @Test("memory, guest and cards go over; there it runs, here it stands still")
    func moves() throws {
        let pair = try MovePair()
        pair.source.memory.guest.span(at: 5 << 20, count: 1)?[0] = 77
        _ = pair.source.type("set_link d0 off")
        #expect(pair.destination.type("info status") == ["VM status: paused (inmigrate)", "> "])
        #expect(pair.destination.guest.log == [] && pair.destination.card("d0")?.isConnected == false)
        #expect(pair.migrate() == ["> "])
        #expect(pair.source.type("info status") == ["VM status: paused (postmigrate)", "> "])
        #expect(pair.turn { pair.destination.type("info status") == ["VM status: running", "> "] })
        #expect(pair.byte(pair.destination, 5 << 20) == 77)
        #expect(pair.destination.guest.taken == [1, 2, 3] && pair.destination.guest.log.first == "resume")
        let card = try #require(pair.destination.card("d0"))
        #expect(card.isConnected && !card.isSuspended && !card.isUp)
        #expect(pair.source.guest.log == ["resume", "pause"])
        #expect(pair.source.said.lines.count == 1 && pair.source.said.lines[0].hasPrefix("netemu: the guest has moved"))
        #expect(pair.source.type("info migrate").first == "Status: \t\tcompleted")
        #expect(pair.turn { pair.destination.type("info migrate").first == "Status: \t\tcompleted" })
        #expect(
            pair.source.type("migrate \(pair.uri)") == [
                "Error: Can't migrate the vm that was paused due to previous migration", "> ",
            ])
    }

    @Test("a guest that stood still stands still there; cont lets it run")
    func paused() throws {
        let pair = try MovePair()
        _ = pair.source.type("stop")
        #expect(pair.migrate() == ["> "])
        #expect(pair.turn { pair.destination.type("info status") == ["VM status: paused", "> "] })
        #expect(!pair.destination.guest.log.contains("resume"))
        #expect(pair.destination.type("cont") == ["> "] && pair.destination.guest.log.last == "resume")
    }

    @Test("stop before the guest comes keeps it still")
    func stopped() throws {
        let pair = try MovePair()
        #expect(pair.destination.type("stop") == ["> "])
        #expect(pair.migrate() == ["> "])
        #expect(pair.turn { pair.destination.type("info status") == ["VM status: paused", "> "] })
    }

    @Test("machines that differ: one line names what, with both values, on both sides; the guest goes on")
    func differences() throws {
        var small = MachineScript.usual
        small.objects = small.objects.map {
            MemoryBackend(type: $0.type, id: $0.id, size: 32 << 20, isShared: true)
        }
        small.size = 32 << 20
        let other = ["netdev_add scripted,id=n0", "device_add virtio-net-pci,netdev=n0,id=d0"]
        let rows: [(MovePair, String)] = [
            (try MovePair(memory: small), "guest memory: 16M at the source, 32M at the destination"),
            (try MovePair(destination: []), "number of cards: 1 at the source, 0 at the destination"),
            (
                try MovePair(destination: other + ["device_add virtio-net-pci"]),
                "number of cards: 1 at the source, 2 at the destination"
            ),
        ]
        for (pair, text) in rows {
            #expect(pair.migrate() == ["netemu: \(text)", "> "])
            #expect(pair.source.type("info status") == ["VM status: running", "> "])
            #expect(pair.turn { !pair.destination.said.lines.isEmpty })
            #expect(pair.destination.said.lines == ["netemu: \(text)"])
            #expect(pair.destination.guest.log == ["end"])
            // The next one is free to begin.
            #expect(pair.source.type("info migrate").first == "Status: \t\tfailed (\(text))")
        }
    }

    @Test("over a socket whose ends are open already; what is no descriptor is refused, and so is one that is used up")
    func descriptors() throws {
        var ends: [CInt] = [-1, -1]
        #expect(socketpair(AF_UNIX, 1, 0, &ends) == 0)
        let pair = try MovePair(over: (ends[0], ends[1]))
        #expect(pair.source.type("migrate fd:997") == [])
        #expect(pair.turn { pair.source.answer().first == "netemu: Invalid file descriptor number '997'" })
        #expect(pair.migrate() == ["> "])
        #expect(pair.turn { pair.destination.run.state == .running })
        #expect(pair.destination.guest.taken == [1, 2, 3] && pair.source.run.state == .postmigrate)
        #expect(pair.turn { fcntl(ends[0], F_GETFD) < 0 })
    }

    @Test("a snapshot for which there is no room: one line, nothing of it is left, and the guest goes on")
    func noRoom() throws {
        let pair = try MovePair()
        func migrate(_ uri: String) -> [String] {
            #expect(pair.source.type("migrate \(uri)") == [])
            var answer: [String] = []
            #expect(
                pair.turn {
                    answer += pair.source.answer()
                    return answer.last == "> "
                })
            return answer
        }
        #expect(migrate("file:/dev/full") == ["netemu: write /dev/full: No space left on device", "> "])
        #expect(pair.source.type("info status") == ["VM status: running", "> "])
        #expect(access("/dev/full", F_OK) == 0)
        // The one that is cancelled leaves nothing, either, but what was there before.
        pair.source.guest.isSlow = true
        let old = "\(pair.directory.path)/old"
        close(open(old, O_WRONLY | O_CREAT, 0o600))
        for (name, isLeft) in [("new", false), ("old", true)] {
            #expect(pair.source.type("migrate -d file:\(pair.directory.path)/\(name)") == ["> "])
            #expect(pair.turn { pair.source.guest.log.last == "pause" })
            #expect(pair.source.type("migrate_cancel") == ["> "])
            #expect(pair.turn { pair.source.type("info migrate").first == "Status: \t\tcancelled" })
            pair.source.guest.catchUp()
            #expect((access("\(pair.directory.path)/\(name)", F_OK) == 0) == isLeft)
        }
        var status = stat()
        #expect(stat(old, &status) == 0 && status.st_size == 0)
    }

    @Test(
        "cards that differ: one line names card, property and both values, on both sides; the guest goes on",
        arguments: [
            (
                "mac=52:54:00:00:00:01", "mac=52:54:00:00:00:02",
                "MAC address: 52:54:00:00:00:01 at the source, 52:54:00:00:00:02 at the destination"
            ),
            ("host_mtu=1400", "host_mtu=1300", "MTU: 1400 at the source, 1300 at the destination"),
            ("host_mtu=1400", "csum=on", "MTU: 1400 at the source, none at the destination"),
            ("csum=on", "rx_queue_size=1024", "receive queue size: 256 at the source, 1024 at the destination"),
            ("mrg_rxbuf=off", "csum=on", "features: 0x"),
        ])
    func cardsDiffer(here: String, there: String, text: String) throws {
        func network(_ property: String) -> [String] {
            ["netdev_add scripted,id=n0", "device_add virtio-net-pci,netdev=n0,id=d0,\(property)"]
        }
        let pair = try MovePair(source: network(here), destination: network(there), hasRings: true)
        let answer = pair.migrate()
        #expect(answer.count == 2 && answer[0].hasPrefix("netemu: card d0: \(text)"), "\(answer)")
        #expect(answer[0].hasSuffix(" at the destination"))
        #expect(pair.source.type("info status") == ["VM status: running", "> "])
        #expect(pair.turn { !pair.destination.said.lines.isEmpty })
        #expect(pair.destination.said.lines == [answer[0]])
        #expect(pair.destination.guest.log == ["end"])
    }

    @Test("a guest that cannot be taken up goes on where it was, its cards with it, and frames that came are its")
    func refused() throws {
        let pair = try MovePair()
        pair.destination.guest.refusal = "no room"
        let card = try #require(pair.source.card("d0"))
        #expect(pair.migrate() == ["netemu: no room", "> "])
        #expect(pair.source.guest.log == ["resume", "pause", "resume"])
        #expect(!card.isSuspended && pair.source.type("info status") == ["VM status: running", "> "])
        #expect(card.link?.port(at: .card) === card.port)
    }

    @Test("what comes for a card on its way is delivered there, before anything else")
    func forwarded() throws {
        let pair = try MovePair()
        // The guest takes its time to stand still; then frames come until the destination has it.
        pair.source.guest.isSlow = true
        #expect(pair.source.type("migrate \(pair.uri)") == [])
        #expect(pair.turn { pair.source.guest.log.last == "pause" })
        pair.source.guest.catchUp()
        let netdev = try #require(pair.source.netdev("n0"))
        let frame = [UInt8](repeating: 9, count: 64)
        let sent = frame.withUnsafeBytes { bytes in
            FrameView.withOneSpan(bytes) { netdev.link?.send($0, from: .netdev) }
        }
        #expect(sent == 1)
        #expect(pair.turn { pair.destination.card("d0")?.delivered == [frame] })
        #expect(pair.source.card("d0")?.delivered == [])
        #expect(pair.turn { pair.source.type("info migrate").contains { $0.contains("frames_forwarded=1") } })
    }

    @Test("cancelled while the guest stops: it goes on; cancelled twice: nothing")
    func cancelled() throws {
        let pair = try MovePair()
        pair.source.guest.isSlow = true
        #expect(pair.source.type("migrate -d \(pair.uri)") == ["> "])
        #expect(pair.turn { pair.source.guest.log.last == "pause" })
        #expect(pair.source.type("cont") == ["Error: Migration is not finalized yet", "> "])
        #expect(
            pair.source.type("device_add virtio-net-pci") == ["Error: device_add not allowed while migrating", "> "])
        #expect(
            pair.source.type("migrate \(pair.uri)") == ["Error: There's a migration process in progress", "> "])
        #expect(pair.source.type("migrate_cancel") == ["> "] && pair.source.type("migrate_cancel") == ["> "])
        #expect(pair.turn { pair.source.type("info migrate").first == "Status: \t\tcancelled" })
        pair.source.guest.catchUp()
        #expect(pair.source.type("info status") == ["VM status: running", "> "])
        #expect(pair.source.guest.log.last == "resume")
        #expect(pair.turn { !pair.destination.said.lines.isEmpty })
        #expect(pair.destination.guest.log == ["end"])
    }

    @Test("a guest that has gone comes back with a warning")
    func takenBack() throws {
        let pair = try MovePair()
        #expect(pair.migrate() == ["> "])
        #expect(pair.source.type("cont") == ["> "])
        #expect(pair.source.said.lines.last?.contains("two with one address run now") == true)
        #expect(pair.source.type("info status") == ["VM status: running", "> "])
    }
}
