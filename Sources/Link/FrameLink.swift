// The cable between two ports: it counts, it can be unplugged, watchers look on. What an end cannot do for a frame
// is done here, in one place, or the frame is dropped and counted. It keeps no frame and knows no clock; what must
// not happen within a call is handed to the door it was given.

/// A link between two ports. Lives on one thread.
public final class FrameLink {
    private weak var card: (any FramePort)?
    private weak var netdev: (any FramePort)?
    private let atEndOfTurn: (@escaping () -> Void) -> Void
    private var watchers: [any FrameWatcher] = []
    /// Ends that refused a frame, by `LinkEnd.rawValue`, and those about to be told of room.
    private var isBlocked = (false, false)
    private var isTelling = (false, false)
    private var sent = (LinkCounters(), LinkCounters())
    /// What each end said that it can do.
    private var abilities = (LinkCapabilities.plain, LinkCapabilities.plain)
    private var completion = ChecksumCompletion()

    /// Whether frames pass. Set by `setUp`.
    public private(set) var isUp = true

    /// - Parameter atEndOfTurn: runs what it is given when the present turn of the loop is over.
    public init(atEndOfTurn: @escaping (@escaping () -> Void) -> Void) { self.atEndOfTurn = atEndOfTurn }

    /// Puts `port` at `end`, in place of who was there; nil leaves the end open. The link does not own its ports.
    /// A sender that waited for the former port is told that there is room.
    public func connect(_ port: (any FramePort)?, at end: LinkEnd) {
        if end == .card { card = port } else { netdev = port }
        capabilitiesChanged(end)
        hasRoom(end)
    }

    /// Who is at `end`; nil when it is open.
    public func port(at end: LinkEnd) -> (any FramePort)? { end == .card ? card : netdev }

    /// What the port at `end` can do, as it last said; `plain` when the end is open.
    public func capabilities(_ end: LinkEnd) -> LinkCapabilities { end == .card ? abilities.0 : abilities.1 }

    /// The port at `end` is asked anew for what it can do.
    public func capabilitiesChanged(_ end: LinkEnd) {
        let capabilities = port(at: end)?.capabilities ?? .plain
        if end == .card { abilities.0 = capabilities } else { abilities.1 = capabilities }
    }

    /// Adds a watcher, last in line; the link owns it until `remove`.
    public func add(_ watcher: any FrameWatcher) { watchers.append(watcher) }
    /// Forgets a watcher; one that was not added is ignored.
    public func remove(_ watcher: any FrameWatcher) { watchers.removeAll { $0 === watcher } }

    /// What `end` has sent.
    public func counters(_ end: LinkEnd) -> LinkCounters { end == .card ? sent.0 : sent.1 }

    // MARK: frames

    /// Sends frames from `end` to the other one; returns how many the sender can forget. Fewer than all: wait for
    /// `FramePort.peerHasRoom`. Over a link that is down, or open at its other end, all are dropped and counted.
    /// A frame that the other end cannot take as it is is completed (a pending checksum), or dropped and counted.
    public func send(_ frames: UnsafeBufferPointer<FrameView>, from end: LinkEnd) -> Int {
        guard isUp, let receiver = port(at: end.other) else {
            count(end) { $0.droppedWhileDown &+= UInt64(frames.count) }
            return frames.count
        }
        let capabilities = capabilities(end.other)
        let plain = Self.plainRun(of: frames, within: capabilities.largestFrame)
        if plain == frames.count { return pass(frames, to: receiver, from: end) }
        return complete(frames, for: capabilities, to: receiver, from: end)
    }

    /// How many frames, from the first on, every end can take that takes frames of `longest` bytes.
    @inline(__always)
    private static func plainRun(of frames: UnsafeBufferPointer<FrameView>, within longest: Int) -> Int {
        var count = 0
        while count < frames.count, frames[count].isPlain, frames[count].length <= longest { count &+= 1 }
        return count
    }

    /// Gives frames to the port that takes them as they are.
    private func pass(
        _ frames: UnsafeBufferPointer<FrameView>, to receiver: any FramePort, from end: LinkEnd
    ) -> Int {
        let taken = min(max(0, receiver.take(frames)), frames.count)
        if taken < frames.count { block(end.other, for: end) }
        guard taken > 0 else { return 0 }
        let passed = UnsafeBufferPointer(rebasing: frames[..<taken])
        var bytes: UInt64 = 0
        for frame in passed { bytes &+= UInt64(truncatingIfNeeded: frame.length) }
        count(end) {
            $0.frames &+= UInt64(taken)
            $0.bytes &+= bytes
        }
        for watcher in watchers { watcher.saw(passed, from: end) }
        return taken
    }

    /// The same for frames of which some need a hand: those that do not go in runs, the others one by one.
    @inline(never)
    private func complete(
        _ frames: UnsafeBufferPointer<FrameView>, for capabilities: LinkCapabilities, to receiver: any FramePort,
        from end: LinkEnd
    ) -> Int {
        var done = 0
        while done < frames.count {
            var run = done
            while run < frames.count, capabilities.takes(frames[run].offload, length: frames[run].length) { run += 1 }
            if run > done {
                let taken = pass(UnsafeBufferPointer(rebasing: frames[done..<run]), to: receiver, from: end)
                if taken < run - done { return done + taken }
                done = run
            } else if completeOne(frames[done], for: capabilities, to: receiver, from: end) {
                done += 1
            } else {
                return done
            }
        }
        return done
    }

    /// False when the frame was refused; one that nothing can be done for is dropped.
    private func completeOne(
        _ frame: FrameView, for capabilities: LinkCapabilities, to receiver: any FramePort, from end: LinkEnd
    ) -> Bool {
        guard frame.offload.segmentation == .none else {
            count(end) { $0.segmentsDropped &+= 1 }
            return true
        }
        guard frame.length <= capabilities.largestFrame else {
            count(end) { $0.tooLong &+= 1 }
            return true
        }
        guard let taken = completion.lend(frame, { pass($0, to: receiver, from: end) }) else {
            count(end) { $0.checksumsDropped &+= 1 }
            return true
        }
        if taken == 1 { count(end) { $0.checksumsCompleted &+= 1 } }
        return taken == 1
    }

    /// Frames that the port at `end` took, or is about to take, and can do nothing with any more: they are counted as
    /// dropped, not as passed.
    public func lost(_ number: Int, bytes: Int, at end: LinkEnd) {
        count(end.other) {
            $0.frames &-= UInt64(truncatingIfNeeded: number)
            $0.bytes &-= UInt64(truncatingIfNeeded: bytes)
            $0.droppedWhileDown &+= UInt64(truncatingIfNeeded: number)
        }
    }

    // MARK: room

    /// The port at `end` can take frames again. Without a sender that waits this does nothing, so it may be said at
    /// any time, also within `take`.
    public func hasRoom(_ end: LinkEnd) {
        guard flag(isBlocked, end), !flag(isTelling, end) else { return }
        set(&isTelling, end, true)
        atEndOfTurn { [weak self] in self?.tell(end) }
    }

    /// Plugs the cable in or pulls it. Waiting senders are told that there is room: what they send is dropped while the
    /// link is down.
    public func setUp(_ isUp: Bool) {
        guard isUp != self.isUp else { return }
        self.isUp = isUp
        for end in [LinkEnd.card, .netdev] {
            port(at: end)?.linkChanged(isUp: isUp)
            hasRoom(end)
        }
    }

    private func tell(_ end: LinkEnd) {
        set(&isTelling, end, false)
        set(&isBlocked, end, false)
        port(at: end.other)?.peerHasRoom()
    }

    private func block(_ end: LinkEnd, for sender: LinkEnd) {
        set(&isBlocked, end, true)
        count(sender) { $0.blocked &+= 1 }
    }

    private func count(_ end: LinkEnd, _ change: (inout LinkCounters) -> Void) {
        if end == .card { change(&sent.0) } else { change(&sent.1) }
    }

    private func flag(_ flags: (Bool, Bool), _ end: LinkEnd) -> Bool { end == .card ? flags.0 : flags.1 }

    private func set(_ flags: inout (Bool, Bool), _ end: LinkEnd, _ value: Bool) {
        if end == .card { flags.0 = value } else { flags.1 = value }
    }
}

extension FrameView {
    /// Nothing is left to do for this frame.
    @inline(__always)
    var isPlain: Bool { offload.pendingChecksum == nil && offload.segmentation == .none }
}
