// Where a command ends in text that is still coming, a line after the other: at a line feed that is in no quote, behind
// no backslash, and behind no `&&` or `||` that waits for its other side (POSIX XCU 2.2, 2.9.3). Each byte is looked at
// once. What the command is, ScriptLexer knows; both read quotes and comments alike.

/// Looks for the end of the first command of a growing text.
struct CommandEnd: Sendable {
    private enum Quote { case none, single, double }

    private var quote = Quote.none
    /// Behind a backslash.
    private var isEscaped = false
    private var isComment = false
    /// A `#` would be a part of a word.
    private var isInWord = false
    /// `&&` or `||` waits for what it joins.
    private var isJoining = false
    private var previous: UInt8 = 0
    private var scanned = 0
    /// Where the line feed is; nil while the text goes on.
    private(set) var index: Int?

    /// Lines came, and the command goes on behind them.
    var isUnfinished: Bool { scanned > 0 && index == nil }

    /// Looks at what was added to `text` since the last call.
    mutating func look(at text: [UInt8]) {
        while index == nil, scanned < text.count {
            if ends(with: text[scanned]) { index = scanned }
            scanned += 1
        }
    }

    private mutating func ends(with byte: UInt8) -> Bool {
        switch quote {
        case .single:
            if byte == ascii("'") { quote = .none }
            return false
        case .double:
            if isEscaped {
                isEscaped = false
            } else if byte == ascii("\\") {
                isEscaped = true
            } else if byte == ascii("\"") {
                quote = .none
            }
            return false
        case .none: return isComment || isEscaped ? endsSpecially(with: byte) : endsPlainly(with: byte)
        }
    }

    /// In a comment, which ends with its line, or behind a backslash, which makes the line go on.
    private mutating func endsSpecially(with byte: UInt8) -> Bool {
        if isComment {
            guard byte == ascii("\n") else { return false }
            isComment = false
            return !isJoining
        }
        isEscaped = false
        if byte != ascii("\n") { (isInWord, isJoining) = (true, false) }
        return false
    }

    private mutating func endsPlainly(with byte: UInt8) -> Bool {
        let isDoubled = byte == previous
        previous = byte
        switch byte {
        case ascii("\n"):
            isInWord = false
            return !isJoining
        case ascii("\\"): isEscaped = true
        case ascii("#") where !isInWord: isComment = true
        case ascii(" "), ascii("\t"), ascii("\r"): isInWord = false
        case ascii("&"), ascii("|"): (isInWord, isJoining) = (false, isDoubled)
        case ascii(";"), ascii("<"), ascii(">"): (isInWord, isJoining) = (false, false)
        default:
            if byte == ascii("'") { quote = .single } else if byte == ascii("\"") { quote = .double }
            (isInWord, isJoining) = (true, false)
        }
        return false
    }
}
