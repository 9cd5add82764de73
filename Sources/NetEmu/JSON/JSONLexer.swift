// Bytes to JSON tokens, one byte at a time (RFC 8259, 2, 6 and 7; strings may stand in single quotes, as in
// QEMU). A token is bounded; what is no token is an error with its place.

/// A piece of JSON.
struct JSONToken: Equatable, Sendable {
    enum Kind: Equatable, Sendable {
        /// One of `{}[]:,`.
        case punctuation(UInt8)
        case number(String)
        /// Quotes removed, escapes as written.
        case string([UInt8])
        case word(String)
    }
    let kind: Kind
    let line: Int
    let column: Int
}

/// Splits bytes into tokens.
struct JSONLexer: Sendable {
    static let longestToken = JSONReader.longest

    private enum State: Sendable {
        case between
        case string(quote: UInt8, isEscaped: Bool)
        case word
        case number(NumberState)
    }

    /// RFC 8259, 6.
    private enum NumberState: Sendable {
        case minus, zero, whole, point, fraction, e, sign, exponent

        func next(_ byte: UInt8) -> NumberState? {
            let isDigit = (0x30...0x39).contains(byte)
            switch (self, byte) {
            case (.minus, 0x30): return .zero
            case (.minus, _) where isDigit: return .whole
            case (.whole, _) where isDigit: return .whole
            case (.zero, 0x2e), (.whole, 0x2e): return .point
            case (.zero, 0x65), (.zero, 0x45), (.whole, 0x65), (.whole, 0x45), (.fraction, 0x65), (.fraction, 0x45):
                return .e
            case (.point, _) where isDigit, (.fraction, _) where isDigit: return .fraction
            case (.e, 0x2b), (.e, 0x2d): return .sign
            case (.e, _) where isDigit, (.sign, _) where isDigit, (.exponent, _) where isDigit: return .exponent
            default: return nil
            }
        }

        var isComplete: Bool {
            switch self {
            case .zero, .whole, .fraction, .exponent: true
            case .minus, .point, .e, .sign: false
            }
        }
    }

    private var state = State.between
    private var text: [UInt8] = []
    private var start = (line: 1, column: 1)
    private(set) var line = 1
    private(set) var column = 1

    /// Takes the next byte; hands out the tokens that it completes, at most two.
    mutating func feed(_ byte: UInt8, _ found: (JSONToken) throws(JSONError) -> Void) throws(JSONError) {
        if case .between = state {
            try begin(byte, found)
        } else if try goOn(byte, found) {
            try begin(byte, isLookedAtTwice: true, found)
        }
        if byte == 10 {
            line += 1
            column = 1
        } else {
            column += 1
        }
    }

    /// No more bytes follow.
    mutating func finish(_ found: (JSONToken) throws(JSONError) -> Void) throws(JSONError) {
        switch state {
        case .between: return
        case .word:
            column += 1
            try end(.word(String(decoding: text, as: UTF8.self)), found)
        case .number(let number) where number.isComplete:
            column += 1
            try end(.number(String(decoding: text, as: UTF8.self)), found)
        case .number, .string: throw stray()
        }
    }

    /// - Parameter isLookedAtTwice: the byte ended a number or a word. QEMU counts its column twice.
    private mutating func begin(
        _ byte: UInt8, isLookedAtTwice: Bool = false, _ found: (JSONToken) throws(JSONError) -> Void
    ) throws(JSONError) {
        start = (line, isLookedAtTwice ? column + 1 : column)
        text = [byte]
        switch byte {
        case 0x20, 9, 10, 13: state = .between
        case UInt8(ascii: "{"), UInt8(ascii: "}"), UInt8(ascii: "["), UInt8(ascii: "]"), UInt8(ascii: ":"),
            UInt8(ascii: ","):
            try end(.punctuation(byte), found)
        case UInt8(ascii: "\""), UInt8(ascii: "'"): state = .string(quote: byte, isEscaped: false)
        case UInt8(ascii: "-"): state = .number(.minus)
        case UInt8(ascii: "0"): state = .number(.zero)
        case 0x31...0x39: state = .number(.whole)
        case 0x41...0x5a, 0x61...0x7a: state = .word
        default: throw stray()
        }
    }

    /// True: the token ended before this byte.
    private mutating func goOn(_ byte: UInt8, _ found: (JSONToken) throws(JSONError) -> Void) throws(JSONError) -> Bool
    {
        guard text.count < Self.longestToken else { throw error("token size limit exceeded") }
        switch state {
        case .between: return true
        case .word:
            let isLetter = (0x41...0x5a).contains(byte & 0xdf)
            if isLetter { text.append(byte) } else { try end(.word(String(decoding: text, as: UTF8.self)), found) }
            return !isLetter
        case .number(let number):
            if let next = number.next(byte) {
                text.append(byte)
                state = .number(next)
                return false
            }
            guard number.isComplete, !(0x30...0x39).contains(byte) else {
                text.append(byte)
                throw stray()
            }
            try end(.number(String(decoding: text, as: UTF8.self)), found)
            return true
        case .string(let quote, let isEscaped):
            text.append(byte)
            guard byte >= 0x20 else { throw stray() }
            if isEscaped {
                state = .string(quote: quote, isEscaped: false)
            } else if byte == UInt8(ascii: "\\") {
                state = .string(quote: quote, isEscaped: true)
            } else if byte == quote {
                try end(.string(Array(text.dropFirst().dropLast())), found)
            }
            return false
        }
    }

    private mutating func end(
        _ kind: JSONToken.Kind, _ found: (JSONToken) throws(JSONError) -> Void
    ) throws(JSONError) {
        state = .between
        try found(JSONToken(kind: kind, line: start.line, column: start.column))
    }

    private func stray() -> JSONError { error("stray '\(String(decoding: text, as: UTF8.self))'") }

    private func error(_ reason: String) -> JSONError {
        JSONError(line: start.line, column: start.column, reason: reason)
    }
}
