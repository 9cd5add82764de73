// When a guest that has moved says where it is: several times, further and further apart, as QEMU's announce-* parameters
// have it, because the first frames can be lost in a network that is just changing.

import Bytes

/// The rounds of an announcement.
public struct AnnounceSchedule: Equatable, Sendable {
    /// QEMU's announce-initial, announce-max, announce-rounds and announce-step.
    public struct Parameters: Equatable, Sendable {
        /// From the first round to the second.
        public var initial = Interval.milliseconds(50)
        /// The longest time between two rounds.
        public var longest = Interval.milliseconds(550)
        /// How many there are.
        public var rounds = 5
        /// How much longer each time is than the one before.
        public var step = Interval.milliseconds(100)

        /// QEMU's defaults: rounds after 0, 50, 200, 450 and 800 ms.
        public init() {}
    }

    private let parameters: Parameters
    private var done = 0
    /// When the next round is due; nil after the last one.
    public private(set) var nextRound: Instant?

    /// The first round is due at `start`.
    public init(_ parameters: Parameters = Parameters(), from start: Instant) {
        self.parameters = parameters
        nextRound = parameters.rounds > 0 ? start : nil
    }

    /// True when a round is due, which is taken to be made now.
    public mutating func takeRound(_ now: Instant) -> Bool {
        guard let due = nextRound, due <= now else { return false }
        done += 1
        nextRound = done < parameters.rounds ? now + wait : nil
        return true
    }

    /// Between the round that was made last and the next one.
    private var wait: Interval {
        let (more, overflow) = parameters.step.nanoseconds.multipliedReportingOverflow(by: Int64(done - 1))
        let (sum, tooLong) = parameters.initial.nanoseconds.addingReportingOverflow(more)
        guard !overflow, !tooLong, sum >= 0 else { return parameters.longest }
        return min(Interval(nanoseconds: sum), parameters.longest)
    }
}
