// -guest: what is behind the cards.

extension OptionRow {
    static let guest = OptionRow(
        "guest", "node[,run=SCRIPT|,script=FILE][,hostname=NAME] | none",
        "what is behind the cards: the software node (default), or nothing", phase: .run,
        reads: .list(
            ListGrammar(implied: "type", heads: [ListGrammar.Head("node", GuestOption.nodeKeys)], alone: ["none"]))
    ) { builder, parsed throws(OptionError) in builder.configuration.guest = try GuestOption.plan(parsed.list) }
}

enum GuestOption {
    static let nodeKeys = KeyTable(
        title: "node",
        rows: [
            KeyRow("run", .string, "a script for the node's shell; `;` goes on, `&&` stops, `,,` is a comma"),
            KeyRow("script", .path, "a file with such a script"),
            KeyRow("hostname", .string, "the node's name (default: node)"),
        ])

    static func plan(_ list: KeyValueList) throws(OptionError) -> GuestPlan {
        let kind = list["type"] ?? "node"
        let rest = KeyValueList(pairs: list.pairs.filter { $0.key != "type" })
        switch kind {
        case "node": return .node(try node(rest))
        case "none":
            if let extra = rest.pairs.first { throw OptionError("Invalid parameter '\(extra.key)'") }
            return .none
        case "namespace", "uml", "qemu":
            throw OptionError(
                "guest kind '\(kind)' is not supported yet", hints: ["What works today: -guest node, -guest none"])
        default:
            throw OptionError("'\(kind)' is not a kind of guest: node or none is")
        }
    }

    private static func node(_ list: KeyValueList) throws(OptionError) -> NodePlan {
        let values = try nodeKeys.read(list)
        var plan = NodePlan()
        switch (values.string("run"), values.path("script")) {
        case (.some, .some): throw OptionError("run= and script= cannot both be given")
        case (.some(let text), nil): plan.script = .text(text)
        case (nil, .some(let path)): plan.script = .file(path)
        case (nil, nil): break
        }
        if let name = values.string("hostname") {
            guard isHostname(name) else {
                throw OptionError("hostname '\(name)' must be 1 to 63 letters, digits and '-'")
            }
            plan.hostname = name
        }
        return plan
    }

    private static func isHostname(_ name: String) -> Bool {
        (1...63).contains(name.utf8.count) && name.utf8.first != 0x2d && name.utf8.last != 0x2d
            && name.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x41...0x5a).contains($0 & 0xdf) || $0 == 0x2d }
    }
}
