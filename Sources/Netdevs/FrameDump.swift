// `filter-dump`: a link's frames in a capture file. Written when a turn of the loop is over or a good deal
// has come together; a file that takes no more ends the capture with one sentence, never the traffic.

import CLinux
import Glibc
import Link
import Linux

/// A capture of one link.
public final class FrameDump: FrameWatcher {
    /// What is captured, as QEMU's NetFilterDirection: seen from the back-end.
    public enum Direction: String, Sendable {
        /// Both directions.
        case all
        /// Frames that the back-end is sent.
        case rx
        /// Frames that the back-end sends.
        case tx
    }

    /// What is captured, and in which format.
    public struct Options: Sendable {
        /// pcap or pcapng.
        public var format: CaptureFormat
        /// Bytes kept of each frame.
        public var longest: UInt32
        /// Which frames are wanted.
        public var direction: Direction
        /// The interface's name in the file.
        public var interface: String

        /// - Parameter longest: bytes kept of each frame.
        public init(format: CaptureFormat, longest: UInt32, direction: Direction, interface: String) {
            self.format = format
            self.longest = longest
            self.direction = direction
            self.interface = interface
        }
    }

    private static let flushBytes = 256 << 10
    private let options: Options
    private let file: FileDescriptor
    private unowned let reactor: Reactor
    /// A pipe that is full: what the buffer has no room for is lost until it takes bytes again.
    private var watch: WatchID?
    private var lost: UInt64 = 0
    private var buffer: [UInt8] = []
    private var isFlushScheduled = false
    private var isBroken = false
    /// `status=off`: frames pass unseen.
    public var isOn = true
    /// Frames written.
    public private(set) var frames: UInt64 = 0
    /// Told once, when the file takes no more.
    public var onFailure: ((SystemError) -> Void)?

    /// Told when the reader of a pipe is late (0), and how many frames were lost once it has caught up.
    public var onLoss: ((UInt64) -> Void)?

    /// Creates the file, for its owner only, or empties it. A FIFO needs a reader already: without one it is ENXIO.
    public init(_ path: String, _ options: Options, on reactor: Reactor) throws(SystemError) {
        self.options = options
        self.reactor = reactor
        file = try OutputFile.open(path, O_WRONLY, mode: 0o600, empties: true)
        buffer.reserveCapacity(Self.flushBytes + (128 << 10))
        buffer += options.format.fileHeader(interface: options.interface, longest: options.longest)
        // Not now: the owner is not listening yet.
        scheduleFlush()
    }

    deinit {
        flush()
        if let watch { reactor.remove(watch) }
    }

    /// Keeps the frames that are wanted for the end of the turn.
    public func saw(_ frames: UnsafeBufferPointer<FrameView>, from end: LinkEnd) {
        guard isOn, !isBroken, wants(end) else { return }
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        let now = UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
        // The guest's view: what it sends is outbound.
        var taken = 0
        for frame in frames where hasRoom(frame) {
            append(frame, now, end == .card ? .outbound : .inbound)
            taken += 1
        }
        self.frames &+= UInt64(taken)
        if taken < frames.count { lose(UInt64(frames.count - taken)) }
        guard watch == nil else { return }
        if buffer.count >= Self.flushBytes { return flush() }
        scheduleFlush()
    }

    /// While a pipe is full the buffer holds this much and no more.
    private func hasRoom(_ frame: FrameView) -> Bool {
        watch == nil || buffer.count + min(frame.length, Int(options.longest)) <= Self.flushBytes
    }

    private func lose(_ count: UInt64) {
        if lost == 0 { onLoss?(0) }
        lost &+= count
    }

    private func scheduleFlush() {
        guard !isFlushScheduled else { return }
        isFlushScheduled = true
        reactor.atEndOfTurn { [weak self] in self?.flush() }
    }

    private func wants(_ end: LinkEnd) -> Bool {
        switch options.direction {
        case .all: true
        case .rx: end == .card
        case .tx: end == .netdev
        }
    }

    private func append(_ frame: FrameView, _ now: UInt64, _ direction: CaptureDirection) {
        let kept = min(frame.length, Int(options.longest))
        options.format.appendRecordHeader(nanoseconds: now, kept: kept, length: frame.length, to: &buffer)
        frame.forEachSpan(from: 0, count: kept) { buffer.append(contentsOf: $0) }
        options.format.appendRecordTrailer(kept: kept, direction, to: &buffer)
    }

    /// Writes what has come together.
    public func flush() {
        isFlushScheduled = false
        var done = 0
        while done < buffer.count, !isBroken {
            let count = buffer.withUnsafeBytes {
                Glibc.write(file.raw, $0.baseAddress.map { $0 + done }, $0.count - done)
            }
            if count > 0 {
                done += count
            } else if errno == EAGAIN {
                buffer.removeFirst(done)
                return waitForRoom()
            } else if errno != EINTR {
                isBroken = true
                onFailure?(SystemError(call: "write", code: errno))
            }
        }
        buffer.removeAll(keepingCapacity: true)
        caughtUp()
    }

    private func waitForRoom() {
        guard watch == nil else { return }
        do throws(SystemError) {
            watch = try reactor.watch(file.raw, for: .writable) { [weak self] _ in self?.flush() }
        } catch {
            isBroken = true
            onFailure?(error)
        }
    }

    private func caughtUp() {
        if let watch { reactor.remove(watch) }
        watch = nil
        guard lost > 0 else { return }
        onLoss?(lost)
        lost = 0
    }

    /// Writes the rest; a pipe that is full has so long to take it.
    public func finish(milliseconds: Int) {
        let deadline = ne_monotonic_ns() &+ UInt64(max(0, milliseconds)) * 1_000_000
        flush()
        while watch != nil, ne_monotonic_ns() < deadline {
            var entry = pollfd(fd: file.raw, events: Int16(POLLOUT), revents: 0)
            _ = poll(&entry, 1, 10)
            flush()
        }
        guard watch != nil else { return }
        // A record that was cut is of no use.
        buffer.removeAll()
        caughtUp()
    }
}
