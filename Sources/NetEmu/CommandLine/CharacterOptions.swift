// -chardev, -monitor, -mon and -serial: which character devices there are and who sits at which end.

extension OptionRow {
    static let mon = OptionRow(
        "mon", "[chardev=]ID[,mode=readline]", "a monitor on a character device (may repeat)", phase: .monitor,
        reads: .list(.checked(implied: "chardev", shared: ["id"], MonitorOption.keys, identity: .always))
    ) { builder, parsed throws(OptionError) in try builder.addMon(parsed) }

    static let monitor = OptionRow(
        "monitor", "stdio|unix:PATH[,server=on][,wait=off]|tcp:HOST:PORT|telnet:HOST:PORT|none",
        "where a monitor is (may repeat)", phase: .monitor, reads: .word(ChardevOption.shortWords)
    ) { builder, parsed throws(OptionError) in try builder.addMonitor(parsed) }

    static let serial = OptionRow(
        "serial", "stdio|mon:stdio|null|unix:PATH[,server=on][,wait=off]|...", "where the node's console is",
        phase: .monitor, reads: .word(ChardevOption.shortWords)
    ) { builder, parsed throws(OptionError) in try builder.addSerial(parsed) }
}

/// `-mon`.
enum MonitorOption {
    static let keys = KeyTable(
        title: "mon",
        rows: [
            KeyRow("chardev", .string, "the id of a character device"),
            KeyRow("mode", .string, "readline; control is not supported yet"),
            KeyRow("pretty", .boolean, "of control mode"),
        ])

    /// `-object monitor-hmp`.
    static let objectKeys = KeyTable(
        title: "monitor-hmp",
        rows: [KeyRow("chardev", .string, "the id of a character device"), .only("readline", "on")],
        isVisited: true, required: ["chardev"])
}

extension ConfigurationBuilder {
    mutating func addChardev(_ parsed: ParsedOption) throws(OptionError) {
        try add(try ChardevOption.plan(parsed.list, location: parsed.option.location))
    }

    private mutating func add(_ plan: ChardevPlan) throws(OptionError) {
        guard !configuration.chardevs.contains(where: { $0.id == plan.id }) else {
            throw OptionError("Duplicate ID '\(plan.id)' for chardev")
        }
        configuration.chardevs.append(plan)
    }

    /// `-monitor`.
    mutating func addMonitor(_ parsed: ParsedOption) throws(OptionError) {
        configuration.hasTerminalOption = true
        let id = "compat_monitor\(compatMonitors)"
        compatMonitors += 1
        let (text, location) = (parsed.option.value ?? "", parsed.option.location)
        switch try ChardevOption.short(text, id: id, location: location, consequence: "parse error: \(text)") {
        case .none: break
        case .existing(let chardev): try addMonitor(on: chardev, location)
        case .device(let plan):
            try add(plan)
            configuration.monitors.append(MonitorPlan(chardev: id, location: location))
            if plan.isMultiplexed { configuration.console = id }
        }
    }

    /// `-mon`.
    mutating func addMon(_ parsed: ParsedOption) throws(OptionError) {
        configuration.hasTerminalOption = true
        let values = try MonitorOption.keys.read(parsed.list.without("id"))
        guard let chardev = values.string("chardev") else { throw OptionError("Parameter 'chardev' is missing") }
        switch values.string("mode") ?? "readline" {
        case "readline": break
        case "control":
            throw .lack(
                "mode=control is not supported yet", hints: ["Leave the option out; what works today: mode=readline"])
        case let mode: throw OptionError("Parameter 'mode' does not accept value '\(mode)'")
        }
        guard values.boolean("pretty") == nil else { throw OptionError("'pretty' is not compatible with HMP monitors") }
        try addMonitor(on: chardev, parsed.option.location)
    }

    /// - Parameter object: the id of the object that it is.
    mutating func addMonitor(on chardev: String, _ location: String, object: String? = nil) throws(OptionError) {
        try checkUse(of: chardev)
        configuration.monitors.append(MonitorPlan(chardev: chardev, id: object, location: location))
    }

    /// A device of -chardev can have one more user.
    private func checkUse(of chardev: String) throws(OptionError) {
        guard let plan = configuration.chardevs.first(where: { $0.id == chardev }) else {
            throw OptionError("chardev \"\(chardev)\" not found")
        }
        let monitors = configuration.monitors.filter { $0.chardev == chardev }.count
        let users = monitors + (configuration.console == chardev ? 1 : 0)
        guard plan.isMultiplexed || users == 0 else {
            throw OptionError("chardev '\(chardev)' is already in use", hints: ["Add mux=on to share it"])
        }
        guard users < Multiplexer.mostUsers else {
            let most = Multiplexer.mostUsers
            throw OptionError("too many uses of multiplexed chardev '\(chardev)' (maximum is \(most))")
        }
    }

    mutating func addSerial(_ parsed: ParsedOption) throws(OptionError) {
        configuration.hasTerminalOption = true
        let (text, location) = (parsed.option.value ?? "", parsed.option.location)
        let consequence = "could not connect serial device to character backend '\(text)'"
        switch try ChardevOption.short(text, id: "serial0", location: location, consequence: consequence) {
        case .none: break
        case .existing(let chardev):
            try checkUse(of: chardev)
            configuration.console = chardev
        case .device(let plan):
            try add(plan)
            configuration.console = plan.id
            if plan.isMultiplexed { configuration.monitors.append(MonitorPlan(chardev: plan.id, location: location)) }
        }
    }

    /// stdin and stdout belong to one device.
    func checkStdio() throws(OptionError) {
        var owners: [ChardevPlan] = []
        for plan in configuration.chardevs { if case .stdio = plan.kind { owners.append(plan) } }
        if configuration.process.isDaemon, let owner = owners.first {
            throw OptionError(at: owner.location, "cannot use stdio with -daemonize")
        }
        guard owners.count > 1 else { return }
        throw OptionError(
            at: owners[1].location, "cannot use stdio by multiple character devices",
            hints: ["Type -serial mon:stdio instead of both: Ctrl-A c switches"])
    }
}

extension Configuration {
    /// Without -monitor and -serial a terminal is shared by monitor and console, unless a script writes to it.
    mutating func useTerminal() {
        guard isUnattended else { return }
        var plan = ChardevPlan(id: "serial0", kind: .stdio(takesSignals: true))
        plan.isMultiplexed = guest.hasConsole
        chardevs.append(plan)
        monitors.append(MonitorPlan(chardev: plan.id))
        if plan.isMultiplexed { console = plan.id }
        sharesTerminal = true
    }

    /// Without -monitor and -serial the console reads a pipe or a file as a shell does.
    mutating func usePipe() {
        guard isUnattended, guest.hasConsole else { return }
        chardevs.append(ChardevPlan(id: "serial0", kind: .stdio(takesSignals: false)))
        console = "serial0"
        readsPipe = true
    }

    /// Nothing says who sits in front of netemu, or what it is to do.
    var isUnattended: Bool { !hasTerminalOption && !guest.hasTask && !process.isDaemon }
}
