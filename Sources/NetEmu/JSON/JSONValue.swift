// JSON values as QEMU's command line and control protocol use them (RFC 8259). Numbers keep their text: who
// reads them knows what they must be. Members keep their order.

/// A JSON value.
public enum JSONValue: Equatable, Sendable {
    /// `null`
    case null
    /// `true` or `false`
    case boolean(Bool)
    /// As written: `-1`, `0.5`, `1e3`.
    case number(String)
    /// Without quotes and escapes.
    case string(String)
    /// In order.
    case array([JSONValue])
    /// In order.
    case object([JSONMember])
}

/// One member of an object; names differ within one object.
public struct JSONMember: Equatable, Sendable {
    /// Of the member.
    public let name: String
    /// What it has.
    public let value: JSONValue
    /// A member with its value.
    public init(_ name: String, _ value: JSONValue) {
        self.name = name
        self.value = value
    }
}

/// Where and why text is no JSON.
public struct JSONError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Both from 1; the column counts bytes.
    public let line: Int
    /// In bytes.
    public let column: Int
    /// A phrase, such as `expecting value`.
    public let reason: String
    public var description: String { "\(line):\(column): JSON parse error, \(reason)" }
}

extension JSONValue {
    /// The value as text on one line that reads as the same value.
    public var text: String {
        switch self {
        case .null: "null"
        case .boolean(let isTrue): isTrue ? "true" : "false"
        case .number(let text): text
        case .string(let text): Self.quoted(text)
        case .array(let values): "[" + values.map(\.text).joined(separator: ", ") + "]"
        case .object(let members):
            "{" + members.map { "\(Self.quoted($0.name)): \($0.value.text)" }.joined(separator: ", ") + "}"
        }
    }

    private static func quoted(_ text: String) -> String {
        var out = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": out += "\\\""
            case "\\": out += "\\\\"
            case "\n": out += "\\n"
            case "\r": out += "\\r"
            case "\t": out += "\\t"
            case _ where scalar.value < 0x20 || scalar.value == 0x7f:
                let digits = String(scalar.value, radix: 16)
                out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out + "\""
    }
}
