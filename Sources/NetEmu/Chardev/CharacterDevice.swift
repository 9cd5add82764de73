// The door between character devices and those who use them. A device is a stream of bytes with somebody
// at its far end: a terminal, a client of a socket, a file. A user is a monitor or the node's console. What
// the bytes mean, no device knows; what carries them, no user.

/// A stream of characters. It does not own its user; one user at a time.
protocol CharacterDevice: AnyObject {
    /// QEMU's `filename` of `info chardev`.
    var filename: String { get }
    /// Somebody is at the far end.
    var isOpen: Bool { get }
    /// Whoever is there types key by key and looks at what he types.
    var isInteractive: Bool { get }
    /// What is written is read at a terminal.
    var isOnTerminal: Bool { get }
    var user: (any CharacterUser)? { get set }
    /// False when the far end is slow: the user produces no more until `roomCame`.
    var hasRoom: Bool { get }
    /// Nothing that was written waits for the far end.
    var isDrained: Bool { get }
    /// errno of why nothing that is written will ever be taken.
    var failure: Int32? { get }

    /// Begins to read, listen or connect. The user may be called from here on, at first by `opened`.
    func start()
    /// Shows bytes at the far end; they are dropped while nobody is there.
    func write(_ bytes: some Collection<UInt8>)
    /// Reads nothing while paused: what is typed waits where it is.
    func pauseInput(_ isPaused: Bool)
    /// Writes what is left, waiting for the reader for a moment, then gives everything back. For the end of the program.
    func stop()
    /// Gives everything back at once; what a slow reader has not taken yet is the caller's to keep until it is over.
    func leave() -> Farewell?
    /// The user has carried out all that was typed: a client that types no more has what it came for.
    func userCameToRest()
}

extension CharacterDevice {
    var isDrained: Bool { true }
    var isInteractive: Bool { true }
    var isOnTerminal: Bool { true }
    var failure: Int32? { nil }

    func leave() -> Farewell? {
        stop()
        return nil
    }

    func userCameToRest() {}
}

/// Whoever is behind a character device.
protocol CharacterUser: AnyObject {
    /// Somebody new is at the far end.
    func opened()
    func closed()
    func received(_ bytes: [UInt8])
    /// Nothing of what was received waits to be carried out or answered.
    var isAtRest: Bool { get }
    /// Nothing more will be received.
    func inputEnded()
    /// The far end takes bytes again.
    func roomCame()
    /// On a device that several share: what is typed comes here from now on, or no more.
    func focusCame()
    func focusLeft()
    /// The screen was somebody else's for a moment: show the line again.
    func redraw()
}

extension CharacterUser {
    var isAtRest: Bool { true }
    func closed() {}
    func inputEnded() {}
    func roomCame() {}
    func focusCame() {}
    func focusLeft() {}
    func redraw() {}
}

/// A device that swallows everything and says nothing: `null`, and what stands in for a device without a user.
final class NullDevice: CharacterDevice {
    let filename = "null"
    let isOpen = true
    weak var user: (any CharacterUser)?
    let hasRoom = true
    func start() { user?.opened() }
    func write(_ bytes: some Collection<UInt8>) {}
    func pauseInput(_ isPaused: Bool) {}
    func stop() {}
}
