// From the start to the end of an emulation in this process: what waits for what, who is told, which status.

import Glibc
import Linux
import TestSupport
import Testing

@testable import NetEmu

/// An emulation of scripted parts, driven by its reactor.
private final class EmulationScript {
    let reactor: Reactor
    let emulation: Emulation
    let said = SaidLines()
    /// Where the task's output goes.
    private let pipe: (reader: CInt, writer: CInt)
    var life: LifeCycle { emulation.life }

    /// - Parameter netdevs: their keys, by id `n0`, `n1` and so on; each has a card, unless `hasCards` is false.
    init(_ netdevs: String..., hasTask: Bool = false, isStopped: Bool = false, hasCards: Bool = true) throws {
        reactor = try Reactor()
        var ends: [CInt] = [0, 0]
        #expect(Glibc.pipe(&ends) == 0)
        pipe = (ends[0], ends[1])
        _ = fcntl(ends[0], F_SETFL, O_NONBLOCK)
        let configuration = try Self.configuration(netdevs, ScriptedGuestKind(hasTask: hasTask), isStopped, hasCards)
        let doors = Emulation.Doors(programs: NetdevPrograms(), voice: said.voice, taskOutput: ends[1])
        emulation = try Emulation(configuration, doors, on: reactor)
    }

    deinit {
        close(pipe.reader)
        close(pipe.writer)
    }

    private static func configuration(
        _ netdevs: [String], _ guest: ScriptedGuestKind, _ isStopped: Bool, _ hasCards: Bool
    ) throws -> Configuration {
        var configuration = Configuration()
        configuration.memory.size = 16 << 20
        configuration.guest = guest
        configuration.isStopped = isStopped
        for (number, keys) in netdevs.enumerated() {
            let kind = try ScriptedKind(try KeyValueList(parsing: keys, implied: nil))
            let netdev = NetdevPlan(id: "n\(number)", .backEnd(kind), location: "-netdev scripted,id=n\(number)")
            let id = try configuration.topology.add(netdev, random: { 0 })
            configuration.network.append(.netdev(id, netdev))
            guard hasCards else { continue }
            let card = CardPlan(
                origin: .device, id: "d\(number)", model: CardModel(named: "virtio"), netdev: "n\(number)")
            let made = try configuration.topology.add(card, random: { 0 })
            configuration.network.append(.card(try #require(made), card))
        }
        return configuration
    }

    var guest: ScriptedGuest? { emulation.network.site.guest as? ScriptedGuest }

    func netdev(_ number: Int) -> ScriptedNetdev? {
        let client = emulation.network.topology.netdev(named: "n\(number)")
        return client.flatMap { emulation.network.netdevs[$0.id] as? ScriptedNetdev }
    }

    /// Starts it, and runs each step in a turn of its own.
    func start(_ steps: (() -> Void)...) throws {
        reactor.atEndOfTurn { [life] in life.start() }
        try reactor.turn(maxWaitNanoseconds: 0)
        for step in steps {
            reactor.atEndOfTurn(step)
            try reactor.turn(maxWaitNanoseconds: 0)
        }
    }

    /// Runs until the emulation stops the loop; false when it does not.
    func hasEnded() throws -> Bool {
        var isLate = false
        let timer = reactor.schedule(atNanoseconds: reactor.nowNanoseconds + 20_000_000_000) { [reactor] in
            isLate = true
            reactor.stop()
        }
        try reactor.run()
        reactor.cancel(timer)
        return !isLate
    }

    /// What the task's reader has got.
    func output() -> String {
        var room = [UInt8](repeating: 0, count: 1 << 17)
        let count = read(pipe.reader, &room, room.count)
        return String(decoding: room[..<max(0, count)], as: UTF8.self)
    }
}

@Suite("the life cycle")
struct LifeCycleTests {
    @Test("the guest starts when every back-end is ready, after the process is set up, and not before")
    func start() throws {
        let script = try EmulationScript("ready=off", "ready=on", "ready=off")
        var setUps = 0
        script.life.onRunning = {
            setUps += 1
            #expect(script.guest?.log == [])
        }
        try script.start({ script.netdev(2)?.connect() })
        #expect(script.netdev(1)?.log == ["start"] && script.life.phase == .starting && setUps == 0)
        #expect(script.guest?.isBegun == true)
        try script.start({ script.netdev(0)?.connect() }, { script.netdev(0)?.lose() }, { script.netdev(0)?.connect() })
        #expect(script.life.phase == .running && setUps == 1 && script.guest?.log == ["resume"])
    }

    @Test("-S: the guest waits for cont")
    func stopped() throws {
        let script = try EmulationScript("ready=on", isStopped: true)
        try script.start()
        #expect(script.life.phase == .running && script.guest?.log == [])
        let session = MonitorSession(target: script.emulation.machine)
        session.receive(Array("info status\ncont\n".utf8))
        #expect(String(decoding: session.takeOutput(), as: UTF8.self).contains("VM status: paused (prelaunch)\r\n"))
        #expect(script.guest?.log == ["resume"])
    }

    @Test("a task whose time is over ends netemu, also while back-ends are waited for or nobody types cont")
    func outOfTime() throws {
        for isStopped in [false, true] {
            let script = try EmulationScript(isStopped ? "ready=on" : "ready=off", hasTask: true, isStopped: isStopped)
            try script.start()
            script.reactor.atEndOfTurn { script.guest?.onEvent?(.taskEnded(status: 124)) }
            #expect(try script.hasEnded())
            #expect(script.life.exitStatus == 124 && script.guest?.log == ["end"])
        }
    }

    @Test("a back-end that fails while everything starts ends netemu with the option and the reason")
    func failingStart() throws {
        let script = try EmulationScript("ready=off", "ready=on", hasTask: true)
        try script.start()
        script.reactor.atEndOfTurn { script.netdev(0)?.fail("no luck") }
        #expect(try script.hasEnded())
        #expect(script.said.lines == ["netemu: -netdev scripted: no luck"] && script.life.exitStatus == 125)
        #expect(script.guest?.log == ["end"] && script.netdev(1)?.log == ["start", "stop"])
    }

    @Test("a process that cannot be set up ends before the guest has run")
    func failingSetUp() throws {
        let script = try EmulationScript("ready=on")
        script.life.onRunning = { () throws(EmulationError) in throw EmulationError("cannot enter the sandbox") }
        script.reactor.atEndOfTurn { script.life.start() }
        #expect(try script.hasEnded())
        #expect(script.said.lines == ["netemu: cannot enter the sandbox"] && script.life.exitStatus == 1)
        #expect(script.guest?.log == ["end"])
    }

    @Test("netemu ends with the task's status when what it said was taken")
    func task() throws {
        let script = try EmulationScript("ready=on", hasTask: true)
        try script.start()
        let long = String(repeating: "x", count: 200_000)
        script.guest?.words.say(long)
        script.guest?.onEvent?(.output)
        script.guest?.onEvent?(.taskEnded(status: 7))
        #expect(script.life.phase == .running)
        var got = ""
        #expect(
            try script.reactor.turn {
                got += script.output()
                return script.life.phase == .ending
            })
        // What the port still holds is for the end.
        got += script.output()
        script.emulation.close()
        got += script.output()
        #expect(got == long && script.life.exitStatus == 7)
    }

    @Test("a guest that fails ends netemu with netemu's own status", arguments: [false, true])
    func failingGuest(hasTask: Bool) throws {
        let script = try EmulationScript("ready=on", hasTask: hasTask)
        try script.start({ script.guest?.onEvent?(.failed(EmulationError("the guest has no memory"))) })
        #expect(script.said.lines == ["netemu: the guest has no memory"])
        #expect(script.life.exitStatus == (hasTask ? 125 : 1) && script.life.phase == .ending)
    }

    @Test("quit: the guest says good-bye, then back-ends end, then netemu; the first reason decides the status")
    func end() throws {
        let script = try EmulationScript("lingers=on", "lingers=on")
        try script.start()
        script.guest?.isSlow = true
        let session = MonitorSession(target: script.emulation.machine)
        session.receive(Array("quit\n".utf8))
        #expect(script.life.phase == .parting && script.netdev(0)?.log == ["start"] && session.isFinished)
        // cont would start the guest again, and a second reason does not count.
        script.emulation.machine.run.resume()
        script.life.end(status: 9)
        script.guest?.catchUp()
        #expect(script.netdev(0)?.log == ["start", "stop"] && script.life.phase == .ending)
        script.netdev(0)?.end()
        script.reactor.atEndOfTurn { script.netdev(1)?.end() }
        #expect(try script.hasEnded())
        #expect(script.life.exitStatus == 0 && script.guest?.log == ["resume", "end"])
    }

    @Test("a back-end that does not end holds up the end for a moment only")
    func hangingBackEnd() throws {
        let script = try EmulationScript("lingers=on")
        try script.start()
        script.life.end(status: 3)
        #expect(try script.hasEnded())
        #expect(script.life.exitStatus == 3 && script.netdev(0)?.isGone == false)
    }

    @Test("a signal ends netemu: its name, its sender; with a task the status is a shell's", arguments: [false, true])
    func signals(hasTask: Bool) throws {
        let script = try EmulationScript("ready=on", hasTask: hasTask)
        try script.start({ script.life.handle(.end(signal: SIGTERM, sender: 77)) })
        #expect(script.said.lines == ["netemu: terminating on signal 15 from pid 77"])
        #expect(script.life.exitStatus == (hasTask ? 143 : 0) && script.life.phase == .ending)
    }

    @Test("without its minder netemu ends, once")
    func minder() throws {
        let script = try EmulationScript("ready=on")
        try script.start({ script.life.minderEnded() }, { script.life.minderEnded() })
        #expect(script.said.lines == ["netemu: the process that minds netemu's children has ended"])
        #expect(script.life.exitStatus == 1)
    }

    @Test("what the topology warns of is said once everything has been made")
    func warnings() throws {
        let script = try EmulationScript("ready=off", hasCards: false)
        try script.start()
        #expect(script.said.lines == [])
        try script.start({ script.netdev(0)?.connect() })
        #expect(script.said.lines == ["netemu: warning: netdev n0 has no peer"])
    }
}
