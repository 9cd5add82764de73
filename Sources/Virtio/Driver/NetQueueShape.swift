// What the two queues of a network driver have in common: their shape, the guest memory they take from
// the heap, and what a turn reports.

/// How a network queue is to be laid out.
public struct NetQueueShape: Hashable, Sendable {
    /// Entries of the ring: a power of two.
    public var size: UInt16
    /// Bytes of each receive buffer, header included, or the longest frame of a transmit slot.
    public var bufferBytes: Int
    /// The negotiated feature bits.
    public var features: UInt64

    /// Checked where the queue is made.
    public init(size: UInt16, bufferBytes: Int, features: UInt64) {
        self.size = size
        self.bufferBytes = bufferBytes
        self.features = features
    }
}

/// What one turn of a network queue did.
public struct NetQueueReport: Hashable, Sendable {
    /// Frames lent (receive) or committed (transmit).
    public var frames = 0
    /// The device wants a kick: `NetDevice.notify`.
    public var needsKick = false
    /// There may be more to do at once: the budget or the batch ended the turn.
    public var hasMore = false
    /// Frames were lent and not taken: they are lent again when there is room for them.
    public var isRefused = false

    /// Nothing was done.
    public init() {}
}

/// Where the ring and the buffers of a queue lie, guest-physical.
struct NetQueuePlace: Equatable, Sendable {
    var ring: UInt64
    var buffers: UInt64
}

/// A ring and its buffers as spans of the heap; given back together with the value.
struct NetQueueMemory: ~Copyable {
    private let heap: GuestHeap
    private let ring: UnsafeMutableRawBufferPointer
    private let buffers: UnsafeMutableRawBufferPointer
    /// Guest-physical.
    let ringAddress: UInt64
    let place: BufferPlace

    /// First byte of the first buffer.
    var start: UnsafeMutableRawPointer { place.start }

    /// - Parameters:
    ///   - stride: bytes from one of the `size` buffers to the next.
    ///   - known: where they lay on the other side of a move, and lie here.
    init(size: UInt16, stride: Int, heap: GuestHeap, at known: NetQueuePlace? = nil) throws(VirtioError) {
        guard RingLayout.isLegal(size: size) else { throw .queueSize(size) }
        // A whole page at least, so that the ring is page-aligned.
        let ringBytes = max(RingLayout.contiguousBytes(size), GuestMemory.pageSize)
        let (bytes, overflow) = stride.multipliedReportingOverflow(by: Int(size))
        func lend(_ bytes: Int, _ address: UInt64?) -> UnsafeMutableRawBufferPointer? {
            guard let address else { return heap.allocate(bytes) }
            return try? heap.claim(bytes, at: address)
        }
        guard let ring = lend(ringBytes, known?.ring), let ringStart = ring.baseAddress else {
            throw .exhausted(bytes: ringBytes)
        }
        guard !overflow, let buffers = lend(bytes, known?.buffers), let start = buffers.baseAddress,
            let ringAddress = heap.memory.address(of: ringStart), let address = heap.memory.address(of: start)
        else {
            try? heap.free(ring)
            throw .exhausted(bytes: overflow ? .max : bytes)
        }
        self.heap = heap
        self.ring = ring
        self.buffers = buffers
        self.ringAddress = ringAddress
        place = BufferPlace(start: start, address: address, stride: stride)
    }

    deinit {
        try? heap.free(ring)
        try? heap.free(buffers)
    }
}

/// Where buffer i lies. The index is private to the driver and below the queue's size.
struct BufferPlace {
    let start: UnsafeMutableRawPointer
    /// Guest-physical.
    let address: UInt64
    let stride: Int

    @inline(__always)
    func address(_ index: Int) -> UInt64 { address &+ UInt64(truncatingIfNeeded: index &* stride) }

    @inline(__always)
    func pointer(_ index: Int) -> UnsafeMutableRawPointer { start + index &* stride }
}
