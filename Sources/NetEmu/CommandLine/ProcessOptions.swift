// -pidfile, -daemonize, -D, -runas, -sandbox, -repair, -migrate-hook: what is asked of the process itself.

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
        builder.configuration.process.runAsLocation = parsed.option.location
    }

    static let sandbox = OptionRow(
        "sandbox", "on[,spawn=allow][,elevateprivileges=allow][,resourcecontrol=allow]",
        "drop capabilities and forbid system calls once everything is set up",
        reads: .list(
            ListGrammar(
                implied: "enable", heads: [ListGrammar.Head("on", SandboxOption.keys)], alone: ["off"],
                check: { list throws(OptionError) in _ = try SandboxOption.plan(list) }))
    ) { builder, parsed throws(OptionError) in
        builder.configuration.process.sandbox = try SandboxOption.plan(parsed.list)
    }

    static let repair = OptionRow(
        "repair", "[path=]FILE|off",
        "the netemu-repair with which connections move with the guest (default: it is searched)",
        reads: .list(.checked(implied: "path", RepairOption.keys))
    ) { builder, parsed throws(OptionError) in
        let path = try RepairOption.keys.read(parsed.list).path("path")
        builder.configuration.process.repair =
            path.map { $0 == "off" ? .off : .file($0, location: parsed.option.location) } ?? .search
    }

    static let migrateHook = OptionRow(
        "migrate-hook", "COMMAND",
        "run when the guest goes to another host or network namespace, or comes from one: it moves the address"
    ) { builder, parsed in builder.configuration.process.migrateHook = parsed.text }

    static let runWith = OptionRow(
        "run-with", "user=USER|UID:GID", "the same as -runas",
        reads: .list(.checked(implied: "", RunWithOption.keys))
    ) { builder, parsed throws(OptionError) in
        if let user = try RunWithOption.keys.read(parsed.list).string("user") {
            builder.configuration.process.runAs = user
            builder.configuration.process.runAsLocation = parsed.option.location
        }
    }

    static let guestName = OptionRow(
        "name", "[guest=]NAME", "the name of this guest",
        reads: .list(.checked(implied: "guest", NameOption.keys))
    ) { builder, parsed throws(OptionError) in
        let name = try NameOption.keys.read(parsed.list).string("guest")
        builder.configuration.name = name ?? builder.configuration.name
    }
}

extension Configuration {
    /// `-S` where nobody can ever type `cont`: what was to end by itself, a script without a limit of time or a console
    /// that reads a pipe, never would. Anybody else is warned: signals still end it.
    mutating func checkStop() throws(OptionError) {
        guard isStopped, monitors.isEmpty else { return }
        let text = "the guest will never run: there is no monitor in which cont could be typed"
        let hint = "Leave -S out, or add -monitor unix:PATH,server=on,wait=off"
        guard guest.hasTask ? !guest.hasTimeLimit : readsPipe else {
            return warnings.append(OptionWarning("\(text)\n\(hint)", at: "-S"))
        }
        throw OptionError(at: "-S", text, hints: [hint])
    }
}

/// `-name`.
enum NameOption {
    static let keys = KeyTable(
        title: "name",
        rows: [
            KeyRow("guest", .string, "the name of this guest"),
            .ignored("process", .string, "netemu keeps its name"),
            .ignored("debug-threads", .boolean, "netemu has one thread", usual: "on"),
        ])
}

/// `-run-with`.
enum RunWithOption {
    static let keys = KeyTable(
        title: "run-with",
        rows: [
            KeyRow("user", .string, "become that user at the start"),
            .ignored("async-teardown", .boolean, "netemu's memory is gone at once", usual: "off"),
            .only("exit-with-parent", "off"),
            KeyRow("chroot", .notYet, "Leave it out, or use -sandbox on"),
        ])
}

/// `-repair`.
enum RepairOption {
    static let keys = KeyTable(
        title: "repair", rows: [KeyRow("path", .path, "the netemu-repair program, or off for none")])
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
