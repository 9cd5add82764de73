// What `info migrate` shows, as values. The words are QEMU's.

import Bytes

/// Where a migration stands.
public struct MigrationStatus: Equatable, Sendable {
    /// QEMU's words for it.
    public enum Word: String, Equatable, Sendable {
        /// None was begun; the ends have not met; memory is copied; the guest stands still; over.
        case none, setup, active, device, completed, failed, cancelling, cancelled
    }

    /// Where it stands.
    public var word = Word.none
    /// Why it failed.
    public var failure: MigrationFailure?
    /// From its beginning to now, or to its end.
    public var total = Interval.zero
    /// From its beginning to the first page.
    public var setup = Interval.zero
    /// From the order to stop the guest to STARTED, or to now; at the destination from COMMIT on. Nil before.
    public var downtime: Interval?
    /// How long each phase took; those that were not reached are zero.
    public var phases = MigrationPhases()
    /// Bytes that went over the connection.
    public var transferred: UInt64 = 0
    /// Of these, before the guest was stopped, and after.
    public var precopyBytes: UInt64 = 0, downtimeBytes: UInt64 = 0
    /// Bytes of memory that are still to be looked at in this round.
    public var remaining: UInt64 = 0
    /// Bytes of memory in all.
    public var totalRAM: UInt64 = 0
    /// Pages: sent with their bytes; zeros; dirty but the same.
    public var pages = PageCounters()
    /// Pages that were written without a mark; 0 where nobody looked (`MigrationParameters.checksMarks`).
    public var unmarked = 0
    /// Pages that became dirty per second in the last round.
    public var dirtyRate: UInt64 = 0
    /// How often the dirty set was taken.
    public var iterations = 0
    /// Frames that came for the guest in between and went along, and that were too many.
    public var arrived = 0, arrivedDropped = 0

    /// None was begun.
    public init() {}

    /// Millions of bits per second, over the whole time.
    public var throughput: Double {
        total > .zero ? Double(transferred) * 8000 / Double(total.nanoseconds) : 0
    }

    /// How long the rest of this round takes at the rate so far; nil when there is no rate.
    public var timeLeft: Interval? {
        let moved = Double(pages.normal) * Double(MigrationLimits.pageSize)
        guard moved > 0, total > .zero else { return nil }
        return Interval(nanoseconds: Int64(min(Double(remaining) / moved * Double(total.nanoseconds), 1e18)))
    }
}

/// How long the phases of a migration took.
public struct MigrationPhases: Equatable, Sendable {
    /// Memory, while the guest ran.
    public var rounds = Interval.zero
    /// Until the guest stood still.
    public var stop = Interval.zero
    /// Until its state was there.
    public var save = Interval.zero
    /// Until the rest of memory and the state had been sent and PREPARED came.
    public var prepare = Interval.zero
    /// From COMMIT to STARTED.
    public var resume = Interval.zero

    /// Nothing was reached.
    public init() {}
}

/// When a source reached what.
struct Milestones {
    var start: Instant?
    var rounds: Instant?
    var stopAsked: Instant?
    var stopped: Instant?
    var saved: Instant?
    var committed: Instant?
    var end: Instant?

    func phases(until now: Instant) -> MigrationPhases {
        func time(_ from: Instant?, _ to: Instant?) -> Interval { from.map { (to ?? end ?? now).since($0) } ?? .zero }
        var phases = MigrationPhases()
        phases.rounds = time(rounds, stopAsked)
        phases.stop = time(stopAsked, stopped)
        phases.save = time(stopped, saved)
        phases.prepare = time(saved, committed)
        phases.resume = time(committed, nil)
        return phases
    }
}
