// The words of the human monitor: names, parameters, help, and how each parameter is read. `help`,
// parsing and completion walk this table. Texts are QEMU's.

/// How one argument of a monitor command is read.
public enum MonitorParameter: Equatable, Sendable {
    /// What a word names, for completion.
    public enum Names: Sendable {
        case nothing, clients, netdevs, devices, chardevs, objects, netdevTypes, drivers, objectTypes, chardevTypes
    }

    case word(Names)
    case onOff
    /// A word that may be missing.
    case optionalWord(Names)
    /// The rest of the line; may be missing.
    case rest(Names)
}

/// What a monitor command does.
public enum MonitorWord: Sendable {
    case help, info, quit, stop, cont, systemReset, setLink
    case netdevAdd, netdevDel, deviceAdd, deviceDel, chardevAdd, chardevRemove, objectAdd, objectDel
    case infoChardev, infoName, infoNetwork, infoStats, infoStatus, infoVersion
}

struct MonitorCommand: Sendable {
    /// The first is the one that help shows first.
    let names: [String]
    let parameters: [MonitorParameter]
    let usage: String
    let help: String
    let word: MonitorWord
    var subcommands: [MonitorCommand] = []

    init(
        _ names: String, _ word: MonitorWord, _ parameters: [MonitorParameter] = [], usage: String = "", help: String
    ) {
        self.names = names.split(separator: "|").map(String.init)
        self.word = word
        self.parameters = parameters
        self.usage = usage
        self.help = help
    }

    func with(_ subcommands: [MonitorCommand]) -> MonitorCommand {
        var command = self
        command.subcommands = subcommands
        return command
    }

    /// One line of `help`.
    func helpLine(prefix: String) -> String { "\(prefix)\(names.joined(separator: "|")) \(usage) -- \(help)" }
}

enum CommandTable {
    /// In the order of `help`, which is alphabetical as QEMU's.
    static let commands: [MonitorCommand] = [
        MonitorCommand("chardev-add", .chardevAdd, [.word(.chardevTypes)], usage: "args", help: "add chardev"),
        MonitorCommand("chardev-remove", .chardevRemove, [.word(.chardevs)], usage: "id", help: "remove chardev"),
        MonitorCommand("cont|c", .cont, help: "resume emulation"),
        MonitorCommand(
            "device_add", .deviceAdd, [.rest(.drivers)], usage: "driver[,prop=value][,...]",
            help: "add device, like -device on the command line"),
        MonitorCommand("device_del", .deviceDel, [.word(.devices)], usage: "device", help: "remove device"),
        MonitorCommand("help|?", .help, [.rest(.nothing)], usage: "[cmd]", help: "show the help"),
        MonitorCommand(
            "info", .info, [.rest(.nothing)], usage: "[subcommand]",
            help: "show various information about the system state"
        ).with(info),
        MonitorCommand(
            "netdev_add", .netdevAdd, [.rest(.netdevTypes)],
            usage: "[\(NetdevKinds.names.joined(separator: "|"))],id=str[,prop=value][,...]",
            help: "add host network device"),
        MonitorCommand("netdev_del", .netdevDel, [.word(.netdevs)], usage: "id", help: "remove host network device"),
        MonitorCommand(
            "object_add", .objectAdd, [.word(.objectTypes)], usage: "[qom-type=]type,id=str[,prop=value][,...]",
            help: "create QOM object"),
        MonitorCommand("object_del", .objectDel, [.word(.objects)], usage: "id", help: "destroy QOM object"),
        MonitorCommand("quit|q", .quit, help: "quit the emulator"),
        MonitorCommand(
            "set_link", .setLink, [.word(.clients), .onOff], usage: "name on|off",
            help: "change the link status of a network adapter"),
        MonitorCommand("stop|s", .stop, help: "stop emulation"),
        MonitorCommand("system_reset", .systemReset, help: "reset the system"),
    ]

    static let info: [MonitorCommand] = [
        MonitorCommand("chardev", .infoChardev, help: "show the character devices"),
        MonitorCommand("name", .infoName, help: "show the current VM name"),
        MonitorCommand("network", .infoNetwork, help: "show the network state"),
        MonitorCommand(
            "stats", .infoStats, [.optionalWord(.clients)], usage: "[name]",
            help: "show what cards and back-ends have moved, dropped and signalled"),
        MonitorCommand("status", .infoStatus, help: "show the current VM status (running|paused)"),
        MonitorCommand("version", .infoVersion, help: "show the version of netemu"),
    ]

    /// Commands of QEMU's monitor that netemu does not have yet: told apart from a slip of the fingers.
    static let notYet: Set<String> = [
        "announce_self", "chardev-change", "chardev-send-break", "closefd", "getfd",
        "hostfwd_add", "hostfwd_remove",
        "log", "logfile", "migrate", "migrate_cancel", "migrate_continue", "migrate_incoming", "migrate_pause",
        "migrate_recover", "migrate_set_capability", "migrate_set_parameter", "migrate_start_postcopy", "savevm",
        "loadvm", "system_powerdown", "system_wakeup", "clear", "qom-get", "qom-list",
        "qom-set",
    ]

    static func find(_ name: String, in table: [MonitorCommand]) -> MonitorCommand? {
        table.first { $0.names.contains(name) }
    }
}
