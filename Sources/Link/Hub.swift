// A hub: what one port hears, the others say. Frames are handed on where they lie; only a port whose link
// is blocked gets copies, a bounded number of them, so that one slow port holds up nobody. A sender is
// refused only when no port at all can take its frames. Hubs that are joined in a ring do not circle: a frame
// that comes back while it is being handed on is dropped and counted.

/// A hub of ports.
public final class Hub {
    /// Frames that wait for one blocked port; the next are dropped for that port and counted.
    static let waitingLimit = 1024

    fileprivate var ports: [HubPort] = []
    fileprivate var isForwarding = false
    /// Frames that came back through a ring of hubs.
    public private(set) var looped: UInt64 = 0

    /// A hub without ports.
    public init() {}

    /// A new port at `end` of `link`; the hub owns it until `remove`.
    public func addPort(on link: FrameLink, at end: LinkEnd) -> HubPort {
        let port = HubPort(self, link, end)
        ports.append(port)
        link.connect(port, at: end)
        // It is not blocked: whoever was refused because all others are may send.
        hasRoom(besides: port)
        return port
    }

    /// The port leaves its link, and what waited for it is forgotten.
    public func remove(_ port: HubPort) {
        ports.removeAll { $0 === port }
        port.leave()
        hasRoom(besides: port)
    }

    fileprivate func forward(_ frames: UnsafeBufferPointer<FrameView>, from origin: HubPort) -> Int {
        guard !isForwarding else {
            looped &+= UInt64(frames.count)
            return frames.count
        }
        let others = ports.count - 1
        guard others == 0 || ports.contains(where: { $0 !== origin && !$0.isBlocked }) else { return 0 }
        handOn { for port in ports where port !== origin { port.say(frames) } }
        return frames.count
    }

    /// What comes in within `body` is what it hands on, come back.
    fileprivate func handOn(_ body: () -> Void) {
        isForwarding = true
        body()
        isForwarding = false
    }

    /// Some port takes frames again: those who were refused may send.
    fileprivate func hasRoom(besides port: HubPort) {
        for other in ports where other !== port { other.link?.hasRoom(other.end) }
    }
}

/// One port of a hub.
public final class HubPort: FramePort {
    private struct WaitingFrame {
        let bytes: [UInt8]
        let offload: Offload
    }

    private weak var hub: Hub?
    fileprivate private(set) weak var link: FrameLink?
    fileprivate let end: LinkEnd
    private var waiting: [WaitingFrame] = []
    /// Frames dropped because too many waited.
    public private(set) var dropped: UInt64 = 0

    fileprivate init(_ hub: Hub, _ link: FrameLink, _ end: LinkEnd) {
        self.hub = hub
        self.link = link
        self.end = end
    }

    fileprivate var isBlocked: Bool { !waiting.isEmpty }

    /// Hands the frames to all other ports; 0 when none of them can take any.
    public func take(_ frames: UnsafeBufferPointer<FrameView>) -> Int {
        hub?.forward(frames, from: self) ?? frames.count
    }

    /// Sends what waits for this port's link.
    public func peerHasRoom() {
        hub?.handOn {
            // Sending may end in this port's removal, which empties the queue.
            while let frame = waiting.first, send(frame), !waiting.isEmpty { waiting.removeFirst() }
        }
        if !isBlocked { hub?.hasRoom(besides: self) }
    }

    /// Pending checksums pass a hub: the link of each port completes them where that is needed.
    public var capabilities: LinkCapabilities { LinkCapabilities(checksum: true) }

    fileprivate func leave() {
        waiting = []
        if let link, link.port(at: end) === self { link.connect(nil, at: end) }
        link = nil
    }

    /// Sends frames on, or keeps copies of those that the link refuses.
    fileprivate func say(_ frames: UnsafeBufferPointer<FrameView>) {
        guard let link else { return }
        let taken = isBlocked ? 0 : link.send(frames, from: end)
        for frame in frames[taken...] { keep(frame) }
    }

    private func keep(_ frame: FrameView) {
        guard waiting.count < Hub.waitingLimit else {
            dropped &+= 1
            return
        }
        let bytes = [UInt8](unsafeUninitializedCapacity: frame.length) { room, count in
            count = frame.copy(from: 0, into: UnsafeMutableRawBufferPointer(room))
        }
        waiting.append(WaitingFrame(bytes: bytes, offload: frame.offload))
    }

    private func send(_ frame: WaitingFrame) -> Bool {
        guard let link else { return true }
        return frame.bytes.withUnsafeBytes { bytes in
            FrameView.withOneSpan(bytes, offload: frame.offload) { link.send($0, from: end) } == 1
        }
    }
}
