// One line of the human monitor, read against the table: command, then its arguments by their types, as QEMU's
// monitor_parse_command does it, with QEMU's words for what is wrong.

/// What a line asks for.
enum MonitorLine {
    case command(any MonitorCommand)
    /// `help` in one of its forms: these lines, and nothing else happens.
    case help([String])
}

/// Why a line is no command; the text is printed as it is.
struct MonitorComplaint: Error, Equatable, Sendable {
    var lines: [String]
    init(_ lines: [String]) { self.lines = lines }
}

struct CommandLineReader {
    private var rest: Substring
    /// Words of the command's name so far: `info network`.
    private var path: [String] = []
    /// What there is of a kind.
    private let names: (MonitorParameter.Names) -> [String]

    private init(_ line: String, _ names: @escaping (MonitorParameter.Names) -> [String]) {
        rest = line[...]
        self.names = names
    }

    /// What `line` asks for; nil for an empty one.
    static func read(
        _ line: String, names: @escaping (MonitorParameter.Names) -> [String]
    ) throws(MonitorComplaint) -> MonitorLine? {
        var reader = CommandLineReader(line, names)
        reader.skipSpace()
        guard !reader.rest.isEmpty else { return nil }
        let word = try reader.word(in: CommandTable.words)
        switch word.meaning {
        case .help: return .help(MonitorHelp.lines(for: String(reader.rest)))
        case .group: return .help(MonitorHelp.lines(for: reader.path.joined(separator: " ")))
        case .command(let type): return try reader.call(type)
        }
    }

    private mutating func word(in table: [MonitorWord]) throws(MonitorComplaint) -> MonitorWord {
        let name = takeName()
        path.append(name)
        guard let word = CommandTable.find(name, in: table) else {
            if path.count == 1, CommandTable.notYet.contains(name) {
                throw MonitorComplaint(["\(name): not supported yet", "Try \"help\" for what works today"])
            }
            throw MonitorComplaint(["unknown command: '\(path.joined(separator: " "))'"])
        }
        skipSpace()
        guard !word.below.isEmpty, !rest.isEmpty else { return word }
        return try self.word(in: word.below)
    }

    private mutating func call(_ type: any MonitorCommand.Type) throws(MonitorComplaint) -> MonitorLine {
        let name = type.names.joined(separator: "|")
        var arguments = MonitorArguments()
        do throws(MonitorComplaint) {
            for parameter in type.parameters {
                skipSpace()
                if let help = helpAsked(parameter) { return .help(help) }
                arguments.values[parameter.name] = try value(parameter, of: name)
            }
            skipSpace()
            guard rest.isEmpty else {
                throw MonitorComplaint(["\(name): extraneous characters at the end of line"])
            }
        } catch {
            throw MonitorComplaint(error.lines + ["Try \"help \(path.joined(separator: " "))\" for more information"])
        }
        do throws(EmulationError) { return .command(try type.init(arguments)) } catch {
            throw MonitorComplaint(error.monitorLines)
        }
    }

    /// What `help` in a list asks for.
    private func helpAsked(_ parameter: MonitorParameter) -> [String]? {
        let text = parameter.grammar?.help(String(rest.prefix { !Self.isSpace($0) }))
        return text?.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }

    /// nil for one that may be missing and is.
    private mutating func value(
        _ parameter: MonitorParameter, of command: String
    ) throws(MonitorComplaint) -> MonitorArguments.Value? {
        switch parameter.kind {
        case .flag(let letter): return try flag(letter, of: command)
        case .onOff:
            let word = takeName()
            guard word == "on" || word == "off" else { throw MonitorComplaint(["Expected 'on' or 'off'"]) }
            return .boolean(word == "on")
        case .rest, .string, .options:
            guard !rest.isEmpty else {
                if parameter.isOptional { return nil }
                throw MonitorComplaint(["\(command): string expected"])
            }
            if parameter.kind == .options { return .list(try list(parameter)) }
            if parameter.kind == .rest { return .string(takeRest()) }
            do throws(MonitorComplaint) { return .string(try takeWord()) } catch {
                throw MonitorComplaint(error.lines + ["\(command): string expected"])
            }
        }
    }

    /// QEMU takes any word that begins with a dash for one.
    private mutating func flag(
        _ letter: Character, of command: String
    ) throws(MonitorComplaint) -> MonitorArguments.Value? {
        guard rest.first == "-" else { return nil }
        let word = takeName()
        guard word == "-\(letter)" else {
            throw MonitorComplaint(["\(command): unsupported option \(word.prefix(2))"])
        }
        return .boolean(true)
    }

    private mutating func list(_ parameter: MonitorParameter) throws(MonitorComplaint) -> KeyValueList {
        // QEMU's lists are one word; JSON, which QEMU does not take here, goes to the end of the line.
        let text = rest.first == "{" ? takeRest() : try takeWord()
        do throws(OptionError) {
            guard let grammar = parameter.grammar else { return KeyValueList(pairs: []) }
            let list = try grammar.read(text)
            let id = try grammar.id(of: list) ?? list["id"]
            if let id, let (taken, title) = parameter.taken, names(taken).contains(id) {
                throw OptionError("Duplicate ID '\(id)' for \(title)")
            }
            return list
        } catch {
            throw MonitorComplaint(["netemu: \(error.text)"] + error.hints)
        }
    }

    // MARK: words

    private mutating func skipSpace() { rest = rest.drop(while: Self.isSpace) }

    private static func isSpace(_ c: Character) -> Bool { c == " " || c == "\t" || c == "\r" }

    private mutating func takeName() -> String {
        let name = rest.prefix(while: { !Self.isSpace($0) })
        rest = rest.dropFirst(name.count)
        return String(name)
    }

    private mutating func takeRest() -> String {
        defer { rest = "" }
        return String(rest)
    }

    /// A word, or a string in double quotes with `\n \r \\ \' \"`.
    private mutating func takeWord() throws(MonitorComplaint) -> String {
        guard rest.first == "\"" else { return takeName() }
        rest = rest.dropFirst()
        var word = ""
        while let c = rest.popFirst() {
            if c == "\"" { return word }
            guard c == "\\" else {
                word.append(c)
                continue
            }
            switch rest.popFirst() {
            case "n": word.append("\n")
            case "r": word.append("\r")
            case .some(let c) where "\\'\"".contains(c): word.append(c)
            case let other:
                throw MonitorComplaint(["unsupported escape code: '\\\(other.map(String.init) ?? "")'"])
            }
        }
        throw MonitorComplaint(["unterminated string"])
    }
}

extension EmulationError {
    /// What the human monitor prints.
    var monitorLines: [String] {
        guard let consequence else { return ["Error: \(text)"] + hints }
        return [text] + hints + ["Error: \(consequence)"]
    }
}
