// Back-ends that hand connections over: in which order they are asked, and who has their state when something fails.

import Linux
import TestSupport
import Testing

@testable import NetEmu

@Suite("back-ends of a guest that moves")
struct BackEndMoveTests {
    private static let network = ["netdev_add mover,id=n0", "device_add virtio-net-pci,netdev=n0,id=d0"]

    private func pair() throws -> (MovePair, here: ScriptedMover, there: ScriptedMover) {
        let pair = try MovePair(source: Self.network, destination: Self.network)
        func mover(_ script: MachineScript) throws -> ScriptedMover {
            let id = try #require(script.network.topology.netdev(named: "n0")?.id)
            return try #require(script.network.netdevs[id] as? ScriptedMover)
        }
        return (pair, try mover(pair.source), try mover(pair.destination))
    }

    @Test("helper, save, prepare, load, forget; what was lost is told on both sides")
    func order() throws {
        let (pair, here, there) = try pair()
        #expect(pair.migrate() == ["> "])
        #expect(pair.turn { pair.destination.run.state == .running })
        #expect(here.log == ["start", "helper", "save", "forget"])
        #expect(there.log.suffix(3) == ["early", "prepare [4, 5]", "load"])
        #expect(pair.source.type("info migrate").contains { $0.hasPrefix("Back-ends (ms): \tsave=") })
        let lines = ["  n0: 3 had, 2 moved, 1 lost", "    10.0.0.1:1 to 10.0.0.2:2: no room"]
        #expect(pair.source.type("info migrate").suffix(4).dropLast() == ["Connections:"] + lines)
        #expect(pair.turn { pair.destination.type("info migrate").contains(lines[1]) })
        let times = pair.destination.type("info migrate").first { $0.hasPrefix("Back-ends (ms): \t") } ?? ""
        let whats = times.split(whereSeparator: { "\t,=".contains($0) }).map { $0.filter(\.isLetter) }
        #expect(whats.filter { !$0.isEmpty }.suffix(3) == ["early", "prepare", "load"], "\(times)")
        #expect(pair.source.said.lines.contains { $0.contains("n0: 3 had, 2 moved, 1 lost") })
        // The one that comes back begins without connections.
        #expect(pair.source.type("cont") == ["> "] && here.log.last == "back []")
    }

    @Test("the guest stops when the helpers are up, not before")
    func helpers() throws {
        let (pair, here, _) = try pair()
        here.isSlow = true
        #expect(pair.source.type("migrate -d \(pair.uri)") == ["> "])
        #expect(pair.turn { here.log.last == "helper" })
        for _ in 0..<20 { try pair.source.reactor.turn(maxWaitNanoseconds: 5_000_000) }
        #expect(pair.source.run.state == .running)
        here.isSlow = false
        here.catchUp()
        #expect(pair.turn { pair.destination.run.state == .running })
    }

    @Test("what a destination can have ready is ready before the source begins to copy")
    func early() throws {
        let (pair, here, there) = try pair()
        there.isSlow = true
        #expect(pair.source.type("migrate -d \(pair.uri)") == ["> "])
        #expect(pair.turn { there.log.last == "early" })
        for _ in 0..<20 { try pair.source.reactor.turn(maxWaitNanoseconds: 5_000_000) }
        #expect(pair.source.run.state == .running && here.log == ["start"])
        there.isSlow = false
        there.catchUp()
        #expect(pair.turn { pair.destination.run.state == .running })
    }

    @Test("one that takes too long is waited for with the guest standing still, and one that will not come refuses it")
    func lateOrNever() throws {
        let (pair, here, there) = try pair()
        there.isSlow = true
        #expect(pair.source.type("migrate -d \(pair.uri)") == ["> "])
        #expect(pair.turn { there.log.last == "prepare [4, 5]" })
        #expect(here.log == ["start", "helper", "save"])
        there.isSlow = false
        there.catchUp()
        #expect(pair.turn { pair.destination.run.state == .running })
        let (other, source, destination) = try self.pair()
        destination.earlyError = "it cannot start"
        #expect(other.migrate() == ["netemu: n0: it cannot start", "> "])
        #expect(source.log == ["start"] && other.source.run.state == .running)
    }

    @Test("a destination that is not ready: the back-end takes its state back before the guest goes on")
    func takenBack() throws {
        let (pair, here, there) = try pair()
        there.prepareError = "it cannot start"
        #expect(pair.migrate() == ["netemu: n0: it cannot start", "> "])
        #expect(here.log == ["start", "helper", "save", "back [4, 5]"])
        #expect(pair.source.run.state == .running && pair.destination.guest.log == ["end"])
    }

    @Test("a back-end that cannot save keeps the guest here")
    func cannotSave() throws {
        let (pair, here, _) = try pair()
        here.saveError = "it hangs"
        #expect(pair.migrate() == ["netemu: n0: it hangs", "> "])
        #expect(here.log == ["start", "helper", "save"] && pair.source.run.state == .running)
    }

    @Test("cancelled while a back-end saves: it gets back what it gives then")
    func cancelled() throws {
        let (pair, here, _) = try pair()
        here.isSlow = true
        #expect(pair.source.type("migrate -d \(pair.uri)") == ["> "])
        #expect(pair.turn { here.log.last == "helper" })
        here.catchUp()
        #expect(pair.turn { here.log.last == "save" })
        #expect(pair.source.type("migrate_cancel") == ["> "])
        for _ in 0..<20 { try pair.source.reactor.turn(maxWaitNanoseconds: 5_000_000) }
        #expect(pair.source.run.state == .finishMigrate)
        here.isSlow = false
        here.catchUp()
        #expect(pair.turn { pair.source.run.state == .running })
        #expect(here.log.last == "back [4, 5]")
    }

    @Test("what will be lost is said before, and x-require-connections refuses it")
    func required() throws {
        let (pair, here, there) = try pair()
        here.expectedLosses = ["2 connections will be lost: no repair helper"]
        #expect(pair.source.type("migrate_set_parameter x-require-connections on") == ["> "])
        let text =
            "x-require-connections is on, and connections would be lost: 2 connections will be lost: no repair helper"
        #expect(pair.migrate() == ["netemu: \(text)", "> "])
        #expect(here.log == ["start", "helper"] && pair.source.run.state == .running)
        #expect(!there.log.contains("load"))
    }

    @Test("without it the loss is a warning")
    func warned() throws {
        let (pair, here, _) = try pair()
        here.expectedLosses = ["2 connections will be lost"]
        #expect(pair.migrate() == ["> "])
        #expect(pair.source.said.lines.first == "netemu: warning: 2 connections will be lost")
    }

    @Test("a snapshot asks nobody for a state; where it goes on, back-ends begin")
    func snapshot() throws {
        let (pair, here, _) = try pair()
        let file = pair.directory.path + "/snapshot"
        #expect(pair.source.type("migrate file:\(file)") == [])
        #expect(pair.turn { pair.source.answer() == ["> "] })
        #expect(here.log == ["start"])
        let next = try MachineScript(incoming: "file:\(file)", on: pair.source.reactor)
        for command in Self.network { #expect(next.type(command) == ["> "]) }
        next.life.start()
        #expect(pair.turn { next.run.state == .running })
        let id = try #require(next.network.topology.netdev(named: "n0")?.id)
        let mover = try #require(next.network.netdevs[id] as? ScriptedMover)
        #expect(mover.log.suffix(2) == ["prepare []", "load"])
    }
}
