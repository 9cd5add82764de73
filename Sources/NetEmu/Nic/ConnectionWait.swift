// Whoever waits until a back-end is there, and for how long.

import Linux

/// Those who wait for a back-end.
final class ConnectionWait {
    private let reactor: Reactor
    private let patience: UInt64
    /// Gives the reason, from the patience in seconds.
    private let tooLong: (UInt64) -> String
    private var waiting: [(EmulationError?) -> Void] = []
    private lazy var alarm = Alarm(on: reactor) { [weak self] in self?.waitedTooLong() }

    /// - Parameters:
    ///   - patience: in nanoseconds, from the last one who came.
    ///   - tooLong: the sentence for those who waited in vain, given the patience in seconds.
    init(_ patience: UInt64, on reactor: Reactor, tooLong: @escaping (_ seconds: UInt64) -> String) {
        (self.patience, self.reactor, self.tooLong) = (patience, reactor, tooLong)
    }

    var isEmpty: Bool { waiting.isEmpty }

    /// `done` once: with nil when it is there, with the reason why it will not be, or when it took too long.
    func add(_ done: @escaping (EmulationError?) -> Void) {
        waiting.append(done)
        alarm.set(reactor.nowNanoseconds &+ patience)
    }

    /// It is there, or there will be none.
    func tell(_ error: EmulationError?) {
        alarm.set(nil)
        let waiting = waiting
        self.waiting = []
        for done in waiting { done(error) }
    }

    private func waitedTooLong() { tell(EmulationError(text: tooLong(patience / 1_000_000_000))) }
}
