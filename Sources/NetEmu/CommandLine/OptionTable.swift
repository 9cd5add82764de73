// Every option of the command line: its name, whether it takes a value, what it means here. This
// table is the only place that knows options; scanner, help, the manual's check and (later) shell
// completion read it. Rows that QEMU has and netemu does not are in QEMUOptionTable.swift.

/// The options that netemu carries out.
public enum OptionWord: String, Sendable {
    case nic, netdev, net, device, chardev, mon, monitor, serial, object, numa, memory, machine, guest, name
    case stopped, daemonize, pidFile, logFile, runAs, sandbox, nodefaults, help, version, completion
}

/// What an option of the table means to netemu.
public enum OptionMeaning: Equatable, Sendable {
    /// Carried out.
    case implemented(OptionWord)
    /// Refused until it exists; the value tells what works today.
    case notYet(instead: String)
    /// Accepted with one warning: there is no such part in netemu.
    case meaningless(missing: String)
    /// Refused: it would boot a system; the value names the guest kind that it needs.
    case boots(guest: String)
    /// QEMU removed it, or it asks for something netemu will not do; the value says so.
    case refused(String)
}

/// When an option takes effect: lower phases first, typing order inside a phase.
public enum OptionPhase: Int, Comparable, Sendable {
    case setup, object, chardev, netdev, nic, net, device, run
    public static func < (a: OptionPhase, b: OptionPhase) -> Bool { a.rawValue < b.rawValue }
}

/// One option.
public struct OptionRow: Sendable {
    /// Without the dash.
    public let name: String
    /// What stands for the value in help; nil when the option takes none.
    public let argument: String?
    public let meaning: OptionMeaning
    public let phase: OptionPhase
    /// One line for `-help`; empty for options that are not carried out.
    public let help: String

    init(_ name: String, _ argument: String?, _ word: OptionWord, _ phase: OptionPhase, _ help: String) {
        self.init(name, argument, .implemented(word), phase, help)
    }

    init(
        _ name: String, _ argument: String?, _ meaning: OptionMeaning, _ phase: OptionPhase = .setup,
        _ help: String = ""
    ) {
        self.name = name
        self.argument = argument
        self.meaning = meaning
        self.phase = phase
        self.help = help
    }

    public var isImplemented: Bool {
        if case .implemented = meaning { return true }
        return false
    }
}

/// The table.
public enum OptionTable {
    /// What netemu carries out, in the order of `-help`.
    public static let implemented: [OptionRow] = [
        OptionRow("h", nil, .help, .setup, "show this help and exit"),
        OptionRow("help", nil, .help, .setup, "the same as -h"),
        OptionRow("version", nil, .version, .setup, "show netemu's version and exit"),
        OptionRow(
            "completion", "bash|zsh|fish", .completion, .setup, "print a completion script for that shell and exit"),
        OptionRow(
            "nic", "[passt|stream|vhost-user|hubport][,model=MODEL][,mac=MAC][,key=value...] | none", .nic, .nic,
            "a network card and its back-end in one (-netdev passt,help lists the keys)"),
        OptionRow("netdev", "passt|stream|vhost-user|hubport,id=ID[,key=value...]", .netdev, .netdev, "a back-end"),
        OptionRow(
            "net", "nic[,model=MODEL][,macaddr=MAC][,netdev=ID] | passt[,key=value...] | none", .net, .net,
            "a card or a back-end on hub 0, in the old way"),
        OptionRow(
            "device", "virtio-net[-pci],netdev=ID[,id=ID][,mac=MAC][,key=value...]", .device, .device,
            "a network card for a back-end"),
        OptionRow("m", "[size=]SIZE", .memory, .setup, "guest memory, in MiB without a suffix (default 128M)"),
        OptionRow(
            "object", "memory-backend-memfd,id=ID,size=SIZE[,share=on] | filter-dump,id=ID,netdev=ID,file=PATH",
            .object,
            .object, "guest memory as an object, for -numa; a capture of a back-end's frames"),
        OptionRow("numa", "node,memdev=ID", .numa, .setup, "use that object; the sizes must agree with -m"),
        OptionRow(
            "guest", "node[,run=SCRIPT|,script=FILE][,hostname=NAME] | none", .guest, .run,
            "what is behind the cards: the software node (default), or nothing"),
        OptionRow(
            "chardev", "socket,id=ID,path=PATH[,server=on][,wait=off] | stdio,id=ID | null,id=ID", .chardev, .chardev,
            "a character device, for -mon, -serial and -netdev vhost-user"),
        OptionRow(
            "mon", "[chardev=]ID[,mode=readline]", .mon, .run, "a monitor on a character device (may repeat)"),
        OptionRow(
            "monitor", "stdio|unix:PATH[,server=on][,wait=off]|tcp:HOST:PORT|telnet:HOST:PORT|none", .monitor, .run,
            "where a monitor is (may repeat)"),
        OptionRow(
            "serial", "stdio|mon:stdio|null|unix:PATH[,server=on][,wait=off]|...", .serial, .run,
            "where the node's console is"),
        OptionRow("S", nil, .stopped, .setup, "do not start the guest: type cont in the monitor"),
        OptionRow("daemonize", nil, .daemonize, .setup, "go on in the background once everything is ready"),
        OptionRow("pidfile", "FILE", .pidFile, .setup, "write netemu's pid there, while it runs"),
        OptionRow("D", "FILE", .logFile, .setup, "netemu's own words go there once it runs"),
        OptionRow("runas", "USER|UID:GID", .runAs, .setup, "become that user at the start"),
        OptionRow(
            "sandbox", "on[,spawn=allow][,elevateprivileges=allow][,resourcecontrol=allow]", .sandbox, .setup,
            "drop capabilities and forbid system calls once everything is set up"),
        OptionRow("name", "[guest=]NAME", .name, .setup, "the name of this guest"),
        OptionRow("nodefaults", nil, .nodefaults, .setup, "no default network"),
        OptionRow(
            "machine", "[type=]NAME[,memory-backend=ID]", .machine, .setup, "only memory-backend= has a meaning here"),
        OptionRow("M", "NAME", .machine, .setup, "the same as -machine"),
    ]

    /// Every option, those of QEMU included.
    public static let rows = implemented + qemuOnly

    private static let byName = Dictionary(rows.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })

    /// The row called `name` (without dashes).
    public static func row(named name: String) -> OptionRow? { byName[name] }
}
