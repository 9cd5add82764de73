// Time as a value. The pure rooms never read a clock: whoever drives them reads it once per turn
// and hands the instant in.

/// A point on a clock that only moves forward, in nanoseconds since an arbitrary start.
public struct Instant: Comparable, Hashable, Sendable {
    /// Since the clock's start, which means nothing outside of the process.
    public var nanoseconds: UInt64

    /// The instant that long after the clock's start.
    public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    public static func < (a: Instant, b: Instant) -> Bool { a.nanoseconds < b.nanoseconds }

    /// The instant `interval` later; saturates instead of wrapping.
    public static func + (instant: Instant, interval: Interval) -> Instant {
        let (sum, overflow) = instant.nanoseconds.addingReportingOverflow(UInt64(max(0, interval.nanoseconds)))
        return Instant(nanoseconds: overflow ? .max : sum)
    }

    /// How long from `earlier` to here; negative when `earlier` is the later one.
    public func since(_ earlier: Instant) -> Interval {
        Interval(nanoseconds: Int64(truncatingIfNeeded: nanoseconds &- earlier.nanoseconds))
    }
}

/// A length of time in nanoseconds.
public struct Interval: Comparable, Hashable, Sendable {
    /// The whole length; negative for one that points back.
    public var nanoseconds: Int64

    /// A length of so many nanoseconds.
    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    /// No time at all.
    public static let zero = Interval(nanoseconds: 0)
    /// `n` seconds; wraps beyond 292 years.
    public static func seconds(_ n: Int64) -> Interval { Interval(nanoseconds: n &* 1_000_000_000) }
    /// `n` thousandths of a second; wraps beyond 292 years.
    public static func milliseconds(_ n: Int64) -> Interval { Interval(nanoseconds: n &* 1_000_000) }
    /// `n` millionths of a second; wraps beyond 292 years.
    public static func microseconds(_ n: Int64) -> Interval { Interval(nanoseconds: n &* 1_000) }

    /// Whole milliseconds, rounded down.
    public var milliseconds: Int64 { nanoseconds / 1_000_000 }
    /// Whole microseconds, rounded towards zero.
    public var microseconds: Int64 { nanoseconds / 1_000 }

    public static func < (a: Interval, b: Interval) -> Bool { a.nanoseconds < b.nanoseconds }
    /// Both lengths one after the other; wraps.
    public static func + (a: Interval, b: Interval) -> Interval {
        Interval(nanoseconds: a.nanoseconds &+ b.nanoseconds)
    }
    /// How much longer `a` is; wraps.
    public static func - (a: Interval, b: Interval) -> Interval {
        Interval(nanoseconds: a.nanoseconds &- b.nanoseconds)
    }
    /// `n` times as long; wraps.
    public static func * (a: Interval, n: Int64) -> Interval { Interval(nanoseconds: a.nanoseconds &* n) }
    /// The `n`th part, rounded towards zero. `n` is not 0.
    public static func / (a: Interval, n: Int64) -> Interval { Interval(nanoseconds: a.nanoseconds / n) }
}
