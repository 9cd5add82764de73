// Posting buffers that never change their place: descriptor i is buffer i, a chain of one. What the
// network queues do for every frame, so it keeps its state in registers between `begin` and `end`.

/// A batch of postings of a driver queue made with `init(fixed:posted:memory:)`.
struct FixedPosting {
    private let ring: RingMemory
    private let shadow: UnsafeMutablePointer<SplitDriverQueue.Shadow>
    fileprivate let first: UInt16
    fileprivate var next: UInt16
    /// Buffers posted so far.
    var count: Int { Int(next &- first) }

    @inline(__always)
    fileprivate init(_ queue: borrowing SplitDriverQueue) {
        ring = queue.ring
        shadow = queue.shadow
        first = queue.nextAvail
        next = first
    }

    /// Posts buffer `index`, which is below the size and not outstanding.
    @inline(__always)
    mutating func post(_ index: UInt32, address: UInt64, length: UInt32, isWritable: Bool) {
        set(0, to: index, address: address, length: length, isWritable: isWritable)
        advance(by: 1)
    }

    /// Writes the posting `offset` places behind those that count, where `advance` makes it one of them: a loop that
    /// has its own counter keeps no second one.
    @inline(__always)
    func set(_ offset: UInt16, to index: UInt32, address: UInt64, length: UInt32, isWritable: Bool) {
        let head = UInt16(truncatingIfNeeded: index)
        Descriptor(address: address, length: length, flags: isWritable ? Descriptor.write : 0, next: 0)
            .store(to: ring.descriptor(head))
        // The rest of the shadow is as `init(fixed:posted:memory:)` made it.
        shadow[Int(head)].count = 1
        ring.setAvailEntry(next &+ offset, to: head)
    }

    @inline(__always)
    mutating func advance(by count: UInt16) { next &+= count }
}

extension SplitDriverQueue {
    /// Begins a batch; nothing else may be done with the queue before `end`.
    @inline(__always)
    func begin() -> FixedPosting { FixedPosting(self) }

    /// Ends a batch. `publish` makes it available.
    @inline(__always)
    mutating func end(_ posting: FixedPosting) {
        nextAvail = posting.next
        outstanding &+= posting.next &- posting.first
        freeDescriptors &-= posting.next &- posting.first
    }
}
