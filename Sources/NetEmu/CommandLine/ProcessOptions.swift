// -pidfile, -daemonize, -D, -runas, -sandbox: what is asked of the process itself.

extension OptionRow {
    static let stopped = OptionRow("S", nil, "do not start the guest: type cont in the monitor") { builder, _ in
        builder.configuration.isStopped = true
    }

    static let daemonize = OptionRow(
        "daemonize", nil, "go on in the background once everything is ready"
    ) { builder, _ in builder.configuration.process.isDaemon = true }

    static let pidFile = OptionRow(
        "pidfile", "FILE", "write netemu's pid there, while it runs", reads: .file
    ) { builder, parsed in builder.configuration.process.pidFile = Value.path(parsed.text) }

    static let logFile = OptionRow(
        "D", "FILE", "netemu's own words go there once it runs", reads: .file
    ) { builder, parsed in builder.configuration.process.logFile = Value.path(parsed.text) }

    static let runAs = OptionRow("runas", "USER|UID:GID", "become that user at the start") { builder, parsed in
        builder.configuration.process.runAs = parsed.text
    }

    static let sandbox = OptionRow(
        "sandbox", "on[,spawn=allow][,elevateprivileges=allow][,resourcecontrol=allow]",
        "drop capabilities and forbid system calls once everything is set up",
        reads: .list(
            ListGrammar(implied: "enable", heads: [ListGrammar.Head("on", SandboxOption.keys)], alone: ["off"]))
    ) { builder, parsed throws(OptionError) in
        builder.configuration.process.sandbox = try SandboxOption.plan(parsed.list)
    }

    static let guestName = OptionRow(
        "name", "[guest=]NAME", "the name of this guest",
        reads: .list(ListGrammar(implied: "guest", keys: NameOption.keys))
    ) { builder, parsed throws(OptionError) in
        builder.configuration.name = try NameOption.keys.read(parsed.list).string("guest")
    }
}

/// `-name`.
enum NameOption {
    static let keys = KeyTable(
        title: "name",
        rows: [
            KeyRow("guest", .string, "the name of this guest"),
            KeyRow("process", .notYet, ""), KeyRow("debug-threads", .notYet, ""),
        ])
}

enum SandboxOption {
    static let keys = KeyTable(
        title: "sandbox",
        rows: [
            KeyRow("enable", .boolean, "drop capabilities and forbid system calls once everything is set up"),
            KeyRow("obsolete", .string, "deny (default) or allow: calls that no program of today needs"),
            KeyRow("elevateprivileges", .string, "deny (default), allow or children: becoming somebody else"),
            KeyRow("spawn", .string, "deny (default) or allow: starting programs; passt's minder may anyhow"),
            KeyRow("resourcecontrol", .string, "deny (default) or allow: priorities and affinities"),
        ])

    /// nil: off.
    static func plan(_ list: KeyValueList) throws(OptionError) -> SandboxPlan? {
        let values = try keys.read(list)
        var plan = SandboxPlan()
        plan.allowsObsolete = try isAllowed(values, "obsolete")
        plan.allowsElevation = try isAllowed(values, "elevateprivileges", others: ["children"])
        plan.allowsSpawn = try isAllowed(values, "spawn")
        plan.allowsResourceControl = try isAllowed(values, "resourcecontrol")
        return values.boolean("enable") == true ? plan : nil
    }

    private static func isAllowed(_ values: CheckedValues, _ key: String, others: [String] = []) throws(OptionError)
        -> Bool
    {
        switch values.string(key) {
        case nil, "deny": return false
        case "allow": return true
        case let given? where others.contains(given): return false
        default: throw OptionError("invalid argument for \(key)")
        }
    }
}
