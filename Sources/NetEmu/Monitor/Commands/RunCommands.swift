// stop, cont, system_reset, quit: whether the guest runs, and netemu itself.

/// `cont`.
struct Continue: ImmediateCommand {
    static let names = ["cont", "c"]
    static let help = "resume emulation"
    init(_ arguments: MonitorArguments) {}
    func run(on machine: Machine) throws(EmulationError) {
        guard let migration = machine.migration else { return machine.run.resume() }
        try migration.letRun()
    }
}

/// `stop`; answers when the guest stands still and nobody works on its rings.
struct Stop: MonitorCommand {
    static let names = ["stop", "s"]
    static let help = "stop emulation"
    init(_ arguments: MonitorArguments) {}
    func run(on machine: Machine, answer: @escaping (Result<Void, EmulationError>) -> Void) {
        guard let migration = machine.migration else { return machine.run.pause { answer(.success(())) } }
        migration.stop { answer(.success(())) }
    }
}

/// `system_reset`.
struct SystemReset: ImmediateCommand {
    static let names = ["system_reset"]
    static let help = "reset the system"
    init(_ arguments: MonitorArguments) {}
    func run(on machine: Machine) { machine.run.reset() }
}

/// `quit`.
struct Quit: ImmediateCommand {
    static let names = ["quit", "q"]
    static let help = "quit the emulator"
    static let isLast = true
    init(_ arguments: MonitorArguments) {}
    func run(on machine: Machine) { machine.life.end(status: 0) }
}
