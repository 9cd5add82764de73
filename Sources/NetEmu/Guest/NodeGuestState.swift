// What goes along with a node that moves to another netemu, beside the node itself. Version 1, one section:
//
//      node-guest    whether it had booted: a script was begun, or there is none to begin; what is left of the script's
//                    time (flag, 64); when it left (64); the node's section behind its length
//
// When it left is nanoseconds since 1970: on one host both sides have the same clock, on two they are as close as their
// administrators keep them. Only what measures the world (`ramp`) depends on it.

import Bytes
import Glibc

/// A node on its way, with what its guest knows of it.
struct NodeGuestState: Equatable {
    /// A script was begun, or there is none to begin; otherwise the other side begins its own.
    var hasBooted = false
    /// What `Node.section` wrote.
    var node: [UInt8] = []
    /// Of `timeout=`; nil: its script has as long as it takes.
    var timeLeft: Interval?
    /// Nanoseconds since 1970.
    var departure: UInt64 = 0

    private static let version: UInt16 = 1
    /// No move takes longer; a clock that says so is wrong.
    private static let longestMove: UInt64 = 366 * 86_400 * 1_000_000_000

    init(
        hasBooted: Bool, node: [UInt8], timeLeft: Interval?, departure: UInt64 = NodeGuestState.worldTime
    ) {
        (self.hasBooted, self.node, self.timeLeft, self.departure) = (hasBooted, node, timeLeft, departure)
    }

    /// Takes up what `bytes` wrote.
    init(_ bytes: [UInt8]) throws(StateError) {
        var coder = StateCoder(reading: StateDecoder(bytes[...]))
        try code(&coder)
        try coder.decoder.finish()
    }

    var bytes: [UInt8] {
        var (copy, coder) = (self, StateCoder())
        // Only reading can fail.
        try? copy.code(&coder)
        return coder.encoder.bytes
    }

    private mutating func code(_ coder: inout StateCoder) throws(StateError) {
        var (hasBooted, node, timeLeft, departure) = (hasBooted, node, timeLeft, departure)
        try coder.section("node-guest", version: Self.version) { (coder) throws(StateError) in
            try coder.flag(&hasBooted)
            try coder.interval(&timeLeft)
            try coder.require(timeLeft.map { $0 >= .zero } ?? true, "what is left of a script's time")
            try coder.integer(&departure)
            try coder.data(&node, limit: MovableLimits.state)
        }
        self = NodeGuestState(hasBooted: hasBooted, node: node, timeLeft: timeLeft, departure: departure)
    }

    /// How long it was away when it arrives at `now`; none when the clocks say that it came before it left.
    func away(at now: UInt64 = NodeGuestState.worldTime) -> Interval {
        let time = now > departure ? now - departure : 0
        return time > Self.longestMove ? .zero : Interval(nanoseconds: Int64(clamping: time))
    }

    /// CLOCK_REALTIME.
    static var worldTime: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return UInt64(clamping: time.tv_sec) &* 1_000_000_000 &+ UInt64(clamping: time.tv_nsec)
    }
}
