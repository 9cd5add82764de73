// A frame as it is lent from one side of a link to the other: borrowed spans plus what the sender
// knows about checksum and segmentation. Nobody owns a frame; a lend ends when the call returns.

/// What travels with a frame beside its bytes. Words as in VIRTIO 1.3, 5.1.6.
public struct Offload: Equatable, Sendable {
    /// The transport checksum is still to be computed: from `start`, stored at `start + offset`.
    public struct PendingChecksum: Equatable, Sendable {
        public var start: UInt16
        public var offset: UInt16
        public init(start: UInt16, offset: UInt16) {
            self.start = start
            self.offset = offset
        }
    }

    /// How a frame larger than the link's MTU is to be cut.
    public enum Segmentation: UInt8, Sendable {
        case none = 0
        case tcp4 = 1
        case tcp6 = 4
        case udp = 5
    }

    public var pendingChecksum: PendingChecksum?
    /// The sender vouches for the transport checksum.
    public var isChecksumValid: Bool
    public var segmentation: Segmentation
    /// Payload bytes per segment; 0 without segmentation.
    public var segmentSize: UInt16

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
    public let segments: UnsafeBufferPointer<UnsafeRawBufferPointer>
    /// Sum of the segments' lengths, in bytes.
    public let length: Int
    public let offload: Offload

    public init(segments: UnsafeBufferPointer<UnsafeRawBufferPointer>, length: Int, offload: Offload = Offload()) {
        self.segments = segments
        self.length = length
        self.offload = offload
    }

    /// Copies up to `room.count` bytes that start at `offset`; returns how many were there.
    @discardableResult
    public func copy(from offset: Int, into room: UnsafeMutableRawBufferPointer) -> Int {
        var skip = offset
        var done = 0
        for segment in segments where done < room.count {
            if skip >= segment.count {
                skip -= segment.count
                continue
            }
            let count = min(segment.count - skip, room.count - done)
            UnsafeMutableRawBufferPointer(rebasing: room[done..<done + count])
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: segment[skip..<skip + count]))
            done += count
            skip = 0
        }
        return done
    }
}

/// Room for one outgoing frame, lent by the link to whoever has something to send. The filler
/// writes the frame (Ethernet header first) at `room` and sets `length`.
public struct TransmitSlot {
    public let room: UnsafeMutableRawBufferPointer
    /// Bytes of the frame that was written; 0 while the slot is unused.
    public var length: Int
    public var offload: Offload

    public init(room: UnsafeMutableRawBufferPointer) {
        self.room = room
        self.length = 0
        self.offload = Offload()
    }
}
