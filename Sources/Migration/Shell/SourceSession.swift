// A source on a loop: moves bytes between the machine and its channel, keeps its time, hands its actions to the owner at
// the end of a turn.

import Bytes
import Linux

/// A migration that goes out.
public final class SourceSession {
    // Bytes of one turn: others want theirs while the guest runs.
    private static let bytesWhileRunning = 1 << 20
    private static let bytesWhileStill = 16 << 20
    // Who talks without end is heard for so long at a time.
    private static let bytesHeard = 1 << 20

    /// The machine. Tell it things through `tell`.
    public let source: MigrationSource
    private let loop: SessionLoop
    private let child: MigrationChild?
    private let discard: (() -> Void)?
    private let onAction: (MigrationSource.Action) -> Void
    private let patience: MigrationPatience
    /// A completed snapshot waits for its program's end.
    private var withheld: MigrationSource.Action?
    private var releaseBy: Instant?

    /// - Parameters:
    ///   - source: the machine, which nobody else drives.
    ///   - channel: its connection.
    ///   - reactor: the loop of this thread.
    ///   - patience: how long the last words may take, and the end of a program that takes a snapshot.
    ///   - onAction: called at the end of a turn with what the owner is to do.
    public init(
        _ source: MigrationSource, over channel: MigrationChannel, on reactor: Reactor,
        patience: MigrationPatience = MigrationPatience(), onAction: @escaping (MigrationSource.Action) -> Void
    ) throws(SystemError) {
        self.source = source
        self.onAction = onAction
        child = channel.child
        discard = channel.discard
        self.patience = patience
        loop = try SessionLoop(channel, on: reactor, drain: patience.drain)
        loop.onTurn = { [weak self] in self?.pump() }
        child?.onEnd = { [weak self] in self?.loop.turnSoon() }
    }

    /// Begins.
    public func start() { tell { source, now in source.start(now: now) } }

    /// Calls the machine; what follows from that happens at the end of this turn.
    public func tell(_ body: (MigrationSource, Instant) -> Void) {
        body(source, now)
        loop.turnSoon()
    }

    /// Where it stands.
    public var status: MigrationStatus { source.status(now: now) }

    private var now: Instant { loop.now }

    private func pump() {
        guard source.phase != .idle else { return }
        // Who was stopped for a while looks first at what came meanwhile.
        read()
        write()
        let phase = source.phase
        source.advance(to: now)
        // Who waited in vain for an answer sends a snapshot, or says that it is over.
        if source.phase != phase { write() }
        if source.isOver { loop.close(isAllSaid: source.output(now: now).isEmpty) }
        setAlarm()
        releaseWithheld()
        for action in source.takeActions() { tellOwner(action) }
    }

    private func setAlarm() { loop.turn(at: source.nextDeadline, releaseBy) }

    // MARK: bytes

    private func read() {
        guard let io = loop.io, io.hasInput else {
            if !source.isOver { source.inputEnded(now: now) }
            return
        }
        var budget = Self.bytesHeard
        while !source.isOver {
            guard budget > 0 else { return io.wantInput(true) }
            switch io.read(into: source.inputRoom) {
            case .bytes(let count):
                source.received(count, now: now)
                budget -= count
            case .blocked: return
            case .ended:
                io.closeInput()
                return source.inputEnded(now: now)
            case .failed(let error):
                io.closeInput()
                return inputFailed(error)
            }
        }
        io.closeInput()
    }

    /// A reset is the other end's end.
    private func inputFailed(_ error: SystemError) {
        if source.isSnapshot { return }
        source.connectionFailed(error, now: now)
    }

    private func write() {
        guard let io = loop.io, io.hasOutput else { return }
        var budget = source.phase == .rounds ? Self.bytesWhileRunning : Self.bytesWhileStill
        while budget > 0 {
            let bytes = source.output(now: now)
            guard !bytes.isEmpty else { return io.wantOutput(false) }
            switch io.write(bytes) {
            case .bytes(let count):
                source.wrote(count, now: now)
                budget -= count
            case .blocked: return io.wantOutput(true)
            case .ended: return
            case .failed(let error): return outputFailed(error, io)
            }
        }
        io.wantOutput(true)
    }

    /// What the other end said before it went is worth more than that it went.
    private func outputFailed(_ error: SystemError, _ io: ChannelIO) {
        io.closeOutput()
        read()
        source.connectionFailed(error, now: now)
    }

    // MARK: the end

    /// A snapshot that a program takes is whole when that has ended well.
    private func tellOwner(_ action: MigrationSource.Action) {
        if case .ended(.kept) = action { discard?() }
        guard case .ended(.completed) = action, source.isSnapshot, child != nil else { return onAction(action) }
        withheld = action
        releaseBy = now + patience.exit
        setAlarm()
        releaseWithheld()
    }

    private func releaseWithheld() {
        guard let action = withheld, let limit = releaseBy else { return }
        var failure: MigrationFailure?
        switch child?.end {
        case .exited(0): break
        case let end?: failure = .owner("the command \(end)")
        case nil:
            guard now >= limit else { return }
            failure = .late(.exit, patience.exit)
        }
        (withheld, releaseBy) = (nil, nil)
        onAction(failure.map { .ended(.uncertain($0, arrived: [])) } ?? action)
    }
}
