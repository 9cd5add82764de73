// Time as a value. The pure rooms never read a clock: whoever drives them reads it once per turn
// and hands the instant in.

/// A point on a clock that only moves forward, in nanoseconds since an arbitrary start.
public struct Instant: Comparable, Hashable, Sendable {
    public var nanoseconds: UInt64

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
    public var nanoseconds: Int64

    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    public static let zero = Interval(nanoseconds: 0)
    public static func seconds(_ n: Int64) -> Interval { Interval(nanoseconds: n &* 1_000_000_000) }
    public static func milliseconds(_ n: Int64) -> Interval { Interval(nanoseconds: n &* 1_000_000) }
    public static func microseconds(_ n: Int64) -> Interval { Interval(nanoseconds: n &* 1_000) }

    /// Whole milliseconds, rounded down.
    public var milliseconds: Int64 { nanoseconds / 1_000_000 }
    public var microseconds: Int64 { nanoseconds / 1_000 }

    public static func < (a: Interval, b: Interval) -> Bool { a.nanoseconds < b.nanoseconds }
    public static func + (a: Interval, b: Interval) -> Interval {
        Interval(nanoseconds: a.nanoseconds &+ b.nanoseconds)
    }
    public static func - (a: Interval, b: Interval) -> Interval {
        Interval(nanoseconds: a.nanoseconds &- b.nanoseconds)
    }
    public static func * (a: Interval, n: Int64) -> Interval { Interval(nanoseconds: a.nanoseconds &* n) }
    public static func / (a: Interval, n: Int64) -> Interval { Interval(nanoseconds: a.nanoseconds / n) }
}
