// From scanned options to a Configuration, in QEMU's order: every list is parsed in typing order
// (ids, duplicates), then things are made phase by phase: object, netdev, nic, device.

import Link

/// What a command line comes to.
public enum CommandLineOutcome: Sendable {
    case run(Configuration)
    /// Print this on stdout and exit 0.
    case print(String)
}

/// One option with its list, parsed.
struct ParsedOption {
    let option: ScannedOption
    let word: OptionWord
    let list: KeyValueList
    let id: String?
}

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
        for parsed in try builder.parseAll(options) { try builder.apply(parsed) }
        try builder.finish(arguments)
        return .run(builder.configuration)
    }

    init(random: @escaping () -> UInt8) { self.random = random }

    /// Warns, refuses and parses in typing order; returns what is to be done in order of phases.
    private mutating func parseAll(_ options: [ScannedOption]) throws(OptionError) -> [ParsedOption] {
        var parsed: [ParsedOption] = []
        var seen: Set<String> = []
        for option in options {
            guard let word = try triage(option) else { continue }
            do {
                let one = try parse(option, word)
                if let id = one.id { try claim(id, of: option, word, &seen) }
                parsed.append(one)
            } catch {
                throw error.located(at: option.location)
            }
        }
        // Back-ends whose lists are read the new way come before the others, whatever the typing order.
        func rank(_ one: ParsedOption) -> Int { one.word == .netdev && one.list.dialect != .short ? 0 : 1 }
        let ordered = parsed.enumerated().sorted {
            ($0.element.option.row.phase, rank($0.element), $0.offset)
                < ($1.element.option.row.phase, rank($1.element), $1.offset)
        }
        return ordered.map(\.element)
    }

    /// The word of an option that is carried out; nil when a warning was all there is to say.
    private mutating func triage(_ option: ScannedOption) throws(OptionError) -> OptionWord? {
        switch option.row.meaning {
        case .implemented(let word): return word
        case .meaningless(let missing):
            let text = "-\(option.row.name) has no effect: netemu has no \(missing)"
            if !configuration.warnings.contains(text) { configuration.warnings.append(text) }
            return nil
        case .notYet(let instead): throw option.error("not supported yet", hints: [instead])
        case .boots(let guest):
            throw option.error(
                "needs -guest \(guest), which is not supported yet", hints: [OptionTable.worksToday + " (-guest node)"])
        case .refused(let why): throw option.error(why)
        }
    }

    private mutating func parse(_ option: ScannedOption, _ word: OptionWord) throws(OptionError) -> ParsedOption {
        let text = option.value ?? ""
        let list: KeyValueList
        switch word {
        case .netdev: list = try NetdevOption.list(text)
        case .nic, .net: list = try KeyValueList(parsing: text, implied: "type")
        case .chardev: list = KeyValueList(pairs: try KeyValueList(parsing: text, implied: "backend").pairs)
        case .mon: list = try KeyValueList(parsing: text, implied: "chardev")
        case .device: list = try KeyValueList(parsing: text, implied: "driver")
        case .object: list = try KeyValueList(parsing: text, implied: "qom-type")
        case .numa, .guest, .machine: list = try KeyValueList(parsing: text, implied: "type")
        case .memory: list = try KeyValueList(parsing: text, implied: "size")
        case .name: list = try KeyValueList(parsing: text, implied: "guest")
        case .sandbox: list = try KeyValueList(parsing: text, implied: "enable")
        case .monitor, .serial, .nodefaults, .help, .version, .completion, .stopped, .daemonize, .pidFile, .logFile,
            .runAs:
            list = KeyValueList(pairs: [])
        }
        for bare in list.bareWords {
            configuration.warnings.append(
                "\(option.location): short-form boolean option '\(bare.key)' deprecated\nPlease use \(bare.value) instead"
            )
        }
        for warning in NetdevTables.table(for: word, list)?.warnings(of: list) ?? [] {
            configuration.warnings.append("\(option.location): \(warning)")
        }
        let hasID = [.nic, .net, .device, .object].contains(word)
        let id: String?
        if word == .netdev {
            // Of the others, Topology finds those that are there twice.
            id = list.dialect == .short ? try NetdevOption.id(list) : nil
        } else if hasID, let text = list["id"] {
            id = try Value.identifier(text)
        } else {
            id = nil
        }
        return ParsedOption(option: option, word: word, list: list, id: id)
    }

    private func claim(
        _ id: String, of option: ScannedOption, _ word: OptionWord, _ seen: inout Set<String>
    ) throws(OptionError) {
        guard !seen.insert("\(word.rawValue) \(id)").inserted else { return }
        throw OptionError("Duplicate ID '\(id)' for \(word.rawValue)")
    }

    private mutating func apply(_ parsed: ParsedOption) throws(OptionError) {
        do {
            switch parsed.word {
            case .object: try addObject(parsed)
            case .memory: try setMemory(parsed)
            case .numa: try addNumaNode(parsed)
            case .machine: try setMachine(parsed)
            case .netdev: try addNetdev(parsed)
            case .nic: try addNIC(parsed)
            case .net: try addLegacy(parsed)
            case .chardev: try addChardev(parsed)
            case .mon: try addMon(parsed)
            case .daemonize, .pidFile, .logFile, .runAs, .sandbox: try setProcess(parsed)
            case .stopped: configuration.isStopped = true
            case .device: try addDevice(parsed)
            case .guest: configuration.guest = try GuestOption.plan(parsed.list)
            case .monitor: try addMonitor(parsed)
            case .serial: try addSerial(parsed)
            case .name: configuration.name = try NetdevTables.name.read(parsed.list).string("guest")
            case .nodefaults: hasNetworkOption = true
            case .help, .version, .completion: break
            }
        } catch {
            throw error.located(at: parsed.option.location)
        }
    }

    private mutating func finish(_ arguments: [String]) throws(OptionError) {
        guard hasNetworkOption else {
            throw OptionError(
                "no network: QEMU's default, -net nic -net user, is not supported yet",
                hints: [
                    "Type: "
                        + (["netemu", "-nic", "passt,vhost-user=on"] + arguments).map(Shell.quoted).joined(
                            separator: " ")
                ])
        }
        try checkMemory()
        try checkFilters()
        try checkStdio()
    }
}

/// Words as a shell would want them typed.
enum Shell {
    static func quoted(_ word: String) -> String {
        let plain = word.utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte & 0xdf) || "-_=,.:/+@%#".utf8.contains(byte)
        }
        if plain, !word.isEmpty { return word }
        return "'" + word.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
    }
}
