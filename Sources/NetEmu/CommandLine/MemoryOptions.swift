// -m, -object memory-backend-memfd, -numa node,memdev= and -machine memory-backend=: how much guest
// memory there is, and that the sizes agree. QEMU's texts.

extension ConfigurationBuilder {
    private static let pageSize: UInt64 = 4096

    mutating func addObject(_ parsed: ParsedOption) throws(OptionError) {
        guard let type = parsed.list["qom-type"] else { throw OptionError("Parameter 'qom-type' is missing") }
        guard type == "memory-backend-memfd" || type == "filter-dump" else { throw ObjectOption.unknown(type) }
        let rest = parsed.list.without("qom-type", "id")
        guard let id = parsed.id else { throw OptionError("Parameter 'id' is missing") }
        if type == "filter-dump" {
            let plan = try FilterOption.plan(rest, id: id, location: parsed.option.location)
            return configuration.filters.append(plan)
        }
        let values = try MemoryKeys.memfd.read(rest)
        _ = try values.required("size")
        guard values.size("size") != 0 else {
            throw OptionError("property 'size' of memory-backend-memfd doesn't take value '0'")
        }
        let backend = MemoryBackend(id: id, size: values.size("size") ?? 0, isShared: values.boolean("share") ?? true)
        guard backend.size % Self.pageSize == 0 else {
            let aligned = backend.size / Self.pageSize * Self.pageSize &+ Self.pageSize
            throw OptionError(
                at: nil,
                "\(id) backing store size \(Self.hex(backend.size)) is too small for 'size' option "
                    + "\(Self.hex(aligned)) plus 'offset' option 0x0")
        }
        backends.append(backend)
    }

    /// Every capture has a back-end that can be captured.
    func checkFilters() throws(OptionError) {
        for plan in configuration.filters {
            do throws(OptionError) { _ = try FilterOption.target(plan, in: configuration.topology) } catch {
                throw error.located(at: plan.location ?? "")
            }
        }
    }

    mutating func setMemory(_ parsed: ParsedOption) throws(OptionError) {
        let values = try MemoryKeys.memory.read(parsed.list)
        guard var text = values.string("size") else { return }
        guard let last = text.utf8.last else { throw OptionError("missing 'size' option value") }
        if (0x30...0x39).contains(last), !text.lowercased().hasPrefix("0x") { text += "M" }
        let size = try Value.size(text, key: "size")
        let accepted = MemoryPlan.accepted
        guard accepted.contains(size) else {
            throw OptionError(
                "guest memory of \(Value.text(ofSize: size)) is not possible: it must be "
                    + "\(Value.text(ofSize: accepted.lowerBound)) to \(Value.text(ofSize: accepted.upperBound))")
        }
        guard size % Self.pageSize == 0 else {
            throw OptionError("guest memory of \(size) bytes is not a multiple of the page size, \(Self.pageSize)")
        }
        configuration.memory.size = size
        isMemoryGiven = true
    }

    mutating func addNumaNode(_ parsed: ParsedOption) throws(OptionError) {
        guard let type = parsed.list["type"] else { throw OptionError("Parameter 'type' is missing") }
        guard type == "node" else {
            guard ["dist", "cpu", "hmat-lb", "hmat-cache"].contains(type) else {
                throw OptionError("Parameter 'type' does not accept value '\(type)'")
            }
            configuration.warnings.append("-numa \(type) has no effect: netemu has no processor")
            return
        }
        let rest = KeyValueList(pairs: parsed.list.pairs.filter { $0.key != "type" })
        guard let memdev = try MemoryKeys.numaNode.read(rest).string("memdev") else { return }
        memdevs.append((memdev, parsed.option.location))
    }

    mutating func setMachine(_ parsed: ParsedOption) throws(OptionError) {
        if let id = parsed.list["memory-backend"] { memdevs.append((id, parsed.option.location)) }
        let others = parsed.list.pairs.filter { $0.key != "memory-backend" }
        if !others.isEmpty {
            configuration.warnings.append("-\(parsed.option.row.name) has no effect: netemu has no emulated board")
        }
    }

    /// Joins -m with the objects, once all options are known.
    mutating func checkMemory() throws(OptionError) {
        var total: UInt64 = 0
        for (id, location) in memdevs {
            guard let backend = backends.first(where: { $0.id == id }) else {
                throw OptionError(at: location, "memdev=\(id) is ambiguous")
            }
            configuration.memory.backends.append(backend)
            total &+= backend.size
        }
        guard !memdevs.isEmpty else { return }
        guard total == configuration.memory.size else {
            throw OptionError(
                "total memory for NUMA nodes (\(Self.hex(total))) should equal RAM size (\(Self.hex(configuration.memory.size)))",
                hints: isMemoryGiven ? [] : ["Type -m \(Value.text(ofSize: total)): without -m the size is 128M"])
        }
        guard configuration.memory.isShared else { return try refusePrivateMemory() }
    }

    private func refusePrivateMemory() throws(OptionError) {
        guard let netdev = configuration.firstOnRings,
            let backend = configuration.memory.backends.first(where: { !$0.isShared })
        else { return }
        throw OptionError(
            at: netdev.location,
            "vhost-user needs guest memory that can be shared, but memory-backend-memfd "
                + "'\(backend.id)' has share=off", hints: ["Write share=on there"])
    }

    static func hex(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }
}

enum ObjectOption {
    private static let kinds = [
        ListGrammar.Head("filter-dump", FilterOption.keys),
        ListGrammar.Head("memory-backend-memfd", MemoryKeys.memfd),
    ]
    static let grammar = ListGrammar(
        implied: "qom-type", heads: kinds, shared: ["id"], identity: .always,
        overview: "List of user creatable objects:\n" + kinds.map { "  " + $0.word }.joined(separator: "\n"))

    private static let known = [
        "memory-backend-ram", "memory-backend-file", "memory-backend-memfd", "memory-backend-shm", "filter-dump",
        "filter-mirror", "filter-redirector", "filter-rewriter", "filter-buffer", "filter-replay", "colo-compare",
        "secret", "iothread", "rng-random", "rng-builtin", "tls-creds-x509", "tls-creds-anon", "tls-creds-psk",
    ]

    /// Why an object of `type` is not made.
    static func unknown(_ type: String) -> OptionError {
        guard known.contains(type) else { return OptionError("Parameter 'qom-type' does not accept value '\(type)'") }
        return OptionError(
            "object type '\(type)' is not supported yet",
            hints: ["What works today: filter-dump, and memory-backend-memfd on the command line"])
    }
}
