// -m, -object, -numa and -machine as options: their keys and forms.

extension OptionRow {
    static let memory = OptionRow(
        "m", "[size=]SIZE", "guest memory, in MiB without a suffix (default 128M)",
        reads: .list(ListGrammar(implied: "size", keys: MemoryKeys.memory))
    ) { builder, parsed throws(OptionError) in try builder.setMemory(parsed) }

    static let object = OptionRow(
        "object", "memory-backend-memfd,id=ID,size=SIZE[,share=on] | filter-dump,id=ID,netdev=ID,file=PATH",
        "guest memory as an object, for -numa; a capture of a back-end's frames", phase: .object,
        reads: .list(ObjectOption.grammar)
    ) { builder, parsed throws(OptionError) in try builder.addObject(parsed) }

    static let numa = OptionRow(
        "numa", "node,memdev=ID", "use that object; the sizes must agree with -m",
        reads: .list(ListGrammar(implied: "type", heads: [ListGrammar.Head("node", MemoryKeys.numaNode)]))
    ) { builder, parsed throws(OptionError) in try builder.addNumaNode(parsed) }

    static let machine = machine(
        "machine", "[type=]NAME[,memory-backend=ID]", "only memory-backend= has a meaning here")
    static let m = machine("M", "NAME", "the same as -machine")

    private static func machine(_ name: String, _ argument: String, _ help: String) -> OptionRow {
        OptionRow(name, argument, help, reads: .list(ListGrammar(implied: "type"))) {
            builder, parsed throws(OptionError) in
            try builder.setMachine(parsed)
        }
    }
}

enum MemoryKeys {
    static let memory = KeyTable(
        title: "memory",
        rows: [
            KeyRow("size", .string, "guest memory"),
            KeyRow("slots", .notYet, "What works today: -m SIZE"),
            KeyRow("maxmem", .notYet, "What works today: -m SIZE"),
        ])

    static let numaNode = KeyTable(
        title: "node",
        rows: [
            KeyRow("memdev", .string, "the id of a memory object"),
            KeyRow("nodeid", .unsigned, "netemu has no processor", hasEffect: false),
            KeyRow("cpus", .list, "netemu has no processor", hasEffect: false),
        ])

    static let memfd = KeyTable(
        title: "memory-backend-memfd",
        rows: [
            KeyRow("size", .size, "bytes"),
            KeyRow("share", .boolean, "let a back-end map the memory (default on)"),
        ]
            + [
                "dump", "host-nodes", "hugetlb", "hugetlbsize", "merge", "policy", "prealloc", "prealloc-context",
                "prealloc-threads", "reserve", "seal", "x-use-canonical-path-for-ramblock-id",
            ].map { KeyRow($0, .notYet, "What works today: id=, size=, share=") })
}
