// One key of an option's list: its name, how its value is read, and what comes of it.

/// How a key's value is read.
public enum KeyKind: Equatable, Sendable {
    /// A string, a file's name, on or off, a whole number, a number of bytes with a suffix.
    case string, path, boolean, integer, size
    /// A whole number that is not negative. QEMU refuses others with `expects a uint64 value`.
    case unsigned
    /// A whole number of 64 bits, with a sign or not, as QEMU's oldest lists read it: others are refused with `expects a
    /// number`, larger ones as that.
    case number
    /// A whole number that fits into a type of C, by which QEMU calls it when it does not.
    case fitting(IntegerType)
    /// One of these words.
    case choice([String])
    /// A string; repeating the key makes a list.
    case list
    /// Numbers and ranges of them, `0-3`; repeating the key makes a list.
    case ranges
    /// Known to QEMU, refused until netemu does it.
    case notYet

    /// What `help` shows for the value.
    var placeholder: String {
        switch self {
        case .string, .path, .list, .notYet: return "<str>"
        case .boolean: return "<bool>"
        case .integer, .unsigned, .number, .ranges: return "<int>"
        case .fitting(let type): return "<\(type.rawValue.dropLast(2))>"
        case .choice(let words): return words.joined(separator: "|")
        case .size: return "<size>"
        }
    }

    /// The type in JSON.
    var typeName: String {
        switch self {
        case .string, .path, .notYet, .choice: return "string"
        case .list, .ranges: return "array"
        case .boolean: return "boolean"
        case .integer, .unsigned, .number, .size, .fitting: return "integer"
        }
    }

    /// What an option wants that is no such number.
    var wanted: String {
        switch self {
        case .unsigned, .fitting(.uint8), .fitting(.uint16), .fitting(.uint32): return "a uint64 value"
        case .number: return "a number"
        default: return "an int64 value"
        }
    }

    var isUnsigned: Bool {
        switch self {
        case .size, .unsigned: true
        case .fitting(let type): type != .int32
        default: false
        }
    }

    /// May stand several times.
    var isList: Bool { self == .list || self == .ranges }
}

/// Integer types of C, by their names.
public enum IntegerType: String, Sendable {
    /// 32 bits, signed.
    case int32 = "int32_t"
    /// 8 bits.
    case uint8 = "uint8_t"
    /// 16 bits.
    case uint16 = "uint16_t"
    /// 32 bits.
    case uint32 = "uint32_t"

    var range: ClosedRange<Int64> {
        switch self {
        case .int32: Int64(Int32.min)...Int64(Int32.max)
        case .uint8: 0...Int64(UInt8.max)
        case .uint16: 0...Int64(UInt16.max)
        case .uint32: 0...Int64(UInt32.max)
        }
    }
}

/// One key of a list.
public struct KeyRow: Sendable {
    /// What comes of a value.
    public enum Role: Equatable, Sendable {
        /// It is carried out.
        case effect
        /// QEMU's machine would act on it and netemu has no part for it: accepted with a warning, at QEMU's default
        /// without one.
        case noEffect(usual: String?)
        /// Accepted at the value that says "as netemu is", refused otherwise.
        case only(String)
    }

    /// As it is typed.
    public let name: String
    /// How its value is read.
    public let kind: KeyKind
    /// One line for `help`.
    public let help: String
    /// What comes of a value.
    public let role: Role

    init(_ name: String, _ kind: KeyKind, _ help: String, _ role: Role = .effect) {
        self.name = name
        self.kind = kind
        self.help = help
        self.role = role
    }

    /// A key with which nothing can be changed.
    static func only(_ name: String, _ value: String) -> KeyRow {
        KeyRow(name, .boolean, "only \(value)", .only(value))
    }

    /// A key of something that netemu does not have.
    /// - Parameter usual: QEMU's default, at which nothing is said.
    static func ignored(_ name: String, _ kind: KeyKind, _ why: String, usual: String? = nil) -> KeyRow {
        KeyRow(name, kind, why, .noEffect(usual: usual))
    }

    /// Whether a checked value is the one that `text` names.
    func isValue(_ given: String, _ text: String) -> Bool {
        if kind == .boolean {
            return (try? Value.boolean(given, key: name)) == (try? Value.boolean(text, key: name))
        }
        if let number = Value.plainInteger(text) { return Value.plainInteger(given) == number }
        return given == text
    }
}
