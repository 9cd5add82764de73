// From argv to a list of named options: QEMU's way (`-x` and `--x` are the same, a value is the next
// word). It knows arity and nothing of what values mean.

/// One option as it stood on the command line.
public struct ScannedOption: Sendable {
    /// Which option it is.
    public let row: OptionRow
    /// The word behind it; nil when it takes none.
    public let value: String?
    /// As typed: `-netdev passt,id=x`.
    public let location: String

    func error(_ text: String, hints: [String] = []) -> OptionError {
        OptionError(at: location, text, hints: hints)
    }
}

/// Splits a command line into options.
public enum OptionScanner {
    /// - Throws: `OptionError` on an unknown option, a missing value or a word that is no option.
    public static func scan(_ arguments: [String]) throws(OptionError) -> [ScannedOption] {
        var found: [ScannedOption] = []
        var index = 0
        while index < arguments.count {
            let typed = arguments[index]
            index += 1
            let row = try lookUp(typed)
            guard row.argument != nil else {
                found.append(ScannedOption(row: row, value: nil, location: typed))
                continue
            }
            guard index < arguments.count else { throw OptionError(at: typed, "requires an argument") }
            let value = arguments[index]
            index += 1
            found.append(ScannedOption(row: row, value: value, location: "\(typed) \(value)"))
        }
        return found
    }

    /// True when the line asks for a script, so that netemu's own failure is 125, not 1. Looks at the
    /// words only: it must answer for lines that cannot be scanned, too.
    public static func asksForScript(_ arguments: [String]) -> Bool {
        let taskKeys = GuestOption.taskKeys
        for (word, value) in zip(arguments, arguments.dropFirst()) where word == "-guest" || word == "--guest" {
            let keys = value.split(separator: ",").compactMap { $0.split(separator: "=").first.map(String.init) }
            if !taskKeys.isDisjoint(with: keys) { return true }
        }
        return arguments.contains("--")
    }

    private static func lookUp(_ typed: String) throws(OptionError) -> OptionRow {
        if typed == "--" {
            throw OptionError(
                at: "--", "running a command in a namespace is not supported yet",
                hints: ["What works today: -guest node,run='ip addr; ping -c 1 10.0.2.2'"])
        }
        guard typed.hasPrefix("-"), typed != "-" else {
            throw OptionError(
                at: typed, "a disk image needs -guest qemu, which is not supported yet",
                hints: ["What works today: -guest node"]
            )
        }
        let name = String(typed.dropFirst(typed.hasPrefix("--") ? 2 : 1))
        if let row = OptionTable.row(named: name) { return row }
        let nearest = Suggestion.nearest(to: name, among: OptionTable.implemented.map(\.name))
        throw OptionError(at: typed, "invalid option", hints: nearest.map { ["Did you mean -\($0)?"] } ?? [])
    }
}
