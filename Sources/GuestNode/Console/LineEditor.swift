// One line of input as it is typed, on the node's console and in a monitor: keys change the line, finished lines
// come out. Keys are those of every Unix terminal: Ctrl-A E B F K U W D C L P N, arrows. It must not know who
// reads the lines; a prompt is only text to show. What the terminal is sent is in LineEditor+Screen.

/// A line being typed and the lines typed before.
public struct LineEditor: Equatable, Sendable {
    /// What came of a byte.
    public enum Event: Equatable, Sendable {
        /// Nothing to do but to show the output.
        case none
        /// Enter was pressed.
        case line(String)
        /// Ctrl-C. Shell only.
        case interrupt
        /// Ctrl-D on an empty line. Shell only.
        case endOfFile
        /// Tab: the text before the cursor is to be completed. Monitor only.
        case completion(String)
    }

    /// Who reads the lines: a shell knows Ctrl-C and Ctrl-D, and takes Tab for a blank; a monitor completes at Tab.
    public enum Reader: Sendable { case shell, monitor }

    /// Bytes of a line; what is typed beyond them rings the bell.
    public static let lineLimit = 4096
    /// Lines that are remembered.
    public static let historyLimit = 64
    /// Bytes of a character with its combining marks.
    static let characterLimit = 32

    struct Line: Equatable, Sendable {
        var bytes = 0
        /// The line as characters, so that one step of the cursor is one character on the screen.
        var characters: [Character] = []
    }

    /// What the terminal shows behind the prompt.
    struct Screen: Equatable, Sendable {
        var count = 0
        var cursor = 0
        /// So many characters stand there as they stand in the line.
        var upToDate = 0
    }

    /// Shown before the line.
    public var prompt = ""
    /// What ends a line on the terminal.
    public let lineEnd: String
    /// Lines go into the history while this is so.
    public var keepsHistory = true
    /// Nobody looks at the line while it is typed: it is shown once, whole, at Enter, and nothing else is. Tab is a
    /// blank then.
    public var isScripted = false

    private let reader: Reader
    private var decoder = KeyDecoder()
    var line = Line()
    var cursor = 0
    var screen = Screen()
    /// The bell is to ring.
    var isRinging = false
    var lines: [Line] = []
    /// Where in the history the line comes from; nil is the line being typed.
    var recalled: Int?
    var typed = Line()

    /// An empty line; nothing is shown yet.
    public init(for reader: Reader, lineEnd: String = "\n") {
        self.reader = reader
        self.lineEnd = lineEnd
    }

    /// The line so far.
    public var text: String { String(line.characters) }

    /// The lines typed before, oldest first; each once.
    public var history: [String] { lines.map { String($0.characters) } }

    /// Takes one byte of input. What must be shown before the next byte is taken is appended to `echo`; the rest is
    /// shown by `show`, once for as many bytes as came together.
    public mutating func accept(_ byte: UInt8, echo: inout String) -> Event {
        guard let key = decoder.accept(byte) else { return .none }
        switch key {
        case .enter: return finish(&echo)
        case .tab where reader == .monitor && !isScripted: return .completion(String(line.characters[..<cursor]))
        case .control("c") where reader == .shell:
            showFinished(&echo, "^C")
            clear()
            return .interrupt
        case .control("d") where reader == .shell && line.characters.isEmpty: return .endOfFile
        case .control("l"): clearScreen(&echo)
        default: edit(key)
        }
        return .none
    }

    /// Puts text at the cursor, as if it were typed.
    public mutating func insert(_ text: String) { for character in text { insert(Array(character.utf8)) } }

    /// Drops the line and half a key: whoever typed them has gone. The history stays.
    public mutating func forget() {
        decoder = KeyDecoder()
        clear()
    }

    private mutating func edit(_ key: Key) {
        let end = line.characters.count
        switch key {
        case .character(let bytes): insert(bytes)
        case .tab: insert([0x20])
        case .backspace: erase(cursor - 1..<cursor)
        case .delete, .control("d"): erase(cursor..<cursor + 1)
        case .left, .control("b"): cursor = max(0, cursor - 1)
        case .right, .control("f"): cursor = min(end, cursor + 1)
        case .home, .control("a"): cursor = 0
        case .end, .control("e"): cursor = end
        case .control("u"): erase(0..<cursor)
        case .control("k"): erase(cursor..<end)
        case .control("w"): erase(startOfWord()..<cursor)
        case .up, .control("p"): recall(older: true)
        case .down, .control("n"): recall(older: false)
        default: break
        }
    }

    private mutating func finish(_ echo: inout String) -> Event {
        showFinished(&echo, "")
        let done = text
        if keepsHistory, line.characters.contains(where: { $0 != " " }) {
            lines.removeAll { $0 == line }
            lines.append(line)
            if lines.count > Self.historyLimit { lines.removeFirst() }
        }
        clear()
        return .line(done)
    }

    private mutating func clear() {
        line = Line()
        cursor = 0
        screen = Screen()
        isRinging = false
        recalled = nil
        typed = Line()
    }

    private mutating func insert(_ new: [UInt8]) {
        guard line.bytes + new.count <= Self.lineLimit else {
            isRinging = true
            return
        }
        if new.count > 1, cursor > 0, join(new) { return }
        line.characters.insert(Character(String(decoding: new, as: UTF8.self)), at: cursor)
        line.bytes += new.count
        changed(from: cursor)
        cursor += 1
    }

    /// A combining mark goes to the character before it.
    private mutating func join(_ new: [UInt8]) -> Bool {
        let joined = String(line.characters[cursor - 1]) + String(decoding: new, as: UTF8.self)
        guard joined.count == 1 else { return false }
        guard joined.utf8.count <= Self.characterLimit else {
            isRinging = true
            return true
        }
        line.characters[cursor - 1] = Character(joined)
        line.bytes += new.count
        changed(from: cursor - 1)
        return true
    }

    private mutating func erase(_ range: Range<Int>) {
        let range = range.clamped(to: 0..<line.characters.count)
        guard !range.isEmpty else { return }
        line.bytes -= line.characters[range].reduce(0) { $0 + $1.utf8.count }
        line.characters.removeSubrange(range)
        cursor = range.lowerBound
        changed(from: cursor)
    }

    /// Before the blanks before the cursor and the word before them.
    private func startOfWord() -> Int {
        var start = cursor
        while start > 0, line.characters[start - 1] == " " { start -= 1 }
        while start > 0, line.characters[start - 1] != " " { start -= 1 }
        return start
    }

    private mutating func recall(older: Bool) {
        guard keepsHistory, older || recalled != nil else { return }
        let position = (recalled ?? lines.count) + (older ? -1 : 1)
        guard position >= 0 else { return }
        if recalled == nil { typed = line }
        recalled = position < lines.count ? position : nil
        line = recalled.map { lines[$0] } ?? typed
        cursor = line.characters.count
        changed(from: 0)
    }
}
