// -pidfile, -daemonize, -D, -runas, -sandbox: what is asked of the process itself.

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

extension ConfigurationBuilder {
    mutating func setProcess(_ parsed: ParsedOption) throws(OptionError) {
        let value = parsed.option.value ?? ""
        switch parsed.word {
        case .daemonize: configuration.process.isDaemon = true
        case .pidFile: configuration.process.pidFile = Value.path(value)
        case .logFile: configuration.process.logFile = Value.path(value)
        case .runAs: configuration.process.runAs = value
        case .sandbox: configuration.process.sandbox = try SandboxOption.plan(parsed.list)
        default: break
        }
    }
}
