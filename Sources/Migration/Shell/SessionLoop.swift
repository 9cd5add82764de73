// What the sessions of both ends need of a loop: a turn when bytes may move, when time is up, and at the end of a turn in
// which the machine was told something; and the end of a connection, whose last words get a while.

import Bytes
import Linux

/// A session's place in a loop.
final class SessionLoop {
    private let reactor: Reactor
    private let drain: Interval
    private var alarm: Alarm?
    private var isDue = false
    /// The connection, until it is closed.
    private(set) var io: ChannelIO?
    /// When the last words have had their time; nil before the end and after.
    private(set) var closeBy: Instant?
    /// The session's turn.
    var onTurn: (() -> Void)?

    /// - Parameters:
    ///   - channel: the connection.
    ///   - reactor: the loop of this thread.
    ///   - drain: how long the last words may take.
    init(_ channel: MigrationChannel, on reactor: Reactor, drain: Interval) throws(SystemError) {
        self.reactor = reactor
        self.drain = drain
        io = try ChannelIO(channel, on: reactor) { [weak self] in self?.onTurn?() }
        alarm = Alarm(on: reactor) { [weak self] in self?.onTurn?() }
    }

    var now: Instant { Instant(nanoseconds: reactor.nowNanoseconds) }

    /// A turn at the end of this one.
    func turnSoon() {
        guard !isDue else { return }
        isDue = true
        reactor.atEndOfTurn { [weak self] in
            self?.isDue = false
            self?.onTurn?()
        }
    }

    /// A turn at the first of these points of time, or when the last words have had theirs.
    func turn(at deadlines: Instant?...) {
        alarm?.set((deadlines + [closeBy]).compactMap { $0 }.min()?.nanoseconds)
    }

    /// The machine is over: closes when everything has been said, or nobody takes it.
    func close(isAllSaid: Bool) {
        guard let io else { return }
        let limit = closeBy ?? now + drain
        closeBy = limit
        guard isAllSaid || now >= limit || !io.hasOutput else { return }
        io.close()
        self.io = nil
        closeBy = nil
    }
}
