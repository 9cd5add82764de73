// A port: one end of a link. Frames travel in batches that are lent for the length of a call; a port
// that cannot take more says so, and once it can, it says that once. What is at the other end, what a
// descriptor or an IP packet is, nobody here knows.

/// One end of a `FrameLink`: a network card, a back-end, a port of a hub.
public protocol FramePort: AnyObject {
    /// Takes frames that the other end sends; they are lent until the call returns. Returns how many it took, counted
    /// from the first: those were sent on, queued, or dropped and counted, and their sender forgets them. Fewer than
    /// all: the port is blocked. The sender keeps the others where they are and waits for `peerHasRoom`, which the port
    /// brings about by `FrameLink.hasRoom`. The port sends nothing to this link within the call.
    func take(_ frames: UnsafeBufferPointer<FrameView>) -> Int

    /// The other end refused a frame before and can take frames again. Called at the end of a turn, within no call of
    /// either port: it may send.
    func peerHasRoom()

    /// The link came up or went down. Frames sent over a link that is down are dropped.
    func linkChanged(isUp: Bool)

    /// What it can do for a frame beside taking it. The link asks when the port is connected; later changes are said by
    /// `FrameLink.capabilitiesChanged`. Not asked per frame.
    var capabilities: LinkCapabilities { get }
}

extension FramePort {
    /// Whole frames of any length, with all checksums.
    public var capabilities: LinkCapabilities { .plain }
    /// Nothing to do.
    public func linkChanged(isUp: Bool) {}
}

/// Whoever looks at the frames of a link on their way, as a capture does.
public protocol FrameWatcher: AnyObject {
    /// Frames that `end` sent and the other end took; lent until the call returns.
    func saw(_ frames: UnsafeBufferPointer<FrameView>, from end: LinkEnd)
}

/// The two ends of a link. Which port sits where is its owner's to decide.
public enum LinkEnd: Int, Hashable, Sendable {
    /// The guest's side: a card, or the hub that cards hang on.
    case card
    /// The host's side: a back-end.
    case netdev

    /// The end at the far side.
    public var other: LinkEnd { self == .card ? .netdev : .card }
}

/// What one end of a link has sent.
public struct LinkCounters: Hashable, Sendable {
    /// Frames that the other end took.
    public var frames: UInt64 = 0
    /// Their bytes, without frame check sequence.
    public var bytes: UInt64 = 0
    /// Frames dropped because the link was down, nothing was at its other end, or who was there had lost his own peer.
    public var droppedWhileDown: UInt64 = 0
    /// How often the other end was blocked.
    public var blocked: UInt64 = 0
    /// Frames whose checksum the link completed, because the other end does not.
    public var checksumsCompleted: UInt64 = 0
    /// Frames dropped because their checksum cannot be completed: its place is not in the frame.
    public var checksumsDropped: UInt64 = 0
    /// Frames dropped because the other end cannot cut them.
    public var segmentsDropped: UInt64 = 0
    /// Frames dropped because the other end takes none of that length.
    public var tooLong: UInt64 = 0

    /// Nothing sent yet.
    public init() {}
}
