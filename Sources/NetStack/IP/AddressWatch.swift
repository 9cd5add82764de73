// Watches over one address of an interface (RFC 5227): probes, announcements, and what to do when
// somebody else claims it. A leased address is used at once while it is still being probed: waiting
// (RFC 5227, 2.1.1: up to seven seconds) would cost far more than the lease itself, and whoever
// answers a probe makes us decline the lease just the same.

import Bytes

/// What an address watch wants sent.
enum WatchPacket: Equatable { case probe, announcement }

/// What is to be done about a conflict.
enum WatchVerdict: Equatable {
    /// Nothing: it was answered a moment ago.
    case ignore
    /// Announce the address once more (RFC 5227, 2.4 b).
    case defend
    /// Give the address up.
    case yield
}

struct AddressWatch {
    /// RFC 5227, 1.1: DEFEND_INTERVAL; also how long after the first probe a conflict counts as found
    /// by probing.
    static let defendInterval = Interval.seconds(10)
    /// After the first probe and announcement, which leave at once.
    static let schedule: [(Interval, WatchPacket)] = [
        (.zero, .probe), (.zero, .announcement), (.seconds(1), .probe), (.seconds(2), .probe),
        (.seconds(2), .announcement),
    ]

    let address: IPAddress
    /// A lease can be declined and asked for anew; a configured address is only defended.
    let isLeased: Bool
    let start: Instant
    var step: Int
    var lastConflict: Instant?

    init(_ address: IPAddress, isLeased: Bool, now: Instant) {
        self.address = address
        self.isLeased = isLeased
        start = now
        step = 0
    }

    /// The next packet that is due by `now`.
    mutating func next(_ now: Instant) -> WatchPacket? {
        guard let due = nextDeadline, due <= now else { return nil }
        defer { step += 1 }
        return Self.schedule[step].1
    }

    var nextDeadline: Instant? { step < Self.schedule.count ? start + Self.schedule[step].0 : nil }

    /// Somebody else used the address as its own.
    mutating func conflict(now: Instant) -> WatchVerdict {
        let previous = lastConflict
        lastConflict = now
        if isLeased, now.since(start) < Self.defendInterval { return .yield }
        guard let previous, now.since(previous) < Self.defendInterval else { return .defend }
        return isLeased ? .yield : .ignore
    }
}
