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
    var list: KeyValueList
    /// Checked; nil for options whose lists name nothing.
    let id: String?

    /// The value as typed.
    var text: String { option.value ?? "" }
}

/// Makes a configuration of a command line; `build` is its one entrance.
public struct ConfigurationBuilder {
    var configuration = Configuration()
    var memdevs: [(id: String, location: String)] = []
    /// `-machine memory-backend=`; the last counts.
    var machineMemory: String?
    var isMemoryGiven = false
    /// `-m slots=`.
    var memorySlots: UInt64 = 0
    var hasNetworkOption = false
    var usedNICs = 0
    /// The -guest that was read.
    var guest: String?
    /// `-monitor` options seen: they name their devices.
    var compatMonitors = 0
    var obstacles = Obstacles()
    var random: () -> UInt8

    /// Checks a command line (without the program's name).
    /// - Parameter random: two-digit part of generated ids.
    /// - Throws: everything that stands in its way (`OptionError.further`).
    public static func build(
        _ arguments: [String], random: @escaping () -> UInt8 = { UInt8.random(in: 0..<100) }
    ) throws(OptionError) -> CommandLineOutcome {
        let pieces = OptionScanner.pieces(of: arguments)
        if let text = try HelpText.answer(to: pieces) { return .print(text) }
        var builder = ConfigurationBuilder(random: random)
        let ordered = builder.parseAll(pieces)
        // The machine is made behind the networks and objects, and its cards behind it.
        let cards = ordered.firstIndex { $0.option.row.phase > .machine } ?? ordered.endIndex
        builder.perform(ordered[..<cards])
        builder.checkMachine(at: arguments.count)
        builder.perform(ordered[cards...])
        builder.finish(arguments)
        if let error = builder.obstacles.error { throw error }
        return .run(builder.configuration)
    }

    init(random: @escaping () -> UInt8) { self.random = random }

    private mutating func perform(_ options: ArraySlice<ParsedOption>) {
        for parsed in options {
            do throws(OptionError) { try parsed.option.row.effect(&self, parsed) } catch {
                obstacles.add(error, of: parsed)
            }
        }
    }

    private mutating func checkMachine(at end: Int) {
        guard obstacles.isEmpty else { return }
        do throws(OptionError) {
            try checkMemory()
            try GlobalProperty.check(configuration.globals)
        } catch { obstacles.add(error, at: end) }
    }

    /// Warns, refuses and parses in typing order; returns what is to be done in order of phases.
    private mutating func parseAll(_ pieces: [OptionScanner.Piece]) -> [ParsedOption] {
        var parsed: [ParsedOption] = []
        var seen: Set<String> = []
        for piece in pieces {
            switch piece {
            case .fault(let error, let place): obstacles.add(error, at: place)
            case .programName(let word): warn("a program's name is no option: it is left out", at: word)
            case .option(let option):
                hasNetworkOption = hasNetworkOption || NetworkLists.options.contains(option.row.name)
                do throws(OptionError) {
                    guard try isCarriedOut(option) else { continue }
                    try option.row.amends?(option, &parsed)
                    let one = try parse(option, &seen)
                    parsed.append(merged(one, &parsed))
                } catch {
                    if SetOption.isConsequence(option, of: obstacles) { continue }
                    obstacles.miss(idsIn: option.value)
                    obstacles.add(error.located(at: option.location), at: option.place)
                }
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

    /// With what was typed of it before, which takes effect no more; the last of a key counts.
    private func merged(_ one: ParsedOption, _ parsed: inout [ParsedOption]) -> ParsedOption {
        let row = one.option.row
        guard row.isMerged, let place = parsed.firstIndex(where: { $0.option.row.name == row.name }) else { return one }
        var whole = one
        whole.list = KeyValueList(pairs: parsed.remove(at: place).list.pairs + one.list.pairs)
        return whole
    }

    /// False when a warning was all there is to say.
    private mutating func isCarriedOut(_ option: ScannedOption) throws(OptionError) -> Bool {
        switch option.row.exception?(option) ?? option.row.meaning {
        case .implemented: return true
        case .meaningless(let missing):
            warn("-\(option.row.name) has no effect: netemu has no \(missing)")
            return false
        case .notYet(let instead): throw option.lack("not supported yet", hints: [instead])
        case .boots(let guest):
            throw option.lack("needs -guest \(guest), which is not supported yet", hints: [OptionMeaning.leaveOut])
        case .refused(let why): throw option.error(why)
        }
    }

    /// Says once what changes nothing.
    mutating func warn(_ text: String, at location: String? = nil) {
        guard !configuration.warnings.contains(where: { $0.text == text }) else { return }
        configuration.warnings.append(OptionWarning(text, at: location))
    }

    /// As in QEMU, an id that is taken is told before a key that nobody knows.
    private mutating func parse(_ option: ScannedOption, _ ids: inout Set<String>) throws(OptionError) -> ParsedOption {
        guard let grammar = option.row.grammar else {
            return ParsedOption(option: option, list: KeyValueList(pairs: []), id: nil)
        }
        let list = try grammar.read(option.value ?? "")
        for bare in list.bareWords {
            configuration.warnings.append(
                OptionWarning(
                    "short-form boolean option '\(bare.key)' deprecated\nPlease use \(bare.value) instead",
                    at: option.location))
        }
        for warning in grammar.table(of: list)?.warnings(of: list) ?? [] { warn(warning, at: option.location) }
        let id = try grammar.id(of: list)
        if let id { try claim(id, of: option, &ids) }
        try grammar.check?(list)
        return ParsedOption(option: option, list: list, id: id)
    }

    private func claim(_ id: String, of option: ScannedOption, _ seen: inout Set<String>) throws(OptionError) {
        guard !seen.insert("\(option.row.name) \(id)").inserted else { return }
        throw OptionError("Duplicate ID '\(id)' for \(option.row.name)")
    }

    /// What only the whole line can tell.
    private mutating func finish(_ arguments: [String]) {
        let end = arguments.count
        if obstacles.isEmpty, hasNetworkOption {
            do throws(OptionError) {
                try refusePrivateMemory()
                try checkFilters()
                try checkStdio()
            } catch { obstacles.add(error, at: end) }
        }
        do throws(OptionError) { try checkTask() } catch { obstacles.add(error, at: end) }
        guard !hasNetworkOption, !obstacles.hasMistake else { return }
        let advice = NetworkAdvice(arguments)
        obstacles.add(
            .lack(
                "no network: QEMU's default, -net nic -net user, is not supported yet",
                hints: [obstacles.isEmpty ? advice.line : advice.addition]), at: end)
    }

    /// A daemon's standard output is /dev/null.
    private func checkTask() throws(OptionError) {
        guard configuration.process.isDaemon, configuration.guest.hasTask else { return }
        throw OptionError(
            at: "-daemonize", "what the script prints would be lost: a daemon has no standard output",
            hints: [
                "Leave -daemonize out and end the line with &, or give the daemon a console: "
                    + "-serial unix:PATH,server=on,wait=off"
            ])
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
