// A network, its run control and a monitor in one process, with scripted parts.

import Link
import Linux
import Migration
import TestSupport
import Virtio

@testable import NetEmu

/// Somebody at a monitor of an emulation without a process.
final class MachineScript {
    let reactor: Reactor
    let guest = ScriptedGuest()
    let network: Network
    let run: RunControl
    let machine: Machine
    let session: MonitorSession
    let said = SaidLines()
    private(set) var events: [NetdevEvent] = []
    private let monitors: MonitorTable
    let chardevs: ChardevTable
    let migration: MigrationControl
    let life: LifeCycle
    let memory: MemoryObjects
    private var shown = ""

    /// 16 MiB in an object, and one that nobody uses.
    static var usual: MemoryPlan {
        var plan = MemoryPlan()
        plan.size = 16 << 20
        plan.objects = ["m0", "spare"].map {
            MemoryBackend(type: "memory-backend-memfd", id: $0, size: plan.size, isShared: true)
        }
        plan.used = ["m0"]
        return plan
    }

    /// - Parameters:
    ///   - commands: typed at once; everything is ready, the guest runs.
    ///   - incoming: the guest is to come from there.
    ///   - hasRings: its cards are virtio's, as far as they describe themselves.
    ///   - reactor: one that another machine has, too.
    init(
        _ commands: String..., isRunning: Bool = true, memory plan: MemoryPlan = MachineScript.usual,
        incoming: String? = nil, hasRings: Bool = false, on reactor: Reactor? = nil
    ) throws {
        let reactor = try reactor ?? Reactor()
        self.reactor = reactor
        chardevs = ChardevTable(on: reactor, said.voice)
        network = Network(
            Network.Site(
                reactor: reactor, chardevs: chardevs, programs: NetdevPrograms(), guest: guest, voice: said.voice,
                kinds: [ScriptedKind.self, ScriptedMoverKind.self]))
        run = RunControl(guest, network)
        let parts = LifeCycle.Parts(
            guest: guest, network: network, chardevs: chardevs, run: run, reactor: reactor, voice: said.voice)
        memory = try MemoryObjects(plan)
        if hasRings { guest.ringMemory = (memory.guest, reactor) }
        life = LifeCycle(parts, LifeCycle.Terms())
        machine = Machine(
            name: nil, memory: memory, network: network, chardevs: chardevs, run: run, life: life)
        migration = MigrationControl(
            MoveSite(
                reactor: reactor, memory: memory.guest, guest: guest, network: network, run: run, spawner: nil,
                voice: said.voice), life,
            expecting: try incoming.map {
                IncomingPlan(uri: try MigrationURI($0), text: $0, location: "-incoming \($0)")
            },
            isStopped: false)
        machine.migration = migration
        if incoming != nil { network.expectGuest() }
        session = MonitorSession(target: machine, prompt: "> ")
        monitors = MonitorTable(of: machine, on: reactor)
        machine.monitors = monitors
        network.onEvent = { [unowned self] in events.append($1) }
        session.onOutput = { [unowned self] in take() }
        run.isAllowed = isRunning
        run.resume()
        for command in commands { _ = type(command) }
    }

    private func take() { shown += String(decoding: session.takeOutput(), as: UTF8.self) }

    /// Types a line; what was answered until now, the prompt when the session takes another command.
    func type(_ line: String) -> [String] {
        session.receive(Array(line.utf8))
        take()
        shown = ""
        session.receive([10])
        return answer()
    }

    /// What was answered since.
    func answer() -> [String] {
        take()
        defer { shown = "" }
        return shown.split(separator: "\r\n").map(String.init)
    }

    var info: [String] { type("info network").dropLast() }

    func netdev(_ name: String) -> ScriptedNetdev? {
        network.topology.netdev(named: name).flatMap { network.netdevs[$0.id] as? ScriptedNetdev }
    }

    func id(_ name: String) -> ClientID? { network.topology.client(named: name)?.id }

    func card(_ name: String) -> ScriptedCard? { guest.cards.first { $0.name == name } }
}
