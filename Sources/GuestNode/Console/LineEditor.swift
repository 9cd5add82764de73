// The console's line discipline: keys change a line, the terminal is told what to draw, finished
// lines come out. Keys are those of every Unix terminal: Ctrl-A E B F K U W D C L P N, arrows.
// It must not know the shell; a prompt is only text to redraw.

/// A line being typed and the lines typed before.
struct LineEditor: Equatable, Sendable {
    enum Event: Equatable, Sendable {
        case none
        case line(String)
        /// Ctrl-C
        case interrupt
        /// Ctrl-D on an empty line
        case endOfFile
    }

    static let lineLimit = 4096
    static let historyLimit = 100

    /// Shown before the line; redrawn by Ctrl-L and after an erased line.
    var prompt = ""
    /// Lines go into the history while a shell reads them, not while a tool does.
    var keepsHistory = true

    private(set) var history: [String] = []
    private var decoder = KeyDecoder()
    /// The line as characters, so that one step of the cursor is one character on the screen.
    private var line: [Character] = []
    private var cursor = 0
    private var bytes = 0
    /// Where in the history the line shown comes from; nil is the line being typed.
    private var recalled: Int?
    private var typed: [Character] = []

    /// The line so far.
    var text: String { String(line) }

    /// Takes one byte of input; what the terminal must be sent is appended to `echo`.
    mutating func accept(_ byte: UInt8, echo: inout String) -> Event {
        guard let key = decoder.accept(byte) else { return .none }
        switch key {
        case .enter: return finish(&echo)
        case .control("c"):
            echo += "^C\n"
            clear()
            return .interrupt
        case .control("d"):
            if line.isEmpty { return .endOfFile }
            erase(forward: 1, &echo)
        default: edit(key, &echo)
        }
        return .none
    }

    /// Shows the prompt and what was typed so far again, on the line where the cursor is.
    func redraw(_ echo: inout String) {
        echo += prompt + text
        echo += back(line.count - cursor)
    }

    private mutating func edit(_ key: Key, _ echo: inout String) {
        switch key {
        case .character(let bytes): insert(bytes, &echo)
        case .tab: insert([0x20], &echo)
        case .backspace: erase(backward: 1, &echo)
        case .delete: erase(forward: 1, &echo)
        case .left, .control("b"): move(to: cursor - 1, &echo)
        case .right, .control("f"): move(to: cursor + 1, &echo)
        case .home, .control("a"): move(to: 0, &echo)
        case .end, .control("e"): move(to: line.count, &echo)
        case .control("u"): erase(backward: cursor, &echo)
        case .control("k"): erase(forward: line.count - cursor, &echo)
        case .control("w"): erase(backward: wordLength(), &echo)
        case .up, .control("p"): recall(older: true, &echo)
        case .down, .control("n"): recall(older: false, &echo)
        case .control("l"):
            echo += "\u{1b}[H\u{1b}[2J"
            redraw(&echo)
        default: break
        }
    }

    private mutating func finish(_ echo: inout String) -> Event {
        echo += "\n"
        let done = text
        if keepsHistory, done.contains(where: { $0 != " " }), history.last != done {
            history.append(done)
            if history.count > Self.historyLimit { history.removeFirst() }
        }
        clear()
        return .line(done)
    }

    private mutating func clear() {
        line = []
        cursor = 0
        bytes = 0
        recalled = nil
        typed = []
    }

    private mutating func insert(_ new: [UInt8], _ echo: inout String) {
        guard bytes + new.count <= Self.lineLimit else {
            echo += "\u{07}"
            return
        }
        bytes += new.count
        if cursor == line.count, new.count == 1, let byte = new.first {
            // Plain typing.
            line.append(Character(UnicodeScalar(byte)))
            cursor += 1
            echo.unicodeScalars.append(UnicodeScalar(byte))
            return
        }
        let tail = String(line[cursor...])
        // A combining mark joins the character before it, so the line is cut into characters anew.
        let head = String(line[..<cursor]) + String(decoding: new, as: UTF8.self)
        line = Array(head + tail)
        cursor = min(Array(head).count, line.count)
        echo += String(decoding: new, as: UTF8.self) + tail + back(line.count - cursor)
    }

    private mutating func erase(backward count: Int, _ echo: inout String) {
        let count = min(count, cursor)
        guard count > 0 else { return }
        echo += back(count)
        cursor -= count
        erase(forward: count, &echo)
    }

    private mutating func erase(forward count: Int, _ echo: inout String) {
        let count = min(count, line.count - cursor)
        guard count > 0 else { return }
        line.removeSubrange(cursor..<cursor + count)
        bytes = text.utf8.count
        echo += "\u{1b}[K" + String(line[cursor...]) + back(line.count - cursor)
    }

    private mutating func move(to position: Int, _ echo: inout String) {
        let position = max(0, min(position, line.count))
        echo += position < cursor ? back(cursor - position) : String(line[cursor..<position])
        cursor = position
    }

    /// The blanks before the cursor and the word before them.
    private func wordLength() -> Int {
        var start = cursor
        while start > 0, line[start - 1] == " " { start -= 1 }
        while start > 0, line[start - 1] != " " { start -= 1 }
        return cursor - start
    }

    private mutating func recall(older: Bool, _ echo: inout String) {
        guard keepsHistory, !history.isEmpty else { return }
        if recalled == nil { typed = line }
        let position = (recalled ?? history.count) + (older ? -1 : 1)
        guard position >= 0, recalled != nil || older else { return }
        move(to: 0, &echo)
        recalled = position < history.count ? position : nil
        line = recalled.map { Array(history[$0]) } ?? typed
        cursor = line.count
        bytes = text.utf8.count
        echo += "\u{1b}[K" + text
    }

    private func back(_ count: Int) -> String { count > 0 ? "\u{1b}[\(count)D" : "" }
}
