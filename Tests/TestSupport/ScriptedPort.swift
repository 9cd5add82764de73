// Both things a link needs of its surroundings, in the hand of a test: a port that does as it is told, and
// the end of a turn. Frames are arrays here.

import Link

/// What was put off to the end of the turn. `run` is that end.
public final class TurnEnd {
    private var work: [() -> Void] = []

    public init() {}

    /// How many actions wait.
    public var count: Int { work.count }

    public func add(_ action: @escaping () -> Void) { work.append(action) }

    /// What a link and a back-end are given.
    public var door: (@escaping () -> Void) -> Void {
        { [weak self] in self?.add($0) }
    }

    /// Runs what waits now; what that adds is for the next turn.
    public func runOnce() {
        let now = work
        work = []
        for action in now { action() }
    }

    /// Turns until nothing waits; false when that does not come about.
    @discardableResult
    public func run(turns: Int = 10_000) -> Bool {
        for _ in 0..<turns where !work.isEmpty { runOnce() }
        return work.isEmpty
    }
}

/// A port that takes as many frames as it has room for and keeps their bytes.
public final class ScriptedPort: FramePort {
    /// Frames that it takes before it is blocked.
    public var room = Int.max
    public private(set) var frames: [[UInt8]] = []
    public private(set) var offloads: [Offload] = []
    /// Spans of each frame, as it was lent.
    public private(set) var spans: [Int] = []
    /// How often it was told that the other end has room.
    public private(set) var told = 0
    public private(set) var linkStates: [Bool] = []
    /// What it says that it can do; after a change the link has to be told.
    public var capabilities = LinkCapabilities.plain
    /// Done when it is told that the other end has room.
    public var onRoom: (() -> Void)?

    public init() {}

    public func take(_ lent: UnsafeBufferPointer<FrameView>) -> Int {
        let count = min(room, lent.count)
        for frame in lent[..<count] {
            frames.append(frame.bytes)
            offloads.append(frame.offload)
            spans.append(frame.segments.count)
        }
        if room != .max { room -= count }
        return count
    }

    public func peerHasRoom() {
        told += 1
        onRoom?()
    }

    public func linkChanged(isUp: Bool) { linkStates.append(isUp) }

    /// Forgets the frames and returns them.
    public func takeFrames() -> [[UInt8]] {
        defer { (frames, offloads, spans) = ([], [], []) }
        return frames
    }
}

/// Lends `frames` as one batch, each in up to `pieces` spans of about the same length.
public func withFrames<R>(
    _ frames: [[UInt8]], pieces: Int = 1, _ body: (UnsafeBufferPointer<FrameView>) throws -> R
) rethrows -> R {
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: frames.reduce(0) { $0 + $1.count }, alignment: 1)
    let segments = UnsafeMutableBufferPointer<UnsafeRawBufferPointer>.allocate(capacity: frames.count * pieces)
    defer {
        bytes.deallocate()
        segments.deallocate()
    }
    var views: [FrameView] = []
    var (offset, next) = (0, 0)
    for frame in frames {
        let size = max(1, (frame.count + pieces - 1) / pieces)
        let (first, end) = (next, offset + frame.count)
        UnsafeMutableRawBufferPointer(rebasing: bytes[offset..<end]).copyBytes(from: frame)
        while offset < end {
            let cut = min(end, offset + size)
            segments.initializeElement(at: next, to: UnsafeRawBufferPointer(rebasing: bytes[offset..<cut]))
            (offset, next) = (cut, next + 1)
        }
        views.append(
            FrameView(segments: UnsafeBufferPointer(rebasing: segments[first..<next]), length: frame.count))
    }
    return try views.withUnsafeBufferPointer(body)
}

/// Bytes of which test frames are made.
private let pattern = (0..<1 << 17).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) }

/// A frame of `length` bytes that differs from those of other numbers.
public func testFrame(_ length: Int, _ number: Int = 0) -> [UInt8] {
    let start = number & 0xffff
    var bytes = Array(pattern[start..<start + length])
    for place in 0..<min(4, length) { bytes[place] = UInt8(truncatingIfNeeded: number >> (24 - 8 * place)) }
    return bytes
}

extension FrameView {
    /// A copy of the frame; empty when its spans are not as long as it says.
    public var bytes: [UInt8] {
        guard segments.reduce(0, { $0 + $1.count }) == length else { return [] }
        return [UInt8](unsafeUninitializedCapacity: length) { room, count in
            count = copy(from: 0, into: UnsafeMutableRawBufferPointer(room))
        }
    }
}

extension FrameLink {
    /// Sends `frames` from `end`; how many it took.
    public func send(_ frames: [[UInt8]], pieces: Int = 1, from end: LinkEnd) -> Int {
        withFrames(frames, pieces: pieces) { send($0, from: end) }
    }
}
