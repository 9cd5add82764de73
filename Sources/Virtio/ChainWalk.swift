// From a head to spans of memory (VIRTIO 1.3, 2.7.5): every descriptor is copied once, every address is
// looked up, every walk has an end. What is wrong is either a chain that is refused (the buffer goes
// back, the ring lives) or a broken ring; docs/misbehaviours.md says which (RV-11 … RV-20).

/// What became of a head.
enum ChainOutcome {
    case taken
    /// Not a frame: give it back with length 0.
    case refused
    /// The batch has no room for it; it would have in an empty one.
    case full
    case broken(RingFault)
}

/// Walks descriptor chains of one queue.
struct ChainWalk {
    /// A frame to the device is at most a 64 KiB packet, Ethernet with a VLAN tag, and the header (RV-15).
    static let longestReadable = 65536 + 18 + NetHeader.size
    /// Entries of an indirect table: at most the queue's size (VIRTIO 1.3, 2.7.5.3.1), or what devices always took.
    static let customaryIndirectLimit: UInt32 = 1024

    private let descriptors: UnsafeMutableRawPointer
    private let size: UInt16
    private let map: UnsafeBufferPointer<MappedRegion>
    let direction: ChainDirection
    private let allowsIndirect: Bool
    /// The region of the last hit: nearly always the next one, too.
    private(set) var recent: MappedRegion

    init(ring: RingMemory, memory: GuestMemory, direction: ChainDirection, allowsIndirect: Bool) {
        descriptors = ring.descriptors
        size = ring.size
        map = memory.map
        self.direction = direction
        self.allowsIndirect = allowsIndirect
        recent = memory.map.first ?? MappedRegion(start: 0, size: 0, base: ring.descriptors)
    }

    /// Takes the chain of `head` (below the size) apart, whatever its shape.
    mutating func chain(_ head: UInt16, into batch: inout ChainBatch) -> ChainOutcome {
        longChain(head, first: Descriptor(copying: descriptors + Int(head) &* 16), into: &batch)
    }

    // MARK: chains of any shape

    /// A chain while it is taken apart.
    private struct Progress {
        var readable: UInt32 = 0
        var writable: UInt32 = 0
        var readableBytes: UInt64 = 0
        var writableBytes: UInt64 = 0
        var isRefused = false
    }

    private mutating func longChain(_ head: UInt16, first: Descriptor, into batch: inout ChainBatch) -> ChainOutcome {
        let start = batch.segmentCount
        var progress = Progress()
        let outcome = walk(first, into: &batch, &progress)
        if case .taken = outcome {
            guard !progress.isRefused, suits(progress) else {
                batch.abandon(to: start)
                return .refused
            }
            batch.close(
                DeviceChain(
                    head: head, readable: UInt16(truncatingIfNeeded: progress.readable),
                    writable: UInt16(truncatingIfNeeded: progress.writable),
                    firstSegment: UInt32(truncatingIfNeeded: start),
                    readableBytes: UInt32(truncatingIfNeeded: progress.readableBytes),
                    writableBytes: UInt32(clamping: progress.writableBytes)))
            return .taken
        }
        batch.abandon(to: start)
        if case .full = outcome, start == 0 { return .refused }
        return outcome
    }

    /// The directions and lengths go together with the queue (RV-14, RV-15, RV-19).
    private func suits(_ progress: Progress) -> Bool {
        guard progress.readableBytes <= UInt64(Self.longestReadable) else { return false }
        guard progress.readable <= UInt32(UInt16.max), progress.writable <= UInt32(UInt16.max) else { return false }
        return switch direction {
        case .readable: progress.readable > 0 && progress.writable == 0
        case .writable: progress.writable > 0 && progress.readable == 0
        case .both: progress.readable > 0 || progress.writable > 0
        }
    }

    private mutating func walk(
        _ first: Descriptor, into batch: inout ChainBatch, _ progress: inout Progress
    ) -> ChainOutcome {
        var descriptor = first
        var left = UInt32(size)
        while true {
            if descriptor.flags & Descriptor.indirect != 0 {
                // VIRTIO 1.3, 2.7.5.3.1: never together with NEXT, and only when negotiated.
                guard allowsIndirect, descriptor.flags & Descriptor.next == 0 else {
                    return .broken(.illegalIndirect(flags: descriptor.flags))
                }
                return walkTable(descriptor, into: &batch, &progress)
            }
            guard add(descriptor, to: &batch, &progress) else { return .full }
            guard descriptor.flags & Descriptor.next != 0, !progress.isRefused else { return .taken }
            left &-= 1
            guard left > 0 else { return .broken(.chainTooLong(limit: UInt32(size))) }
            guard descriptor.next < size else { return .broken(.next(descriptor.next, limit: UInt32(size))) }
            descriptor = Descriptor(copying: descriptors + Int(descriptor.next) &* 16)
        }
    }

    private mutating func walkTable(
        _ table: Descriptor, into batch: inout ChainBatch, _ progress: inout Progress
    ) -> ChainOutcome {
        let entries = table.length / 16
        guard table.length % 16 == 0, entries > 0, entries <= max(UInt32(size), Self.customaryIndirectLimit) else {
            return .broken(.indirectLength(table.length))
        }
        guard isMapped(table.address, table.length) else {
            return .broken(.indirectUnmapped(address: table.address, length: table.length))
        }
        var index: UInt32 = 0
        for _ in 0..<entries {
            guard let descriptor = tableEntry(table, index) else {
                return .broken(.indirectUnmapped(address: table.address, length: table.length))
            }
            guard descriptor.flags & Descriptor.indirect == 0 else {
                return .broken(.illegalIndirect(flags: descriptor.flags))
            }
            guard add(descriptor, to: &batch, &progress) else { return .full }
            guard descriptor.flags & Descriptor.next != 0, !progress.isRefused else { return .taken }
            guard UInt32(descriptor.next) < entries else { return .broken(.next(descriptor.next, limit: entries)) }
            index = UInt32(descriptor.next)
        }
        return .broken(.chainTooLong(limit: entries))
    }

    /// Appends the spans of one descriptor; false when the batch has no room. A buffer that is not in guest memory, or
    /// one to read behind one to write, makes the chain refused (RM-14, RV-19). Empty ones are skipped (RV-14).
    private mutating func add(_ descriptor: Descriptor, to batch: inout ChainBatch, _ progress: inout Progress) -> Bool
    {
        guard descriptor.length > 0 else { return true }
        let isWritable = descriptor.flags & Descriptor.write != 0
        if !isWritable, progress.writable > 0 { progress.isRefused = true }
        var address = descriptor.address
        var left = UInt64(descriptor.length)
        while left > 0, !progress.isRefused {
            guard let piece = piece(at: address, atMost: left) else {
                progress.isRefused = true
                return true
            }
            guard batch.append(piece.start, count: Int(piece.count)) else { return false }
            if isWritable { progress.writable &+= 1 } else { progress.readable &+= 1 }
            address &+= piece.count
            left &-= piece.count
        }
        if isWritable {
            progress.writableBytes &+= UInt64(descriptor.length)
        } else {
            progress.readableBytes &+= UInt64(descriptor.length)
        }
        return true
    }

    // MARK: memory

    /// The bytes from `address` to the end of its region, at most `count`; nil outside of RAM. Since regions do not
    /// touch the end of the address space, a buffer that wraps runs into nil (RM-13, RM-14).
    private mutating func piece(at address: UInt64, atMost count: UInt64)
        -> (start: UnsafeMutableRawPointer, count: UInt64)?
    {
        if address &- recent.start >= recent.size {
            guard let region = map.first(where: { address &- $0.start < $0.size }) else { return nil }
            recent = region
        }
        let offset = address &- recent.start
        return (recent.base + Int(truncatingIfNeeded: offset), min(count, recent.size &- offset))
    }

    private mutating func isMapped(_ address: UInt64, _ length: UInt32) -> Bool {
        var address = address
        var left = UInt64(length)
        while left > 0 {
            guard let piece = piece(at: address, atMost: left) else { return false }
            address &+= piece.count
            left &-= piece.count
        }
        return true
    }

    /// Entry `index` of a table, copied; a table may lie unaligned and across two regions (RV-18).
    private mutating func tableEntry(_ table: Descriptor, _ index: UInt32) -> Descriptor? {
        let address = table.address &+ UInt64(index) &* 16
        guard let whole = piece(at: address, atMost: 16) else { return nil }
        if whole.count == 16, UInt(bitPattern: whole.start) % 8 == 0 { return Descriptor(copying: whole.start) }
        var copy: (UInt64, UInt64) = (0, 0)
        for offset in 0..<16 {
            guard let byte = piece(at: address &+ UInt64(offset), atMost: 1) else { return nil }
            let value = byte.start.load(as: UInt8.self)
            withUnsafeMutableBytes(of: &copy) { $0[offset] = value }
        }
        return withUnsafeBytes(of: &copy) { $0.baseAddress.map { Descriptor(copying: $0) } }
    }
}
