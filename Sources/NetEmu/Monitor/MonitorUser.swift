// A monitor behind a character device.

/// A monitor session as a user of a device.
final class MonitorUser: CharacterUser {
    private let device: any CharacterDevice
    private let session: MonitorSession
    /// What is typed comes here; on a device that nobody shares, always.
    private var hasFocus: Bool

    init(_ session: MonitorSession, _ device: any CharacterDevice, isShared: Bool) {
        self.session = session
        self.device = device
        hasFocus = !isShared
        session.onOutput = { [weak self] in self?.show() }
    }

    func opened() {
        session.forget()
        session.isScripted = !device.isInteractive
        if hasFocus { focusCame() }
    }

    func closed() { session.forget() }

    func received(_ bytes: [UInt8]) {
        session.receive(bytes)
        show()
    }

    func roomCame() { show() }

    func focusCame() {
        hasFocus = true
        session.open()
        show()
    }

    func focusLeft() {
        hasFocus = false
        session.leave()
        show()
    }

    func redraw() {
        session.redraw()
        show()
    }

    /// As much as the far end takes; a user who types faster than he reads is read no further.
    private func show() {
        device.write(session.takeOutput())
        while session.isHeldUp, device.hasRoom {
            session.goOn()
            device.write(session.takeOutput())
        }
        device.pauseInput(!device.hasRoom || session.isHeldUp)
    }
}
