// -set GROUP.ID.KEY=VALUE: one more key for an option that was typed before it, as if it stood there last.

extension OptionRow {
    static let set = {
        var row = OptionRow(
            "set", "GROUP.ID.KEY=VALUE", "one more key for the option -GROUP with that id, in front of this one"
        ) { _, _ in }
        row.amends = { option, parsed throws(OptionError) in try SetOption.amend(option.value ?? "", &parsed) }
        return row
    }()
}

enum SetOption {
    /// Options whose lists can be amended here.
    private static let groups: Set<String> = ["device", "netdev", "nic", "net", "chardev", "mon"]
    /// QEMU's other groups; options of theirs are not kept, so none of them has the id.
    private static let others: Set<String> = [
        "accel", "acpi", "action", "add-fd", "audiodev", "drive", "fsdev", "fw_cfg", "global", "icount", "iscsi",
        "memory", "msg", "name", "numa", "option-rom", "overcommit", "plugin", "realtime", "rtc", "run-with",
        "sandbox", "semihosting-config", "smbios", "tpmdev", "trace", "virtfs", "vnc",
    ]
    private static let fixed: Set<String> = ["object", "machine", "smp-opts", "boot-opts"]

    /// It amends an option that was refused: no obstacle of its own.
    static func isConsequence(_ option: ScannedOption, of obstacles: Obstacles) -> Bool {
        guard option.row.amends != nil, let id = split(option.value ?? "")?.id else { return false }
        return obstacles.missing.contains(id)
    }

    static func amend(_ text: String, _ parsed: inout [ParsedOption]) throws(OptionError) {
        guard let (group, id, key, value) = split(text) else { throw OptionError("can't parse: \"\(text)\"") }
        if fixed.contains(group) { throw OptionError("-set is not supported with \(group)") }
        guard groups.contains(group) || others.contains(group) else {
            throw OptionError("There is no option group '\(group)'")
        }
        // What was read in another way is not kept as keys.
        let index = parsed.firstIndex {
            $0.option.row.name == group && $0.list.dialect == .short && $0.list["id"] == id
        }
        guard let index else { throw OptionError("there is no \(group) \"\(id)\" defined") }
        // QEMU aborts here.
        guard key != "id" else { throw OptionError("an id cannot be changed") }
        if group == "chardev" { try check(key, value) }
        parsed[index].list = parsed[index].list.adding(key, value)
    }

    private static func split(_ text: String) -> (group: String, id: String, key: String, value: String)? {
        guard let equals = text.firstIndex(of: "=") else { return nil }
        let names = text[..<equals].split(separator: ".", maxSplits: 2, omittingEmptySubsequences: false)
        guard names.count == 3, names.allSatisfy({ !$0.isEmpty && $0.utf8.count < 64 }) else { return nil }
        return (String(names[0]), String(names[1]), String(names[2]), String(text[text.index(after: equals)...]))
    }

    /// A character device's key is looked at here, whatever the device is.
    static func check(_ key: String, _ value: String) throws(OptionError) {
        guard let row = ChardevOption.kinds.lazy.compactMap({ $0.keys.row(named: key) }).first else {
            throw OptionError("Invalid parameter '\(key)'")
        }
        _ = try KeyTable(title: "chardev", rows: [row]).read(KeyValueList(pairs: [KeyValueList.Pair(key, value)]))
    }
}
