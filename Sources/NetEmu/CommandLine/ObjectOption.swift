// -object: what can be made, by QEMU's types, and what is said of the others.

extension OptionRow {
    static let object = OptionRow(
        "object", "memory-backend-memfd,id=ID,size=SIZE[,share=on] | filter-dump,id=ID,netdev=ID,file=PATH | ...",
        "guest memory as an object, for -numa; a capture of a back-end's frames; a monitor", phase: .object,
        reads: .list(ObjectOption.grammar)
    ) { builder, parsed throws(OptionError) in try builder.addObject(parsed) }
}

enum ObjectOption {
    static let memory = [MemoryKeys.memfd, MemoryKeys.ram, MemoryKeys.file, MemoryKeys.shm]
    private static let kinds =
        ([FilterOption.keys, MonitorOption.objectKeys] + memory).map { ListGrammar.Head($0.title, $0) }
        .sorted { $0.word < $1.word }
    static let grammar = ListGrammar(
        implied: "qom-type", heads: kinds, shared: ["id"], identity: .short,
        overview: "List of user creatable objects:\n" + kinds.map { "  " + $0.word }.joined(separator: "\n"),
        check: { list throws(OptionError) in try check(list) })

    /// Type, id and keys are looked at where the option stands.
    private static func check(_ list: KeyValueList) throws(OptionError) {
        guard let type = list["qom-type"] else { throw OptionError("Parameter 'qom-type' is missing") }
        guard !ignored.contains(type) else { return }
        guard let keys = kinds.first(where: { $0.word == type })?.keys else { throw unknown(type) }
        guard list["id"] != nil else { throw OptionError("Parameter 'id' is missing") }
        _ = try keys.read(list.without("qom-type", "id"))
    }

    /// Types that work on frames, or speak to a program that would miss them.
    private static let notYet: Set<String> = [
        "filter-mirror", "filter-redirector", "filter-rewriter", "filter-buffer", "filter-replay", "colo-compare",
        "monitor-qmp", "qtest", "x-remote-object", "dbus-vmstate",
    ]

    /// Types of QEMU that nothing in netemu would use.
    private static let ignored: Set<String> = [
        "acpi-generic-initiator", "acpi-generic-port", "authz-list", "authz-list-file", "authz-pam", "authz-simple",
        "can-bus", "can-host-socketcan", "cryptodev-backend", "cryptodev-backend-builtin", "cryptodev-backend-lkcf",
        "cryptodev-vhost-user", "input-barrier", "input-linux", "iommufd", "iothread", "main-loop",
        "memory-backend-epc", "pr-manager-helper", "rng-builtin", "rng-egd", "rng-random", "secret",
        "secret_keyring", "sev-guest", "sev-snp-guest", "tdx-guest", "thread-context", "throttle-group",
        "tls-cipher-suites", "tls-creds-anon", "tls-creds-psk", "tls-creds-x509",
    ]

    static func isIgnored(_ type: String) -> Bool { ignored.contains(type) }

    /// Why an object of `type` is not made.
    static func unknown(_ type: String) -> OptionError {
        let isKnown = notYet.contains(type) || ignored.contains(type) || kinds.contains { $0.word == type }
        guard isKnown else { return OptionError("Parameter 'qom-type' does not accept value '\(type)'") }
        return .lack(
            "object type '\(type)' is not supported yet",
            hints: ["What works today: filter-dump, monitor-hmp, and memory objects on the command line"])
    }
}

extension ConfigurationBuilder {
    mutating func addObject(_ parsed: ParsedOption) throws(OptionError) {
        let (type, id) = (parsed.list["qom-type"] ?? "", parsed.list["id"] ?? "")
        if ObjectOption.isIgnored(type) { return warn("-object \(type) has no effect: nothing in netemu uses it") }
        guard Value.isWellFormed(id: id) else {
            throw OptionError(at: "", "Parameter 'id' expects an identifier", hints: [Value.idHint])
        }
        let rest = parsed.list.without("qom-type", "id")
        if let memory = ObjectOption.memory.first(where: { $0.title == type }) {
            return try addMemory(type, memory, rest, id: id)
        }
        guard type == FilterOption.keys.title else { return try addMonitorObject(rest, id, parsed.option.location) }
        configuration.filters.append(try FilterOption.plan(rest, id: id, location: parsed.option.location))
    }

    /// `-object monitor-hmp`.
    private mutating func addMonitorObject(
        _ list: KeyValueList, _ id: String, _ location: String
    ) throws(OptionError) {
        configuration.hasTerminalOption = true
        do throws(OptionError) { try addMonitor(on: list["chardev"] ?? "", location, object: id) } catch {
            throw OptionError(at: "", error.text, hints: error.hints)
        }
    }
}
