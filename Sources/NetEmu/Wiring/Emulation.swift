// A running netemu, put together from a Configuration: guest memory, character devices, the guest, and the four parts
// that each know their own business: the network (Network), whether the guest runs (RunControl), what a monitor may
// ask (Machine), start and end (LifeCycle). Here is only who hears of whom.

import Glibc
import Linux
import Virtio

/// Everything that runs.
final class Emulation {
    /// What an emulation needs of the process.
    struct Doors {
        let programs: NetdevPrograms
        let voice: Voice
        /// Where what the guest's task says goes; borrowed.
        var taskOutput: CInt = 1
    }

    let network: Network
    let life: LifeCycle
    let machine: Machine
    private let memory: MemoryObjects
    private let guest: any Guest
    private let chardevs: ChardevTable
    private var console: ConsoleUser?
    private let monitors: MonitorTable
    private let migration: MigrationControl
    private let doors: Doors
    private let hasTask: Bool
    private let reactor: Reactor
    private var task: TaskOutput?

    init(_ configuration: Configuration, _ doors: Doors, on reactor: Reactor) throws(EmulationError) {
        memory = try MemoryObjects(configuration.memory, warn: doors.voice.warn)
        chardevs = ChardevTable(on: reactor, doors.voice)
        guest = configuration.guest.makeGuest(
            GuestSite(
                memory: memory.guest, reactor: reactor, isTaskOnTerminal: Terminal.isTerminal(doors.taskOutput),
                say: doors.voice.say))
        let site = Network.Site(
            reactor: reactor, chardevs: chardevs, programs: doors.programs, guest: guest, voice: doors.voice)
        network = Network(site, configuration.topology)
        let run = RunControl(guest, network)
        life = LifeCycle(
            LifeCycle.Parts(
                guest: guest, network: network, chardevs: chardevs, run: run, reactor: reactor, voice: doors.voice),
            LifeCycle.Terms(configuration))
        machine = Machine(
            name: configuration.name, memory: memory, globals: configuration.globals, network: network,
            chardevs: chardevs, run: run, life: life)
        monitors = MonitorTable(of: machine, on: reactor)
        machine.monitors = monitors
        (self.doors, self.reactor, hasTask) = (doors, reactor, configuration.guest.hasTask)
        migration = MigrationControl(
            MoveSite(
                reactor: reactor, memory: memory.guest, guest: guest, network: network, run: run,
                spawner: doors.programs.minder, voice: doors.voice,
                hook: Self.hook(configuration, doors, on: reactor)), life, expecting: configuration.incoming,
            isStopped: configuration.isStopped)
        machine.migration = migration
        migration.onArrival = { [unowned self] in guestArrived() }
        network.onEvent = { [unowned life, memory] _, event in
            // Whoever worked on memory that is gone has died of it: that is told, and of him nothing.
            if event == .disconnected, let loss = memory.loss { return life.memoryLost(loss) }
            life.netdevSaid(event)
        }
        if hasTask, configuration.incoming == nil { makeTask() }
        do throws(EmulationError) { try fill(configuration, doors, on: reactor) } catch {
            memory.close()
            throw error
        }
        guest.onEvent = { [weak self] in self?.guestSaid($0) }
    }

    private static func hook(_ configuration: Configuration, _ doors: Doors, on reactor: Reactor) -> MigrateHook? {
        guard let command = configuration.process.migrateHook, let minder = doors.programs.minder else { return nil }
        return MigrateHook(command, spawner: minder, on: reactor, doors.voice)
    }

    private func fill(_ configuration: Configuration, _ doors: Doors, on reactor: Reactor) throws(EmulationError) {
        if configuration.incoming != nil { network.expectGuest() }
        try memory.watch(on: reactor) { [unowned life] in life.memoryLost($0) }
        try makeUsers(configuration, doors.voice)
        try network.make(configuration.network)
        for plan in configuration.filters { try network.add(plan) }
    }

    /// Its task came with it, or is still to be begun.
    private func guestArrived() {
        if hasTask || guest.output != nil { makeTask() }
        guestSaid(.output)
    }

    private func makeTask() {
        let task = TaskOutput(of: guest, to: doors.taskOutput, on: reactor, voice: doors.voice)
        task.onLoss = { [unowned life] in life.outputLost($0) }
        task.onEnd = { [unowned life] in life.end(status: $0) }
        self.task = task
    }

    /// Character devices, and who is behind them: the guest's console, monitors.
    private func makeUsers(_ configuration: Configuration, _ voice: Voice) throws(EmulationError) {
        chardevs.hasStandardStreams = !configuration.process.isDaemon
        for plan in configuration.chardevs { try chardevs.add(plan) }
        if let id = configuration.console, let terminal = guest.console {
            let (device, isShared) = try chardevs.take(id)
            let wayOut =
                isShared
                ? "Ctrl-A x ends netemu"
                : configuration.monitors.isEmpty ? "kill \(getpid()) ends netemu" : "quit in the monitor ends netemu"
            let console = ConsoleUser(device, wayOut: wayOut, voice)
            console.onLoss = { [unowned life] in life.outputLost($0) }
            console.onEnd = { [unowned life] in life.end(status: $0) }
            device.user = console
            console.show(terminal)
            self.console = console
        }
        for plan in configuration.monitors { try monitors.add(plan) }
    }

    private func guestSaid(_ event: GuestEvent) {
        switch event {
        case .output, .consoleChanged:
            if let terminal = guest.console { console?.show(terminal) }
            task?.pump()
        case .taskEnded(let status): task == nil ? console?.ended(status: status) : task?.ended(status: status)
        case .failed(let error): life.fail(error)
        }
    }

    /// The end has begun: a guest that was on its way stays, or is not waited for any more.
    func ending() { migration.end() }

    /// Gives back what the program holds outside itself.
    func close() {
        network.close()
        task?.flush()
        chardevs.stop()
        if let failure = chardevs.standard?.failure { life.outputLost(failure) }
        if chardevs.standard?.isInputBroken == true { life.inputLost() }
        memory.close()
    }
}

extension LifeCycle.Terms {
    init(_ configuration: Configuration) {
        self.init(
            hasShellStatus: configuration.hasShellStatus, isStopped: configuration.isStopped,
            failureStatus: configuration.failureStatus,
            warnings: configuration.topology.warnings + configuration.addressWarnings,
            greeting: configuration.greeting)
    }
}
