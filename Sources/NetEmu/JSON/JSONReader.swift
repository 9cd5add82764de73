// Tokens to values (RFC 8259), without recursion: depth and size are bounded, bytes may come one by one.

/// Reads JSON values one after another out of a stream of bytes.
public struct JSONReader: Sendable {
    static let deepest = 1024
    /// Bytes of one value. It is read within one turn of whoever reads it.
    static let longest = 64 << 10
    /// Tokens of one value.
    static let mostTokens = 8192
    /// Members of one object.
    static let mostMembers = 1024

    /// A container that is being filled.
    private enum Frame {
        case array([JSONValue])
        case object([JSONMember], names: Set<String>, key: JSONKey?)
    }

    /// The name of a member whose value follows.
    private struct JSONKey {
        let name: String
        let isDuplicate: Bool
    }

    /// What may come next.
    private enum Expectation {
        case value, valueOrEnd, key, keyOrEnd, colon, commaOrEnd
    }

    private var lexer = JSONLexer()
    private var frames: [Frame] = []
    private var expectation = Expectation.value
    private var size = 0
    private var tokens = 0
    private var finished: [JSONValue] = []

    /// Nothing read yet.
    public init() {}

    /// The one value that `text` is; nil when something follows it.
    public static func read(_ text: String) throws(JSONError) -> JSONValue? {
        var reader = JSONReader()
        var found: JSONValue?
        for byte in text.utf8 {
            if found != nil, byte > 0x20 { return nil }
            try reader.feed(byte)
            found = found ?? reader.next()
        }
        try reader.finish()
        guard let value = found ?? reader.next() else {
            throw JSONError(line: reader.lexer.line, column: reader.lexer.column, reason: "expecting value")
        }
        return value
    }

    /// Takes the next byte.
    /// - Throws: once; the reader is of no use afterwards.
    public mutating func feed(_ byte: UInt8) throws(JSONError) {
        size += 1
        guard size <= Self.longest else {
            throw JSONError(line: lexer.line, column: lexer.column, reason: "token size limit exceeded")
        }
        var tokens: [JSONToken] = []
        try lexer.feed(byte) { tokens.append($0) }
        for token in tokens { try take(token) }
    }

    /// No more bytes follow.
    public mutating func finish() throws(JSONError) {
        var tokens: [JSONToken] = []
        try lexer.finish { tokens.append($0) }
        for token in tokens { try take(token) }
        guard frames.isEmpty else {
            throw JSONError(line: lexer.line, column: lexer.column, reason: "premature end of input")
        }
    }

    /// The next value that is complete.
    public mutating func next() -> JSONValue? { finished.isEmpty ? nil : finished.removeFirst() }

    // MARK: grammar

    private mutating func take(_ token: JSONToken) throws(JSONError) {
        tokens += 1
        guard tokens <= Self.mostTokens else { throw error(token, "token count limit exceeded") }
        switch expectation {
        case .colon:
            guard token.kind == .punctuation(UInt8(ascii: ":")) else { throw error(token, "expecting ':'") }
            expectation = .value
        case .key, .keyOrEnd: try takeKey(token)
        case .commaOrEnd: try takeComma(token)
        case .value, .valueOrEnd: try takeValue(token)
        }
    }

    private mutating func takeKey(_ token: JSONToken) throws(JSONError) {
        if expectation == .keyOrEnd, token.kind == .punctuation(UInt8(ascii: "}")) { return try close(token) }
        guard case .string(let raw) = token.kind, case .object(let members, var names, _)? = frames.popLast() else {
            throw error(token, "expecting key")
        }
        let key = try unescaped(raw, token)
        // Told behind its value, as QEMU does.
        let isDuplicate = !names.insert(key).inserted
        guard members.count < Self.mostMembers else { throw error(token, "too many members of an object") }
        frames.append(.object(members, names: names, key: JSONKey(name: key, isDuplicate: isDuplicate)))
        expectation = .colon
    }

    private mutating func takeComma(_ token: JSONToken) throws(JSONError) {
        let isObject = if case .object? = frames.last { true } else { false }
        switch token.kind {
        case .punctuation(UInt8(ascii: ",")): expectation = isObject ? .key : .value
        case .punctuation(UInt8(ascii: "}")) where isObject: try close(token)
        case .punctuation(UInt8(ascii: "]")) where !isObject: try close(token)
        default: throw error(token, isObject ? "expected ',' or '}'" : "expected ',' or ']'")
        }
    }

    private mutating func takeValue(_ token: JSONToken) throws(JSONError) {
        switch token.kind {
        case .punctuation(UInt8(ascii: "{")): try open(.object([], names: [], key: nil), .keyOrEnd, token)
        case .punctuation(UInt8(ascii: "[")): try open(.array([]), .valueOrEnd, token)
        case .punctuation(UInt8(ascii: "]")) where expectation == .valueOrEnd: try close(token)
        case .punctuation: throw error(token, "expecting value")
        case .number(let text): try add(.number(text), token)
        case .string(let raw): try add(.string(try unescaped(raw, token)), token)
        case .word("true"): try add(.boolean(true), token)
        case .word("false"): try add(.boolean(false), token)
        case .word("null"): try add(.null, token)
        case .word(let word): throw error(token, "invalid keyword '\(word)'")
        }
    }

    private mutating func open(_ frame: Frame, _ next: Expectation, _ token: JSONToken) throws(JSONError) {
        guard frames.count < Self.deepest else { throw error(token, "nesting depth limit exceeded") }
        frames.append(frame)
        expectation = next
    }

    private mutating func close(_ token: JSONToken) throws(JSONError) {
        switch frames.removeLast() {
        case .array(let values): try add(.array(values), token)
        case .object(let members, _, _): try add(.object(members), token)
        }
    }

    /// - Parameter token: the last one of the value.
    private mutating func add(_ value: JSONValue, _ token: JSONToken) throws(JSONError) {
        expectation = .commaOrEnd
        switch frames.popLast() {
        case .array(var values)?:
            values.append(value)
            frames.append(.array(values))
        case .object(var members, let names, let key)?:
            guard key?.isDuplicate != true else { throw error(token, "duplicate key") }
            members.append(JSONMember(key?.name ?? "", value))
            frames.append(.object(members, names: names, key: nil))
        case nil:
            finished.append(value)
            expectation = .value
            (size, tokens) = (0, 0)
        }
    }

    private func error(_ token: JSONToken, _ reason: String) -> JSONError {
        JSONError(line: token.line, column: token.column, reason: reason)
    }

    // MARK: strings

    private func unescaped(_ raw: [UInt8], _ token: JSONToken) throws(JSONError) -> String {
        var bytes: [UInt8] = []
        var rest = raw[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "\\") else {
                bytes.append(byte)
                continue
            }
            switch rest.popFirst() {
            case UInt8(ascii: "b"): bytes.append(8)
            case UInt8(ascii: "f"): bytes.append(12)
            case UInt8(ascii: "n"): bytes.append(10)
            case UInt8(ascii: "r"): bytes.append(13)
            case UInt8(ascii: "t"): bytes.append(9)
            case UInt8(ascii: "u"): bytes += try scalar(&rest, token)
            case .some(let literal) where "\"'\\/".utf8.contains(literal): bytes.append(literal)
            default: throw error(token, "invalid escape sequence in string")
            }
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw error(token, "invalid UTF-8 sequence in string")
        }
        return text
    }

    /// The character of `\uXXXX`, or of two of them that are a surrogate pair. U+0000 is none: the texts that come
    /// out of here end up in places where it would end them.
    private func scalar(_ rest: inout ArraySlice<UInt8>, _ token: JSONToken) throws(JSONError) -> [UInt8] {
        let typed = rest.prefix(4)
        var value = Self.unit(rest)
        rest = rest.dropFirst(4)
        if let first = value, (0xd800...0xdbff).contains(first), rest.starts(with: "\\u".utf8),
            let second = Self.unit(rest.dropFirst(2)), (0xdc00...0xdfff).contains(second)
        {
            rest = rest.dropFirst(6)
            value = 0x10000 + (first - 0xd800) << 10 + (second - 0xdc00)
        }
        guard let value, value != 0, let scalar = Unicode.Scalar(value) else {
            throw error(token, "\\u\(String(decoding: typed, as: UTF8.self)) is not a valid Unicode character")
        }
        return Array(String(Character(scalar)).utf8)
    }

    /// Four hexadecimal digits; no sign.
    private static func unit(_ rest: ArraySlice<UInt8>) -> UInt32? {
        let digits = rest.prefix(4)
        guard digits.count == 4, let first = digits.first, first != UInt8(ascii: "+"), first != UInt8(ascii: "-") else {
            return nil
        }
        return UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
    }
}
