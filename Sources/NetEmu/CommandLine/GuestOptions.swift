// -guest: what is behind the cards. The list of kinds; everything that is said of kinds is derived from it.

extension OptionRow {
    static let guest = OptionRow(
        "guest", GuestOption.kinds.map { $0.usage }.joined(separator: " | "),
        "what is behind the cards: the software node (default), or nothing", phase: .run,
        reads: .list(GuestOption.grammar)
    ) { builder, parsed throws(OptionError) in
        if let first = builder.guest {
            throw OptionError(
                "there is one guest, and \(first) says what it is already", hints: ["Put all keys into one -guest"])
        }
        builder.guest = parsed.option.location
        builder.configuration.guest = try GuestOption.plan(parsed.list)
    }
}

enum GuestOption {
    /// The kinds of guest; the first is the default.
    static let kinds: [any GuestKind.Type] = [
        NodeGuestKind.self,
        NoGuestKind.self,
    ]

    static let grammar = ListGrammar(
        implied: "type", heads: kinds.filter { !$0.keys.rows.isEmpty }.map { ListGrammar.Head($0.name, $0.keys) },
        alone: kinds.filter { $0.keys.rows.isEmpty }.map { $0.name },
        overview: "Available guests:\n" + names.map { "  " + $0 }.joined(separator: "\n"))

    /// Kinds that are known by name only.
    private static let planned = ["namespace", "uml", "qemu"]

    static func plan(_ list: KeyValueList) throws(OptionError) -> any GuestKind {
        let name = list["type"] ?? kinds[0].name
        guard let kind = kind(named: name) else { throw stranger(name) }
        try checkBareWords(list, kind)
        do throws(OptionError) {
            return try kind.init(try kind.keys.read(KeyValueList(pairs: list.pairs.filter { $0.key != "type" })))
        } catch { throw explained(error, list, kind) }
    }

    /// A bare word is a boolean; what wants a text is not `on`.
    private static func checkBareWords(_ list: KeyValueList, _ kind: any GuestKind.Type) throws(OptionError) {
        for bare in list.bareWords {
            let key = String(bare.value.prefix { $0 != "=" })
            guard let row = kind.keys.row(named: key), row.kind != .boolean else { continue }
            throw OptionError("Parameter '\(key)' needs a value: \(key)=\(row.kind.placeholder)")
        }
    }

    /// Behind a script an unknown key is most likely what follows the first comma in it.
    private static func explained(
        _ error: OptionError, _ list: KeyValueList, _ kind: any GuestKind.Type
    ) -> OptionError {
        let stranger = list.pairs.firstIndex { $0.key != "type" && kind.keys.row(named: $0.key) == nil }
        guard let stranger, let text = list.pairs[..<stranger].last, kind.keys.row(named: text.key)?.kind == .string
        else { return error }
        let cut = list.pairs[stranger...].prefix { kind.keys.row(named: $0.key) == nil }.map { pair in
            list.bareWords.first { $0.value == "\(pair.key)=\(pair.value)" }?.key ?? "\(pair.key)=\(pair.value)"
        }
        let whole = ShellWord.quoted(([text.value] + cut).joined(separator: ",,"))
        return OptionError(error.text, hints: ["A comma in a value is typed twice: \(text.key)=\(whole)"])
    }

    static func kind(named name: String) -> (any GuestKind.Type)? { kinds.first { $0.name == name } }

    static var names: [String] { kinds.map { $0.name } }

    /// Keys that make netemu end with its guest's status.
    static var taskKeys: Set<String> { Set(kinds.flatMap { $0.taskKeys }) }

    private static func stranger(_ name: String) -> OptionError {
        let works = "What works today: " + names.map { "-guest \($0)" }.joined(separator: ", ")
        guard planned.contains(name) else {
            return OptionError("'\(name)' is not a kind of guest", hints: [works])
        }
        return .lack("guest kind '\(name)' is not supported yet", hints: [works])
    }
}
