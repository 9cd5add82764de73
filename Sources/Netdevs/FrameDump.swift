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
    private let atEndOfTurn: (@escaping () -> Void) -> Void
    private var buffer: [UInt8] = []
    private var isFlushScheduled = false
    private var isBroken = false
    /// `status=off`: frames pass unseen.
    public var isOn = true
    /// Frames written.
    public private(set) var frames: UInt64 = 0
    /// Told once, when the file takes no more.
    public var onFailure: ((SystemError) -> Void)?

    /// Creates the file, or empties it.
    public init(
        _ path: String, _ options: Options, atEndOfTurn: @escaping (@escaping () -> Void) -> Void
    ) throws(SystemError) {
        self.options = options
        self.atEndOfTurn = atEndOfTurn
        file = FileDescriptor(
            owning: try check(ne_open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0o644), "open", path))
        buffer.reserveCapacity(Self.flushBytes + (128 << 10))
        buffer += options.format.fileHeader(interface: options.interface, longest: options.longest)
        // Not now: the owner is not listening yet.
        scheduleFlush()
    }

    deinit { flush() }

    /// Keeps the frames that are wanted for the end of the turn.
    public func saw(_ frames: UnsafeBufferPointer<FrameView>, from end: LinkEnd) {
        guard isOn, !isBroken, wants(end) else { return }
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        let now = UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
        // The guest's view: what it sends is outbound.
        for frame in frames { append(frame, now, end == .card ? .outbound : .inbound) }
        self.frames &+= UInt64(frames.count)
        if buffer.count >= Self.flushBytes { return flush() }
        scheduleFlush()
    }

    private func scheduleFlush() {
        guard !isFlushScheduled else { return }
        isFlushScheduled = true
        atEndOfTurn { [weak self] in self?.flush() }
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
            } else if errno != EINTR {
                isBroken = true
                onFailure?(SystemError(call: "write", code: errno))
            }
        }
        buffer.removeAll(keepingCapacity: true)
    }
}
