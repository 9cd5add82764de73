// -m, -numa and -machine as options: their keys and forms.

extension OptionRow {
    static let memory = {
        var row = OptionRow(
            "m", "[size=]SIZE", "guest memory, in MiB without a suffix (default 128M)", phase: .memory,
            reads: .list(
                ListGrammar(
                    implied: "size", keys: MemoryKeys.memory,
                    check: { list throws(OptionError) in
                        let values = try MemoryKeys.memory.read(list)
                        for key in ["size", "maxmem"] {
                            if let text = values.string(key) { _ = try Value.size(text, key: key) }
                        }
                    }))
        ) { builder, parsed throws(OptionError) in try builder.setMemory(parsed) }
        row.isMerged = true
        return row
    }()

    static let numa = OptionRow(
        "numa", "node,memdev=ID", "use that object; the sizes must agree with -m", phase: .machine,
        reads: .list(ListGrammar(implied: "type", heads: [ListGrammar.Head("node", MemoryKeys.numaNode)]))
    ) { builder, parsed throws(OptionError) in try builder.addNumaNode(parsed) }

    static let machine = machine(
        "machine", "[type=]NAME[,memory-backend=ID]", "only memory-backend= has a meaning here")
    static let m = machine("M", "NAME", "the same as -machine")

    private static func machine(_ name: String, _ argument: String, _ help: String) -> OptionRow {
        OptionRow(
            name, argument, help, reads: .list(ListGrammar(implied: "type")),
            answer: { option in
                let first = (option.value ?? "").prefix { $0 != "," }
                guard ["help", "?", "type=help"].contains(first) else { return nil }
                return "Supported machines are:\nnone                 netemu has no emulated board; other names are "
                    + "taken, with a warning"
            },
            effect: { builder, parsed throws(OptionError) in try builder.setMachine(parsed) })
    }
}

enum MemoryKeys {
    private static let noHotPlug = "guest memory does not grow"
    static let memory = KeyTable(
        title: "memory",
        rows: [
            KeyRow("size", .string, "guest memory"),
            .ignored("slots", .number, noHotPlug, usual: "0"), .ignored("maxmem", .string, noHotPlug),
        ])
    static let numaNode = KeyTable(
        title: "node",
        rows: [
            KeyRow("memdev", .string, "the id of a memory object"),
            .ignored("nodeid", .unsigned, "netemu has no processor"),
            .ignored("cpus", .ranges, "netemu has no processor"),
            .ignored("initiator", .unsigned, "netemu has no processor"),
            KeyRow("mem", .notYet, "Use -object memory-backend-memfd,… and memdev="),
        ])

    // MARK: objects

    private static let ownMemory = "guest memory is a memfd of netemu's own"
    private static let noNodes = "the kernel chooses the host's memory"
    private static let noThreads = "one thread makes the pages"

    /// In QEMU's order.
    private static func common(share: String, reserve: KeyRow) -> [KeyRow] {
        [
            KeyRow("dump", .boolean, "the memory is part of a core dump (default on)"),
            .ignored("host-nodes", .ranges, noNodes),
            KeyRow("merge", .boolean, "equal pages of private memory may become one (default on)"),
            .ignored("policy", .choice(["default", "preferred", "bind", "interleave"]), noNodes, usual: "default"),
            KeyRow("prealloc", .boolean, "make every page at the start (default off)"),
            .ignored("prealloc-threads", .unsigned, noThreads, usual: "1"),
            .ignored("prealloc-context", .string, noThreads),
            KeyRow("share", .boolean, "let a back-end map the memory (default \(share))"), reserve,
            KeyRow("size", .size, "bytes"),
            .ignored("x-use-canonical-path-for-ramblock-id", .boolean, ownMemory),
        ]
    }

    private static func table(_ type: String, share: String, reserve: KeyRow, _ own: [KeyRow] = []) -> KeyTable {
        KeyTable(
            title: type, rows: common(share: share, reserve: reserve) + own, isVisited: true,
            required: ["size", "mem-path"])
    }

    private static let noReserve = KeyRow.ignored("reserve", .boolean, ownMemory, usual: "on")
    private static let fileReserve = KeyRow(
        "reserve", .boolean, "take the file's room at the start, so that a full file system is told then (default on)")

    static let memfd = table(
        "memory-backend-memfd", share: "on", reserve: noReserve,
        [
            .ignored("hugetlb", .boolean, ownMemory, usual: "off"), .ignored("hugetlbsize", .size, ownMemory),
            .ignored("seal", .boolean, ownMemory, usual: "on"),
        ])
    static let ram = table("memory-backend-ram", share: "off", reserve: noReserve)
    static let shm = table("memory-backend-shm", share: "on", reserve: fileReserve)
    static let file = table(
        "memory-backend-file", share: "off", reserve: fileReserve,
        [
            KeyRow("mem-path", .path, "the file, made if it is missing; in a directory a file without a name"),
            KeyRow("align", .size, "what the address of its mapping is a multiple of (default: the page size)"),
            KeyRow("offset", .size, "where in the file guest memory begins (default 0)"),
            KeyRow("discard-data", .boolean, "empty the file at the end (default off)"), .only("pmem", "off"),
            KeyRow("readonly", .boolean, "open the file for reading only (default off)"),
            KeyRow(
                "rom", .choice(["on", "off", "auto"]),
                "of a file that is only read: off keeps what the guest writes in memory (default auto: as readonly)"),
        ])
}
