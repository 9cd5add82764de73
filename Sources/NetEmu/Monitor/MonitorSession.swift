// One user of the human monitor: the banner, a prompt, lines in, answers out. It knows QEMU's words for a
// line that cannot be read, shows what a `MonitorTarget` answers as lines; pure beside that. A command that
// waits keeps this session waiting, and no other: what is typed meanwhile comes after it.

import GuestNode
import Linux

/// A monitor on one character stream.
package final class MonitorSession {
    private let target: any MonitorTarget
    private var editor = LineEditor(for: .monitor, lineEnd: "\r\n")
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
    /// What is typed behind so many commands waits until others had their turn.
    static let commandsPerCall = 16
    private var commandsLeft = 0
    /// Bytes are being looked at: an answer among them is not the last.
    private var isTaking = false
    /// With so much to be shown no more is typed in: a short word can have a long answer.
    static let outputLimit = 64 << 10

    /// - Parameter prompt: `(netemu) ` unless NETEMU_PROMPT says otherwise.
    package init(target: any MonitorTarget, prompt: String = "(netemu) ") {
        self.target = target
        editor.prompt = prompt
    }

    /// Nobody sees what is typed: each line is shown once, whole, when it ends.
    var isScripted: Bool {
        get { editor.isScripted }
        set { editor.isScripted = newValue }
    }

    /// Shows the prompt, the first time with the banner. For a stream that opens or gets the focus.
    package func open() {
        if !hasGreeted { print("netemu \(Version.text) monitor - type 'help' for more information") }
        hasGreeted = true
        if !isWaiting { showPrompt() }
    }

    private func showPrompt() { show { $0.showPrompt(&$1) } }

    private func show(_ draw: (inout LineEditor, inout String) -> Void) {
        var echo = ""
        draw(&editor, &echo)
        output += Array(echo.utf8)
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
    package func redraw() { if !isWaiting { show { $0.redraw(&$1) } } }

    /// The focus goes elsewhere.
    package func leave() { output += [13, 10] }

    /// Takes what was typed.
    package func receive(_ bytes: some Sequence<UInt8>) {
        commandsLeft = Self.commandsPerCall
        take(bytes)
    }

    private func take(_ bytes: some Sequence<UInt8>) {
        let wasTaking = isTaking
        isTaking = true
        defer { isTaking = wasTaking }
        for byte in bytes where !isFinished {
            if isWaiting || !typedAhead.isEmpty || output.count >= Self.outputLimit || commandsLeft == 0 {
                if typedAhead.count < Self.typedAheadLimit { typedAhead.append(byte) }
            } else {
                take(byte)
            }
        }
        if !isFinished { show { $0.show(&$1) } }
    }

    /// Something was typed that is not looked at before what is to be shown has been taken, and others had their turn.
    var isHeldUp: Bool { !typedAhead.isEmpty && !isWaiting && !isFinished }

    /// Every whole line that was typed has been answered.
    var isAtRest: Bool { isFinished || typedAhead.isEmpty && !isWaiting && !isTaking }

    /// So much was typed meanwhile that no more should be.
    var isFull: Bool { typedAhead.count >= Self.typedAheadLimit / 2 }

    /// Looks at what was typed meanwhile, a slice of it.
    func goOn() {
        commandsLeft = Self.commandsPerCall
        takeTypedAhead()
    }

    private func takeTypedAhead() {
        let rest = typedAhead
        typedAhead = []
        take(rest)
    }

    /// Hands out what is to be shown since the last call.
    package func takeOutput() -> [UInt8] {
        defer { output = [] }
        return output
    }

    private func take(_ byte: UInt8) {
        var event = LineEditor.Event.none
        show { event = $0.accept(byte, echo: &$1) }
        switch event {
        case .none, .interrupt, .endOfFile: break
        case .line(let line): execute(line)
        case .completion(let text): complete(text)
        }
    }

    private func print(_ line: String) { output += line.systemBytes + [13, 10] }

    private func execute(_ line: String) {
        commandsLeft -= 1
        do throws(MonitorComplaint) {
            let asked = try CommandLineReader.read(line) { [target] in target.names(of: $0) }
            switch asked {
            case nil: showPrompt()
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
        takeTypedAhead()
        onOutput?()
    }

    private func finish(_ lines: [String]) {
        for line in lines { print(line) }
        if !isFinished { showPrompt() }
    }

    private func complete(_ text: String) {
        let candidates = Completion.candidates(for: text) { target.names(of: $0) }
        guard let common = Completion.commonPrefix(candidates.matches) else { return }
        let addition = String(common.dropFirst(candidates.stem.count))
        guard candidates.matches.count > 1 else {
            // Behind `key=` comes its value.
            return editor.insert(common.hasSuffix("=") ? addition : addition + " ")
        }
        show { $0.show(&$1) }
        print("")
        for line in Completion.columns(candidates.matches) { print(line) }
        editor.insert(addition)
        showPrompt()
    }
}
