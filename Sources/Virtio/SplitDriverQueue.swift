// The driver's side of a split ring (VIRTIO 1.3, 2.7): adding chains and publishing them in batches,
// taking back used ones. The other side may be another process and hostile: which descriptors belong to
// which chain, how long they are and which are free is private (RF-06, RF-09); of shared memory only the
// used index, used entries and event words are read, each once, and checked (RF-01 … RF-03).

import CLinux

/// A stretch of guest memory in a descriptor chain.
public struct RingBuffer: Hashable, Sendable {
    /// Guest-physical.
    public var address: UInt64
    /// Bytes.
    public var length: UInt32

    /// Checked by whoever reads or writes there.
    @inline(__always)
    public init(address: UInt64, length: UInt32) {
        self.address = address
        self.length = length
    }
}

/// A chain that the device gave back.
public struct UsedChain: Hashable, Sendable {
    /// What `add` was given.
    public var token: UInt32
    /// Bytes the device wrote, never more than were posted.
    public var length: UInt32

    /// Made by `reap`.
    @inline(__always)
    public init(token: UInt32, length: UInt32) {
        self.token = token
        self.length = length
    }
}

/// The driver's side of a split ring. A value with one owner; it moves to the thread that works on it.
public struct SplitDriverQueue: ~Copyable, @unchecked Sendable {
    /// What is known of the descriptor of the same index.
    struct Shadow {
        /// The next free descriptor, or the next of the same chain.
        var next: UInt16
        /// Descriptors of the chain that begins here; 0: none that is outstanding does.
        var count: UInt16
        /// Bytes the device may write to that chain.
        var posted: UInt32
        var token: UInt32
    }

    let ring: RingMemory
    let memory: GuestMemory
    /// What both sides agreed on; changed by `clear`.
    public private(set) var features: RingFeatures
    let shadow: UnsafeMutablePointer<Shadow>
    private let tables: IndirectTables?
    /// Descriptor i is buffer i for ever, with so many bytes to be written: `FixedPosting` instead of `add`.
    let fixedPosted: UInt32?
    var isFixed: Bool { fixedPosted != nil }
    var firstFree: UInt16 = 0
    /// Where the next added chain goes in the avail ring; published up to `published`.
    var nextAvail: UInt16 = 0
    var published: UInt16 = 0
    var nextUsed: UInt16 = 0
    var kicks = NotificationRule()

    /// Why the ring is broken; it stays so.
    public internal(set) var fault: RingFault?
    /// Descriptors that can still be added.
    public internal(set) var freeDescriptors: UInt16
    /// Chains that the device has not given back, published or not.
    public internal(set) var outstanding: UInt16 = 0
    /// used.len that claimed more than was posted (RF-03).
    public internal(set) var clampedLengths: UInt64 = 0

    /// Entries.
    public var size: UInt16 { ring.size }

    /// A fresh ring: its memory is zeroed; `base` of `state` must be 0.
    /// - Parameters:
    ///   - state: size, addresses, features.
    ///   - memory: where the ring lies.
    ///   - indirectTables: room for indirect tables, `size` times the same length; used for chains of two or more
    ///     buffers when the feature was negotiated.
    public init(
        _ state: QueueState, memory: GuestMemory, indirectTables: UnsafeMutableRawBufferPointer? = nil
    ) throws(VirtioError) {
        try self.init(state, memory: memory, indirectTables: indirectTables, fixedPosted: nil)
    }

    /// A ring whose descriptor i will always be buffer i, of which the device may write `posted` bytes.
    /// - Parameter isFresh: its memory is zeroed; else it stays as somebody has left it.
    init(fixed state: QueueState, posted: UInt32, memory: GuestMemory, isFresh: Bool = true) throws(VirtioError) {
        try self.init(state, memory: memory, indirectTables: nil, fixedPosted: posted, isFresh: isFresh)
    }

    private init(
        _ state: QueueState, memory: GuestMemory, indirectTables: UnsafeMutableRawBufferPointer?, fixedPosted: UInt32?,
        isFresh: Bool = true
    ) throws(VirtioError) {
        let ring = try RingMemory(state, in: memory)
        guard state.base == 0 else { throw .base(state.base.index, usedIndex: 0, size: state.size) }
        self.ring = ring
        self.memory = memory
        features = state.features
        tables = IndirectTables(indirectTables, size: state.size, memory: memory)
        shadow = .allocate(capacity: Int(state.size))
        self.fixedPosted = fixedPosted
        freeDescriptors = state.size
        if isFresh { clear() } else { forget() }
    }

    deinit { shadow.deallocate() }

    /// Zeroes the ring and forgets all chains, as after a device reset with a new choice of features.
    public mutating func clear(features: RingFeatures) {
        self.features = features
        clear()
    }

    /// Zeroes the ring and forgets all chains, as after a device reset.
    public mutating func clear() {
        ring.clear()
        markDriverAreas()
        if memory.isTracked { ring.markDeviceArea(in: memory) }
        forget()
    }

    /// Everything private as in a fresh queue; shared memory is not touched.
    mutating func forget() {
        for index in 0..<size {
            (shadow + Int(index)).initialize(
                to: Shadow(next: index &+ 1, count: 0, posted: fixedPosted ?? 0, token: UInt32(index)))
        }
        (firstFree, nextAvail, published, nextUsed) = (0, 0, 0, 0)
        (freeDescriptors, outstanding, fault) = (size, 0, nil)
        kicks.reset()
    }

    // MARK: adding

    /// Adds a chain of one buffer. False: no descriptor is free. Not visible before `publish`.
    @inline(__always)
    public mutating func add(_ buffer: RingBuffer, isWritable: Bool, token: UInt32) -> Bool {
        guard freeDescriptors > 0, fault == nil, !isFixed else { return false }
        let head = firstFree
        let entry = shadow + Int(head)
        firstFree = entry.pointee.next
        freeDescriptors &-= 1
        let flags = isWritable ? Descriptor.write : 0
        Descriptor(address: buffer.address, length: buffer.length, flags: flags, next: 0)
            .store(to: ring.descriptor(head))
        entry.pointee = Shadow(next: 0, count: 1, posted: isWritable ? buffer.length : 0, token: token)
        makeAvailable(head)
        return true
    }

    /// Adds a chain, readable buffers first. False: none given, or not enough descriptors free.
    public mutating func add(
        readable: UnsafeBufferPointer<RingBuffer>, writable: UnsafeBufferPointer<RingBuffer>, token: UInt32
    ) -> Bool {
        let count = readable.count + writable.count
        guard count > 0, fault == nil, !isFixed else { return false }
        if features.indirect, let tables, count > 1, count <= tables.entries, freeDescriptors > 0 {
            let head = firstFree
            let table = tables.fill(head, readable: readable, writable: writable)
            if memory.isTracked { memory.mark(at: table.address, count: Int(table.length)) }
            return addIndirect(table, posted: postedBytes(writable), token: token)
        }
        guard count <= Int(freeDescriptors) else { return false }
        let head = firstFree
        var index = head
        for position in 0..<count {
            let isWritable = position >= readable.count
            let buffer = isWritable ? writable[position - readable.count] : readable[position]
            let isLast = position + 1 == count
            let next = shadow[Int(index)].next
            Descriptor(
                address: buffer.address, length: buffer.length,
                flags: (isWritable ? Descriptor.write : 0) | (isLast ? 0 : Descriptor.next), next: isLast ? 0 : next
            ).store(to: ring.descriptor(index))
            index = next
        }
        firstFree = index
        freeDescriptors &-= UInt16(count)
        shadow[Int(head)].count = UInt16(count)
        shadow[Int(head)].posted = postedBytes(writable)
        shadow[Int(head)].token = token
        makeAvailable(head)
        return true
    }

    private mutating func addIndirect(_ table: RingBuffer, posted: UInt32, token: UInt32) -> Bool {
        let head = firstFree
        firstFree = shadow[Int(head)].next
        freeDescriptors &-= 1
        Descriptor(address: table.address, length: table.length, flags: Descriptor.indirect, next: 0)
            .store(to: ring.descriptor(head))
        shadow[Int(head)] = Shadow(next: 0, count: 1, posted: posted, token: token)
        makeAvailable(head)
        return true
    }

    private func postedBytes(_ writable: UnsafeBufferPointer<RingBuffer>) -> UInt32 {
        writable.reduce(0) { sum, buffer in
            let (total, overflow) = sum.addingReportingOverflow(buffer.length)
            return overflow ? .max : total
        }
    }

    @inline(__always)
    private mutating func makeAvailable(_ head: UInt16) {
        ring.setAvailEntry(nextAvail, to: head)
        nextAvail &+= 1
        outstanding &+= 1
    }

    // MARK: publishing

    /// Makes all added chains available at once: one store-release, one fence, one decision. True: the device wants a
    /// kick. The door where descriptors become the device's.
    public mutating func publish() -> Bool {
        guard nextAvail != published else { return false }
        ring.publishAvailIndex(nextAvail)
        published = nextAvail
        markDriverAreas()
        ring.fence()
        if features.eventIndex { return kicks.crosses(event: ring.availEvent, now: published) }
        return kicks.isWanted(flags: ring.usedFlags, now: published)
    }

    @inline(__always)
    func markDriverAreas() { if memory.isTracked { ring.markDriverAreas(in: memory) } }

    /// Makes all added chains available to a device that is not started yet; the next `publish` kicks in any case.
    public mutating func publishBeforeStart() {
        _ = publish()
        kicks.reset()
    }
}

/// Tables for indirect chains (VIRTIO 1.3, 2.7.5.3): one for each head, in guest memory.
struct IndirectTables {
    private let base: UnsafeMutableRawPointer
    private let address: UInt64
    /// Descriptors in each table.
    let entries: Int

    /// Nil when `room` is not 16-byte aligned guest memory with two entries or more for each head.
    init?(_ room: UnsafeMutableRawBufferPointer?, size: UInt16, memory: GuestMemory) {
        guard let start = room?.baseAddress, let count = room?.count, let address = memory.address(of: start) else {
            return nil
        }
        entries = min(count / 16 / Int(size), Int(size))
        guard entries >= 2, address % 16 == 0 else { return nil }
        base = start
        self.address = address
    }

    /// Writes the table of `head` and says where it lies.
    func fill(
        _ head: UInt16, readable: UnsafeBufferPointer<RingBuffer>, writable: UnsafeBufferPointer<RingBuffer>
    ) -> RingBuffer {
        let count = readable.count + writable.count
        let offset = Int(head) * entries * 16
        for position in 0..<count {
            let isWritable = position >= readable.count
            let buffer = isWritable ? writable[position - readable.count] : readable[position]
            let isLast = position + 1 == count
            Descriptor(
                address: buffer.address, length: buffer.length,
                flags: (isWritable ? Descriptor.write : 0) | (isLast ? 0 : Descriptor.next),
                next: isLast ? 0 : UInt16(position + 1)
            ).store(to: base + offset + 16 * position)
        }
        return RingBuffer(address: address &+ UInt64(offset), length: UInt32(16 * count))
    }
}
