// The words of the human monitor. `help`, reading and completion walk one table, which is made from the list of
// commands: a line each. Beside them stand `help` and `info`, which only people type.

/// A word that can begin a line, or stand behind `info`.
struct MonitorWord: Sendable {
    enum Meaning: Sendable {
        case command(any MonitorCommand.Type)
        case help
        /// One of these stands behind it.
        case group([MonitorWord])
    }

    let names: [String]
    let usage: String
    let help: String
    let meaning: Meaning

    init(_ command: any MonitorCommand.Type) {
        names = command.names
        usage = command.parameters.map(\.shown).joined(separator: " ")
        help = command.help
        meaning = .command(command)
    }

    init(_ names: [String], usage: String, help: String, _ meaning: Meaning) {
        self.names = names
        self.usage = usage
        self.help = help
        self.meaning = meaning
    }

    /// The words that can follow; empty for all but a group.
    var below: [MonitorWord] { if case .group(let words) = meaning { words } else { [] } }

    var parameters: [MonitorParameter] { if case .command(let command) = meaning { command.parameters } else { [] } }

    /// One line of `help`.
    func helpLine(prefix: String) -> String { "\(prefix)\(names.joined(separator: "|")) \(usage) -- \(help)" }
}

enum CommandTable {
    /// One line a command, in any order.
    static let all: [any MonitorCommand.Type] = [
        Continue.self,
        Stop.self,
        SystemReset.self,
        Quit.self,
        NetdevAdd.self,
        NetdevDel.self,
        DeviceAdd.self,
        DeviceDel.self,
        SetLink.self,
        Migrate.self,
        MigrateCancel.self,
        MigrateIncoming.self,
        MigrateSetCapability.self,
        MigrateSetParameter.self,
        ChardevAdd.self,
        ChardevRemove.self,
        ObjectAdd.self,
        ObjectDel.self,
        AnnounceSelf.self,
        PasstUpgradeCommand.self,
        InfoChardev.self,
        InfoMemdev.self,
        InfoMemorySizeSummary.self,
        InfoMigrate.self,
        InfoMigrateCapabilities.self,
        InfoMigrateParameters.self,
        InfoName.self,
        InfoNetwork.self,
        InfoStats.self,
        InfoStatus.self,
        InfoVersion.self,
    ]

    /// In the order of `help`, which is alphabetical as QEMU's.
    static let words: [MonitorWord] = sorted(
        all.filter { $0.group == nil }.map(MonitorWord.init) + [
            MonitorWord(["help", "?"], usage: "[cmd]", help: "show the help", .help),
            MonitorWord(
                ["info"], usage: "[subcommand]", help: "show various information about the system state",
                .group(sorted(all.filter { $0.group == "info" }.map(MonitorWord.init)))),
        ])

    private static func sorted(_ words: [MonitorWord]) -> [MonitorWord] {
        words.sorted { $0.names[0] < $1.names[0] }
    }

    /// Commands of QEMU's monitor that netemu does not have yet: told apart from a slip of the fingers.
    static let notYet: Set<String> = [
        "chardev-change", "chardev-send-break", "closefd", "getfd",
        "hostfwd_add", "hostfwd_remove",
        "log", "logfile", "migrate_continue", "migrate_pause", "migrate_recover", "migrate_start_postcopy", "savevm",
        "loadvm", "system_powerdown", "system_wakeup", "clear", "qom-get", "qom-list",
        "qom-set",
    ]

    static func find(_ name: String, in words: [MonitorWord]) -> MonitorWord? {
        words.first { $0.names.contains(name) }
    }
}
