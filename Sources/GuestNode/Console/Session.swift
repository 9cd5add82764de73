// A shell with somebody at the other end: a terminal that types (echo, prompt, line editing), a pipe that
// is read as a script is, or a script that only listens. Bytes in, bytes out; what carries them is not known here.

import Bytes
import NetStack

/// A terminal or a script of a node.
public final class Session {
    enum Kind { case terminal, script }

    private let kind: Kind
    private let host: Host
    private let world: ShellWorld
    let streams: Streams
    var shell = Shell()
    var editor = LineEditor(for: .shell)
    var isPromptShown = false
    var interrupted = false
    /// Input beyond this many unread bytes is refused, as a terminal's queue does.
    private static let typedLimit = 4096
    /// A pipe is not read further above this many bytes; a longer line is none.
    private static let pipeLimit = 65536
    /// The status that the output's loss demands.
    var lostWrite: Int32?
    var isInputOver = false
    /// Of the first command in what was typed; of an idle shell.
    private var commandEnd = CommandEnd()

    /// Somebody types and looks. Otherwise nothing is echoed or prompted for, bytes are taken as they come, and the
    /// end of input, or `exit`, ends the shell.
    public var isInteractive = true {
        didSet { streams.output.isTerminal = kind == .terminal && isInteractive }
    }

    /// The output is read at a terminal: what of a peer's bytes could steer that is escaped. Otherwise they are as they
    /// came.
    public var isOnTerminal: Bool {
        get { streams.isOnTerminal }
        set { streams.isOnTerminal = newValue }
    }

    /// How a user gets away who says `exit` at a terminal, which ends nothing.
    public var wayOut: String?

    /// Called when bytes came in, so that whoever turns the node does it.
    var onWork: (() -> Void)?
    /// When the tool in the foreground wants the next step; nil while it waits for something else.
    var nextDeadline: Instant?
    /// The exit status of a script, or of a shell that reads a pipe, once it is over; `exit` on a terminal leaves it nil
    /// and starts anew.
    public internal(set) var exitStatus: Int32?

    init(_ kind: Kind, host: Host, files: any FileDoor) {
        self.kind = kind
        self.host = host
        streams = Streams(isTerminal: kind == .terminal)
        let input: StandardInput = kind == .terminal ? .console : .none
        world = ShellWorld(host: host, files: files, streams: streams, input: input)
    }

    // MARK: the user's side

    /// Bytes typed at the terminal. A script has no keyboard: only Ctrl-C (3) is seen.
    public func input(_ bytes: UnsafeRawBufferPointer) {
        guard kind == .script || isInteractive else {
            streams.typed += bytes
            onWork?()
            return
        }
        for byte in bytes {
            if kind == .terminal { type(byte) } else if byte == 3 { interrupted = true }
        }
        if kind == .terminal { show { editor.show(&$0) } }
        onWork?()
    }

    /// The UTF-8 bytes of `text`, as if they were typed.
    public func input(_ text: String) {
        var text = text
        text.withUTF8 { input(UnsafeRawBufferPointer($0)) }
    }

    /// Whoever carries the input of a pipe should read on.
    public var wantsInput: Bool { isInteractive || streams.typed.count < Self.pipeLimit }

    /// Drops a line, or a command of several, that was begun at the terminal.
    public func forgetLine() {
        editor.forget()
        guard shell.isIdle, commandEnd.isUnfinished else { return }
        (streams.typed, commandEnd, isPromptShown) = ([], CommandEnd(), false)
        onWork?()
    }

    /// Nothing more comes through the pipe.
    public func endInput() {
        guard !isInteractive else { return }
        isInputOver = true
        streams.isTypedAtEnd = true
        onWork?()
    }

    /// Nobody takes the output any more, such as for "No space left on device": whatever writes fails from now on, and
    /// the status is none of success. Returns that of a session that is over.
    @discardableResult
    public func outputLost(_ reason: String) -> Int32? {
        guard lostWrite == nil else { return exitStatus }
        lostWrite = shell.lostWrite
        streams.outputLost(reason)
        if exitStatus == ExitStatus.success { exitStatus = lostWrite }
        onWork?()
        return exitStatus
    }

    /// There is output to be taken.
    public var hasOutput: Bool { !streams.output.isEmpty }

    /// Lends the bytes to be shown, complaints among them; `body` returns how many it took.
    public func drainOutput(_ body: (UnsafeRawBufferPointer) -> Int) { draining { $0.drain(body) } }

    /// Lends bytes of one kind, in the order in which they were written; `body` returns how many it took. A terminal's
    /// are all data.
    public func drainStreams(_ body: (UnsafeRawBufferPointer, OutputKind) -> Int) {
        draining { $0.drainRun(body) }
    }

    private func draining(_ drain: (inout OutputBuffer) -> Void) {
        let wasFull = streams.output.room == 0
        drain(&streams.output)
        if wasFull, streams.output.room > 0 { onWork?() }
    }

    /// All output so far as text, taken.
    public func takeOutput() -> String {
        var text = ""
        drainOutput {
            text = String(decoding: $0, as: UTF8.self)
            return $0.count
        }
        return text
    }

    /// The last line of output is complete, so that somebody else may write on a line of its own.
    public var isAtLineStart: Bool { streams.output.isAtLineStart && !isPromptShown }

    /// Shows the prompt and the line typed so far again, after somebody else wrote to the terminal.
    public func redraw() {
        guard kind == .terminal, isInteractive, isPromptShown else { return }
        show { editor.redraw(&$0) }
    }

    private func show(_ draw: (inout String) -> Void) {
        var echo = ""
        draw(&echo)
        streams.output.write(echo)
    }

    // MARK: the node's side

    /// Starts `script`; its status comes when it is over.
    func run(_ script: String) { shell.start(script, world) }

    /// Ends what runs, as Ctrl-C does; the status is `status`.
    func end(status: Int32, now: Instant) {
        guard exitStatus == nil else { return }
        shell.interrupt(world, now: now)
        finish(status)
    }

    /// A command runs, or waits to be read.
    public var isBusy: Bool { !shell.isIdle || hasCommand }

    /// A command waits to be read.
    var hasCommand: Bool { lineEnd != nil }

    /// Does what can be done now; true when bulk data moved and more could.
    func step(now: Instant) -> Bool {
        guard exitStatus == nil else { return false }
        if interrupted {
            interrupted = false
            shell.interrupt(world, now: now)
        }
        takeTypedLine()
        guard exitStatus == nil else { return false }
        let result = shell.step(world, now: now)
        switch result {
        case .running(let until): nextDeadline = until
        case .again: nextDeadline = now
        case .idle:
            nextDeadline = nil
            if kind == .script || isInputOver && lineEnd == nil { finish(shell.status) }
        case .exited(let status):
            nextDeadline = nil
            if kind == .script || !isInteractive { finish(status) } else { sayLogout() }
        }
        showPrompt()
        return result == .again || kind == .terminal && shell.isIdle && lineEnd != nil
    }

    private func sayLogout() { streams.output.write("logout\(wayOut.map { "; \($0)" } ?? "")\n") }

    private func finish(_ status: Int32) {
        nextDeadline = nil
        exitStatus = status == ExitStatus.success ? lostWrite ?? status : status
    }

    private func type(_ byte: UInt8) {
        editor.keepsHistory = shell.isIdle
        var echo = ""
        let event = editor.accept(byte, echo: &echo)
        switch event {
        case .none, .completion: break
        case .line(let line):
            let isFull = streams.typed.count + line.utf8.count + 1 > Self.typedLimit && !streams.typed.isEmpty
            if !isFull { streams.typed += Array(line.utf8) + [0x0a] } else { echo += "\u{07}" }
            isPromptShown = false
        case .interrupt:
            streams.typed = []
            commandEnd = CommandEnd()
            streams.isTypedAtEnd = false
            interrupted = true
            isPromptShown = false
        case .endOfFile: if shell.isToolRunning { streams.isTypedAtEnd = true }
        }
        streams.output.write(echo)
    }

    /// Where the first command that waits ends, for an idle shell; the end of a pipe ends its last command.
    /// A tool that runs takes what it reads from the same bytes: until it has ended there is no command to look for.
    private var lineEnd: Int? {
        guard shell.isIdle else { return nil }
        commandEnd.look(at: streams.typed)
        if let end = commandEnd.index { return end }
        let isWhole = isInputOver || streams.typed.count >= Self.pipeLimit
        return isWhole && !isInteractive && !streams.typed.isEmpty ? streams.typed.count : nil
    }

    /// An idle shell reads what was typed, a command at a time: some go on over several lines. In a pipe, one that cannot
    /// be read is the last.
    private func takeTypedLine() {
        guard kind == .terminal, shell.isIdle, let end = lineEnd else { return }
        let line = String(decoding: streams.typed[..<end], as: UTF8.self)
        streams.typed.removeFirst(min(end + 1, streams.typed.count))
        commandEnd = CommandEnd()
        streams.isTypedAtEnd = isInputOver
        if !shell.start(line, world), !isInteractive { finish(shell.status) }
    }

    private func showPrompt() {
        guard kind == .terminal, isInteractive else { return }
        guard shell.isIdle, lineEnd == nil else {
            if !shell.isIdle { editor.prompt = "" }
            return
        }
        editor.prompt = commandEnd.isUnfinished ? "> " : "\(host.hostname):~# "
        guard !isPromptShown else { return }
        if !streams.output.isAtLineStart { streams.output.write("\n") }
        isPromptShown = true
        show { editor.showPrompt(&$0) }
    }
}
