// The guest's console behind a character device: keys in, bytes out.

/// The guest's console as a user of a device. Without one, what it says is dropped.
final class ConsoleUser: CharacterUser {
    private let device: any CharacterDevice
    private var terminal: (any GuestConsole)?
    private var isConnected = false
    private var isInputOver = false
    private var isLossTold = false
    private var status: Int32?
    /// Called once, when standard output takes nothing more, with the reason.
    var onLoss: ((String) -> Void)?
    /// Called once, when a shell that reads a pipe is over and all that it said was taken, with its status.
    var onEnd: ((Int32) -> Void)?

    init(_ device: any CharacterDevice) { self.device = device }

    func ended(status: Int32) {
        self.status = status
        pump()
    }

    /// Shows what this console has said; a guest that was reset has another one.
    func show(_ terminal: any GuestConsole) {
        if terminal !== self.terminal {
            terminal.isInteractive = device.isInteractive
            if isConnected { terminal.redraw() }
            if isInputOver { terminal.endInput() }
        }
        self.terminal = terminal
        pump()
        pauseInput()
    }

    func opened() {
        isConnected = true
        terminal?.redraw()
        pump()
    }

    func closed() { isConnected = false }

    func received(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { terminal?.input($0) }
        pauseInput()
    }

    func inputEnded() {
        isInputOver = true
        terminal?.endInput()
    }

    func roomCame() {
        pump()
        pauseInput()
    }

    func focusCame() {
        terminal?.redraw()
        pump()
    }

    func focusLeft() {
        if terminal?.isAtLineStart == false { device.write([13, 10]) }
    }

    func redraw() { focusCame() }

    private func pauseInput() { device.pauseInput(!device.hasRoom || terminal?.wantsInput == false) }

    /// Hands on what the guest has said; while nobody is there it is dropped.
    private func pump() {
        guard let terminal else { return }
        while terminal.hasOutput, !isConnected || device.hasRoom {
            terminal.drainOutput { bytes in
                if isConnected { device.write(bytes) }
                return bytes.count
            }
        }
        if let failure = device.failure, !isLossTold { tellLoss(failure, terminal) }
        guard let status, !terminal.hasOutput, device.isDrained, let onEnd else { return }
        self.onEnd = nil
        onEnd(status)
    }

    private func tellLoss(_ reason: String, _ terminal: any GuestConsole) {
        isLossTold = true
        onLoss?(reason)
        status = terminal.outputLost(reason) ?? status
    }
}
