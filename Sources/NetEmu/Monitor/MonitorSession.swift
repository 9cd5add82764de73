// One user of the human monitor: the banner, a prompt, lines in, answers out. It knows QEMU's words for a
// line that cannot be read, shows what a `MonitorTarget` answers as lines; pure beside that. A command that
// waits keeps this session waiting, and no other: what is typed meanwhile comes after it.

/// A monitor on one character stream.
package final class MonitorSession {
    private let target: any MonitorTarget
    private var editor: LineEditor
    private var hasGreeted = false
    private var output: [UInt8] = []
    private var typedAhead: [UInt8] = []
    private(set) var isFinished = false
    /// A command is under way.
    private(set) var isWaiting = false
    /// Counts commands, so that the answer to one whose user has gone is recognised.
    private var serial = 0
    /// There is output that no call brought about.
    var onOutput: (() -> Void)?

    static let typedAheadLimit = 64 << 10

    /// - Parameter prompt: `(netemu) ` unless NETEMU_PROMPT says otherwise.
    package init(target: any MonitorTarget, prompt: String = "(netemu) ") {
        self.target = target
        editor = LineEditor(prompt: prompt)
    }

    /// Shows the prompt, the first time with the banner. For a stream that opens or gets the focus.
    package func open() {
        if !hasGreeted { print("netemu \(Version.text) monitor - type 'help' for more information") }
        hasGreeted = true
        if !isWaiting { editor.showPrompt() }
    }

    /// Forgets everything of the user who has gone: the next one gets the banner, sees nothing of a line that was begun, and
    /// no answer to a command that is still under way.
    package func forget() {
        hasGreeted = false
        isWaiting = false
        serial += 1
        typedAhead = []
        output = []
        editor.forget()
    }

    /// Shows the line typed so far again, after the screen was somebody else's.
    package func redraw() { if !isWaiting { editor.redrawAfterOutput() } }

    /// The focus goes elsewhere.
    package func leave() { output += [13, 10] }

    /// Takes what was typed.
    package func receive(_ bytes: some Sequence<UInt8>) {
        for byte in bytes where !isFinished {
            if isWaiting {
                if typedAhead.count < Self.typedAheadLimit { typedAhead.append(byte) }
            } else {
                take(byte)
            }
        }
    }

    /// Hands out what is to be shown since the last call.
    package func takeOutput() -> [UInt8] {
        output += editor.takeOutput()
        defer { output = [] }
        return output
    }

    private func take(_ byte: UInt8) {
        let outcome = editor.handle(byte)
        output += editor.takeOutput()
        switch outcome {
        case .editing: break
        case .line(let line): execute(line)
        case .completion(let text): complete(text)
        }
        output += editor.takeOutput()
    }

    private func print(_ line: String) { output += Array(line.utf8) + [13, 10] }

    private func execute(_ line: String) {
        do throws(MonitorComplaint) {
            let asked = try CommandLineReader.read(line) { [target] in target.names(of: $0) }
            switch asked {
            case nil: editor.showPrompt()
            case .help(let lines): finish(lines)
            case .command(let command): perform(command)
            }
        } catch {
            finish(error.lines)
        }
    }

    private func perform<Command: MonitorCommand>(_ command: Command) {
        isFinished = Command.isLast
        isWaiting = true
        serial += 1
        let mine = serial
        target.execute(command) { [weak self] result in
            switch result {
            case .success(let answer): self?.answered(mine, Command.lines(of: answer))
            case .failure(let error): self?.answered(mine, error.monitorLines)
            }
        }
    }

    private func answered(_ number: Int, _ lines: [String]) {
        guard number == serial, isWaiting else { return }
        isWaiting = false
        finish(lines)
        let rest = typedAhead
        typedAhead = []
        receive(rest)
        onOutput?()
    }

    private func finish(_ lines: [String]) {
        for line in lines { print(line) }
        if !isFinished { editor.showPrompt() }
        output += editor.takeOutput()
    }

    private func complete(_ text: String) {
        let candidates = Completion.candidates(for: text) { target.names(of: $0) }
        guard let common = Completion.commonPrefix(candidates.matches) else { return }
        let addition = String(common.dropFirst(candidates.stem.count))
        if candidates.matches.count == 1 {
            // Behind `key=` comes its value.
            editor.insert(common.hasSuffix("=") ? addition : addition + " ")
        } else if !addition.isEmpty {
            editor.insert(addition)
        } else {
            output += [13, 10]
            print(candidates.matches.joined(separator: " "))
            editor.redrawAfterOutput()
        }
    }
}
