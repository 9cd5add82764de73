// What a terminal is sent so that it shows the line: only what changed, and once for all the keys that came
// together. Control sequences are those of ECMA-48 (CUB, CUF, ED, EL, CUP) that every terminal knows.

extension LineEditor {
    /// Brings the screen up to date.
    public mutating func show(_ echo: inout String) {
        guard !isScripted else { return }
        showText(&echo)
        move(to: cursor, &echo)
        if isRinging { echo += "\u{07}" }
        isRinging = false
    }

    /// Shows the prompt, on the line where the cursor is, and behind it what was typed so far.
    public mutating func showPrompt(_ echo: inout String) {
        screen = Screen()
        echo += prompt
        show(&echo)
    }

    /// Shows prompt and line again, after somebody else wrote to the terminal.
    public mutating func redraw(_ echo: inout String) { if !isScripted { showPrompt(&echo) } }

    /// The line from `index` on is another one than the screen shows.
    mutating func changed(from index: Int) { screen.upToDate = min(screen.upToDate, index) }

    /// The line is finished: shows what of it is not shown yet, `mark` and the line's end.
    mutating func showFinished(_ echo: inout String, _ mark: String) {
        showText(&echo)
        if isRinging, !isScripted { echo += "\u{07}" }
        echo += mark + lineEnd
    }

    mutating func clearScreen(_ echo: inout String) {
        guard !isScripted else { return }
        echo += "\u{1b}[H\u{1b}[2J"
        showPrompt(&echo)
    }

    private mutating func showText(_ echo: inout String) {
        let (start, end) = (screen.upToDate, line.characters.count)
        guard start < max(end, screen.count) else { return }
        move(to: start, &echo)
        if start < screen.count { echo += "\u{1b}[K" }
        echo += String(line.characters[start...])
        screen = Screen(count: end, cursor: end, upToDate: end)
    }

    private mutating func move(to position: Int, _ echo: inout String) {
        let steps = position - screen.cursor
        if steps != 0 { echo += "\u{1b}[\(abs(steps))\(steps < 0 ? "D" : "C")" }
        screen.cursor = position
    }
}
