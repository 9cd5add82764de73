// One timer that follows a machine's next deadline: armed anew when the deadline changed, silent when there is none.

/// A timer with a deadline that moves. It ends with its owner.
public final class Alarm {
    private let reactor: Reactor
    private let action: () -> Void
    private var timer: TimerID?
    /// When the alarm goes off, in nanoseconds of CLOCK_MONOTONIC; nil: not at all.
    public private(set) var deadline: UInt64?

    /// - Parameters:
    ///   - reactor: whose timer it is.
    ///   - action: called in the first turn at or after the deadline, which is nil by then: `set` it again.
    public init(on reactor: Reactor, _ action: @escaping () -> Void) {
        self.reactor = reactor
        self.action = action
    }

    deinit { if let timer { reactor.cancel(timer) } }

    /// Goes off at `deadline` instead of what was set before; nil sets it off. The same deadline again costs nothing.
    public func set(_ deadline: UInt64?) {
        guard deadline != self.deadline else { return }
        if let timer { reactor.cancel(timer) }
        self.deadline = deadline
        timer = deadline.map { deadline in
            reactor.schedule(atNanoseconds: deadline) { [weak self] in self?.wentOff() }
        }
    }

    private func wentOff() {
        timer = nil
        deadline = nil
        action()
    }
}
