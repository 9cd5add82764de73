// What may be set before a migration, and while it runs: QEMU's parameters that mean something here.

import Bytes

/// How fast, and until when, memory is copied while the guest runs.
public struct MigrationParameters: Equatable, Sendable {
    /// Bytes per second while the guest runs (max-bandwidth), at least `MigrationLimits.leastBandwidth`; 0 is as fast as
    /// the connection takes them.
    public var maxBandwidth: UInt64 = 0
    /// How long the rest of the memory may take while the guest stands still (downtime-limit).
    public var downtimeLimit = Interval.milliseconds(300)
    /// Rounds after which the guest is stopped in any case.
    public var mostRounds = 30
    /// When the guest stands still, all memory is compared with what was sent, and pages that were written without a mark
    /// are counted, and sent, too. For those who write a writer: it takes as long as comparing does.
    public var checksMarks = false

    /// No limit of bandwidth, 300 ms, 30 rounds.
    public init() {}
}

/// Tokens for bytes: a bandwidth as a machine without a clock keeps it.
struct Pace {
    /// What an idle time saves at most, in seconds.
    private static let burst = 0.05
    private let rate: Double
    private var tokens: Double
    private var last: Instant

    /// - Parameter rate: bytes per second; 0 is no limit.
    init(rate: UInt64, now: Instant) {
        self.rate = rate == 0 ? 0 : Double(max(rate, MigrationLimits.leastBandwidth))
        tokens = self.rate * Self.burst
        last = now
    }

    /// Bytes that may go now; not positive: none.
    mutating func allowance(_ now: Instant) -> Int {
        guard rate > 0 else { return .max }
        let elapsed = Double(max(0, now.since(last).nanoseconds)) / 1e9
        last = now
        tokens = min(tokens + elapsed * rate, rate * Self.burst)
        return Int(min(tokens, 1e15))
    }

    mutating func spent(_ bytes: UInt64) { if rate > 0 { tokens -= Double(bytes) } }

    /// When something may go again; nil: now.
    func next(_ now: Instant) -> Instant? {
        guard rate > 0, tokens < 1 else { return nil }
        return last + Interval(nanoseconds: Int64(min((1 - tokens) / rate * 1e9 + 1, 1e15)))
    }
}
