// Arguments of monitor commands: which a command takes, of which types, and the values of one call. The types are those
// of QEMU's table (monitor/hmp.c), as far as there are commands that take them.

/// One argument of a command.
package struct MonitorParameter: Sendable {
    /// What a word can name.
    package enum Names: Sendable {
        case nothing, clients, netdevs, netdevOptions, devices, chardevs, objects
        case migrationParameters, migrationCapabilities
    }

    enum Kind: Equatable, Sendable {
        /// A word, or a string in quotes. QEMU's `s`.
        case string
        /// What is left of the line. `S`.
        case rest
        /// `-d`, or nothing. `-d`.
        case flag(Character)
        /// `on` or `off`. `b`.
        case onOff
        /// A word that is a list of options, or JSON to the end of the line. `O`.
        case options
    }

    /// By which the command asks for it.
    let name: String
    let kind: Kind
    /// What stands for it in help.
    let shown: String
    let isOptional: Bool
    /// What it names.
    var names = Names.nothing
    /// How the list that it is, is read; `help` in it is answered from there.
    var grammar: ListGrammar?
    /// Ids that its list may not have, and what those are called.
    var taken: (names: Names, title: String)?

    private init(_ name: String, _ kind: Kind, _ shown: String, isOptional: Bool = false) {
        self.name = name
        self.kind = kind
        self.shown = shown
        self.isOptional = isOptional
    }

    /// A word that names one of `names`.
    static func word(_ name: String, of names: Names, shown: String? = nil, isOptional: Bool = false) -> Self {
        var parameter = Self(name, .string, shown ?? name, isOptional: isOptional)
        parameter.names = names
        return parameter
    }

    static func onOff(_ name: String, shown: String = "on|off") -> Self { Self(name, .onOff, shown) }

    /// A letter behind a dash, which may be missing.
    static func flag(_ name: String, _ letter: Character) -> Self {
        Self(name, .flag(letter), "[-\(letter)]", isOptional: true)
    }

    /// A list that is read here, by its grammar.
    static func options(
        _ name: String, _ grammar: ListGrammar, shown: String, taken: (names: Names, title: String)? = nil
    ) -> Self {
        var parameter = Self(name, .options, shown, isOptional: true)
        parameter.grammar = grammar
        parameter.taken = taken
        return parameter
    }

    /// A list that the command reads: in one word, or up to the end of the line.
    static func text(_ name: String, _ kind: Kind, _ grammar: ListGrammar, shown: String) -> Self {
        var parameter = Self(name, kind, shown)
        parameter.grammar = grammar
        return parameter
    }
}

/// The arguments of one call, by name.
package struct MonitorArguments: Sendable {
    enum Value: Sendable {
        case string(String)
        case boolean(Bool)
        case list(KeyValueList)
    }

    var values: [String: Value] = [:]

    /// nil when it was not given.
    func optionalString(_ name: String) -> String? {
        if case .string(let text)? = values[name] { text } else { nil }
    }

    func string(_ name: String) throws(EmulationError) -> String {
        guard let text = optionalString(name) else { throw wrong(name, "string") }
        return text
    }

    /// Whether it was given.
    func flag(_ name: String) -> Bool { if case .boolean(true)? = values[name] { true } else { false } }

    func boolean(_ name: String) throws(EmulationError) -> Bool {
        guard case .boolean(let isOn)? = values[name] else { throw wrong(name, "boolean") }
        return isOn
    }

    /// Empty when it was not given.
    func list(_ name: String) throws(EmulationError) -> KeyValueList {
        guard values[name] != nil else { return KeyValueList(pairs: []) }
        guard case .list(let list)? = values[name] else { throw wrong(name, "object") }
        return list
    }

    private func wrong(_ name: String, _ type: String) -> EmulationError {
        guard values[name] != nil else { return EmulationError(text: "Parameter '\(name)' is missing") }
        return EmulationError(text: "Invalid parameter type for '\(name)', expected: \(type)")
    }
}
