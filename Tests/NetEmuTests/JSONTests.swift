// JSON as text and as bytes that come one by one (RFC 8259): values, every truncation, limits, and QEMU's
// sentences with their places, measured with QEMU 11.1 (`-netdev '{…'`).

import Bytes
import Testing

@testable import NetEmu

/// A random value; `depth` containers may still be opened.
private func anyValue(_ random: inout SeededGenerator, depth: Int) -> JSONValue {
    switch random.next() % (depth > 0 ? 7 : 5) {
    case 0: return .null
    case 1: return .boolean(random.next() % 2 == 0)
    case 2:
        let numbers = ["0", "-0", "7", "-1", "120", "0.5", "-3.25", "1e3", "2E-7", "6.02e+23", "18446744073709551616"]
        return .number(numbers[Int(random.next() % UInt64(numbers.count))])
    case 3, 4: return .string(anyText(&random))
    case 5: return .array((0..<random.next() % 4).map { _ in anyValue(&random, depth: depth - 1) })
    default:
        var names: Set<String> = []
        let members = (0..<random.next() % 4).compactMap { _ -> JSONMember? in
            let name = anyText(&random)
            return names.insert(name).inserted ? JSONMember(name, anyValue(&random, depth: depth - 1)) : nil
        }
        return .object(members)
    }
}

private func anyText(_ random: inout SeededGenerator) -> String {
    let alphabet: [Unicode.Scalar] = [
        "a", "0", " ", "\"", "\\", "/", "'", "\n", "\r", "\t", "\u{8}", "\u{1}", "\u{1f}", "\u{7f}", "é", "€", "😀", "{",
        "]", ",", ":", "\u{fffd}", "\u{10ffff}",
    ]
    var text = ""
    for _ in 0..<random.next() % 6 {
        text.unicodeScalars.append(alphabet[Int(random.next() % UInt64(alphabet.count))])
    }
    return text
}

@Suite("JSON")
struct JSONTests {
    /// The error's text; "(read)" when there is none, "(more)" when something follows the value.
    static func complaint(_ text: String) -> String {
        do throws(JSONError) {
            return try JSONReader.read(text) == nil ? "(more)" : "(read)"
        } catch {
            return error.description
        }
    }

    static func complaint(_ bytes: [UInt8]) -> String {
        var reader = JSONReader()
        do throws(JSONError) {
            for byte in bytes { try reader.feed(byte) }
            try reader.finish()
            return "(read)"
        } catch {
            return error.description
        }
    }

    @Test(
        "every kind of value",
        arguments: [
            ("null", .null), ("true", .boolean(true)), (" false\n", .boolean(false)), ("0", .number("0")),
            ("-12.5e+3", .number("-12.5e+3")), ("\"\"", .string("")), ("\"a b\"", .string("a b")), ("[]", .array([])),
            ("{}", .object([])),
            ("[1,[2],{}]", .array([.number("1"), .array([.number("2")]), .object([])])),
            (
                "{\"a\":1,\t\"b\" : [true] }",
                .object([JSONMember("a", .number("1")), JSONMember("b", .array([.boolean(true)]))])
            ),
            // QEMU's own addition: single quotes.
            ("{'a':'b\"c'}", .object([JSONMember("a", .string("b\"c"))])),
        ] as [(String, JSONValue)])
    func kinds(_ text: String, _ value: JSONValue) throws { #expect(try JSONReader.read(text) == value) }

    @Test(
        "escapes, surrogate pairs, either quote",
        arguments: [
            (#""\b\f\n\r\t\"\\\/\'""#, "\u{8}\u{c}\n\r\t\"\\/'"), (#""\u0041\u00e9\u20ac""#, "Aé€"),
            (#""\ud83d\ude00\uD83D\uDE00""#, "😀😀"), (#"'it\'s'"#, "it's"), (#"'"'"#, "\""), (#""é€😀""#, "é€😀"),
            (#""\uffff""#, "\u{ffff}"),
        ])
    func escapes(_ text: String, _ read: String) throws { #expect(try JSONReader.read(text) == .string(read)) }

    @Test("any value survives being written and read, at once and byte by byte")
    func roundTrip() throws {
        var random = SeededGenerator(seed: 20)
        var reader = JSONReader()
        for _ in 0..<3000 {
            let value = anyValue(&random, depth: 4)
            #expect(try JSONReader.read(value.text) == value, "\(value.text)")
            // One stream of them all, a space between two.
            for byte in (value.text + " ").utf8 { try reader.feed(byte) }
            #expect(reader.next() == value)
            #expect(reader.next() == nil)
        }
        try reader.finish()
    }

    @Test("several values in one stream come out in order, the last one when nothing can follow it")
    func stream() throws {
        var reader = JSONReader()
        for byte in "{}[1]\"a\"2 \n3".utf8 { try reader.feed(byte) }
        #expect(reader.next() == .object([]))
        #expect(reader.next() == .array([.number("1")]))
        #expect(reader.next() == .string("a"))
        #expect(reader.next() == .number("2"))
        #expect(reader.next() == nil, "more digits may follow")
        try reader.finish()
        #expect(reader.next() == .number("3"))
        #expect(reader.next() == nil)
    }

    @Test("a value is there with its last byte, not with the next one's first")
    func promptness() throws {
        var reader = JSONReader()
        let text = #"{"execute":"qmp_capabilities"}"#
        for (index, byte) in text.utf8.enumerated() {
            #expect(reader.next() == nil, "after \(index) bytes")
            try reader.feed(byte)
        }
        #expect(reader.next() != nil)
    }

    @Test("every truncation is a premature end, or stray when it ends inside a token")
    func truncations() {
        let sample = #"{"a": [1, -2.5e3, "x\n\u00e9", null, {"b": {}, 'c': [[]]}], "d": false}"#
        let bytes = Array(sample.utf8)
        for count in 1..<bytes.count {
            let said = Self.complaint(Array(bytes[..<count]))
            let isCutWord = said.contains("invalid keyword '") && !said.contains("'null'") && !said.contains("'false'")
            #expect(
                said.hasSuffix("premature end of input") || said.contains("stray '") || isCutWord,
                "\(sample.prefix(count)): \(said)")
        }
        #expect(Self.complaint(bytes) == "(read)")
    }

    @Test(
        "QEMU's sentences and places",
        arguments: [
            (#"{"type":"user""#, "1:15: JSON parse error, premature end of input"),
            (#"{"type":"user","id":"x","#, "1:25: JSON parse error, premature end of input"),
            ("{", "1:2: JSON parse error, premature end of input"),
            (#"{"type":"user",}"#, "1:16: JSON parse error, expecting key"),
            ("{,}", "1:2: JSON parse error, expecting key"),
            (#"{type:"user"}"#, "1:2: JSON parse error, expecting key"),
            (#"{"type" "user"}"#, "1:9: JSON parse error, expecting ':'"),
            (#"{"a" 1}"#, "1:6: JSON parse error, expecting ':'"),
            (#"{"type":"user" "id":"x"}"#, "1:16: JSON parse error, expected ',' or '}'"),
            (#"{"a":"x""y"}"#, "1:9: JSON parse error, expected ',' or '}'"),
            ("{\"a\":\n 1 2}", "2:4: JSON parse error, expected ',' or '}'"),
            (#"{"a":[1 2]}"#, "1:9: JSON parse error, expected ',' or ']'"),
            (#"{"a":[1,]}"#, "1:9: JSON parse error, expecting value"),
            (#"{"a":}"#, "1:6: JSON parse error, expecting value"),
            (#"{"a":[,1]}"#, "1:7: JSON parse error, expecting value"),
            (#"{"type":user}"#, "1:9: JSON parse error, invalid keyword 'user'"),
            (#"{"type":truex}"#, "1:9: JSON parse error, invalid keyword 'truex'"),
            (#"{"a":tru"#, "1:6: JSON parse error, invalid keyword 'tru'"),
            (#"{"a":t-1}"#, "1:6: JSON parse error, invalid keyword 't'"),
            (#"{"type":"us\qer"}"#, "1:9: JSON parse error, invalid escape sequence in string"),
            (#"{"type":01}"#, "1:9: JSON parse error, stray '01'"),
            (#"{"a":00}"#, "1:6: JSON parse error, stray '00'"),
            (#"{"a":-}"#, "1:6: JSON parse error, stray '-}'"),
            (#"{"a":-a}"#, "1:6: JSON parse error, stray '-a'"),
            (#"{"a":1.}"#, "1:6: JSON parse error, stray '1.}'"),
            (#"{"a":1e+}"#, "1:6: JSON parse error, stray '1e+}'"),
            (#"{"type":1.5e}"#, "1:9: JSON parse error, stray '1.5e}'"),
            (#"{"a":+1}"#, "1:6: JSON parse error, stray '+'"),
            (#"{"a":.5}"#, "1:6: JSON parse error, stray '.'"),
            (#"{"a":#}"#, "1:6: JSON parse error, stray '#'"),
            (#"{"a":%p}"#, "1:6: JSON parse error, stray '%'"),
            (#"{"a":"x"#, "1:6: JSON parse error, stray '\"x'"),
            (#"{"a":"\"#, "1:6: JSON parse error, stray '\"\\'"),
            ("{\"a\":\"x\ty\"}", "1:6: JSON parse error, stray '\"x\t'"),
            (#"{"a":"\ud800"}"#, #"1:6: JSON parse error, \ud800 is not a valid Unicode character"#),
            (#"{"a":"\ud800x"}"#, #"1:6: JSON parse error, \ud800 is not a valid Unicode character"#),
            (#"{"a":"\ud800\u0041"}"#, #"1:6: JSON parse error, \ud800 is not a valid Unicode character"#),
            (#"{"a":"\udc00"}"#, #"1:6: JSON parse error, \udc00 is not a valid Unicode character"#),
            (#"{"a":"\u12g4"}"#, #"1:6: JSON parse error, \u12g4 is not a valid Unicode character"#),
            (#"{"a":"\u+123"}"#, #"1:6: JSON parse error, \u+123 is not a valid Unicode character"#),
            // The place of a duplicate is that of the end of its value.
            (#"{"type":"user","type":"x"}"#, "1:23: JSON parse error, duplicate key"),
            (#"{"a":1,"a":[{}]}"#, "1:15: JSON parse error, duplicate key"),
            (#"{"abc":1,"abc"  :2}"#, "1:18: JSON parse error, duplicate key"),
            (#"{"abc":1,"abc" 2}"#, "1:16: JSON parse error, expecting ':'"),
            // The byte that ends a number or a word is counted twice.
            (#"{"a":1a}"#, "1:8: JSON parse error, expected ',' or '}'"),
            (#"{"a":0x1}"#, "1:8: JSON parse error, expected ',' or '}'"),
            (#"{"a":1e5x}"#, "1:10: JSON parse error, expected ',' or '}'"),
            (#"{"a":1-2}"#, "1:8: JSON parse error, expected ',' or '}'"),
            (#"{"a":1]}"#, "1:8: JSON parse error, expected ',' or '}'"),
            (#"{"a":12"x"}"#, "1:9: JSON parse error, expected ',' or '}'"),
            (#"{"a":true]}"#, "1:11: JSON parse error, expected ',' or '}'"),
            (#"{"a":true[1]}"#, "1:11: JSON parse error, expected ',' or '}'"),
            (#"{"type":true1}"#, "1:14: JSON parse error, expected ',' or '}'"),
            (#"{"a":true x}"#, "1:11: JSON parse error, expected ',' or '}'"),
            (#"{"a":true"#, "1:11: JSON parse error, premature end of input"),
            (#"{"a":1"#, "1:8: JSON parse error, premature end of input"),
            (#"{"a":1.5.5}"#, "1:10: JSON parse error, stray '.'"),
        ])
    func sentences(_ text: String, _ said: String) { #expect(Self.complaint(text) == said) }

    @Test(
        "where netemu knows better than QEMU, on purpose",
        arguments: [
            // QEMU takes U+0000 and keeps it as C0 80.
            (#"{"a":"\u0000"}"#, #"1:6: JSON parse error, \u0000 is not a valid Unicode character"#),
            // QEMU prints the closing quote with the two digits that are there.
            (#"{"a":"\u12"}"#, #"1:6: JSON parse error, \u12 is not a valid Unicode character"#),
        ])
    func ownSentences(_ text: String, _ said: String) { #expect(Self.complaint(text) == said) }

    @Test(
        "one value and no more",
        arguments: [
            (#"{"type":"user","id":"x"} x"#, "(more)"), ("{}x", "(more)"), ("{} {}", "(more)"), ("{} }", "(more)"),
            ("{} \r\n\t ", "(read)"), ("1 2", "(more)"), ("", "1:1: JSON parse error, expecting value"),
            ("  \n ", "2:2: JSON parse error, expecting value"),
        ])
    func oneValue(_ text: String, _ said: String) {
        #expect(Self.complaint(text) == said)
        guard said == "(more)", text.hasPrefix("{") else { return }
        #expect(throws: OptionError("Expecting at most one JSON value")) {
            try KeyValueList(parsing: text, implied: "type")
        }
    }

    @Test(
        "bytes that are no UTF-8",
        arguments: [
            [0xff], [0xc3], [0xc3, 0x28], [0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82],
            // QEMU takes this one: its way of writing U+0000.
            [0xc0, 0x80],
        ] as [[UInt8]])
    func invalidUTF8(_ bytes: [UInt8]) {
        let said = Self.complaint(Array("{\"a\":\"x".utf8) + bytes + Array("\"}".utf8))
        #expect(said == "1:6: JSON parse error, invalid UTF-8 sequence in string")
        let bare = Self.complaint(Array("[".utf8) + bytes)
        #expect(bare.hasPrefix("1:2: JSON parse error, stray '"))
    }

    @Test("containers nest 1024 deep, as in QEMU, and one more is refused where it opens")
    func depth() {
        let deepest = String(repeating: "[", count: 1024) + String(repeating: "]", count: 1024)
        #expect(Self.complaint(deepest) == "(read)")
        let said = "1:1025: JSON parse error, nesting depth limit exceeded"
        #expect(Self.complaint(String(repeating: "[", count: 1025)) == said)
        #expect(Self.complaint(String(repeating: "[", count: 200_000)) == said)
        // A list flattens it all, without recursion without bounds.
        #expect(throws: Never.self) {
            try KeyValueList(parsing: "{\"a\":" + deepest.dropFirst().dropLast() + "}", implied: nil)
        }
    }

    @Test("an object has 1024 members at most, a value 64 KiB and 8192 tokens: it is read in one turn")
    func sizes() {
        func object(_ count: Int) -> String { "{" + (0..<count).map { "\"\($0)\":0" }.joined(separator: ",") + "}" }
        #expect(Self.complaint(object(1024)) == "(read)")
        #expect(Self.complaint(object(1025)).hasSuffix("too many members of an object"))
        #expect(Self.complaint("\"" + String(repeating: "x", count: (64 << 10) - 2) + "\"") == "(read)")
        #expect(
            Self.complaint("[\"" + String(repeating: "x", count: 64 << 10))
                == "1:65537: JSON parse error, token size limit exceeded")
        #expect(Self.complaint(String(repeating: "7", count: (64 << 10) + 1)).hasSuffix("token size limit exceeded"))
        func numbers(_ count: Int) -> String { "[" + Array(repeating: "0", count: count).joined(separator: ",") + "]" }
        #expect(Self.complaint(numbers(4095)) == "(read)")
        #expect(Self.complaint(numbers(4096)).hasSuffix("token count limit exceeded"))
        // 120 kB of numbers are refused where the limit is.
        #expect(Self.complaint(numbers(60_000)) == "1:8194: JSON parse error, token count limit exceeded")
    }

    @Test("nothing that is fed traps")
    func anyBytes() {
        var random = SeededGenerator(seed: 5)
        let pieces = Array("{}[]:,\"'\\ue0-+.1truefalsnl \n\u{e9}".utf8) + [0xff, 0, 9]
        for _ in 0..<5000 {
            let count = Int(random.next() % 24)
            _ = Self.complaint((0..<count).map { _ in pieces[Int(random.next() % UInt64(pieces.count))] })
        }
    }
}
