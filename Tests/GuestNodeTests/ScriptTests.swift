// The shell's grammar: what is typed and what it means.

import Testing

@testable import GuestNode

private func words(_ text: String) throws(ScriptError) -> [[String]] {
    try Script(parsing: text).commands.map { $0.words.map { $0.expanded(lastStatus: 7) } }
}

@Suite("Script")
struct ScriptTests {
    @Test(
        "words are cut at blanks, and quotes keep them together",
        arguments: [
            ("", []),
            ("   \t ", []),
            ("echo", [["echo"]]),
            ("echo a  b\tc", [["echo", "a", "b", "c"]]),
            ("echo 'a  b' \"c  d\"", [["echo", "a  b", "c  d"]]),
            ("echo a'b'\"c\"d", [["echo", "abcd"]]),
            ("echo ''", [["echo", ""]]),
            ("echo a\\ b \\; \\\\", [["echo", "a b", ";", "\\"]]),
            ("echo '\\n' \"\\n\" \"\\\"\\\\\"", [["echo", "\\n", "\\n", "\"\\"]]),
            ("echo a\\\nb", [["echo", "ab"]]),
            ("echo \"a\\\nb\"", [["echo", "ab"]]),
            ("echo a # not this; nor this\necho b", [["echo", "a"], ["echo", "b"]]),
            ("echo a#b", [["echo", "a#b"]]),
            ("echo tail\\", [["echo", "tail\\"]]),
            ("echo grün 'naïve'", [["echo", "grün", "naïve"]]),
            ("echo $? \"x$?y\" '$?' \\$? 5$", [["echo", "7", "x7y", "$?", "$?", "5$"]]),
            ("a;b ; c\nd\r\n", [["a"], ["b"], ["c"], ["d"]]),
            (";;a;;", [["a"]]),
            ("curl -o x http://h/a?b=1", [["curl", "-o", "x", "http://h/a?b=1"]]),
        ] as [(String, [[String]])])
    func cutting(text: String, expected: [[String]]) throws {
        #expect(try words(text) == expected)
    }

    @Test("each command knows how it is joined to the one before it")
    func connectors() throws {
        let script = try Script(parsing: "a && b || c ; d\ne &&\n\n f")
        #expect(
            script.commands.map(\.connector) == [.always, .onSuccess, .onFailure, .always, .always, .onSuccess])
    }

    @Test("redirections stand anywhere in a command and keep their order")
    func redirections() throws {
        let script = try Script(parsing: "> out nc <in -N host 7 >>log")
        #expect(script.commands.count == 1)
        #expect(script.commands[0].words == ["nc", "-N", "host", "7"].map { Word($0) })
        #expect(script.commands[0].redirections == [.output(Word("out")), .input(Word("in")), .append(Word("log"))])
    }

    @Test("a number that belongs to a word is no descriptor")
    func numberBeforeRedirection() throws {
        #expect(try words("echo 'a'2>x") == [["echo", "a2"]])
        #expect(try words("echo 2 >x") == [["echo", "2"]])
    }

    @Test(
        "a mistake is named, and nothing of the script is run",
        arguments: [
            ("echo 'a", .unterminatedQuote("'")),
            ("echo \"a", .unterminatedQuote("\"")),
            ("&& a", .missingCommand(near: "&&")),
            ("a && ; b", .missingCommand(near: "&&")),
            ("a &&", .missingCommand(near: "&&")),
            ("a || && b", .missingCommand(near: "&&")),
            ("< file", .missingCommand(near: "<")),
            ("a >", .missingFile(after: ">")),
            ("a > ; b", .missingFile(after: ">")),
            ("a >> && b", .missingFile(after: ">>")),
            ("a & b", .unsupported("&", accepted: "commands run one after the other: ; or &&")),
            ("a | b", .unsupported("|", accepted: "files join commands: > FILE, then < FILE")),
            ("a 2> b", .unsupported("2>", accepted: "accepted: < FILE, > FILE, >> FILE")),
            ("echo $HOME", .unsupported("$H", accepted: "only $? is; write '$' between quotes")),
            ("echo $(a)", .unsupported("$(", accepted: "only $? is; write '$' between quotes")),
            ("(a)", .unsupported("(", accepted: "between quotes '…' it is an ordinary character")),
            ("a\u{0}", .controlByte(0)),
            ("a\u{7f}", .controlByte(0x7f)),
        ] as [(String, ScriptError)])
    func mistakes(text: String, expected: ScriptError) {
        #expect(throws: expected) { try Script(parsing: text) }
    }

    @Test("a script, a word, a command and a list have their limits")
    func limits() throws {
        let long = String(repeating: "a", count: Script.Limit.wordBytes)
        #expect(try words(long) == [[long]])
        #expect(throws: ScriptError.wordTooLong) { try Script(parsing: long + "a") }
        #expect(throws: ScriptError.wordTooLong) { try Script(parsing: "'" + long + "a'") }
        let many = Array(repeating: "w", count: Script.Limit.wordsPerCommand).joined(separator: " ")
        #expect(try words(many)[0].count == Script.Limit.wordsPerCommand)
        #expect(throws: ScriptError.tooManyWords) { try Script(parsing: many + " w") }
        let list = Array(repeating: "c", count: Script.Limit.commands).joined(separator: ";")
        #expect(try words(list).count == Script.Limit.commands)
        #expect(throws: ScriptError.tooManyCommands) { try Script(parsing: list + ";c") }
        let bytes = Script.Limit.bytes + 1
        #expect(throws: ScriptError.tooLong(bytes: bytes)) {
            try Script(parsing: String(repeating: " ", count: bytes))
        }
    }

    @Test("no bytes trap the parser")
    func anything() {
        var state: UInt64 = 42
        let alphabet = Array("ab 12;&|<>\"'\\$?#\n\t()`{é".unicodeScalars)
        for _ in 0..<20_000 {
            var text = ""
            for _ in 0..<12 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                text.unicodeScalars.append(alphabet[Int(state >> 33) % alphabet.count])
            }
            _ = try? Script(parsing: text)
        }
    }
}
