// Bytes of a script into tokens. Quoting is POSIX's (XCU 2.2): within '…' everything is itself;
// within "…" a backslash escapes only $ ` " \ and newline. It must not know what a command is.

/// A piece of a script.
enum Token: Equatable, Sendable {
    case word(Word)
    /// `;`
    case semicolon
    case newline
    case and
    case or
    case redirect(String)
}

/// A cursor over a script's bytes; `next` yields tokens until nil.
struct ScriptLexer {
    private let bytes: [UInt8]
    private var position = 0

    init(_ text: String) throws(ScriptError) {
        bytes = Array(text.utf8)
        guard bytes.count <= Script.Limit.bytes else { throw .tooLong(bytes: bytes.count) }
        for byte in bytes where byte == 0x7f || byte < 0x20 && byte != 9 && byte != 10 && byte != 13 {
            throw .controlByte(byte)
        }
    }

    private var current: UInt8? { position < bytes.count ? bytes[position] : nil }
    private var following: UInt8? { position + 1 < bytes.count ? bytes[position + 1] : nil }

    /// The next token; nil at the end of the script.
    mutating func next() throws(ScriptError) -> Token? {
        skipBlanks()
        guard let byte = current else { return nil }
        switch byte {
        case ascii("\n"): return take(1, .newline)
        case ascii(";"): return take(1, .semicolon)
        case ascii("&"):
            guard following == ascii("&") else {
                throw .unsupported("&", accepted: "commands run one after the other: ; or &&")
            }
            return take(2, .and)
        case ascii("|"):
            guard following == ascii("|") else {
                throw .unsupported("|", accepted: "files join commands: > FILE, then < FILE")
            }
            return take(2, .or)
        case ascii("<"): return take(1, .redirect("<"))
        case ascii(">"):
            return following == ascii(">") ? take(2, .redirect(">>")) : take(1, .redirect(">"))
        default: return .word(try word())
        }
    }

    private mutating func take(_ count: Int, _ token: Token) -> Token {
        position += count
        return token
    }

    /// Blanks, continuation lines and comments mean nothing.
    private mutating func skipBlanks() {
        while let byte = current {
            switch byte {
            case ascii(" "), ascii("\t"), ascii("\r"): position += 1
            case ascii("\\") where following == ascii("\n"): position += 2
            case ascii("#"):
                while let inside = current, inside != ascii("\n") { position += 1 }
            default: return
            }
        }
    }

    private mutating func word() throws(ScriptError) -> Word {
        var builder = WordBuilder()
        while let byte = current, !isEndOfWord(byte) {
            switch byte {
            case ascii("'"): try singleQuoted(into: &builder)
            case ascii("\""): try doubleQuoted(into: &builder)
            case ascii("\\"): escaped(into: &builder)
            case ascii("$"): try status(into: &builder)
            case ascii("("), ascii(")"), ascii("`"):
                throw .unsupported(
                    String(UnicodeScalar(byte)), accepted: "between quotes '…' it is an ordinary character")
            default:
                builder.append(byte)
                position += 1
            }
            guard builder.count <= Script.Limit.wordBytes else { throw .wordTooLong }
        }
        if builder.isBareNumber, let byte = current, byte == ascii("<") || byte == ascii(">") {
            throw .unsupported(
                builder.text + String(UnicodeScalar(byte)), accepted: "accepted: < FILE, > FILE, >> FILE")
        }
        return builder.word
    }

    private func isEndOfWord(_ byte: UInt8) -> Bool {
        switch byte {
        case ascii(" "), ascii("\t"), ascii("\r"), ascii("\n"), ascii(";"), ascii("&"), ascii("|"), ascii("<"),
            ascii(">"):
            true
        default: false
        }
    }

    private mutating func singleQuoted(into builder: inout WordBuilder) throws(ScriptError) {
        position += 1
        builder.isQuoted = true
        while let byte = current {
            position += 1
            if byte == ascii("'") { return }
            builder.append(byte)
        }
        throw .unterminatedQuote("'")
    }

    private mutating func doubleQuoted(into builder: inout WordBuilder) throws(ScriptError) {
        position += 1
        builder.isQuoted = true
        while let byte = current {
            switch byte {
            case ascii("\""):
                position += 1
                return
            case ascii("\\"):
                if let next = following, "$`\"\\\n".utf8.contains(next) {
                    escaped(into: &builder)
                } else {
                    builder.append(byte)
                    position += 1
                }
            case ascii("$"): try status(into: &builder)
            default:
                builder.append(byte)
                position += 1
            }
        }
        throw .unterminatedQuote("\"")
    }

    /// A backslash and what it protects; one at the very end is itself.
    private mutating func escaped(into builder: inout WordBuilder) {
        let next = following
        position += next == nil ? 1 : 2
        if next == ascii("\n") { return }
        builder.isQuoted = true
        builder.append(next ?? ascii("\\"))
    }

    /// `$?`; a lone `$` is itself, and variables there are none.
    private mutating func status(into builder: inout WordBuilder) throws(ScriptError) {
        guard let next = following else {
            builder.append(ascii("$"))
            position += 1
            return
        }
        if next == ascii("?") {
            builder.appendStatus()
            position += 2
        } else if next == ascii("_") || next == ascii("{") || next == ascii("(") || isLetter(next) {
            throw .unsupported("$" + String(UnicodeScalar(next)), accepted: "only $? is; write '$' between quotes")
        } else {
            builder.append(ascii("$"))
            position += 1
        }
    }

    private func isLetter(_ byte: UInt8) -> Bool { (0x41...0x5a).contains(byte & 0xdf) }
}

/// Collects a word's pieces.
private struct WordBuilder {
    private var pieces: [Word.Piece] = []
    private var bytes: [UInt8] = []
    private(set) var count = 0
    var isQuoted = false

    mutating func append(_ byte: UInt8) {
        bytes.append(byte)
        count += 1
    }

    mutating func appendStatus() {
        flush()
        pieces.append(.lastStatus)
        count += 1
    }

    private mutating func flush() {
        guard !bytes.isEmpty else { return }
        pieces.append(.text(String(decoding: bytes, as: UTF8.self)))
        bytes = []
    }

    var text: String { String(decoding: bytes, as: UTF8.self) }

    var isBareNumber: Bool {
        !isQuoted && pieces.isEmpty && !bytes.isEmpty && bytes.allSatisfy { (0x30...0x39).contains($0) }
    }

    var word: Word {
        var copy = self
        copy.flush()
        return Word(pieces: copy.pieces)
    }
}

/// The code of an ASCII character.
func ascii(_ scalar: UnicodeScalar) -> UInt8 { UInt8(truncatingIfNeeded: scalar.value) }
