// One user of the human monitor: the banner, a prompt, lines in, answers out. It knows QEMU's words for a
// line that cannot be read, and asks a `MonitorTarget` for everything else; pure beside that. A command that
// waits keeps this session waiting, and no other: what is typed meanwhile comes after it.

/// Who carries commands out. Implemented by the wiring; tests have one of their own.
public protocol MonitorTarget: AnyObject {
    /// Carries `call` out and gives the lines to be shown, without line ends, once: within the call, or later.
    func execute(_ call: MonitorCall, answer: @escaping ([String]) -> Void)
    /// What an argument of this kind can be.
    func candidates(for kind: MonitorParameter.Names) -> [String]
}

/// A monitor on one character stream.
public final class MonitorSession {
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
    public init(target: any MonitorTarget, prompt: String = "(netemu) ") {
        self.target = target
        editor = LineEditor(prompt: prompt)
    }

    /// Shows the prompt, the first time with the banner. For a stream that opens or gets the focus.
    public func open() {
        if !hasGreeted { print("netemu \(Version.text) monitor - type 'help' for more information") }
        hasGreeted = true
        if !isWaiting { editor.showPrompt() }
    }

    /// Another user is or will be there: nothing of the last one's line is left.
    public func forget() {
        hasGreeted = false
        isWaiting = false
        serial += 1
        typedAhead = []
        output = []
        editor.forget()
    }

    /// Shows the line typed so far again, after the screen was somebody else's.
    public func redraw() { if !isWaiting { editor.redrawAfterOutput() } }

    /// The focus goes elsewhere.
    public func leave() { output += [13, 10] }

    /// Takes what was typed.
    public func receive(_ bytes: some Sequence<UInt8>) {
        for byte in bytes where !isFinished {
            if isWaiting {
                if typedAhead.count < Self.typedAheadLimit { typedAhead.append(byte) }
            } else {
                take(byte)
            }
        }
    }

    /// Hands out what is to be shown since the last call.
    public func takeOutput() -> [UInt8] {
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
            guard let call = try CommandLineReader.read(line) else { return editor.showPrompt() }
            perform(call)
        } catch {
            finish(error.lines)
        }
    }

    private func perform(_ call: MonitorCall) {
        switch call.word {
        case .help: return finish(MonitorHelp.lines(for: call.arguments.first ?? ""))
        case .info: return finish(MonitorHelp.lines(for: "info"))
        case .quit: isFinished = true
        default: break
        }
        isWaiting = true
        serial += 1
        let mine = serial
        target.execute(call) { [weak self] in self?.answered(mine, $0) }
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
        let candidates = Completion.candidates(for: text) { target.candidates(for: $0) }
        guard let common = Completion.commonPrefix(candidates.matches) else { return }
        let addition = String(common.dropFirst(candidates.stem.count))
        if candidates.matches.count == 1 {
            editor.insert(addition + " ")
        } else if !addition.isEmpty {
            editor.insert(addition)
        } else {
            output += [13, 10]
            print(candidates.matches.joined(separator: " "))
            editor.redrawAfterOutput()
        }
    }
}
