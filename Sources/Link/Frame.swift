// A frame as it is lent from one side of a link to the other: borrowed spans plus what the sender
// knows about checksum and segmentation. Nobody owns a frame; a lend ends when the call returns.

/// What travels with a frame beside its bytes. Words as in VIRTIO 1.3, 5.1.6.
public struct Offload: Equatable, Sendable {
    /// The transport checksum is still to be computed: from `start`, stored at `start + offset`.
    public struct PendingChecksum: Equatable, Sendable {
        /// Offset in the frame from which on everything is summed.
        public var start: UInt16
        /// Where the checksum goes, counted from `start`.
        public var offset: UInt16
        /// Both in bytes. Whoever gets it checks that they lie in the frame.
        public init(start: UInt16, offset: UInt16) {
            self.start = start
            self.offset = offset
        }
    }

    /// How a frame larger than the link's MTU is to be cut; the raw value is virtio's gso_type.
    public enum Segmentation: UInt8, Sendable {
        /// Not at all.
        case none = 0
        /// TCP over IPv4.
        case tcp4 = 1
        /// TCP over IPv6.
        case tcp6 = 4
        /// UDP: each piece is a datagram of its own.
        case udp = 5
        /// As `tcp4`; the frame carries CWR, which only the first segment keeps (RFC 3168, 6.1.2).
        case tcp4ECN = 0x81
        /// As `tcp6`; the frame carries CWR, which only the first segment keeps.
        case tcp6ECN = 0x84
    }

    /// Nil: the checksums of the frame are there.
    public var pendingChecksum: PendingChecksum?
    /// The sender vouches for the transport checksum.
    public var isChecksumValid: Bool
    /// Needs a pending checksum, too: each segment has its own.
    public var segmentation: Segmentation
    /// Payload bytes per segment; 0 without segmentation.
    public var segmentSize: UInt16

    /// Without arguments: a whole frame with all checksums, which nobody vouches for.
    @inlinable
    public init(
        pendingChecksum: PendingChecksum? = nil, isChecksumValid: Bool = false,
        segmentation: Segmentation = .none, segmentSize: UInt16 = 0
    ) {
        self.pendingChecksum = pendingChecksum
        self.isChecksumValid = isChecksumValid
        self.segmentation = segmentation
        self.segmentSize = segmentSize
    }
}

/// A received frame: an ordered list of borrowed spans, Ethernet header first, without any
/// virtio header. The bytes may change under the reader when they lie in guest memory:
/// headers are copied once and only the copy is parsed.
public struct FrameView {
    /// The spans, in order; lent like the frame.
    public let segments: UnsafeBufferPointer<UnsafeRawBufferPointer>
    /// Sum of the segments' lengths, in bytes.
    public let length: Int
    /// What the sender knows and leaves to others.
    public let offload: Offload

    /// - Parameters:
    ///   - segments: the frame's bytes in order, lent.
    ///   - length: the sum of the segments' lengths, which is not computed again.
    ///   - offload: what its sender leaves to others.
    @inlinable
    public init(segments: UnsafeBufferPointer<UnsafeRawBufferPointer>, length: Int, offload: Offload = Offload()) {
        self.segments = segments
        self.length = length
        self.offload = offload
    }

    /// Lends `bytes`, which lie in one piece, as a batch of one frame; the lend ends when `body` returns.
    @inlinable
    public static func withOneSpan<R>(
        _ bytes: UnsafeRawBufferPointer, offload: Offload = Offload(),
        _ body: (UnsafeBufferPointer<FrameView>) throws -> R
    ) rethrows -> R {
        try withUnsafePointer(to: bytes) { segment in
            let view = FrameView(
                segments: UnsafeBufferPointer(start: segment, count: 1), length: bytes.count, offload: offload)
            return try withUnsafePointer(to: view) { try body(UnsafeBufferPointer(start: $0, count: 1)) }
        }
    }

    /// Calls `body` for each stretch of the up to `count` bytes that start at `offset`, in order; returns how many bytes
    /// there were. Bytes past the frame's end are not there.
    @inlinable @inline(__always)
    @discardableResult
    public func forEachSpan(from offset: Int, count: Int, _ body: (UnsafeRawBufferPointer) -> Void) -> Int {
        var skip = offset
        var left = count
        for segment in segments where left > 0 {
            if skip >= segment.count {
                skip &-= segment.count
                continue
            }
            let part = min(segment.count &- skip, left)
            body(UnsafeRawBufferPointer(rebasing: segment[skip..<skip &+ part]))
            left &-= part
            skip = 0
        }
        return count &- left
    }

    /// Copies up to `room.count` bytes that start at `offset`; returns how many were there.
    @discardableResult
    public func copy(from offset: Int, into room: UnsafeMutableRawBufferPointer) -> Int {
        // Nearly every frame is one span.
        if segments.count == 1, let source = segments[0].baseAddress, let target = room.baseAddress,
            UInt(bitPattern: offset) <= UInt(bitPattern: segments[0].count)
        {
            let count = min(room.count, segments[0].count &- offset)
            target.copyMemory(from: source + offset, byteCount: count)
            return count
        }
        var done = 0
        return forEachSpan(from: offset, count: room.count) { part in
            UnsafeMutableRawBufferPointer(rebasing: room[done..<done &+ part.count]).copyMemory(from: part)
            done &+= part.count
        }
    }
}

/// Room for one outgoing frame, lent by the link to whoever has something to send. The filler
/// writes the frame (Ethernet header first) at `room` and sets `length`.
public struct TransmitSlot {
    /// Where the frame is written; as long as the longest frame that may be.
    public let room: UnsafeMutableRawBufferPointer
    /// Bytes of the frame that was written; 0 while the slot is unused.
    public var length: Int
    /// What the filler leaves to the link; `Offload()` when it left nothing.
    public var offload: Offload

    /// An unused slot.
    public init(room: UnsafeMutableRawBufferPointer) {
        self.room = room
        self.length = 0
        self.offload = Offload()
    }
}
