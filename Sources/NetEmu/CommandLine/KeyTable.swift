// The keys that an option's list may hold. One table per kind of list; reading, help and the
// manual's check walk the same rows.

/// How a key's value is read.
public enum KeyKind: Equatable, Sendable {
    /// A string, a file's name, on or off, a whole number, a number of bytes with a suffix.
    case string, path, boolean, integer, size
    /// A whole number that is not negative. QEMU refuses others with `expects a uint64 value`.
    case unsigned
    /// A whole number as QEMU's character devices read it: others are refused with `expects a number`.
    case number
    /// A string; repeating the key makes a list.
    case list
    /// Known to QEMU, refused until netemu does it.
    case notYet

    /// What `help` shows for the value.
    var placeholder: String {
        switch self {
        case .string, .path, .list, .notYet: return "<str>"
        case .boolean: return "<bool>"
        case .integer, .unsigned, .number: return "<int>"
        case .size: return "<size>"
        }
    }

    /// The type in JSON.
    var typeName: String {
        switch self {
        case .string, .path, .notYet: return "string"
        case .list: return "array"
        case .boolean: return "boolean"
        case .integer, .unsigned, .number, .size: return "integer"
        }
    }

    /// What an option wants that is no such number.
    var wanted: String {
        switch self {
        case .unsigned: return "a uint64 value"
        case .number: return "a number"
        default: return "an int64 value"
        }
    }
}

/// One key of a list.
public struct KeyRow: Sendable {
    /// As it is typed.
    public let name: String
    /// How its value is read.
    public let kind: KeyKind
    /// One line for `help`.
    public let help: String
    /// False for what QEMU's machine would act on and netemu has no part for: accepted with a warning.
    public let hasEffect: Bool

    init(_ name: String, _ kind: KeyKind, _ help: String, hasEffect: Bool = true) {
        self.name = name
        self.kind = kind
        self.help = help
        self.hasEffect = hasEffect
    }
}

/// The keys of one kind of list.
public struct KeyTable: Sendable {
    /// What the keys belong to, for help: `passt`, `virtio-net-pci`.
    public let title: String
    /// In the order in which help shows them.
    public let rows: [KeyRow]

    /// The rows of what is carried out.
    var known: [KeyRow] { rows.filter { $0.kind != .notYet } }

    func row(named name: String) -> KeyRow? { rows.first { $0.name == name } }

    /// Checks names and values; what comes back reads without errors.
    /// - Parameter unknown: the sentence for a key that is in no row; nil for that of the list's dialect.
    func read(_ list: KeyValueList, unknown: ((String) -> String)? = nil) throws(OptionError) -> CheckedValues {
        if list.dialect != .short, unknown == nil { return try readStructured(list) }
        for pair in list.pairs {
            guard let row = row(named: pair.key) else {
                throw stranger(pair, unknown?(pair.key) ?? "Invalid parameter '\(pair.key)'")
            }
            try check(pair, row, list.dialect, isProperty: unknown != nil)
        }
        return CheckedValues(list: list)
    }

    /// As QEMU's visitors go: known keys in the table's order, then those that nobody knows.
    private func readStructured(_ list: KeyValueList) throws(OptionError) -> CheckedValues {
        for row in rows {
            try checkNothingInside(row, list)
            let given = list.pairs.filter { $0.key == row.name }
            for pair in row.kind == .list ? given[...] : given.suffix(1) { try check(pair, row, list.dialect) }
        }
        for pair in list.pairs where row(named: pair.key) == nil {
            throw stranger(pair, "Parameter '\(outermost(pair.key))' is unexpected")
        }
        return CheckedValues(list: list)
    }

    /// A structure or a list where one value, or a list of strings, is wanted.
    private func checkNothingInside(_ row: KeyRow, _ list: KeyValueList) throws(OptionError) {
        let inner = list.pairs.first { $0.key.hasPrefix(row.name + ".") || $0.key.hasPrefix(row.name + "[") }
        guard let inner else { return }
        guard list.dialect == .json else { throw OptionError("Parameters '\(row.name).*' are unexpected") }
        guard row.kind == .list, inner.key.hasPrefix(row.name + "["), let end = inner.key.firstIndex(of: "]") else {
            throw wrongType(row.name, row.kind)
        }
        let (element, member) = (inner.key[...end], inner.key[end...].dropFirst())
        switch member {
        case "" where inner.type == .emptyObject: throw OptionError("Parameter '\(element).str' is missing")
        case "": throw OptionError("Invalid parameter type for '\(element)', expected: object")
        case _ where member.hasPrefix(".str"):
            throw OptionError("Invalid parameter type for '\(element).str', expected: string")
        default: throw OptionError("Parameter '\(inner.key)' is unexpected")
        }
    }

    /// The part of a key that nobody knows, without what stands below it.
    private func outermost(_ key: String) -> Substring {
        let structures = rows.compactMap { row in row.name.lastIndex(of: ".").map { row.name[...$0] } }
        let known = structures.first { key.hasPrefix($0) } ?? ""
        let own = key.dropFirst(known.count).prefix { $0 != "." && $0 != "[" }
        return key[..<own.endIndex]
    }

    private func stranger(_ pair: KeyValueList.Pair, _ text: String) -> OptionError {
        let near = Suggestion.nearest(to: pair.key, among: known.map(\.name))
        return OptionError(text, hints: near.map { ["Did you mean \($0)=?"] } ?? [])
    }

    /// - Parameter isProperty: of a device, whose numbers QEMU has words of its own for.
    private func check(
        _ pair: KeyValueList.Pair, _ row: KeyRow, _ dialect: KeyValueList.Dialect, isProperty: Bool = false
    ) throws(OptionError) {
        if dialect == .json { try checkType(pair, row, isProperty: isProperty) }
        switch row.kind {
        case .string, .path, .list: break
        case .boolean: _ = try Value.boolean(pair.value, key: pair.key)
        case .integer, .unsigned, .number:
            let least = row.kind == .unsigned ? 0 : Int64.min
            guard let value = Value.plainInteger(pair.value), value >= least else {
                let isShort = dialect == .short && !isProperty
                throw OptionError("Parameter '\(pair.key)' expects \(isShort ? row.kind.wanted : "integer")")
            }
        case .size:
            guard Value.plainSize(pair.value) != nil else {
                throw OptionError("Parameter '\(pair.key)' expects \(dialect == .json ? "uint64" : "a size value")")
            }
        case .notYet:
            throw OptionError("Parameter '\(pair.key)' is not supported yet", hints: [row.help].filter { !$0.isEmpty })
        }
    }

    private func checkType(_ pair: KeyValueList.Pair, _ row: KeyRow, isProperty: Bool) throws(OptionError) {
        let fits: Bool
        switch row.kind {
        case .string, .path: fits = pair.type == .string
        case .list: fits = pair.type == .list || pair.type == .emptyArray
        case .boolean: fits = pair.type == .boolean
        // A number with a fraction, or beyond 64 bits, is another type to QEMU.
        case .integer, .unsigned, .number: fits = pair.type == .number && Int64(pair.value) != nil
        case .size: fits = pair.type == .number && UInt64(pair.value) != nil
        case .notYet: fits = true
        }
        guard !fits else { return }
        let isUnsigned = row.kind == .size || row.kind == .unsigned || isProperty && row.kind == .integer
        throw isUnsigned ? OptionError("Parameter '\(pair.key)' expects uint64") : wrongType(pair.key, row.kind)
    }

    private func wrongType(_ key: String, _ kind: KeyKind) -> OptionError {
        OptionError("Invalid parameter type for '\(key)', expected: \(kind.typeName)")
    }

    /// What is said of the keys of `list` that change nothing.
    func warnings(of list: KeyValueList) -> [String] {
        rows.filter { !$0.hasEffect && list[$0.name] != nil }.map { "\($0.name)= has no effect: \($0.help)" }
    }

    /// Lines for `-netdev passt,help` and `-device virtio-net-pci,help`.
    public var help: String {
        let lines = rows.filter { $0.kind != .notYet }.map { "  \($0.name)=\($0.kind.placeholder) - \($0.help)" }
        return (["\(title) options:"] + lines.sorted()).joined(separator: "\n")
    }
}

/// A list whose keys and values have been checked against a table.
struct CheckedValues {
    let list: KeyValueList
    func string(_ key: String) -> String? { list[key] }
    func path(_ key: String) -> String? { list[key].map(Value.path) }
    func strings(_ key: String) -> [String] { list.all(key) }
    func boolean(_ key: String) -> Bool? { list[key].flatMap { try? Value.boolean($0, key: key) } }
    func integer(_ key: String) -> Int64? { list[key].flatMap(Value.plainInteger) }
    func size(_ key: String) -> UInt64? { list[key].flatMap(Value.plainSize) }
    func required(_ key: String) throws(OptionError) -> String {
        guard let value = list[key] else { throw OptionError("Parameter '\(key)' is missing") }
        return value
    }
}
