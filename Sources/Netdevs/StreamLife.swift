// Whether the other end of a stream connection is alive, as far as that can be seen without asking it: it reads what
// it is sent, or it sends. Pure; who looks, and how often, is the owner's.

/// A judgement made of looks at a connection.
struct StreamLife: Equatable, Sendable {
    /// What one look shows.
    struct Look: Equatable, Sendable {
        /// Nanoseconds of CLOCK_MONOTONIC.
        let time: UInt64
        /// Bytes that wait for the other end, with the kernel's overhead.
        let unread: Int
        /// Bytes that were ever sent.
        let sent: UInt64
        /// Frames that ever came.
        let arrived: UInt64
    }

    /// What counts at most of the time between two looks: when this process did not run, the peer may not have run
    /// either.
    static let longestStep: UInt64 = 500_000_000

    private var last: Look?
    private var silent: UInt64 = 0

    /// Nanoseconds without a sign of life while something waits to be read. Who is sent nothing owes no sign.
    mutating func silence(at look: Look) -> UInt64 {
        defer { last = look }
        // Whatever is not read lies on top of what was not read before: with less than that, something was read.
        guard let last, look.unread > 0, look.arrived == last.arrived,
            UInt64(look.unread) >= UInt64(max(0, last.unread)) &+ (look.sent &- last.sent)
        else {
            silent = 0
            return 0
        }
        silent += min(look.time &- last.time, Self.longestStep)
        return silent
    }
}
