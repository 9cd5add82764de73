// A destination on a loop: moves bytes between the machine and its channel, keeps its time, hands its actions to the
// owner at the end of a turn.

import Bytes
import Linux

/// A migration that comes in.
public final class DestinationSession {
    private static let bytesOfTurn = 8 << 20

    /// The machine. Tell it things through `tell`.
    public let destination: MigrationDestination
    private let loop: SessionLoop
    private let child: MigrationChild?
    private let onAction: (MigrationDestination.Action) -> Void

    /// - Parameters:
    ///   - destination: the machine, which nobody else drives.
    ///   - channel: its connection.
    ///   - reactor: the loop of this thread.
    ///   - patience: how long the last words may take.
    ///   - onAction: called at the end of a turn with what the owner is to do.
    public init(
        _ destination: MigrationDestination, over channel: MigrationChannel, on reactor: Reactor,
        patience: MigrationPatience = MigrationPatience(), onAction: @escaping (MigrationDestination.Action) -> Void
    ) throws(SystemError) {
        self.destination = destination
        self.onAction = onAction
        child = channel.child
        loop = try SessionLoop(channel, on: reactor, drain: patience.drain)
        loop.onTurn = { [weak self] in self?.pump() }
        loop.turnSoon()
    }

    /// Calls the machine; what follows from that happens at the end of this turn.
    public func tell(_ body: (MigrationDestination, Instant) -> Void) {
        body(destination, now)
        loop.turnSoon()
    }

    /// Where it stands.
    public var status: MigrationStatus { destination.status(now: now) }

    private var now: Instant { loop.now }

    private func pump() {
        // Who was stopped for a while looks first at what came meanwhile.
        read()
        destination.advance(to: now)
        write()
        if destination.isOver { loop.close(isAllSaid: destination.output.isEmpty) }
        loop.turn(at: destination.nextDeadline)
        for action in destination.takeActions() { onAction(action) }
    }

    // MARK: bytes

    private func read() {
        guard let io = loop.io, io.hasInput else { return }
        var budget = Self.bytesOfTurn
        while !destination.isOver, budget > 0 {
            let room = destination.inputRoom
            guard !room.isEmpty else { return io.wantInput(false) }
            switch io.read(into: room) {
            case .bytes(let count):
                destination.received(count, now: now)
                budget -= count
            case .blocked: return io.wantInput(true)
            case .ended, .failed:
                io.closeInput()
                return destination.inputEnded(now: now)
            }
        }
        if destination.isOver { io.closeInput() } else { io.wantInput(true) }
    }

    private func write() {
        guard let io = loop.io else { return }
        while true {
            let bytes = destination.output
            guard !bytes.isEmpty else { return io.wantOutput(false) }
            switch io.write(bytes) {
            case .bytes(let count): destination.wrote(count, now: now)
            case .blocked: return io.wantOutput(true)
            case .ended, .failed:
                io.closeOutput()
                return destination.outputFailed(now: now)
            }
        }
    }
}
