// The values of a list's keys: whether each is what its row wants, and what is said of those that change nothing.
// QEMU's texts; a device's properties have some of their own.

extension KeyTable {
    /// - Parameter isProperty: of a device, whose numbers QEMU has words of its own for.
    func check(
        _ pair: KeyValueList.Pair, _ row: KeyRow, _ dialect: KeyValueList.Dialect, isProperty: Bool = false
    ) throws(OptionError) {
        if dialect == .json { try checkType(pair, row) }
        switch row.kind {
        case .string, .path, .list: break
        case .boolean: _ = try Value.boolean(pair.value, key: pair.key)
        case .integer, .unsigned, .number: try checkNumber(pair, row, isPlain: dialect == .short && !isProperty)
        case .fitting(let type):
            if dialect == .short, !isProperty { try checkWidth(pair, row, isSigned: type == .int32) }
            try check(pair, fits: type)
        case .choice(let words):
            guard words.contains(pair.value) else {
                throw OptionError("Parameter '\(pair.key)' does not accept value '\(pair.value)'")
            }
        case .ranges: try checkRange(pair)
        case .size:
            guard Value.plainSize(pair.value) != nil else {
                throw OptionError("Parameter '\(pair.key)' expects \(dialect == .json ? "uint64" : "a size value")")
            }
        case .notYet:
            throw .lack("Parameter '\(pair.key)' is not supported yet", hints: [row.help].filter { !$0.isEmpty })
        }
        guard case .only(let value) = row.role, !row.isValue(pair.value, value) else { return }
        throw .lack(
            "\(row.name)=\(pair.value) is not supported yet", hints: ["What works today: \(row.name)=\(value)"])
    }

    private func checkNumber(_ pair: KeyValueList.Pair, _ row: KeyRow, isPlain: Bool) throws(OptionError) {
        if isPlain, row.kind == .number {
            if Value.magnitude(pair.value) != nil { return }
            if Value.isTooLarge(pair.value) {
                throw OptionError("Value '\(pair.value)' is too large for parameter '\(pair.key)'")
            }
        }
        let least = row.kind == .unsigned ? 0 : Int64.min
        guard let value = Value.plainInteger(pair.value), value >= least else {
            throw OptionError("Parameter '\(pair.key)' expects \(isPlain ? row.kind.wanted : "integer")")
        }
    }

    /// A number of 64 bits, before it is asked whether it fits into fewer.
    private func checkWidth(_ pair: KeyValueList.Pair, _ row: KeyRow, isSigned: Bool) throws(OptionError) {
        let fits = isSigned ? Value.plainInteger(pair.value) != nil : Value.magnitude(pair.value)?.isNegative == false
        if fits { return }
        throw OptionError("Parameter '\(pair.key)' expects \(row.kind.wanted)")
    }

    /// A number that is too large names the last part of its key only.
    private func check(_ pair: KeyValueList.Pair, fits type: IntegerType) throws(OptionError) {
        guard let (isNegative, magnitude) = Value.magnitude(pair.value), type != .int32 || magnitude <= 1 << 63 else {
            throw OptionError("Parameter '\(pair.key)' expects integer")
        }
        let value = isNegative ? Value.plainInteger(pair.value) : Int64(exactly: magnitude)
        guard let value, type.range.contains(value) else {
            let name = pair.key.split(separator: ".").last ?? ""
            throw OptionError("Parameter '\(name)' expects \(type.rawValue)")
        }
    }

    private func checkRange(_ pair: KeyValueList.Pair) throws(OptionError) {
        let ends = pair.value.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false).map {
            Value.plainInteger(String($0))
        }
        guard let first = ends[0], first >= 0, let last = ends[ends.count - 1], last >= first else {
            throw OptionError("Parameter '\(pair.key)' expects a uint64 value or range")
        }
    }

    private func checkType(_ pair: KeyValueList.Pair, _ row: KeyRow) throws(OptionError) {
        let fits: Bool
        switch row.kind {
        case .string, .path, .choice: fits = pair.type == .string
        case .list: fits = pair.type == .list || pair.type == .emptyArray
        case .ranges: fits = pair.type == .emptyArray
        case .boolean: fits = pair.type == .boolean
        // A number with a fraction, or beyond 64 bits, is another type to QEMU.
        case .integer, .unsigned, .number, .fitting: fits = pair.type == .number && Int64(pair.value) != nil
        case .size: fits = pair.type == .number && UInt64(pair.value) != nil
        case .notYet: fits = true
        }
        guard !fits else { return }
        throw row.kind.isUnsigned
            ? OptionError("Parameter '\(pair.key)' expects uint64") : Self.wrongType(pair.key, row.kind)
    }

    static func wrongType(_ key: String, _ kind: KeyKind) -> OptionError {
        OptionError("Invalid parameter type for '\(key)', expected: \(kind.typeName)")
    }

    /// What is said of the keys of `list` that change nothing.
    func warnings(of list: KeyValueList) -> [String] {
        rows.compactMap { row in
            guard case .noEffect(let usual) = row.role, let given = list[row.name] else { return nil }
            if let usual, row.isValue(given, usual) { return nil }
            return "\(row.name)= has no effect: \(row.help)"
        }
    }
}
