// The device's side of a split ring (VIRTIO 1.3, 2.7), against a guest that changes its memory at any
// moment (docs/misbehaviours.md, RV): each shared word is copied once and only the copy is looked at; a chain
// that is no frame goes back with length 0; a ring that makes no sense is broken and touched no more.
// Taking chains apart is in ChainWalk; room for them is a ChainBatch.

import CLinux
import Glibc

/// What chains of a queue may hold.
public enum ChainDirection: Sendable { case readable, writable, both }

/// The device's side of a split ring. A value with one owner; it moves to the thread that works on it.
public struct SplitDeviceQueue: ~Copyable, @unchecked Sendable {
    let ring: RingMemory
    let memory: GuestMemory
    let features: RingFeatures
    var walk: ChainWalk
    /// avail.idx as last read.
    var availIndex: UInt16
    /// Where the next used entry goes; published up to `publishedUsed`.
    var nextUsed: UInt16
    var publishedUsed: UInt16
    var calls = NotificationRule()

    /// Why the ring is broken; it stays so.
    public internal(set) var fault: RingFault?
    /// The next avail index. Chains in flight are behind it.
    public internal(set) var base: UInt16
    /// The same as whoever goes on here is told it: what GET_VRING_BASE answers.
    public var position: RingPosition { RingPosition(base) }
    /// Chains popped and not yet pushed.
    public internal(set) var inFlight: UInt16 = 0
    /// Chains given back with length 0 because they were no frame.
    public internal(set) var dropped: UInt64 = 0

    /// Entries.
    public var size: UInt16 { ring.size }
    /// The ring as data, for the one who goes on with it.
    public let configuration: QueueState

    /// Takes a ring over at `state.base`, with what is already in it. Throws when size, addresses or base make no
    /// sense (RV-03, RV-05, RV-06, RV-34, RV-35).
    public init(_ state: QueueState, memory: GuestMemory, direction: ChainDirection) throws(VirtioError) {
        let ring = try RingMemory(state, in: memory)
        let used = ring.usedIndexAcquire()
        guard state.base.index &- used <= state.size else {
            throw .base(state.base.index, usedIndex: used, size: state.size)
        }
        self.ring = ring
        self.memory = memory
        configuration = state
        features = state.features
        base = state.base.index
        availIndex = state.base.index
        nextUsed = used
        publishedUsed = used
        walk = ChainWalk(ring: ring, memory: memory, direction: direction, allowsIndirect: state.features.indirect)
    }

    /// What a successor needs to go on here. Push or rewind what is in flight first.
    public var state: QueueState {
        var state = configuration
        state.base = position
        return state
    }

    // MARK: taking

    /// Takes up to `limit` chains into `batch` (which forgets what it held); returns how many. Chains that are no
    /// frame are given back here: call `publish` at the end of the turn even when nothing was returned.
    public mutating func pop(into batch: inout ChainBatch, limit: Int = 64) -> Int {
        batch.clear()
        guard fault == nil, refreshAvailIndex(wanting: limit) else { return 0 }
        let most = min(limit, batch.chainCapacity)
        while base != availIndex, batch.chainCount < most {
            switch walk.direction {
            case .readable: popSimple(into: &batch, most: most, isWritable: false)
            case .writable: popSimple(into: &batch, most: most, isWritable: true)
            case .both: break
            }
            guard base != availIndex, batch.chainCount < most, popAny(into: &batch) else { break }
        }
        return batch.chainCount
    }

    /// The common case, in registers: a run of chains of one descriptor in the region of the last one.
    @inline(__always)
    private mutating func popSimple(into batch: inout ChainBatch, most: Int, isWritable: Bool) {
        // One counter and one limit for all of it, so that the loop runs in registers.
        let (ring, region, first) = (ring, walk.recent, base)
        let (chains, segments) = (batch.chainRoom + batch.chainCount, batch.segmentRoom + batch.segmentCount)
        let firstSegment = UInt32(truncatingIfNeeded: batch.segmentCount)
        let longest = isWritable ? UInt32.max : UInt32(ChainWalk.longestReadable)
        let room = min(most - batch.chainCount, batch.segmentCapacity - batch.segmentCount)
        let limit = UInt32(clamping: min(Int(availIndex &- first), room))
        var taken: UInt32 = 0
        while taken < limit {
            let head = ring.availEntry(first &+ UInt16(truncatingIfNeeded: taken))
            guard head < ring.size else { break }
            let descriptor = Descriptor(copying: ring.descriptor(head))
            let length = descriptor.length
            guard descriptor.flags & 7 == (isWritable ? Descriptor.write : 0), length &- 1 < longest,
                let pointer = region.pointer(to: descriptor.address, count: UInt64(length))
            else { break }
            segments[Int(taken)] = iovec(iov_base: pointer, iov_len: Int(length))
            chains[Int(taken)] = DeviceChain(
                head: head, readable: isWritable ? 0 : 1, writable: isWritable ? 1 : 0,
                firstSegment: firstSegment &+ taken, readableBytes: isWritable ? 0 : length,
                writableBytes: isWritable ? length : 0)
            taken &+= 1
        }
        inFlight &+= UInt16(truncatingIfNeeded: taken)
        base = first &+ UInt16(truncatingIfNeeded: taken)
        batch.chainCount &+= Int(taken)
        batch.segmentCount &+= Int(taken)
    }

    /// The chain at `base`, of any shape. False: the batch ends before it.
    private mutating func popAny(into batch: inout ChainBatch) -> Bool {
        let head = ring.availEntry(base)
        guard head < ring.size else {
            fault = .head(UInt32(head), size: ring.size)
            return false
        }
        switch walk.chain(head, into: &batch) {
        case .taken:
            base &+= 1
            inFlight &+= 1
            return true
        case .refused:
            // A refused chain ends the batch, so that what is behind it can be rewound.
            if batch.chainCount > 0 { return false }
            base &+= 1
            inFlight &+= 1
            dropped &+= 1
            push(head: head, length: 0)
            return true
        case .full: return false
        case .broken(let reason):
            fault = reason
            return false
        }
    }

    /// Reads avail.idx when fewer than `wanting` chains are known; false when there is nothing to take.
    @inline(__always)
    private mutating func refreshAvailIndex(wanting: Int) -> Bool {
        guard Int(availIndex &- base) < wanting else { return true }
        let index = ring.availIndexAcquire()
        guard index &- base <= ring.size, index &- nextUsed <= ring.size else {
            fault = .availIndex(index, next: base, size: ring.size)
            return false
        }
        availIndex = index
        return index != base
    }

    /// Puts the last `count` chains of the last batch back: they are popped again. Ignored when there are not so many.
    public mutating func rewind(_ count: Int, of batch: inout ChainBatch) {
        guard count > 0, count <= batch.chainCount, count <= Int(inFlight) else { return }
        batch.dropLast(count)
        base &-= UInt16(count)
        inFlight &-= UInt16(count)
    }

    // MARK: giving back

    /// Gives a chain back with `length` written bytes. Not visible before `publish`.
    @inline(__always)
    public mutating func push(head: UInt16, length: UInt32) {
        guard inFlight > 0 else { return }
        ring.setUsedEntry(nextUsed, head: head, length: length)
        nextUsed &+= 1
        inFlight &-= 1
    }

    /// Gives all chains of `batch` back with nothing written, as a transmit queue does, and empties it.
    public mutating func pushAll(of batch: inout ChainBatch) {
        let (ring, chains) = (ring, batch.chainRoom)
        let count = UInt16(clamping: min(batch.chainCount, Int(inFlight)))
        let first = nextUsed
        for offset in 0..<count { ring.setUsedEntry(first &+ offset, head: chains[Int(offset)].head, length: 0) }
        nextUsed = first &+ count
        inFlight &-= count
        batch.clear()
    }

    /// Makes everything pushed visible at once: one store-release, one fence, one decision. True: the driver wants a
    /// call. The door where written buffers become the driver's.
    public mutating func publish() -> Bool {
        guard nextUsed != publishedUsed else { return false }
        ring.publishUsedIndex(nextUsed)
        publishedUsed = nextUsed
        markDeviceArea()
        ring.fence()
        if features.eventIndex { return calls.crosses(event: ring.usedEvent, now: publishedUsed) }
        return calls.isWanted(flags: ring.availFlags, now: publishedUsed)
    }

    @inline(__always)
    private func markDeviceArea() { if memory.isTracked { ring.markDeviceArea(in: memory) } }

    // MARK: kicks

    /// No kicks are wanted until `rearmKicks`. One that is under way may still come.
    public mutating func suppressKicks() {
        if features.eventIndex { ring.availEvent = base &- 1 } else { ring.usedFlags = 1 }
        markDeviceArea()
    }

    /// Wants a kick for the next chain. True: there is one already; pop, do not sleep.
    public mutating func rearmKicks() -> Bool {
        if features.eventIndex { ring.availEvent = base } else { ring.usedFlags = 0 }
        markDeviceArea()
        ring.fence()
        return fault == nil && ring.availIndexAcquire() != base
    }
}
