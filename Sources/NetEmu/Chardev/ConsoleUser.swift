// The guest's console behind a character device: keys in, bytes out.

/// The guest's console as a user of a device. Without one, what it says is dropped.
final class ConsoleUser: CharacterUser {
    private let device: any CharacterDevice
    private var terminal: (any GuestConsole)?
    private var isConnected = false

    init(_ device: any CharacterDevice) { self.device = device }

    /// Shows what this console has said; a guest that was reset has another one.
    func show(_ terminal: any GuestConsole) {
        if terminal !== self.terminal, isConnected { terminal.redraw() }
        self.terminal = terminal
        pump()
    }

    func opened() {
        isConnected = true
        terminal?.redraw()
        pump()
    }

    func closed() { isConnected = false }

    func received(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { terminal?.input($0) }
        device.pauseInput(!device.hasRoom)
    }

    func roomCame() {
        device.pauseInput(false)
        pump()
    }

    func focusCame() {
        terminal?.redraw()
        pump()
    }

    func focusLeft() {
        if terminal?.isAtLineStart == false { device.write([13, 10]) }
    }

    func redraw() { focusCame() }

    /// Hands on what the guest has said; while nobody is there it is dropped.
    private func pump() {
        guard let terminal else { return }
        while terminal.hasOutput, !isConnected || device.hasRoom {
            terminal.drainOutput { bytes in
                if isConnected { device.write(bytes) }
                return bytes.count
            }
        }
    }
}
