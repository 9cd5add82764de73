// What can be wrong with memory, regions and queues that are to be used. What a peer does wrong on a
// running ring is a `RingFault` instead: a value the queue keeps.

import Linux

/// Why memory or a queue could not be set up.
public enum VirtioError: Error, Equatable, Sendable {
    /// Guest RAM must be a positive multiple of 4096 bytes.
    case memorySize(bytes: Int)
    /// Memory has one region at least.
    case noRegion
    /// A region is empty, unaligned, wraps its address space, or is not inside its memory file (size 0: there is no such file).
    case region(MemoryRegion, fileSize: UInt64)
    /// As guest-physical or as user addresses.
    case regionsOverlap(MemoryRegion, MemoryRegion)
    /// A split ring has 2^0…2^15 entries (VIRTIO 1.3, 2.7).
    case queueSize(UInt16)
    /// Alignments are 16, 2 and 4 bytes (VIRTIO 1.3, 2.7).
    case unaligned(RingPart, address: UInt64)
    /// The part does not lie whole in one region.
    case unmapped(RingPart, address: UInt64, bytes: Int)
    /// The next index to be consumed lies outside what the used index and the size allow.
    case base(UInt16, usedIndex: UInt16, size: UInt16)
    /// A receive buffer or transmit slot of that many bytes cannot be (VIRTIO 1.3, 5.1.6.3.1).
    case bufferSize(Int, least: Int)
    /// Guest RAM has no room for this many bytes.
    case exhausted(bytes: Int)
    /// A system call failed.
    case system(SystemError)
}

/// The three areas of a split ring (VIRTIO 1.3, 2.7).
public enum RingPart: String, Sendable { case descriptorTable, availRing, usedRing }

extension VirtioError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .memorySize(let bytes): "guest memory of \(bytes) bytes: a positive multiple of 4096 is accepted"
        case .noRegion: "guest memory without a region"
        case .region(let r, let size): "memory region \(r) does not fit a memory file of \(size) bytes"
        case .regionsOverlap(let a, let b): "memory regions \(a) and \(b) overlap"
        case .queueSize(let size): "queue size \(size): a power of two up to 32768 is accepted"
        case .unaligned(let part, let address): "\(part.rawValue) at 0x\(String(address, radix: 16)) is not aligned"
        case .unmapped(let part, let address, let bytes):
            "\(part.rawValue) at 0x\(String(address, radix: 16)), \(bytes) bytes, is not whole in guest memory"
        case .base(let base, let used, let size):
            "ring base \(base) does not fit used index \(used) and queue size \(size)"
        case .bufferSize(let bytes, let least): "buffers of \(bytes) bytes: \(least) up to 16777216 are accepted"
        case .exhausted(let bytes): "guest memory has no room for \(bytes) bytes"
        case .system(let error): error.description
        }
    }
}
