// How long each end waits. What an end may take for itself is stored; how long the other one waits for that is computed
// here from it and nowhere else, so that nobody gives up on somebody who is in time.

import Bytes

/// How long an end waits for the other one, or for its own owner. Both ends have the same.
public struct MigrationPatience: Equatable, Sendable {
    /// For the other end's first words.
    public var greeting = Interval.seconds(10)
    /// While the other end takes nothing.
    public var silence = Interval.seconds(30)
    /// For the destination's owner to compare the machines.
    public var compare = Interval.seconds(5)
    /// For the guest to stand still.
    public var stop = Interval.seconds(10)
    /// For the owner's sections, back-ends included.
    public var save = Interval.seconds(30)
    /// For the destination's owner to check what came.
    public var prepare = Interval.seconds(30)
    /// For the destination's owner to load, before the guest starts with what there is.
    public var start = Interval.seconds(30)
    /// For the last words of an end that is done.
    public var drain = Interval.seconds(2)
    /// For the program of a snapshot to end, when it has everything.
    public var exit = Interval.seconds(60)
    /// What the way to the other end and back may take besides, and a busy host.
    public var margin = Interval.seconds(5)

    /// What is usual.
    public init() {}

    /// The source's, for the reply.
    public var reply: Interval { max(greeting, compare + margin) }
    /// The source's, for PREPARED.
    public var prepared: Interval { prepare + margin }
    /// The source's, for STARTED.
    public var started: Interval { start + drain + margin }
    /// The destination's, while nothing comes: the source's guest is to stand still, and its state to be saved.
    public var quiet: Interval { max(silence, stop + save) + margin }
    /// The destination's, for COMMIT, while nothing comes.
    public var commit: Interval { silence + margin }
    /// The destination's, for the end of the stream behind STARTED.
    public var end: Interval { drain + margin }
}
