// The driver's receive queue of a network device (VIRTIO 1.3, 5.1.6.3 and 5.1.6.4): buffers in guest
// RAM, one descriptor each; frames are lent in batches where they lie and their buffers posted again.
// With MRG_RXBUF a frame spans several buffers. Everything the device says is checked (RF-03 … RF-05);
// a frame costs no allocation.

import Link

/// Receive buffers in guest RAM. The memory goes back to the heap with the value: end it only when the device does not
/// touch the ring any more.
public struct NetReceiveQueue: ~Copyable {
    static let batch = 64

    var queue: SplitDriverQueue
    private let memory: NetQueueMemory
    private var features: UInt64
    let bufferBytes: UInt32
    /// Where the ring lies: what the device is told.
    public let addresses: RingAddresses

    /// Used buffers, reaped but not looked at yet: `next ..< count`.
    let used: UnsafeMutablePointer<UsedChain>
    var next = 0
    var count = 0
    private let frames: UnsafeMutablePointer<FrameView>
    private let segments: UnsafeMutablePointer<UnsafeRawBufferPointer>

    /// Frames dropped because the device broke a rule (RF-04, RF-05, a header that does not fit its frame).
    public internal(set) var dropped: UInt64 = 0
    /// Why the ring is broken; it stays so until `restart`.
    public var fault: RingFault? { queue.fault }
    /// Entries, each with a buffer.
    public var size: UInt16 { queue.size }
    /// used.len that claimed more than was posted (RF-03).
    public var clampedLengths: UInt64 { queue.clampedLengths }

    /// Lays out the ring and makes a buffer available for each entry; kick once the device is started.
    public init(_ shape: NetQueueShape, heap: GuestHeap) throws(VirtioError) {
        try self.init(shape, heap: heap, at: nil)
    }

    /// - Parameter known: where the ring lies already, as somebody has left it; nothing is posted then.
    init(_ shape: NetQueueShape, heap: GuestHeap, at known: NetQueuePlace?) throws(VirtioError) {
        let least = NetReceiveQueue.leastBuffer(features: shape.features)
        guard shape.bufferBytes >= least, shape.bufferBytes <= 1 << 24 else {
            throw .bufferSize(shape.bufferBytes, least: least)
        }
        let stride = (shape.bufferBytes + 63) & ~63
        let memory = try NetQueueMemory(size: shape.size, stride: stride, heap: heap, at: known)
        let addresses = RingAddresses(contiguousAt: memory.ringAddress, size: shape.size)
        let state = QueueState(
            size: shape.size, addresses: addresses, features: RingFeatures(negotiated: shape.features))
        queue = try SplitDriverQueue(
            fixed: state, posted: UInt32(shape.bufferBytes), memory: heap.memory, isFresh: known == nil)
        self.addresses = addresses
        self.memory = memory
        features = shape.features
        bufferBytes = UInt32(shape.bufferBytes)
        used = .allocate(capacity: Int(shape.size))
        frames = .allocate(capacity: NetReceiveQueue.batch)
        segments = .allocate(capacity: Int(shape.size))
        if known == nil { postAll() }
    }

    var place: NetQueuePlace { NetQueuePlace(ring: memory.ringAddress, buffers: memory.place.address) }

    deinit {
        used.deallocate()
        frames.deallocate()
        segments.deallocate()
    }

    /// The smallest legal buffer (VIRTIO 1.3, 5.1.6.3.1).
    public static func leastBuffer(features: UInt64) -> Int {
        if features & NetFeature.mergeableBuffers != 0 { return 64 }
        let big = NetFeature.guestTSO4 | NetFeature.guestTSO6 | NetFeature.guestUFO
        return features & big != 0 ? 65562 : 1526
    }

    private mutating func postAll() {
        var posting = queue.begin()
        for index in 0..<Int(queue.size) {
            posting.post(
                UInt32(index), address: memory.place.address(index), length: bufferBytes, isWritable: true)
        }
        queue.end(posting)
        queue.publishBeforeStart()
    }

    /// Posts the buffers again that were used.
    private mutating func repost(_ positions: Range<Int>) {
        let (used, place, bytes) = (used, memory.place, bufferBytes)
        var posting = queue.begin()
        for position in positions {
            let index = used[position].token
            posting.post(index, address: place.address(Int(index)), length: bytes, isWritable: true)
        }
        queue.end(posting)
    }

    // MARK: receiving

    /// Lends the frames that arrived, at most `budget`, in batches to `body`, and posts their buffers again after each
    /// batch. The lend ends when `body` returns.
    public mutating func receive(budget: Int = 256, _ body: (UnsafeBufferPointer<FrameView>) -> Void) -> NetQueueReport
    {
        offer(budget: budget) { frames in
            body(frames)
            return frames.count
        }
    }

    /// As `receive`, to somebody who can refuse: `body` returns how many of the batch it took, counted from the first. The
    /// others stay where they are and are lent again by the next call; `isRefused` of the turn says so.
    @inline(__always)
    public mutating func offer(budget: Int = 256, _ body: (UnsafeBufferPointer<FrameView>) -> Int) -> NetQueueReport {
        var turn = NetQueueReport()
        var left = budget
        while left > 0 {
            if next == count { reap() }
            let (first, nonsense) = (next, dropped)
            let (lent, isCut) = gather(atMost: min(left, NetReceiveQueue.batch))
            if first == next {
                guard isCut, completeFrame() else { break }
                continue
            }
            let taken = lent > 0 ? max(0, min(lent, body(UnsafeBufferPointer(start: frames, count: lent)))) : 0
            if taken < lent { keep(from: taken, first..<next, dropped: nonsense) }
            repost(first..<next)
            if queue.publish() { turn.needsKick = true }
            turn.frames += taken
            if taken < lent {
                turn.isRefused = true
                return turn
            }
            // A batch of nothing but nonsense counts, too: a hostile device cannot keep the turn going.
            left -= max(1, lent)
        }
        turn.hasMore = next != count || queue.hasUsed
        return turn
    }

    /// `next` goes back to where among `positions` the buffers of the frame begin that is `frame` in the batch; what is
    /// behind it was not looked at, and `dropped` counts from where it stood before the batch.
    private mutating func keep(from frame: Int, _ positions: Range<Int>, dropped before: UInt64) {
        let start = frames[frame].segments[0].baseAddress
        next = positions.lowerBound
        var passed = 0
        while next < positions.upperBound,
            UnsafeRawPointer(memory.place.pointer(Int(used[next].token))) + NetHeader.size != start
        {
            next = min(next + buffersNamed(at: next), positions.upperBound)
            passed += 1
        }
        dropped = min(dropped, before &+ UInt64(max(0, passed - frame)))
    }

    /// The frame at `next` names more buffers than were given back. All of them are used together (VIRTIO 1.3, 5.1.6.4.1),
    /// so that one more look finds the rest, or they will not come and the ring makes no sense (RF-05).
    private mutating func completeFrame() -> Bool {
        let known = count - next
        reap()
        if count - next > known { return true }
        if queue.fault == nil { queue.fault = .missingBuffers(given: UInt16(truncatingIfNeeded: known)) }
        dropped &+= 1
        next = count
        return false
    }

    /// Takes what the device used, behind what is still waiting.
    private mutating func reap() {
        if next > 0 {
            for position in next..<count { used[position - next] = used[position] }
            count -= next
            next = 0
        }
        count += queue.reap(into: UnsafeMutableBufferPointer(start: used + count, count: Int(queue.size) - count))
    }

    /// Describes up to `limit` frames in `frames`; their buffers, and those of nonsense, are those that `next` moved over.
    /// Buffers do not change their place here. `isCut`: the frame at `next` has more buffers than were given back.
    private mutating func gather(atMost limit: Int) -> (lent: Int, isCut: Bool) {
        var (lent, segment) = (0, 0)
        while lent < limit, next < count {
            gatherSimple(&lent, &segment, atMost: limit)
            guard lent < limit, next < count else { break }
            switch describe(in: frames + lent, firstSegment: segment) {
            case .frame(let buffers):
                lent += 1
                segment += buffers
                next += buffers
            case .nonsense(let buffers):
                dropped &+= 1
                next += buffers
            case .incomplete: return (lent, true)
            }
        }
        return (lent, false)
    }

    /// The common case, in registers: a run of frames of one buffer each with nothing to say but "checksum valid".
    @inline(__always)
    private mutating func gatherSimple(_ lent: inout Int, _ segment: inout Int, atMost limit: Int) {
        let (used, place, end, frames, segments) = (used, memory.place, count, frames, segments)
        let ignoresCount = features & NetFeature.mergeableBuffers == 0
        let trusts = features & NetFeature.guestChecksum != 0
        var (position, frame) = (next, lent)
        // So far every frame of the batch may have had several segments; from here on each has one.
        let shift = segment &- lent
        while frame < limit, position < end {
            let length = Int(used[position].length) &- NetHeader.size
            guard length > 0 else { break }
            let start = UnsafeRawPointer(place.pointer(Int(used[position].token)))
            let header = NetHeader(copying: start)
            guard header.isPlain, header.bufferCount == 1 || ignoresCount else { break }
            let span = segments + (frame &+ shift)
            span.initialize(to: UnsafeRawBufferPointer(start: start + NetHeader.size, count: length))
            (frames + frame).initialize(
                to: FrameView(
                    segments: UnsafeBufferPointer(start: span, count: 1), length: length,
                    offload: Offload(isChecksumValid: trusts && header.flags & NetHeader.dataValid != 0)))
            position &+= 1
            frame &+= 1
        }
        (next, lent, segment) = (position, frame, frame &+ shift)
    }

    /// What lies at `next`.
    private enum Arrival {
        case frame(buffers: Int)
        case nonsense(buffers: Int)
        /// The device has not given back as many buffers as the header names.
        case incomplete
    }

    private mutating func describe(in view: UnsafeMutablePointer<FrameView>, firstSegment: Int) -> Arrival {
        let first = used[next]
        guard first.length > UInt32(NetHeader.size) else { return .nonsense(buffers: 1) }
        let start = UnsafeRawPointer(memory.place.pointer(Int(first.token)))
        let header = NetHeader(copying: start)
        let buffers = features & NetFeature.mergeableBuffers != 0 ? Int(header.bufferCount) : 1
        guard buffers > 0 else { return .nonsense(buffers: 1) }
        guard buffers <= count - next else { return .incomplete }
        var total = 0
        for extra in 0..<buffers {
            let chain = used[next + extra]
            let skipped = extra == 0 ? NetHeader.size : 0
            let length = Int(chain.length) - skipped
            let base = UnsafeRawPointer(memory.place.pointer(Int(chain.token)))
            (segments + firstSegment + extra).initialize(
                to: UnsafeRawBufferPointer(start: base + skipped, count: length))
            total += length
        }
        guard let offload = try? header.offload(frame: total, features: features, direction: .toDriver) else {
            return .nonsense(buffers: buffers)
        }
        let spans = UnsafeBufferPointer(start: segments + firstSegment, count: buffers)
        view.initialize(to: FrameView(segments: spans, length: total, offload: offload))
        return .frame(buffers: buffers)
    }

    // MARK: waiting, and a new device

    /// No call is wanted until `rearm`: for a driver that polls.
    public mutating func suppressCalls() { queue.suppressCalls() }

    /// Wants a call for the next frame. True: one is there; receive, do not sleep.
    public mutating func rearm() -> Bool { queue.rearmCalls() || next != count }

    /// Takes back what a dead device used; then where a new one may begin, or nil when only a reset helps. The frames
    /// are lent by the next `receive`. One that lacks its last buffers is dropped: it ends with the device that began it,
    /// and what its successor writes is no part of it.
    public mutating func restartBase() -> RingPosition? {
        reap()
        dropIncomplete()
        return queue.restartBase()
    }

    /// The buffers of a last frame that was not given back whole are posted again.
    private mutating func dropIncomplete() {
        guard features & NetFeature.mergeableBuffers != 0, queue.fault == nil else { return }
        var place = next
        while place < count {
            let buffers = buffersNamed(at: place)
            if buffers > count - place {
                repost(place..<count)
                count = place
                dropped &+= 1
                queue.publishBeforeStart()
                return
            }
            place += buffers
        }
    }

    /// How many buffers the frame or nonsense at `place` has, as `describe` counts them.
    private func buffersNamed(at place: Int) -> Int {
        guard features & NetFeature.mergeableBuffers != 0, used[place].length > UInt32(NetHeader.size) else { return 1 }
        return max(1, Int(NetHeader(copying: memory.place.pointer(Int(used[place].token))).bufferCount))
    }

    /// After a device reset: the same ring and buffers, all posted anew. Kick once the device is started.
    public mutating func restart(features: UInt64) {
        self.features = features
        queue.clear(features: RingFeatures(negotiated: features))
        (next, count) = (0, 0)
        postAll()
    }
}
