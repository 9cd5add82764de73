// The shared words of a split ring as pointers, and every access to them (VIRTIO 1.3, 2.7.13): one
// atomic access each, acquire and release where an index publishes what was written before it.
// Both queue types read and write the ring through here only.

import CLinux

/// A descriptor as two private words, copied once.
struct Descriptor {
    let address: UInt64
    let word: UInt64

    static let next: UInt16 = 1
    static let write: UInt16 = 2
    static let indirect: UInt16 = 4

    @inline(__always) var length: UInt32 { UInt32(truncatingIfNeeded: word) }
    @inline(__always) var flags: UInt16 { UInt16(truncatingIfNeeded: word >> 32) }
    @inline(__always) var next: UInt16 { UInt16(truncatingIfNeeded: word >> 48) }

    @inline(__always)
    init(address: UInt64, length: UInt32, flags: UInt16, next: UInt16) {
        self.address = address
        word = UInt64(length) | UInt64(flags) << 32 | UInt64(next) << 48
    }

    /// Copies the descriptor at `pointer` (16-byte aligned), each word once.
    @inline(__always)
    init(copying pointer: UnsafeRawPointer) {
        address = UInt64(littleEndian: ne_load_relaxed64(pointer))
        word = UInt64(littleEndian: ne_load_relaxed64(pointer + 8))
    }

    @inline(__always)
    func store(to pointer: UnsafeMutableRawPointer) {
        ne_store_relaxed64(pointer, address.littleEndian)
        ne_store_relaxed64(pointer + 8, word.littleEndian)
    }
}

/// The three areas of a ring, whole in guest memory and aligned.
struct RingMemory {
    let descriptors: UnsafeMutableRawPointer
    let avail: UnsafeMutableRawPointer
    let used: UnsafeMutableRawPointer
    let size: UInt16
    private let usedEventOffset: Int
    private let availEventOffset: Int

    /// Checks size, alignment and that each area, event word included, lies whole in one region (RV-03, 05, 06, 35).
    init(_ state: QueueState, in memory: GuestMemory) throws(VirtioError) {
        let size = state.size
        guard RingLayout.isLegal(size: size) else { throw .queueSize(size) }
        func resolve(_ part: RingPart, _ address: UInt64, _ bytes: Int, align: UInt64) throws(VirtioError)
            -> UnsafeMutableRawPointer
        {
            guard address % align == 0 else { throw .unaligned(part, address: address) }
            guard let start = memory.span(at: address, count: bytes)?.baseAddress else {
                throw .unmapped(part, address: address, bytes: bytes)
            }
            return start
        }
        let a = state.addresses
        descriptors = try resolve(
            .descriptorTable, a.descriptorTable, RingLayout.descriptorTableBytes(size), align: 16)
        avail = try resolve(.availRing, a.availRing, RingLayout.availRingBytes(size), align: 2)
        used = try resolve(.usedRing, a.usedRing, RingLayout.usedRingBytes(size), align: 4)
        self.size = size
        usedEventOffset = 4 + 2 * Int(size)
        availEventOffset = 4 + 8 * Int(size)
    }

    @inline(__always) private func slot(_ index: UInt16) -> Int { Int(index & (size &- 1)) }

    // MARK: descriptors

    @inline(__always)
    func descriptor(_ index: UInt16) -> UnsafeMutableRawPointer { descriptors + Int(index) &* 16 }

    // MARK: avail ring

    @inline(__always)
    func availEntry(_ index: UInt16) -> UInt16 {
        UInt16(littleEndian: ne_load_relaxed16(avail + 4 + 2 &* slot(index)))
    }

    @inline(__always)
    func setAvailEntry(_ index: UInt16, to head: UInt16) {
        ne_store_relaxed16(avail + 4 + 2 &* slot(index), head.littleEndian)
    }

    @inline(__always)
    func availIndexAcquire() -> UInt16 { UInt16(littleEndian: ne_load_acquire16(avail + 2)) }

    @inline(__always)
    func publishAvailIndex(_ index: UInt16) { ne_store_release16(avail + 2, index.littleEndian) }

    /// Bit 0: the driver wants no calls.
    var availFlags: UInt16 {
        get { UInt16(littleEndian: ne_load_relaxed16(avail)) }
        nonmutating set { ne_store_relaxed16(avail, newValue.littleEndian) }
    }

    /// The driver wants a call when this used index is passed.
    var usedEvent: UInt16 {
        get { UInt16(littleEndian: ne_load_relaxed16(avail + usedEventOffset)) }
        nonmutating set { ne_store_relaxed16(avail + usedEventOffset, newValue.littleEndian) }
    }

    // MARK: used ring

    @inline(__always)
    func usedEntry(_ index: UInt16) -> (id: UInt32, length: UInt32) {
        let entry = used + 4 + 8 &* slot(index)
        return (UInt32(littleEndian: ne_load_relaxed32(entry)), UInt32(littleEndian: ne_load_relaxed32(entry + 4)))
    }

    @inline(__always)
    func setUsedEntry(_ index: UInt16, head: UInt16, length: UInt32) {
        let entry = used + 4 + 8 &* slot(index)
        ne_store_relaxed32(entry, UInt32(head).littleEndian)
        ne_store_relaxed32(entry + 4, length.littleEndian)
    }

    @inline(__always)
    func usedIndexAcquire() -> UInt16 { UInt16(littleEndian: ne_load_acquire16(used + 2)) }

    @inline(__always)
    func publishUsedIndex(_ index: UInt16) { ne_store_release16(used + 2, index.littleEndian) }

    /// Bit 0: the device wants no kicks.
    var usedFlags: UInt16 {
        get { UInt16(littleEndian: ne_load_relaxed16(used)) }
        nonmutating set { ne_store_relaxed16(used, newValue.littleEndian) }
    }

    /// The device wants a kick when this avail index is passed.
    var availEvent: UInt16 {
        get { UInt16(littleEndian: ne_load_relaxed16(used + availEventOffset)) }
        nonmutating set { ne_store_relaxed16(used + availEventOffset, newValue.littleEndian) }
    }

    /// Orders what was stored before against what is loaded after, whoever the other side is.
    @inline(__always) func fence() { ne_fence_seq_cst() }

    // MARK: marks

    /// The driver has written, in one of its two areas.
    @inline(never)
    func markDriverAreas(in memory: GuestMemory) {
        memory.mark(descriptors, count: RingLayout.descriptorTableBytes(size))
        memory.mark(avail, count: RingLayout.availRingBytes(size))
    }

    /// The device has written; or a driver, before there was one.
    @inline(never)
    func markDeviceArea(in memory: GuestMemory) { memory.mark(used, count: RingLayout.usedRingBytes(size)) }

    /// Zeroes the ring, as a driver does before it hands the addresses over.
    func clear() {
        descriptors.initializeMemory(as: UInt8.self, repeating: 0, count: RingLayout.descriptorTableBytes(size))
        avail.initializeMemory(as: UInt8.self, repeating: 0, count: RingLayout.availRingBytes(size))
        used.initializeMemory(as: UInt8.self, repeating: 0, count: RingLayout.usedRingBytes(size))
    }
}

extension GuestMemory {
    /// `idx` of the used ring at `usedRing` (VIRTIO 1.3, 2.7.8), as far as the device has published; nil when it is not
    /// guest memory or not aligned.
    public func usedIndex(at usedRing: UInt64) -> UInt16? {
        guard usedRing % 4 == 0, let start = span(at: usedRing, count: 4)?.baseAddress else { return nil }
        return UInt16(littleEndian: ne_load_acquire16(start + 2))
    }
}

/// When one side must wake the other (VIRTIO 1.3, 2.7.10).
struct NotificationRule {
    /// The index at the last decision; nil before the first, which always notifies.
    var decidedAt: UInt16?

    /// Forgets the past: the next decision notifies.
    mutating func reset() { decidedAt = nil }

    /// With EVENT_IDX: `event` lies among the indices published since the last decision.
    @inline(__always)
    mutating func crosses(event: UInt16, now: UInt16) -> Bool {
        defer { decidedAt = now }
        guard let old = decidedAt else { return true }
        return now &- event &- 1 < now &- old
    }

    /// Without EVENT_IDX the other side's flag decides.
    @inline(__always)
    mutating func isWanted(flags: UInt16, now: UInt16) -> Bool {
        decidedAt = now
        return flags & 1 == 0
    }
}
