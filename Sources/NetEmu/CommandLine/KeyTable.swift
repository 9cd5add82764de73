// The keys that an option's list may hold. One table per kind of list; reading, help and the
// manual's check walk the same rows.

/// The keys of one kind of list.
public struct KeyTable: Sendable {
    /// What the keys belong to, for help: `passt`, `virtio-net-pci`.
    public let title: String
    /// In the order in which help shows them.
    public let rows: [KeyRow]
    /// QEMU looks at the keys in the order of these rows, not in that of typing; those of `required` must be there.
    var isVisited = false
    var required: [String] = []

    /// The rows of what is carried out.
    var known: [KeyRow] { rows.filter { $0.kind != .notYet } }

    func row(named name: String) -> KeyRow? { rows.first { $0.name == name } }

    /// Checks names and values; what comes back reads without errors.
    /// - Parameter unknown: the sentence for a key that is in no row; nil for that of the list's dialect.
    func read(_ list: KeyValueList, unknown: ((String) -> String)? = nil) throws(OptionError) -> CheckedValues {
        if isVisited || list.dialect != .short, unknown == nil { return try readStructured(list) }
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
            guard !given.isEmpty || !required.contains(row.name) else {
                throw OptionError("Parameter '\(row.name)' is missing")
            }
            for pair in row.kind.isList ? given[...] : given.suffix(1) { try check(pair, row, list.dialect) }
        }
        for pair in list.pairs where row(named: pair.key) == nil && !isElement(pair) {
            let isShort = list.dialect == .short
            throw stranger(
                pair,
                isShort ? "Invalid parameter '\(pair.key)'" : "Parameter '\(outermost(pair.key))' is unexpected")
        }
        return CheckedValues(list: list)
    }

    /// A structure or a list where one value, or a list of strings, is wanted.
    private func checkNothingInside(_ row: KeyRow, _ list: KeyValueList) throws(OptionError) {
        guard list.dialect != .short else { return }
        let inner = list.pairs.first {
            ($0.key.hasPrefix(row.name + ".") || $0.key.hasPrefix(row.name + "[")) && !isElement($0)
        }
        guard let inner else { return }
        guard list.dialect == .json else { throw OptionError("Parameters '\(row.name).*' are unexpected") }
        guard row.kind == .list, inner.key.hasPrefix(row.name + "["), let end = inner.key.firstIndex(of: "]") else {
            throw KeyTable.wrongType(row.name, row.kind)
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

    /// A number of a JSON list of numbers.
    private func isElement(_ pair: KeyValueList.Pair) -> Bool {
        guard pair.type == .number, pair.key.hasSuffix("]"), let start = pair.key.firstIndex(of: "["),
            row(named: String(pair.key[..<start]))?.kind == .ranges
        else { return false }
        return UInt64(pair.value) != nil
    }

    /// The part of a key that nobody knows, without what stands below it.
    private func outermost(_ key: String) -> Substring {
        let structures = rows.compactMap { row in row.name.lastIndex(of: ".").map { row.name[...$0] } }
        let known = structures.first { key.hasPrefix($0) } ?? ""
        let own = key.dropFirst(known.count).prefix { $0 != "." && $0 != "[" }
        return key[..<own.endIndex]
    }

    func stranger(_ pair: KeyValueList.Pair, _ text: String) -> OptionError {
        let near = Suggestion.nearest(to: pair.key, among: known.map(\.name))
        return OptionError(text, hints: near.map { ["Did you mean \($0)=?"] } ?? [])
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
    /// As QEMU keeps what `KeyKind.number` reads: 64 bits, a negative one wrapped.
    func number(_ key: String) -> UInt64? {
        list[key].flatMap(Value.magnitude).map { $0.isNegative ? 0 &- $0.value : $0.value }
    }
    func size(_ key: String) -> UInt64? { list[key].flatMap(Value.plainSize) }
    func required(_ key: String) throws(OptionError) -> String {
        guard let value = list[key] else { throw OptionError("Parameter '\(key)' is missing") }
        return value
    }
}
