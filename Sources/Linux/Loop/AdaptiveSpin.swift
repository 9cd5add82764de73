// When a loop asks again instead of sleeping. Somebody whose answer comes within microseconds costs more to sleep for
// than to wait for: the processor goes idle and has to be woken. Spinning pays in a conversation (little work, a short
// wait, little work); it does not pay for an idle loop, nor in a bulk transfer, where a longer sleep is a larger batch.
// A machine without a clock: it is told how long things took.

import CLinux

/// Decides for each wait of a loop how long to spin before sleeping. The default value never spins.
public struct AdaptiveSpin: Sendable, Equatable {
    /// The longest time that one wait is spun, in nanoseconds: more than the way to a local process and back.
    public static let longestSpin: UInt64 = 60_000
    /// A sleep of this length, in nanoseconds, might have been spun instead: to sleep and to be woken takes several
    /// times what the same answer takes to a loop that is awake. A shorter one shows that no processor was idle:
    /// others work there, and nothing is to be gained.
    static let shortSleep: ClosedRange<UInt64> = 50_000...250_000
    /// Nobody asked epoll for so long while the loop was spinning: the processor was given to somebody else, in
    /// nanoseconds.
    public static let longestGap: UInt64 = 200_000
    /// A turn that works longer than this moves bulk, in nanoseconds.
    static let longWork: UInt64 = 20_000
    /// The most misses in a row that a long run of hits buys.
    static let mostTrust = 8
    /// Short sleeps in a row before spinning is tried: at first, and at most after trials that failed.
    static let sleepsBeforeTrial = (first: 4, most: 1024)

    private let isAllowed: Bool
    /// How many more misses are taken; none: sleep at once.
    private var trust = 0
    private var shortSleeps = 0
    private var sleepsNeeded = AdaptiveSpin.sleepsBeforeTrial.first

    /// For this process, on the processors that it may run on.
    public static func forThisProcess() -> AdaptiveSpin { AdaptiveSpin(processors: Int(ne_processor_count())) }

    /// - Parameter processors: how many this process may run on; on a single one nobody could answer meanwhile.
    public init(processors: Int) { isAllowed = processors > 1 }

    /// Never spins.
    public init() { isAllowed = false }

    /// How long to spin now, in nanoseconds; 0 is not at all.
    /// - Parameter work: what the turn before this wait took, in nanoseconds.
    public func time(afterWork work: UInt64) -> UInt64 {
        trust > 0 && work <= Self.longWork ? Self.longestSpin : 0
    }

    /// Something came while the loop was spinning.
    public mutating func hit() {
        if trust < Self.mostTrust {
            trust += 1
        } else {
            sleepsNeeded = Self.sleepsBeforeTrial.first
        }
    }

    /// Nothing came. When that was a trial, the next one needs twice as many signs.
    public mutating func miss() {
        trust -= 1
        if trust <= 0 { giveUp() }
    }

    /// Others want the processor: what the loop spins is taken from somebody, perhaps from who is to answer.
    public mutating func lostProcessor() { giveUp() }

    private mutating func giveUp() {
        trust = 0
        shortSleeps = 0
        sleepsNeeded = min(sleepsNeeded * 2, Self.sleepsBeforeTrial.most)
    }

    /// The loop slept for so many nanoseconds, and then something came.
    /// - Parameters:
    ///   - time: how long, in nanoseconds.
    ///   - work: what the turn before it took, in nanoseconds.
    public mutating func slept(_ time: UInt64, afterWork work: UInt64) {
        guard isAllowed, trust == 0 else { return }
        guard time <= Self.shortSleep.upperBound, work <= Self.longWork else {
            shortSleeps = 0
            return
        }
        guard time >= Self.shortSleep.lowerBound else { return }
        shortSleeps += 1
        if shortSleeps >= sleepsNeeded { trust = 1 }
    }
}
