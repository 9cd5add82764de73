// One line of input, edited as it is typed: the keys and the redrawing of QEMU's monitor, on
// terminals and pipes alike. Pure: bytes in; bytes to show, and finished lines, out.

/// Edits lines that arrive byte by byte.
public struct LineEditor {
    /// What came of a byte.
    public enum Outcome: Equatable, Sendable {
        case editing
        /// Enter was pressed.
        case line(String)
        /// Tab: the text before the cursor is to be completed.
        case completion(String)
    }

    private enum Escape {
        case none, escape
        case bracket(parameter: Int)
        case single
    }

    public static let lineLimit = 4095
    public static let historyLimit = 64

    public var prompt: String
    private var text: [UInt8] = []
    private var cursor = 0
    private var shownText: [UInt8] = []
    private var shownCursor = 0
    private var escape = Escape.none
    private var history: [[UInt8]] = []
    private var historyIndex: Int?
    /// What is to be shown; the owner takes it after every call.
    public private(set) var output: [UInt8] = []

    public init(prompt: String) { self.prompt = prompt }

    /// Hands out what is to be shown since the last call.
    public mutating func takeOutput() -> [UInt8] {
        defer { output = [] }
        return output
    }

    /// Drops the line and what is not shown yet: whoever typed it has gone. The history stays.
    public mutating func forget() {
        text = []
        cursor = 0
        shownText = []
        shownCursor = 0
        escape = .none
        historyIndex = nil
        output = []
    }

    /// A new empty line.
    public mutating func showPrompt() {
        text = []
        cursor = 0
        historyIndex = nil
        output += Array(prompt.utf8)
        shownText = []
        shownCursor = 0
    }

    public mutating func handle(_ byte: UInt8) -> Outcome {
        switch escape {
        case .none: return handlePlain(byte)
        case .escape:
            escape = byte == UInt8(ascii: "[") ? .bracket(parameter: 0) : byte == UInt8(ascii: "O") ? .single : .none
        case .single:
            escape = .none
            handleSequence(byte, parameter: 0)
        case .bracket(let parameter):
            if (0x30...0x39).contains(byte) {
                escape = .bracket(parameter: min(99, parameter * 10 + Int(byte - 0x30)))
                return .editing
            }
            escape = .none
            handleSequence(byte, parameter: parameter)
        }
        redraw()
        return .editing
    }

    private mutating func handlePlain(_ byte: UInt8) -> Outcome {
        var outcome = Outcome.editing
        switch byte {
        case 1: cursor = 0
        case 2: cursor = max(0, cursor - 1)
        case 4: deleteForward()
        case 5: cursor = text.count
        case 6: cursor = min(text.count, cursor + 1)
        case 9: outcome = .completion(String(decoding: text[..<cursor], as: UTF8.self))
        case 10, 13: return finishLine()
        case 11: text.removeSubrange(cursor...)
        case 14: recall(by: 1)
        case 16: recall(by: -1)
        case 21: killBack(to: 0)
        case 23: killBack(to: startOfWord())
        case 27: escape = .escape
        case 8, 127: killBack(to: max(0, cursor - 1))
        case 32...255: insert(byte)
        default: break
        }
        redraw()
        return outcome
    }

    private mutating func handleSequence(_ byte: UInt8, parameter: Int) {
        switch byte {
        case UInt8(ascii: "A"): recall(by: -1)
        case UInt8(ascii: "B"): recall(by: 1)
        case UInt8(ascii: "C"): cursor = min(text.count, cursor + 1)
        case UInt8(ascii: "D"): cursor = max(0, cursor - 1)
        case UInt8(ascii: "H"): cursor = 0
        case UInt8(ascii: "F"): cursor = text.count
        case UInt8(ascii: "~") where parameter == 1: cursor = 0
        case UInt8(ascii: "~") where parameter == 3: deleteForward()
        case UInt8(ascii: "~") where parameter == 4: cursor = text.count
        default: break
        }
    }

    /// Puts text at the cursor, as completion does.
    public mutating func insert(_ more: String) {
        for byte in more.utf8 { insert(byte) }
        redraw()
    }

    private mutating func insert(_ byte: UInt8) {
        guard text.count < Self.lineLimit else { return }
        text.insert(byte, at: cursor)
        cursor += 1
    }

    private mutating func deleteForward() {
        if cursor < text.count { text.remove(at: cursor) }
    }

    private mutating func killBack(to start: Int) {
        text.removeSubrange(start..<cursor)
        cursor = start
    }

    private func startOfWord() -> Int {
        var start = cursor
        while start > 0, text[start - 1] == 0x20 { start -= 1 }
        while start > 0, text[start - 1] != 0x20 { start -= 1 }
        return start
    }

    private mutating func recall(by step: Int) {
        let next = (historyIndex ?? history.count) + step
        guard next >= 0, next <= history.count else { return }
        historyIndex = next
        text = next < history.count ? history[next] : []
        cursor = text.count
    }

    private mutating func finishLine() -> Outcome {
        output += [13, 10]
        let line = text
        if !line.isEmpty {
            history.removeAll { $0 == line }
            history.append(line)
            if history.count > Self.historyLimit { history.removeFirst() }
        }
        text = []
        cursor = 0
        shownText = []
        shownCursor = 0
        historyIndex = nil
        return .line(String(decoding: line, as: UTF8.self))
    }

    /// Shows the line after something else was printed below it.
    public mutating func redrawAfterOutput() {
        output += Array(prompt.utf8)
        shownText = []
        shownCursor = 0
        redraw()
    }

    /// Brings the shown line up to date: back to its start, the whole text, clear to the end.
    private mutating func redraw() {
        if text != shownText {
            for _ in 0..<shownCursor { output += [27, UInt8(ascii: "["), UInt8(ascii: "D")] }
            output += text
            output += [27, UInt8(ascii: "["), UInt8(ascii: "K")]
            shownText = text
            shownCursor = text.count
        }
        let step: UInt8 = cursor > shownCursor ? UInt8(ascii: "C") : UInt8(ascii: "D")
        for _ in 0..<abs(cursor - shownCursor) { output += [27, UInt8(ascii: "["), step] }
        shownCursor = cursor
    }
}
