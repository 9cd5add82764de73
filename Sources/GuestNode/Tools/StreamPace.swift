// How fast bytes may go, and how long none went. Both count on the node's clock; what passed outside while the node was
// away is told to them.

import Bytes

/// So many bytes a second, a millisecond's worth at a time. What was missed by more than a tenth of a second is not
/// caught up.
struct StreamPace: Equatable, Sendable {
    private static let second: UInt64 = 1_000_000_000
    private static let catchUp = Interval.milliseconds(100)

    /// Bytes a second, 1…2³⁶.
    var rate: UInt64
    /// When the next bytes may go.
    var due: Instant

    /// How many bytes may go now.
    mutating func allowance(_ now: Instant) -> Int {
        guard now >= due else { return 0 }
        if now.since(due) > Self.catchUp { due = Instant(nanoseconds: now.nanoseconds &- 100_000_000) }
        let late = UInt64(max(0, now.since(due).nanoseconds))
        return Int(max(1, rate / 1000) &+ late &* rate / Self.second)
    }

    /// So many bytes went.
    mutating func spend(_ count: Int) {
        due = due + Interval(nanoseconds: Int64(clamping: UInt64(max(0, count)) &* Self.second / rate))
    }
}

/// The longest time in which nothing moved although something was to.
struct GapMeter: Equatable, Sendable {
    private(set) var longest = Interval.zero
    /// When something moved last; nil while nothing is awaited.
    private(set) var since: Instant?
    /// What passed outside since then and the node's clock does not show.
    private var away = Interval.zero

    /// Bytes moved.
    mutating func moved(_ now: Instant) {
        stop(now)
        since = now
    }

    /// Something is awaited from now on, if it was not before.
    mutating func expect(_ now: Instant) { if since == nil { since = now } }

    /// Nothing is awaited any more; what has passed counts.
    mutating func stop(_ now: Instant) {
        if let since { longest = max(longest, now.since(since) + away) }
        rest()
    }

    /// Nothing is awaited, and what has passed was no gap.
    mutating func rest() { (since, away) = (nil, .zero) }

    mutating func wasAway(_ time: Interval) { if since != nil { away = away + time } }

    mutating func code(_ coder: inout StateCoder) throws(StateError) {
        try coder.interval(&longest)
        try coder.instant(&since)
        try coder.interval(&away)
        try coder.require(longest >= .zero && away >= .zero, "a gap")
    }
}
