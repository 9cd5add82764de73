// A device shared by several users: the machine is Multiplexer, this is its shell. To the device below it
// is the user; each of its own users finds a device of its own here.

/// Several users of one device.
final class MultiplexedDevice: CharacterUser {
    private let device: any CharacterDevice
    private var multiplexer = Multiplexer()
    private var seats: [Seat] = []
    /// Ctrl-A x.
    var onExit: (() -> Void)?

    init(_ device: any CharacterDevice) {
        self.device = device
        device.user = self
    }

    /// A place for one more user. The first one's has the focus.
    func addSeat() -> any CharacterDevice {
        let seat = Seat(device, owner: self, number: multiplexer.add())
        seats.append(seat)
        return seat
    }

    // MARK: the device's user

    func opened() {
        for seat in seats { seat.user?.opened() }
        seats.first { $0.number == multiplexer.focus }?.user?.focusCame()
    }

    func closed() {
        multiplexer.forget()
        for seat in seats { seat.user?.closed() }
    }

    func received(_ bytes: [UInt8]) {
        for action in multiplexer.receive(bytes) { perform(action) }
    }

    var isAtRest: Bool { seats.allSatisfy { $0.user?.isAtRest ?? true } }

    func inputEnded() { for seat in seats { seat.user?.inputEnded() } }

    func roomCame() { for seat in seats { seat.user?.roomCame() } }

    func redraw() { focused?.redraw() }

    private var focused: (any CharacterUser)? { user(multiplexer.focus) }

    private func user(_ number: Int) -> (any CharacterUser)? {
        seats.indices.contains(number) ? seats[number].user : nil
    }

    private func perform(_ action: MultiplexerAction) {
        switch action {
        case .type(let bytes, let number): user(number)?.received(bytes)
        case .switched(let former, let next):
            user(former)?.focusLeft()
            user(next)?.focusCame()
        case .show(let text): device.write(text.utf8)
        case .redraw: redraw()
        case .exit: onExit?()
        }
    }

    /// One user's view of the shared device.
    private final class Seat: CharacterDevice {
        private let device: any CharacterDevice
        private unowned let owner: MultiplexedDevice
        let number: Int
        weak var user: (any CharacterUser)?

        init(_ device: any CharacterDevice, owner: MultiplexedDevice, number: Int) {
            self.device = device
            self.owner = owner
            self.number = number
        }

        var filename: String { device.filename }
        var isOpen: Bool { device.isOpen }
        var isInteractive: Bool { device.isInteractive }
        var isOnTerminal: Bool { device.isOnTerminal }
        var hasRoom: Bool { device.hasRoom }
        var isDrained: Bool { device.isDrained }
        var failure: Int32? { device.failure }
        func start() {}
        func write(_ bytes: some Collection<UInt8>) { device.write(bytes) }
        func pauseInput(_ isPaused: Bool) { if owner.multiplexer.focus == number { device.pauseInput(isPaused) } }
        func stop() {}
        func userCameToRest() { device.userCameToRest() }
    }
}
