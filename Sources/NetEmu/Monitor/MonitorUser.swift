// A monitor behind a character device.

/// A monitor session as a user of a device.
final class MonitorUser: CharacterUser {
    private let device: any CharacterDevice
    private let session: MonitorSession
    private let later: (@escaping () -> Void) -> Void
    private var isPlanned = false
    /// Called when the device takes nothing more, with the reason (errno).
    var onLoss: ((Int32) -> Void)?
    /// What is typed comes here; on a device that nobody shares, always.
    private var hasFocus: Bool

    /// - Parameter later: runs what it is given in the next turn of the loop.
    init(
        _ session: MonitorSession, _ device: any CharacterDevice, isShared: Bool,
        later: @escaping (@escaping () -> Void) -> Void
    ) {
        self.session = session
        self.device = device
        self.later = later
        hasFocus = !isShared
        session.onOutput = { [weak self] in self?.show() }
    }

    func opened() {
        session.forget()
        session.isScripted = !device.isInteractive
        if hasFocus { focusCame() }
    }

    func closed() { session.forget() }

    var isAtRest: Bool { session.isAtRest }

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

    /// A user who types faster than he reads, or more than a slice of commands at once, is read no further.
    private func show() {
        device.write(session.takeOutput())
        if let failure = device.failure { onLoss?(failure) }
        if session.isHeldUp, device.hasRoom { goOnLater() }
        device.pauseInput(!device.hasRoom || session.isHeldUp || session.isFull)
        if isAtRest { device.userCameToRest() }
    }

    private func goOnLater() {
        guard !isPlanned else { return }
        isPlanned = true
        later { [weak self] in self?.goOn() }
    }

    private func goOn() {
        isPlanned = false
        // He may have gone, or stopped reading.
        guard session.isHeldUp, device.hasRoom else { return }
        session.goOn()
        show()
    }
}
