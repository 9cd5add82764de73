// The console's line discipline: keys in, a line and what the terminal shows out.

import Testing

@testable import GuestNode

/// A terminal that understands what the editor sends, one line of it.
private struct Screen {
    var cells: [Character] = []
    var column = 0
    var lines: [String] = []
    var bells = 0

    mutating func show(_ text: String) {
        var rest = Array(text)[...]
        while let first = rest.popFirst() {
            switch first {
            case "\n":
                lines.append(String(cells))
                cells = []
                column = 0
            case "\u{07}": bells += 1
            case "\u{1b}": escape(&rest)
            default:
                if column < cells.count { cells[column] = first } else { cells.append(first) }
                column += 1
            }
        }
    }

    private mutating func escape(_ rest: inout ArraySlice<Character>) {
        guard rest.popFirst() == "[" else { return }
        var number = 0
        while let next = rest.popFirst() {
            if let digit = next.wholeNumberValue {
                number = number * 10 + digit
                continue
            }
            switch next {
            case "D": column = max(0, column - number)
            case "C": column = min(cells.count, column + number)
            case "K": cells = Array(cells[..<min(column, cells.count)])
            case "H": column = 0
            case "J": cells = []
            default: break
            }
            return
        }
    }
}

private struct Typist {
    var editor = LineEditor(for: .shell)
    var screen = Screen()
    var events: [LineEditor.Event] = []
    /// Bytes that were sent to the terminal.
    var shown = 0

    mutating func type(_ text: String) { type(Array(text.utf8)) }

    mutating func type(_ bytes: [UInt8]) {
        for byte in bytes {
            var echo = ""
            let event = editor.accept(byte, echo: &echo)
            editor.show(&echo)
            show(echo)
            if event != .none { events.append(event) }
        }
    }

    /// What comes in one piece is shown in one.
    mutating func paste(_ text: String) {
        var echo = ""
        for byte in text.utf8 {
            let event = editor.accept(byte, echo: &echo)
            if event != .none { events.append(event) }
        }
        editor.show(&echo)
        show(echo)
    }

    private mutating func show(_ echo: String) {
        shown += echo.utf8.count
        screen.show(echo)
    }
}

@Suite("LineEditor")
struct LineEditorTests {
    static let up = "\u{1b}[A", down = "\u{1b}[B", right = "\u{1b}[C", left = "\u{1b}[D"

    @Test(
        "keys edit the line, and the screen shows the line",
        arguments: [
            ("abc", "abc", 3),
            ("abc\u{7f}", "ab", 2),
            ("abc\u{08}\u{08}\u{08}\u{08}x", "x", 1),
            ("abc\(left)\(left)X", "aXbc", 2),
            ("abc\(left)\u{7f}", "ac", 1),
            ("abc\u{1b}[HX", "Xabc", 1),
            ("abc\u{1b}[1~X\u{1b}[4~Y", "XabcY", 5),
            ("abc\u{1b}OHX\u{1b}OFY", "XabcY", 5),
            ("abc\u{01}X\u{05}Y", "XabcY", 5),
            ("abc\u{01}\u{06}\u{06}\u{02}X", "aXbc", 2),
            ("abc\(left)\(left)\u{1b}[3~", "ac", 1),
            ("abc\u{01}\u{04}", "bc", 0),
            ("abc\(left)\u{0b}", "ab", 2),
            ("abc def\(left)\u{15}", "f", 0),
            ("ping  host\u{17}", "ping  ", 6),
            ("ping  host  \u{17}\u{17}", "", 0),
            ("one two\u{01}\u{17}", "one two", 0),
            ("a\tb", "a b", 3),
            ("\(left)\(left)a\(right)\(right)b", "ab", 2),
            ("naïv\(left)\(left)\u{7f}o", "noïv", 2),
            ("ünï\(left)\u{7f}", "üï", 1),
            ("a\u{1b}[99Zb\u{1b}[1;5Cc", "abc", 3),
            ("a\u{12}\u{1a}b", "ab", 2),
        ])
    func editing(keys: String, line: String, cursor: Int) {
        var typist = Typist()
        typist.type(keys)
        #expect(typist.editor.text == line)
        #expect(String(typist.screen.cells) == line)
        #expect(typist.screen.column == cursor)
        #expect(typist.events == [])
    }

    @Test("Enter gives the line; carriage return and line feed together are one Enter")
    func enter() {
        var typist = Typist()
        typist.type("one\rtwo\nthree\r\n\r\rfour\r\n")
        #expect(
            typist.events == [.line("one"), .line("two"), .line("three"), .line(""), .line(""), .line("four")])
        #expect(typist.screen.lines == ["one", "two", "three", "", "", "four"])
    }

    @Test("Ctrl-C forgets the line, Ctrl-D on an empty line is the end of file")
    func controls() {
        var typist = Typist()
        typist.type("abc\u{03}\u{04}x\r")
        #expect(typist.events == [.interrupt, .endOfFile, .line("x")])
        #expect(typist.screen.lines == ["abc^C", "x"])
    }

    @Test("the arrows walk through the history and back to the line being typed")
    func history() {
        var typist = Typist()
        typist.type("first\rsecond\rsecond\r  \rthi")
        #expect(typist.editor.history == ["first", "second"])
        typist.type(Self.up)
        #expect(typist.editor.text == "second")
        typist.type(Self.up + Self.up)
        #expect(typist.editor.text == "first")
        #expect(String(typist.screen.cells) == "first")
        typist.type(Self.down + Self.down)
        #expect(typist.editor.text == "thi")
        #expect(String(typist.screen.cells) == "thi")
        typist.type(Self.down)
        #expect(typist.editor.text == "thi")
        typist.type(Self.up + "!\r")
        #expect(typist.events.last == .line("second!"))
        #expect(typist.editor.history == ["first", "second", "second!"])
    }

    @Test("the history keeps the newest lines only")
    func historyLimit() {
        var typist = Typist()
        for index in 0..<LineEditor.historyLimit + 5 { typist.type("line \(index)\r") }
        #expect(typist.editor.history.count == LineEditor.historyLimit)
        #expect(typist.editor.history.first == "line 5")
    }

    @Test("a line has a limit; what is typed beyond it rings the bell")
    func lineLimit() {
        var typist = Typist()
        typist.type(String(repeating: "a", count: LineEditor.lineLimit + 3))
        #expect(typist.editor.text.utf8.count == LineEditor.lineLimit)
        #expect(typist.screen.bells == 3)
    }

    @Test("what is typed is echoed once: a line of thousands of characters costs as many bytes, key by key or pasted")
    func linear() {
        var typist = Typist()
        let line = String(repeating: "a", count: 4000)
        typist.type(line)
        #expect(typist.shown == 4000 && String(typist.screen.cells) == line)
        var pasting = Typist()
        pasting.paste(line)
        #expect(pasting.shown == 4000)
        // A key that moves costs one sequence, however long the line is.
        typist.type("\u{01}\u{05}")
        #expect(typist.shown == 4000 + 2 * "\u{1b}[4000D".utf8.count)
    }

    @Test("of keys that come together only what they come to is shown")
    func together() {
        var typist = Typist()
        typist.paste(String(repeating: "a", count: 2000) + "\r")
        let before = typist.shown
        typist.paste(String(repeating: Self.up + "\u{15}", count: 500))
        #expect(typist.shown == before && typist.editor.text == "")
        typist.paste(String(repeating: "b", count: 2000) + "\u{01}" + String(repeating: "c", count: 2000))
        #expect(typist.shown <= before + 4020 && String(typist.screen.cells) == typist.editor.text)
    }

    @Test("where nobody looks each line is shown once, whole, and without a control sequence")
    func scripted() {
        var typist = Typist()
        typist.editor.isScripted = true
        typist.type("ab\u{01}\tx\u{0c}\r")
        typist.type(Self.up + "\r")
        typist.type(String(repeating: "y", count: 5000) + "\r")
        #expect(typist.screen.lines == [" xab", " xab", String(repeating: "y", count: LineEditor.lineLimit)])
        #expect(typist.shown == 5 + 5 + LineEditor.lineLimit + 1 && typist.screen.bells == 0)
    }

    @Test("combining marks join the character before them, up to a bound")
    func marks() {
        var typist = Typist()
        typist.type("e\u{301}x\u{7f}")
        #expect(typist.editor.text == "e\u{301}")
        typist.type(String(repeating: "\u{301}", count: 1000))
        #expect(typist.editor.text.utf8.count <= LineEditor.characterLimit && typist.screen.bells > 0)
        typist.type("\u{7f}")
        #expect(typist.editor.text == "")
    }

    @Test("for a monitor Tab asks for completion, and Ctrl-C and Ctrl-D end nothing")
    func monitor() {
        var typist = Typist()
        typist.editor = LineEditor(for: .monitor, lineEnd: "\n")
        typist.type("in\u{03}\u{04}\tx")
        #expect(typist.events == [.completion("in")] && typist.editor.text == "inx")
        typist.editor.forget()
        typist.type("\u{04}y\r")
        #expect(typist.events == [.completion("in"), .line("y")])
    }

    @Test("Ctrl-L shows prompt and line again")
    func redraw() {
        var typist = Typist()
        typist.editor.prompt = "node:~# "
        typist.type("ab\(Self.left)\u{0c}")
        #expect(String(typist.screen.cells) == "node:~# ab")
        #expect(typist.screen.column == 9)
    }

    @Test("broken UTF-8 and broken escape sequences leave no trace")
    func broken() {
        var typist = Typist()
        typist.type([0x61, 0xff, 0xc3, 0x62, 0x80, 0xe2, 0x82, 0x63, 0xf4, 0x90, 0x80, 0x80, 0xed, 0xa0, 0x80, 0x64])
        #expect(typist.editor.text == "abcd")
        typist.type([0x1b, 0x5b, 0x31, 0x03])
        #expect(typist.events == [.interrupt])
    }

    @Test("random keys never trap, and the screen always shows the line")
    func anything() {
        var typist = Typist()
        var state: UInt64 = 7
        let keys: [String] = [
            "a", "b ", "é", "\u{7f}", "\u{01}", "\u{05}", "\u{0b}", "\u{15}", "\u{17}", "\u{04}", "\r", Self.up,
            Self.down,
            Self.left, Self.right, "\u{1b}[3~", "\u{1b}", "[", "\u{9}",
        ]
        for _ in 0..<20_000 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            typist.type(keys[Int(state >> 33) % keys.count])
            #expect(String(typist.screen.cells) == typist.editor.text)
        }
    }
}
