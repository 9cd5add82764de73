// The guest's console behind a character device: keys in, bytes out. Where no terminal reads them, complaints go to
// standard error, as a shell's do.

import GuestNode
import Linux

/// The guest's console as a user of a device. Without one, what it says is dropped.
final class ConsoleUser: CharacterUser {
    private let device: any CharacterDevice
    private var terminal: (any GuestConsole)?
    private var isConnected = false
    private var isInputOver = false
    private var isLossTold = false
    private let voice: Voice
    /// Told to whoever says `exit` at it.
    private let wayOut: String
    private var status: Int32?
    /// Called once, when standard output takes nothing more, with the reason (errno).
    var onLoss: ((Int32) -> Void)?
    /// Called once, when a shell that reads a pipe is over and all that it said was taken, with its status.
    var onEnd: ((Int32) -> Void)?

    init(_ device: any CharacterDevice, wayOut: String, _ voice: Voice) {
        self.device = device
        self.wayOut = wayOut
        self.voice = voice
    }

    func ended(status: Int32) {
        self.status = status
        pump()
    }

    /// Shows what this console has said; a guest that was reset has another one.
    func show(_ terminal: any GuestConsole) {
        if terminal !== self.terminal {
            terminal.isInteractive = device.isInteractive
            terminal.isOnTerminal = device.isOnTerminal
            terminal.wayOut = wayOut
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

    /// A line that somebody began who has gone is not the next one's.
    func closed() {
        isConnected = false
        terminal?.forgetLine()
    }

    var isAtRest: Bool { terminal.map { !$0.isBusy && !$0.hasOutput } ?? true }

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
        var isStuck = false
        while terminal.hasOutput, !isConnected || device.hasRoom, !isStuck {
            terminal.drainStreams({ bytes, kind in
                let taken = take(bytes, kind)
                isStuck = taken == 0
                return taken
            })
        }
        if let failure = device.failure, !isLossTold { tellLoss(failure, terminal) }
        if isAtRest { device.userCameToRest() }
        guard let status, !terminal.hasOutput, device.isDrained, let onEnd else { return }
        self.onEnd = nil
        onEnd(status)
    }

    /// A complaint is said when what came before it has been taken: whoever reads both sees their order.
    private func take(_ bytes: UnsafeRawBufferPointer, _ kind: OutputKind) -> Int {
        guard isConnected else { return bytes.count }
        switch kind {
        case .data: device.write(bytes)
        case .complaint:
            guard device.isDrained else { return 0 }
            voice.write(String(systemBytes: Array(bytes)))
        }
        return bytes.count
    }

    private func tellLoss(_ reason: Int32, _ terminal: any GuestConsole) {
        isLossTold = true
        onLoss?(reason)
        status = terminal.outputLost(SystemError.reason(reason)) ?? status
    }
}
