// stdin and stdout as a character device, and the terminal's settings while they are used.

import Glibc
import Linux

/// `stdio`.
final class StandardDevice: CharacterDevice {
    let filename = "stdio"
    weak var user: (any CharacterUser)?
    private let reactor: Reactor
    private let output: OutputPort
    private var input: InputPort?
    private let terminal: Terminal?
    private(set) var isOpen = false

    /// - Parameter takesSignals: Ctrl-C and Ctrl-Z are bytes like others, not signals.
    init(takesSignals: Bool, on reactor: Reactor) {
        self.reactor = reactor
        output = OutputPort(1, on: reactor)
        terminal = Terminal.isTerminal(0) ? Terminal(0, keepsSignals: !takesSignals) : nil
        input = InputPort(
            0, on: reactor, onBytes: { [weak self] in self?.user?.received($0) },
            onEnd: { [weak self] in self?.inputEnded($0) })
        output.onRoom = { [weak self] in self?.user?.roomCame() }
    }

    var isInteractive: Bool { terminal != nil }
    var isOnTerminal: Bool { Terminal.isTerminal(1) }
    var hasRoom: Bool { output.hasRoom }
    var isDrained: Bool { output.pending == 0 }
    var failure: CInt? { output.failure }
    /// There was more to read, and it could not be.
    private(set) var isInputBroken = false

    /// /dev/null has no end: it stands for nobody.
    private func inputEnded(_ error: SystemError?) {
        if let error {
            isInputBroken = true
            StandardStream.error.warn("standard input ends here: \(error)")
        }
        if StandardStream.input != .null { user?.inputEnded() }
    }

    func start() {
        try? terminal?.makeRaw()
        isOpen = true
        input?.start()
        user?.opened()
    }

    func write(_ bytes: some Collection<UInt8>) { output.write(bytes) }

    func pauseInput(_ isPaused: Bool) { input?.isPaused = isPaused }

    /// Gives the terminal back as it was.
    func stop() {
        input?.close()
        output.flush(milliseconds: 500)
        output.close()
        terminal?.restore()
        isOpen = false
    }

    func leave() -> Farewell? {
        guard output.pending > 0 else {
            stop()
            return nil
        }
        input?.close()
        terminal?.restore()
        isOpen = false
        return Farewell(output, on: reactor)
    }

    /// Stopped with Ctrl-Z: the shell gets the terminal, and we take it again when continued.
    func suspend() {
        terminal?.restore()
        SignalDescriptor.stopProcess()
        // Nobody may have stopped us (no shell with job control): then no SIGCONT comes, either.
        try? terminal?.makeRaw()
    }

    /// SIGCONT.
    func resume() {
        guard isOpen else { return }
        try? terminal?.makeRaw()
        user?.redraw()
    }
}
