// The driver's side of a split ring, second half: taking used chains back, wanting calls, and going on
// with a new device where the old one died. Every used entry is read once and believed only as far as
// the private shadow confirms it (docs/misbehaviours.md, RF).

import CLinux

extension SplitDriverQueue {
    /// Takes back chains the device used, at most `room.count`, and returns how many. A lie of the device
    /// sets `fault`; what was taken back before it still counts.
    public mutating func reap(into room: UnsafeMutableBufferPointer<UsedChain>) -> Int {
        guard let start = room.baseAddress else { return 0 }
        var done = 0
        let take = { (chain: UsedChain) in
            start[done] = chain
            done &+= 1
        }
        if isFixed { reapFixedEach(limit: room.count, take) } else { reapEach(limit: room.count, take) }
        return done
    }

    /// The same, a call of `body` for each chain; it is inlined.
    @inline(__always)
    mutating func reapEach(limit: Int, _ body: (UsedChain) -> Void) {
        let pending = pendingUsed(limit: limit)
        guard pending > 0 else { return }
        // Locals, so that the loop runs in registers.
        let (ring, shadow, first) = (ring, shadow, nextUsed)
        var offset: UInt16 = 0
        while offset != pending {
            let (id, length) = ring.usedEntry(first &+ offset)
            guard id < UInt32(ring.size), shadow[Int(id)].count != 0 else {
                refuseUsed(id)
                break
            }
            let entry = shadow + Int(id)
            var chain = UsedChain(token: entry.pointee.token, length: length)
            if length > entry.pointee.posted {
                chain.length = entry.pointee.posted
                clampedLengths &+= 1
            }
            release(UInt16(truncatingIfNeeded: id))
            offset &+= 1
            body(chain)
        }
        nextUsed = first &+ offset
        outstanding &-= offset
    }

    /// The same for a ring of fixed buffers: the token is the buffer, and every one has the same length.
    @inline(__always)
    mutating func reapFixedEach(limit: Int, _ body: (UsedChain) -> Void) {
        let pending = pendingUsed(limit: limit)
        guard pending > 0, let posted = fixedPosted else { return }
        let (ring, shadow, first) = (ring, shadow, nextUsed)
        var offset: UInt16 = 0
        while offset != pending {
            let (id, length) = ring.usedEntry(first &+ offset)
            guard id < UInt32(ring.size), shadow[Int(id)].count != 0 else {
                refuseUsed(id)
                break
            }
            shadow[Int(id)].count = 0
            if length > posted { clampedLengths &+= 1 }
            offset &+= 1
            body(UsedChain(token: id, length: min(length, posted)))
        }
        nextUsed = first &+ offset
        outstanding &-= offset
        freeDescriptors &+= offset
    }

    /// How many used entries to read, at most `limit`; an index that cannot be sets `fault`.
    @inline(__always)
    private mutating func pendingUsed(limit: Int) -> UInt16 {
        guard fault == nil else { return 0 }
        let index = ring.usedIndexAcquire()
        let pending = index &- nextUsed
        guard pending <= publishedOutstanding else {
            fault = .usedIndex(index, next: nextUsed, outstanding: publishedOutstanding)
            return 0
        }
        return UInt16(clamping: min(Int(pending), limit))
    }

    /// A used entry that names nothing that is with the device.
    private mutating func refuseUsed(_ id: UInt32) {
        fault =
            id < UInt32(ring.size)
            ? .notOutstanding(head: UInt16(truncatingIfNeeded: id)) : .head(id, size: ring.size)
    }

    /// Chains the device knows of.
    @inline(__always)
    private var publishedOutstanding: UInt16 { published &- nextUsed }

    /// Gives the descriptors of a chain back to the free list.
    @inline(__always)
    private mutating func release(_ head: UInt16) {
        let count = shadow[Int(head)].count
        var tail = head
        // The chain's links are private; `count` is what `add` wrote.
        for _ in 1..<max(1, Int(count)) { tail = shadow[Int(tail)].next }
        shadow[Int(head)].count = 0
        shadow[Int(tail)].next = firstFree
        firstFree = head
        freeDescriptors &+= count
    }

    /// True when the device used a chain that is not reaped yet.
    public var hasUsed: Bool { fault == nil && ring.usedIndexAcquire() != nextUsed }

    // MARK: calls

    /// No calls are wanted until `rearmCalls`. One that is under way may still come.
    public mutating func suppressCalls() {
        if features.eventIndex { ring.usedEvent = nextUsed &- 1 } else { ring.availFlags = 1 }
        markDriverAreas()
    }

    /// Wants a call when `after` more chains are used. True: that many are used already; reap, do not sleep.
    public mutating func rearmCalls(after: UInt16 = 1) -> Bool {
        let wanted = max(1, min(after, publishedOutstanding))
        if features.eventIndex { ring.usedEvent = nextUsed &+ wanted &- 1 } else { ring.availFlags = 0 }
        markDriverAreas()
        ring.fence()
        return ring.usedIndexAcquire() &- nextUsed >= wanted
    }

    // MARK: a new device on the old ring

    /// Everything used is reaped, everything added is published, and the avail ring from used.idx on holds exactly the
    /// outstanding chains: a new device may begin there and none is lost.
    public var outstandingMatchesAvail: Bool {
        guard fault == nil, ring.usedIndexAcquire() == nextUsed, nextAvail == published,
            published &- nextUsed == outstanding, ring.availIndexAcquire() == published
        else { return false }
        var seen = Set<UInt16>()
        for offset in 0..<outstanding {
            let head = ring.availEntry(nextUsed &+ offset)
            guard head < size, shadow[Int(head)].count != 0, seen.insert(head).inserted else { return false }
        }
        return true
    }

    /// A new device begins at `base`. False when that is not where the outstanding chains begin. The next
    /// `publish` kicks, whatever the old device wanted.
    public mutating func rewind(base: RingPosition) -> Bool {
        guard base == RingPosition(nextUsed), outstandingMatchesAvail else { return false }
        kicks.reset()
        return true
    }

    /// Where a new device may begin, or nil when only a reset helps. Reap first.
    public mutating func restartBase() -> RingPosition? {
        let base = RingPosition(nextUsed)
        return rewind(base: base) ? base : nil
    }
}
