// A tool's arguments in the manner of getopt(3): letters alone or joined, values joined or next,
// `--name` and `--name=value`, `--` ends them, operands may stand anywhere. It must not know
// what an option means.

/// Why a tool's arguments make no sense.
enum UsageError: Error, Equatable, Sendable, CustomStringConvertible {
    case unknownOption(String)
    case missingValue(option: String)
    case unexpectedValue(option: String)
    case badValue(option: String, value: String, accepted: String)
    case missingOperand(String)
    case extraOperand(String)

    var description: String {
        switch self {
        case .unknownOption(let option): "unknown option \(option)"
        case .missingValue(let option): "option \(option) needs a value"
        case .unexpectedValue(let option): "option \(option) takes no value"
        case .badValue(let option, let value, let accepted): "\(option) '\(value)': \(accepted)"
        case .missingOperand(let name): "missing \(name)"
        case .extraOperand(let word): "unexpected '\(word)'"
        }
    }
}

/// Walks over a tool's arguments.
struct OptionScanner {
    /// One thing found.
    enum Item: Equatable {
        /// Name with its dashes, such as `-c` or `--sha256`.
        case option(String)
        case operand(String)
    }

    private let arguments: [String]
    private let withValue: Set<String>
    private var index = 0
    /// Letters of a joined group that are still to come.
    private var group: Substring = ""
    private var optionsAreOver = false
    /// The value of the option just returned, if it takes one.
    private(set) var value = ""

    /// - Parameter withValue: the options that take a value, with their dashes.
    init(_ arguments: [String], withValue: Set<String>) {
        self.arguments = arguments
        self.withValue = withValue
    }

    mutating func next() throws(UsageError) -> Item? {
        if !group.isEmpty { return try letter() }
        guard index < arguments.count else { return nil }
        let word = arguments[index]
        index += 1
        if optionsAreOver || !word.hasPrefix("-") || word == "-" { return .operand(word) }
        if word == "--" {
            optionsAreOver = true
            return try next()
        }
        if word.hasPrefix("--") { return try long(word) }
        group = word.dropFirst()
        return try letter()
    }

    private mutating func letter() throws(UsageError) -> Item? {
        let name = "-" + String(group.removeFirst())
        guard withValue.contains(name) else { return .option(name) }
        value = group.isEmpty ? try following(name) : String(group)
        group = ""
        return .option(name)
    }

    private mutating func long(_ word: String) throws(UsageError) -> Item? {
        let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let name = String(parts[0])
        if withValue.contains(name) {
            value = parts.count > 1 ? String(parts[1]) : try following(name)
        } else if parts.count > 1 {
            throw .unexpectedValue(option: name)
        }
        return .option(name)
    }

    private mutating func following(_ name: String) throws(UsageError) -> String {
        guard index < arguments.count else { throw .missingValue(option: name) }
        defer { index += 1 }
        return arguments[index]
    }
}

extension OptionScanner {
    /// The value as a whole number within `range`.
    func integer(_ option: String, in range: ClosedRange<Int>) throws(UsageError) -> Int {
        guard let number = Int(value), range.contains(number) else {
            throw .badValue(
                option: option, value: value,
                accepted: "a whole number \(range.lowerBound)…\(range.upperBound) is accepted")
        }
        return number
    }
}
