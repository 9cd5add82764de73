// migrate and its company: the guest goes to another netemu, or comes from one.

/// `migrate`; answers when the move is over, with -d at once.
struct Migrate: MonitorCommand {
    static let names = ["migrate"]
    static let parameters: [MonitorParameter] = [.flag("detach", "d"), .word("uri", of: .nothing)]
    static let help = "migrate to URI (using -d to not wait for completion)"
    let isDetached: Bool
    let uri: String

    init(_ arguments: MonitorArguments) throws(EmulationError) {
        isDetached = arguments.flag("detach")
        uri = try arguments.string("uri")
    }

    /// Why it failed; nil when it did not, or nobody waits for it.
    func run(on machine: Machine, answer: @escaping (Result<String?, EmulationError>) -> Void) {
        do throws(EmulationError) {
            let control = try machine.moves
            let voice = machine.network.site.voice
            try control.migrate(to: uri, isWatched: !isDetached) { [isDetached] failure in
                guard isDetached else { return answer(.success(failure)) }
                if let failure { voice.say(failure) }
            }
            if isDetached { answer(.success(nil)) }
        } catch { answer(.failure(error)) }
    }

    static func lines(of answer: String?) -> [String] {
        answer.map { $0.split(separator: "\n").map { "netemu: \($0)" } } ?? []
    }
}

/// `migrate_cancel`.
struct MigrateCancel: ImmediateCommand {
    static let names = ["migrate_cancel"]
    static let help = "cancel the current VM migration"
    init(_ arguments: MonitorArguments) {}
    func run(on machine: Machine) throws(EmulationError) { try machine.moves.cancel() }
}

/// `migrate_incoming`.
struct MigrateIncoming: ImmediateCommand {
    static let names = ["migrate_incoming"]
    static let parameters: [MonitorParameter] = [.word("uri", of: .nothing)]
    static let help = "Continue an incoming migration from an -incoming defer"
    let uri: String
    init(_ arguments: MonitorArguments) throws(EmulationError) { uri = try arguments.string("uri") }
    func run(on machine: Machine) throws(EmulationError) { try machine.moves.receive(from: uri) }
}

/// `migrate_set_parameter`.
struct MigrateSetParameter: ImmediateCommand {
    static let names = ["migrate_set_parameter"]
    static let parameters: [MonitorParameter] = [
        .word("parameter", of: .migrationParameters), .word("value", of: .nothing),
    ]
    static let help = "Set the parameter for migration"
    let parameter: String
    let value: String

    init(_ arguments: MonitorArguments) throws(EmulationError) {
        parameter = try arguments.string("parameter")
        value = try arguments.string("value")
    }

    func run(on machine: Machine) throws(EmulationError) {
        let moves = try machine.moves
        try EmulationError.wrapping { () throws(OptionError) in
            try MigrationParameterRow.named(parameter).set(&moves.settings, value)
        }
    }
}

/// `migrate_set_capability`.
struct MigrateSetCapability: ImmediateCommand {
    static let names = ["migrate_set_capability"]
    static let parameters: [MonitorParameter] = [
        .word("capability", of: .migrationCapabilities), .onOff("state", shown: "state"),
    ]
    static let help = "Enable/Disable the usage of a capability for migration"
    let capability: String
    let isOn: Bool

    init(_ arguments: MonitorArguments) throws(EmulationError) {
        capability = try arguments.string("capability")
        isOn = try arguments.boolean("state")
    }

    func run(on machine: Machine) throws(EmulationError) {
        try EmulationError.wrapping { () throws(OptionError) in try MigrationCapability.set(capability, isOn) }
    }
}

/// `info migrate`.
struct InfoMigrate: ImmediateCommand {
    static let names = ["migrate"]
    static let group: String? = "info"
    static let help = "show migration status"
    init(_ arguments: MonitorArguments) {}
    func run(on machine: Machine) throws(EmulationError) -> MigrationInfo { try machine.moves.info }
    static func lines(of answer: MigrationInfo) -> [String] { answer.lines }
}

/// `info migrate_parameters`.
struct InfoMigrateParameters: ImmediateCommand {
    static let names = ["migrate_parameters"]
    static let group: String? = "info"
    static let help = "show current migration parameters"
    init(_ arguments: MonitorArguments) {}
    func run(on machine: Machine) throws(EmulationError) -> MigrationSettings { try machine.moves.settings }
    static func lines(of answer: MigrationSettings) -> [String] {
        MigrationParameterRow.all.map { "\($0.name): \($0.shown(answer))" }
    }
}

/// `info migrate_capabilities`.
struct InfoMigrateCapabilities: ImmediateCommand {
    static let names = ["migrate_capabilities"]
    static let group: String? = "info"
    static let help = "show current migration capabilities"
    init(_ arguments: MonitorArguments) {}
    func run(on machine: Machine) -> [String] { [MigrationCapability.returnPath] }
    static func lines(of answer: [String]) -> [String] { answer.map { "\($0): on" } }
}
