// A console or a script on its way to another process. What belongs to the terminal stays behind: half a key, what its
// screen shows, whether somebody takes the output. On the other side the prompt is shown anew, with what was typed.

import Bytes

extension Session {
    /// What was typed and written, the line under way with the lines before it, the shell.
    func code(_ coder: inout StateCoder, _ files: FileMover) throws(StateError) {
        try coder.data(&streams.typed, limit: 4 << 20)
        try coder.flag(&streams.isTypedAtEnd)
        try streams.output.code(&coder)
        try coder.flag(&interrupted)
        try coder.flag(&isInputOver)
        try coder.optional(&lostWrite)
        try coder.optional(&exitStatus)
        try coder.instant(&nextDeadline)
        try editor.code(&coder)
        try shell.code(&coder, files)
        guard coder.isReading else { return }
        isPromptShown = false
    }
}

extension OutputBuffer {
    fileprivate mutating func code(_ coder: inout StateCoder) throws(StateError) {
        // Each line feed may have become two bytes.
        try coder.data(&bytes, limit: 2 * Self.textLimit + 64)
        try coder.count(&lost, in: 0...Int(Int32.max), "lost output")
        try coder.flag(&isAtLineStart)
        try coder.flag(&isComplaintAtLineStart)
        try coder.list(&runs, limit: 2 * Self.textLimit + 64, "kinds of output")
        try coder.require(runs.reduce(0) { $0 &+ $1.count } == bytes.count, "kinds of output")
    }
}

extension OutputBuffer.Run: StateCoded {
    static var blank: OutputBuffer.Run { OutputBuffer.Run(kind: .data, count: 0) }

    mutating func code(_ coder: inout StateCoder) throws(StateError) {
        var isComplaint = kind == .complaint
        try coder.flag(&isComplaint)
        kind = isComplaint ? .complaint : .data
        try coder.count(&count, in: 1...2 * OutputBuffer.textLimit + 64, "bytes of output")
    }
}

extension LineEditor {
    /// The line, the lines typed before, and which of them is shown.
    mutating func code(_ coder: inout StateCoder) throws(StateError) {
        try line.code(&coder)
        try coder.count(&cursor, in: 0...line.characters.count, "place of a cursor")
        try coder.flag(&keepsHistory)
        try coder.list(&lines, limit: Self.historyLimit, "lines of a history")
        var place = recalled.map { $0 + 1 } ?? 0
        try coder.count(&place, in: 0...lines.count, "place in a history")
        recalled = place == 0 ? nil : place - 1
        try typed.code(&coder)
        if coder.isReading { screen = Screen() }
    }
}

extension LineEditor.Line: StateCoded {
    static var blank: LineEditor.Line { LineEditor.Line() }

    /// Its characters one by one: joined they might become others.
    mutating func code(_ coder: inout StateCoder) throws(StateError) {
        var count = characters.count
        try coder.count(&count, atMost: LineEditor.lineLimit, "length of a line")
        guard coder.isReading else {
            for character in characters {
                var text = String(character)
                try coder.text(&text, limit: LineEditor.characterLimit, "a character")
            }
            return
        }
        self = LineEditor.Line()
        for _ in 0..<count {
            var text = ""
            try coder.text(&text, limit: LineEditor.characterLimit, "a character")
            guard text.count == 1, let character = text.first else { throw .impossible("a character") }
            characters.append(character)
            bytes += text.utf8.count
        }
        try coder.require(bytes <= LineEditor.lineLimit, "length of a line")
    }
}
