// From scanned options to a Configuration, in QEMU's order: every list is parsed in typing order (ids, duplicates),
// then each option takes effect in its phase (OptionPhase). What an option does stands in its row.

/// What a command line comes to.
public enum CommandLineOutcome: Sendable {
    /// Start with this.
    case run(Configuration)
    /// Print this on stdout and exit 0.
    case print(String)
}

/// One option with its list, parsed.
struct ParsedOption {
    let option: ScannedOption
    /// Empty when the value is no list.
    let list: KeyValueList
    /// Checked; nil for options whose lists name nothing.
    let id: String?

    /// The value as typed.
    var text: String { option.value ?? "" }
}

/// Makes a configuration of a command line; `build` is its one entrance.
public struct ConfigurationBuilder {
    var configuration = Configuration()
    var backends: [MemoryBackend] = []
    var memdevs: [(id: String, location: String)] = []
    var isMemoryGiven = false
    var hasNetworkOption = false
    var usedNICs = 0
    /// `-monitor` options seen: they name their devices.
    var compatMonitors = 0
    var random: () -> UInt8

    /// Checks a command line (without the program's name).
    /// - Parameter random: two-digit part of generated ids.
    public static func build(
        _ arguments: [String], random: @escaping () -> UInt8 = { UInt8.random(in: 0..<100) }
    ) throws(OptionError) -> CommandLineOutcome {
        let options = try OptionScanner.scan(arguments)
        if let text = try HelpText.answer(to: options) { return .print(text) }
        var builder = ConfigurationBuilder(random: random)
        for parsed in try builder.parseAll(options) {
            do throws(OptionError) { try parsed.option.row.effect(&builder, parsed) } catch {
                throw error.located(at: parsed.option.location)
            }
        }
        try builder.finish(arguments)
        return .run(builder.configuration)
    }

    init(random: @escaping () -> UInt8) { self.random = random }

    /// Warns, refuses and parses in typing order; returns what is to be done in order of phases.
    private mutating func parseAll(_ options: [ScannedOption]) throws(OptionError) -> [ParsedOption] {
        var parsed: [ParsedOption] = []
        var seen: Set<String> = []
        for option in options {
            guard try isCarriedOut(option) else { continue }
            do {
                let one = try parse(option)
                if let id = one.id { try claim(id, of: option, &seen) }
                parsed.append(one)
            } catch {
                throw error.located(at: option.location)
            }
        }
        func rank(_ one: ParsedOption) -> Int {
            let precedence = one.list.dialect == .short ? nil : one.option.row.grammar?.structured
            return (precedence ?? .typed).rawValue
        }
        let ordered = parsed.enumerated().sorted {
            ($0.element.option.row.phase, rank($0.element), $0.offset)
                < ($1.element.option.row.phase, rank($1.element), $1.offset)
        }
        return ordered.map(\.element)
    }

    /// False when a warning was all there is to say.
    private mutating func isCarriedOut(_ option: ScannedOption) throws(OptionError) -> Bool {
        switch option.row.meaning {
        case .implemented: return true
        case .meaningless(let missing):
            let text = "-\(option.row.name) has no effect: netemu has no \(missing)"
            if !configuration.warnings.contains(text) { configuration.warnings.append(text) }
            return false
        case .notYet(let instead): throw option.error("not supported yet", hints: [instead])
        case .boots(let guest):
            throw option.error(
                "needs -guest \(guest), which is not supported yet", hints: ["What works today: -guest node"])
        case .refused(let why): throw option.error(why)
        }
    }

    private mutating func parse(_ option: ScannedOption) throws(OptionError) -> ParsedOption {
        guard let grammar = option.row.grammar else {
            return ParsedOption(option: option, list: KeyValueList(pairs: []), id: nil)
        }
        let list = try grammar.read(option.value ?? "")
        for bare in list.bareWords {
            configuration.warnings.append(
                "\(option.location): short-form boolean option '\(bare.key)' deprecated\nPlease use \(bare.value) instead"
            )
        }
        for warning in grammar.table(of: list)?.warnings(of: list) ?? [] {
            configuration.warnings.append("\(option.location): \(warning)")
        }
        return ParsedOption(option: option, list: list, id: try grammar.id(of: list))
    }

    private func claim(_ id: String, of option: ScannedOption, _ seen: inout Set<String>) throws(OptionError) {
        guard !seen.insert("\(option.row.name) \(id)").inserted else { return }
        throw OptionError("Duplicate ID '\(id)' for \(option.row.name)")
    }

    private mutating func finish(_ arguments: [String]) throws(OptionError) {
        guard hasNetworkOption else {
            throw OptionError(
                "no network: QEMU's default, -net nic -net user, is not supported yet",
                hints: [
                    "Type: "
                        + (["netemu", "-nic", "passt,vhost-user=on"] + arguments).map(ShellWord.quoted).joined(
                            separator: " ")
                ])
        }
        try checkMemory()
        try checkFilters()
        try checkStdio()
    }
}

/// Words as a shell would want them typed.
enum ShellWord {
    static func quoted(_ word: String) -> String {
        let plain = word.utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte & 0xdf) || "-_=,.:/+@%#".utf8.contains(byte)
        }
        if plain, !word.isEmpty { return word }
        return "'" + word.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
    }
}
