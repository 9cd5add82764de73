// What a script says, as a value: commands, how each is joined to the one before it, where its
// input and output go. The grammar is the small part of POSIX's shell (XCU 2.10) that a person
// types at a node: words, quotes, `;`, newline, `&&`, `||`, `<`, `>`, `>>`, `#`, `$?`.
// It must not know any tool.

/// One word of a command: text and places where the last exit status goes in.
struct Word: Equatable, Sendable {
    enum Piece: Equatable, Sendable {
        case text(String)
        /// `$?`
        case lastStatus
    }

    var pieces: [Piece]

    init(pieces: [Piece]) { self.pieces = pieces }
    init(_ text: String) { pieces = [.text(text)] }

    /// The word as the command sees it.
    func expanded(lastStatus: Int32) -> String {
        pieces.reduce(into: "") { result, piece in
            switch piece {
            case .text(let text): result += text
            case .lastStatus: result += String(lastStatus)
            }
        }
    }
}

/// When a command runs, given the exit status of what ran before it.
enum Connector: Equatable, Sendable {
    /// `;` or a newline.
    case always
    /// `&&`
    case onSuccess
    /// `||`
    case onFailure

    func permits(_ status: Int32) -> Bool {
        switch self {
        case .always: true
        case .onSuccess: status == 0
        case .onFailure: status != 0
        }
    }
}

/// Where a command's input comes from or its output goes to, instead of the console.
enum Redirection: Equatable, Sendable {
    case input(Word)
    case output(Word)
    case append(Word)
}

/// One command with its arguments.
struct Command: Equatable, Sendable {
    var connector: Connector
    var words: [Word]
    var redirections: [Redirection]
}

/// A parsed script.
struct Script: Equatable, Sendable {
    var commands: [Command]

    /// What a script may not exceed; a longer one is refused as a whole.
    enum Limit {
        static let bytes = 65536
        static let wordBytes = 4096
        static let wordsPerCommand = 256
        static let commands = 1024
    }
}

/// Why a script is not run.
public enum ScriptError: Error, Equatable, Sendable, CustomStringConvertible {
    /// More bytes than a script may have.
    case tooLong(bytes: Int)
    /// More bytes than a word may have.
    case wordTooLong
    /// More words than a command may have.
    case tooManyWords
    /// More commands than a script may have.
    case tooManyCommands
    /// A quote that is not closed.
    case unterminatedQuote(Character)
    /// An operator stands where a command must.
    case missingCommand(near: String)
    /// A redirection without a file name.
    case missingFile(after: String)
    /// A construct of larger shells.
    case unsupported(String, accepted: String)
    /// A byte below 0x20 that is no white space, or no UTF-8.
    case controlByte(UInt8)

    public var description: String {
        switch self {
        case .tooLong(let bytes): "script of \(bytes) bytes; at most \(Script.Limit.bytes) are accepted"
        case .wordTooLong: "a word is longer than \(Script.Limit.wordBytes) bytes"
        case .tooManyWords: "a command has more than \(Script.Limit.wordsPerCommand) words"
        case .tooManyCommands: "more than \(Script.Limit.commands) commands"
        case .unterminatedQuote(let quote): "unterminated \(quote)"
        case .missingCommand(let near): "a command is expected near '\(near)'"
        case .missingFile(let after): "a file name is expected after '\(after)'"
        case .unsupported(let what, let accepted): "'\(what)' is not known here; \(accepted)"
        case .controlByte(let byte): "byte \(byte) is not text"
        }
    }
}
