// One line of the human monitor, read against the table: command, then its arguments, as QEMU does
// it, with QEMU's words for what is wrong.

/// A monitor command with its arguments.
public struct MonitorCall: Equatable, Sendable {
    public let word: MonitorWord
    /// Words as typed (quotes removed); `on`/`off` for switches.
    public let arguments: [String]
}

/// Why a line is no command; the text is printed as it is.
struct MonitorComplaint: Error, Equatable, Sendable {
    let lines: [String]
    init(_ lines: String...) { self.lines = lines }
}

struct CommandLineReader {
    private var rest: Substring
    /// Words of the command's name so far: `info network`.
    private var path: [String] = []

    private init(_ line: String) { rest = line[...] }

    /// The call that `line` makes; nil for an empty line.
    static func read(_ line: String) throws(MonitorComplaint) -> MonitorCall? {
        var reader = CommandLineReader(line)
        reader.skipSpace()
        guard !reader.rest.isEmpty else { return nil }
        let command = try reader.command(in: CommandTable.commands)
        return MonitorCall(word: command.word, arguments: try reader.arguments(of: command))
    }

    private mutating func command(in table: [MonitorCommand]) throws(MonitorComplaint) -> MonitorCommand {
        let name = takeName()
        path.append(name)
        let typed = path.joined(separator: " ")
        guard let command = CommandTable.find(name, in: table) else {
            if path.count == 1, CommandTable.notYet.contains(name) {
                throw MonitorComplaint("\(name): not supported yet", "Try \"help\" for what works today")
            }
            throw MonitorComplaint("unknown command: '\(typed)'")
        }
        skipSpace()
        guard !command.subcommands.isEmpty, !rest.isEmpty else { return command }
        return try self.command(in: command.subcommands)
    }

    private mutating func arguments(of command: MonitorCommand) throws(MonitorComplaint) -> [String] {
        var found: [String] = []
        let tryHelp = "Try \"help \(path.joined(separator: " "))\" for more information"
        for parameter in command.parameters {
            skipSpace()
            if let argument = try argument(parameter, tryHelp) { found.append(argument) }
        }
        skipSpace()
        guard rest.isEmpty else {
            let name = command.names.joined(separator: "|")
            throw MonitorComplaint("\(name): extraneous characters at the end of line", tryHelp)
        }
        return found
    }

    /// nil for one that may be missing and is.
    private mutating func argument(_ parameter: MonitorParameter, _ tryHelp: String) throws(MonitorComplaint) -> String?
    {
        switch parameter {
        case .rest:
            defer { rest = "" }
            return rest.isEmpty ? nil : String(rest)
        case .optionalWord: return rest.isEmpty ? nil : try takeWord(tryHelp)
        case .word:
            guard let word = try takeWord(tryHelp), !word.isEmpty else {
                throw MonitorComplaint("\(path.last ?? ""): string expected", tryHelp)
            }
            return word
        case .onOff:
            let word = takeName()
            guard word == "on" || word == "off" else { throw MonitorComplaint("Expected 'on' or 'off'", tryHelp) }
            return word
        }
    }

    private mutating func skipSpace() { rest = rest.drop(while: Self.isSpace) }

    private static func isSpace(_ c: Character) -> Bool { c == " " || c == "\t" || c == "\r" }

    private mutating func takeName() -> String {
        let name = rest.prefix(while: { !Self.isSpace($0) })
        rest = rest.dropFirst(name.count)
        return String(name)
    }

    /// A word, or a string in double quotes with `\n \r \\ \' \"`.
    private mutating func takeWord(_ tryHelp: String) throws(MonitorComplaint) -> String? {
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
                throw MonitorComplaint("unsupported escape code: '\\\(other.map(String.init) ?? "")'", tryHelp)
            }
        }
        throw MonitorComplaint("unterminated string", tryHelp)
    }
}
