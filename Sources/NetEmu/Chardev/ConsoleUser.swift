// The node's console behind a character device: keys in, bytes out.

import GuestNode

/// The node's console as a user of a device. Without one, what it says is dropped.
final class ConsoleUser: CharacterUser {
    private let device: any CharacterDevice
    private var session: Session?
    private var isConnected = false

    init(_ device: any CharacterDevice) { self.device = device }

    /// Shows what this console has said; a node that was reset has another one.
    func show(_ session: Session) {
        if session !== self.session, isConnected { session.redraw() }
        self.session = session
        pump()
    }

    func opened() {
        isConnected = true
        session?.redraw()
        pump()
    }

    func closed() { isConnected = false }

    func received(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { session?.input($0) }
        device.pauseInput(!device.hasRoom)
    }

    func roomCame() {
        device.pauseInput(false)
        pump()
    }

    func focusCame() {
        session?.redraw()
        pump()
    }

    func focusLeft() {
        if session?.isAtLineStart == false { device.write([13, 10]) }
    }

    func redraw() { focusCame() }

    /// Hands on what the node has said; while nobody is there it is dropped.
    private func pump() {
        guard let session else { return }
        while session.hasOutput, !isConnected || device.hasRoom {
            session.drainOutput { bytes in
                if isConnected { device.write(bytes) }
                return bytes.count
            }
        }
    }
}
