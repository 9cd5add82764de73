// What the commands of a monitor see of a running netemu: its parts, each with its own doors. Which commands there are
// is CommandTable's, what they do is theirs.

/// The parts that commands work on.
package final class Machine {
    /// `-name`.
    let name: String?
    let memory: MemoryObjects
    /// `-global`, for cards that are added.
    let globals: [GlobalProperty]
    let network: Network
    let chardevs: ChardevTable
    let run: RunControl
    let life: LifeCycle
    /// It has this machine.
    weak var monitors: MonitorTable?
    /// It has this machine's parts.
    weak var migration: MigrationControl?

    /// Moves of the guest.
    var moves: MigrationControl {
        get throws(EmulationError) {
            guard let migration else { throw EmulationError(text: "this guest cannot move") }
            return migration
        }
    }

    /// Ids of everything that is an object.
    var objects: [String] { memory.ids + network.captures.map(\.plan.id) + (monitors?.objects ?? []) }

    init(
        name: String?, memory: MemoryObjects, globals: [GlobalProperty] = [], network: Network,
        chardevs: ChardevTable, run: RunControl, life: LifeCycle
    ) {
        self.name = name
        self.memory = memory
        self.globals = globals
        self.network = network
        self.chardevs = chardevs
        self.run = run
        self.life = life
    }
}

extension Machine: MonitorTarget {
    package func execute<Command: MonitorCommand>(
        _ command: Command, answer: @escaping (Result<Command.Answer, EmulationError>) -> Void
    ) {
        command.run(on: self, answer: answer)
    }

    package func names(of kind: MonitorParameter.Names) -> [String] {
        switch kind {
        case .nothing: []
        case .clients: network.topology.names
        case .netdevs: network.topology.clients.filter { $0.isNetdev && !$0.isDeleted }.map(\.name)
        case .netdevOptions: network.topology.clients.filter { $0.isOption && !$0.isDeleted }.map(\.name)
        case .devices: network.topology.clients.filter(\.isCard).map(\.name)
        case .chardevs: chardevs.ids
        case .objects: objects
        case .migrationParameters: MigrationParameterRow.all.map(\.name)
        case .migrationCapabilities: [MigrationCapability.returnPath]
        }
    }
}
