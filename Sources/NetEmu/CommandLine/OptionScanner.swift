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
    /// Which word of the command line it begins with.
    var place = 0

    func error(_ text: String, hints: [String] = []) -> OptionError {
        OptionError(at: location, text, hints: hints)
    }

    func lack(_ text: String, hints: [String] = []) -> OptionError { .lack(at: location, text, hints: hints) }
}

/// Splits a command line into options.
public enum OptionScanner {
    /// What a command line consists of.
    enum Piece {
        case option(ScannedOption)
        /// A word that is none, and which one.
        case fault(OptionError, place: Int)
        /// The first word of a line that was pasted with its program.
        case programName(String)
    }

    /// - Throws: `OptionError` on an unknown option, a missing value or a word that is no option.
    public static func scan(_ arguments: [String]) throws(OptionError) -> [ScannedOption] {
        var found: [ScannedOption] = []
        for piece in pieces(of: arguments) {
            switch piece {
            case .option(let option): found.append(option)
            case .fault(let error, _): throw error
            case .programName: break
            }
        }
        return found
    }

    /// Everything, in typing order.
    static func pieces(of arguments: [String]) -> [Piece] {
        var found: [Piece] = []
        var index = 0
        if let name = arguments.first, isProgramName(name) {
            found.append(.programName(name))
            index = 1
        }
        while index < arguments.count {
            let place = index
            if let stray = StrayWord(at: place, of: arguments) {
                found.append(.fault(stray.error, place: place))
                index += 1 + stray.followers
                continue
            }
            do throws(OptionError) {
                found.append(.option(try option(arguments, &index)))
            } catch {
                found.append(.fault(error, place: place))
                // What follows an unknown option is probably its value.
                if index < arguments.count, !arguments[index].hasPrefix("-") { index += 1 }
                if arguments[place] == "--" { break }
            }
        }
        return found
    }

    /// `qemu-system-x86_64`, `/usr/libexec/qemu-kvm`: how the lines begin that are pasted behind `netemu`.
    static func isProgramName(_ word: String) -> Bool {
        guard !word.hasPrefix("-"), let name = word.split(separator: "/").last else { return false }
        return name.hasPrefix("qemu-system-") || ["qemu", "qemu-kvm", "kvm", "netemu"].contains(name)
    }

    private static func option(_ arguments: [String], _ index: inout Int) throws(OptionError) -> ScannedOption {
        let (typed, place) = (arguments[index], index)
        index += 1
        let row = try lookUp(typed, isLast: index == arguments.count)
        guard row.argument != nil else { return ScannedOption(row: row, value: nil, location: typed, place: place) }
        guard index < arguments.count else { throw OptionError(at: typed, "requires an argument") }
        let value = arguments[index]
        index += 1
        return ScannedOption(row: row, value: value, location: "\(typed) \(value)", place: place)
    }

    /// True when the line asks for a task, so that netemu's own failure is 125, not 1. Looks at the
    /// words only: it must answer for lines that cannot be scanned, too.
    public static func asksForScript(_ arguments: [String]) -> Bool {
        let taskKeys = GuestOption.taskKeys
        for (word, value) in zip(arguments, arguments.dropFirst()) where word == "-guest" || word == "--guest" {
            let keys = value.split(separator: ",").compactMap { $0.split(separator: "=").first.map(String.init) }
            if !taskKeys.isDisjoint(with: keys) { return true }
        }
        // Without a command behind it there is no task.
        return arguments.dropLast().contains("--")
    }

    private static func lookUp(_ typed: String, isLast: Bool) throws(OptionError) -> OptionRow {
        if typed == "--" {
            guard !isLast else { throw OptionError(at: "--", "a command is missing behind it") }
            throw .lack(
                at: "--", "running a command in a namespace is not supported yet",
                hints: ["What works today: -guest node,run='ip addr; ping -c 1 10.0.2.2'"])
        }
        let name = String(typed.dropFirst(typed.hasPrefix("--") ? 2 : 1))
        if let row = OptionTable.row(named: name) { return row }
        let nearest = Suggestion.nearest(to: name, among: OptionTable.implemented.map(\.name))
        throw OptionError(at: typed, "invalid option", hints: nearest.map { ["Did you mean -\($0)?"] } ?? [])
    }
}
