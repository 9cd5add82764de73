// -m, -numa node,memdev= and -machine memory-backend=: how much guest memory there is, in which objects, and that the
// sizes agree. QEMU's texts.

extension ConfigurationBuilder {
    static let pageSize: UInt64 = 4096

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
        // QEMU takes an empty list, and no empty size.
        guard var text = values.string("size") else { return }
        var size = try Value.size(text, key: "size")
        if let last = text.utf8.last, (0x30...0x39).contains(last) {
            text += "M"
            guard let megabytes = Value.plainSize(text) else {
                throw OptionError(at: "", "Parameter 'memory.size' expects size")
            }
            size = megabytes
        }
        try setSize(size)
        isMemoryGiven = true
        try checkGrowth(values)
    }

    private mutating func setSize(_ size: UInt64) throws(OptionError) {
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
    }

    /// Slots of q35.
    private static let slots: ClosedRange<UInt64> = 0...256

    /// slots= and maxmem=: nothing grows, but what cannot be is told. How many the board takes is asked when it is made.
    private mutating func checkGrowth(_ values: CheckedValues) throws(OptionError) {
        let slots = values.number("slots") ?? 0
        guard let text = values.string("maxmem") else {
            guard slots == 0 else { throw OptionError(at: "", "slots specified but no max-size") }
            return
        }
        var most = try Value.size(text, key: "maxmem")
        if let last = text.utf8.last, (0x30...0x39).contains(last) { most = Value.plainSize(text + "M") ?? most }
        let size = configuration.memory.size
        guard most >= size else {
            throw OptionError(
                at: "",
                "invalid value of maxmem: maximum memory size (\(Self.hex(most))) must be at least the initial memory "
                    + "size (\(Self.hex(size)))")
        }
        guard slots == 0 || most > size else {
            throw OptionError(
                at: "",
                "invalid value of maxmem: memory slots were specified but maximum memory size (\(Self.hex(most))) is "
                    + "equal to the initial memory size (\(Self.hex(size)))")
        }
        memorySlots = slots
    }

    mutating func addNumaNode(_ parsed: ParsedOption) throws(OptionError) {
        guard let type = parsed.list["type"] else { throw OptionError("Parameter 'type' is missing") }
        guard type == "node" else {
            guard ["dist", "cpu", "hmat-lb", "hmat-cache"].contains(type) else {
                throw OptionError("Parameter 'type' does not accept value '\(type)'")
            }
            return warn("-numa \(type) has no effect: netemu has no processor")
        }
        let rest = KeyValueList(pairs: parsed.list.pairs.filter { $0.key != "type" })
        guard let memdev = try MemoryKeys.numaNode.read(rest).string("memdev") else { return }
        memdevs.append((memdev, parsed.option.location))
    }

    mutating func setMachine(_ parsed: ParsedOption) throws(OptionError) {
        machineMemory = parsed.list["memory-backend"] ?? machineMemory
        guard parsed.list.pairs.contains(where: { $0.key != "memory-backend" }) else { return }
        warn("-\(parsed.option.row.name) has no effect: netemu has no emulated board")
    }

    /// Joins -m with the objects, once all options are known. In QEMU's order of complaints.
    mutating func checkMemory() throws(OptionError) {
        let machine = try machineBackend()
        let nodes = try nodeBackends()
        if let machine {
            if !isMemoryGiven { try setSize(machine.size) }
            guard machine.size == configuration.memory.size else {
                throw OptionError(at: "", "Machine memory size does not match the size of the memory backend")
            }
        }
        try checkNodes(nodes)
        guard machine == nil || nodes.isEmpty else {
            throw OptionError(at: "", "'-machine memory-backend' and '-numa memdev' properties are mutually exclusive")
        }
        try refuseRepeats(nodes)
        guard Self.slots.contains(memorySlots) else {
            throw OptionError(at: "", "unsupported amount of memory slots: \(memorySlots)")
        }
        configuration.memory.used = (machine.map { [$0] } ?? nodes).map(\.id)
        if let object = configuration.memory.backends.first(where: \.isReadOnlyMemory) {
            throw OptionError(
                at: "", "\(object.type) '\(object.id)' is only read, and the guest writes to its memory",
                hints: ["With share=off,rom=off there what the guest writes is kept in memory"])
        }
    }

    /// `-machine memory-backend=`: without -m its size is the guest's.
    private func machineBackend() throws(OptionError) -> MemoryBackend? {
        guard let id = machineMemory else { return nil }
        guard let backend = configuration.memory.objects.first(where: { $0.id == id }) else {
            throw OptionError(at: "", "Memory backend '\(id)' not found")
        }
        return backend
    }

    private func nodeBackends() throws(OptionError) -> [MemoryBackend] {
        var nodes: [MemoryBackend] = []
        for (id, location) in memdevs {
            guard let backend = configuration.memory.objects.first(where: { $0.id == id }) else {
                throw OptionError(at: location, "memdev=\(id) is ambiguous")
            }
            nodes.append(backend)
        }
        return nodes
    }

    private func checkNodes(_ nodes: [MemoryBackend]) throws(OptionError) {
        let total = nodes.reduce(0) { $0 &+ $1.size }
        guard nodes.isEmpty || total == configuration.memory.size else {
            throw OptionError(
                "total memory for NUMA nodes (\(Self.hex(total))) should equal RAM size (\(Self.hex(configuration.memory.size)))",
                hints: isMemoryGiven ? [] : ["Type -m \(Value.text(ofSize: total)): without -m the size is 128M"])
        }
    }

    /// Two addresses of one byte are no memory that a guest knows.
    private func refuseRepeats(_ nodes: [MemoryBackend]) throws(OptionError) {
        for (index, node) in nodes.enumerated() where nodes[..<index].contains(where: { $0.id == node.id }) {
            throw OptionError(
                at: "", "memory backend \(node.id) can't be used multiple times.",
                hints: ["Each -numa node needs an object of its own"])
        }
    }

    /// Once every back-end has its place.
    func refusePrivateMemory() throws(OptionError) {
        guard let netdev = configuration.firstOnRings,
            let backend = configuration.memory.backends.first(where: { !$0.isShared })
        else { return }
        throw OptionError(
            at: netdev.location,
            "vhost-user needs guest memory that can be shared, but \(backend.type) "
                + "'\(backend.id)' has share=off", hints: ["Write share=on there"])
    }

    static func hex(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }
}
