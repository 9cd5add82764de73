// The split ring in memory (VIRTIO 1.3, 2.7): addresses, sizes, alignments, flag bits. Reading and writing its
// shared fields is RingMemory's.
//
//   descriptor table   16 N   {addr u64, len u32, flags u16, next u16} …
//   avail ring      6 + 2 N   flags u16 | idx u16 | ring u16 … | used_event u16
//   used ring       6 + 8 N   flags u16 | idx u16 | {id u32, len u32} … | avail_event u16

import CLinux

/// Guest-physical addresses of the three areas of a split ring.
public struct RingAddresses: Hashable, Sendable {
    /// 16-byte aligned.
    public var descriptorTable: UInt64
    /// 2-byte aligned.
    public var availRing: UInt64
    /// 4-byte aligned.
    public var usedRing: UInt64

    /// Not checked here; 0 is "not set".
    public init(descriptorTable: UInt64 = 0, availRing: UInt64 = 0, usedRing: UInt64 = 0) {
        self.descriptorTable = descriptorTable
        self.availRing = availRing
        self.usedRing = usedRing
    }

    /// The three areas one after the other, each as aligned as it must be, from a 16-byte aligned `start`.
    public init(contiguousAt start: UInt64, size: UInt16) {
        descriptorTable = start
        availRing = start &+ UInt64(RingLayout.descriptorTableBytes(size))
        usedRing = (availRing &+ UInt64(RingLayout.availRingBytes(size)) &+ 63) & ~63
    }
}

/// Sizes of the areas of a split ring of `size` entries, event words included.
public enum RingLayout {
    /// Entries at most (VIRTIO 1.3, 2.7).
    public static let maximumSize: UInt16 = 32768
    /// Bytes of the descriptor table.
    public static func descriptorTableBytes(_ size: UInt16) -> Int { 16 * Int(size) }
    /// Bytes of the avail ring with used_event.
    public static func availRingBytes(_ size: UInt16) -> Int { 6 + 2 * Int(size) }
    /// Bytes of the used ring with avail_event.
    public static func usedRingBytes(_ size: UInt16) -> Int { 6 + 8 * Int(size) }
    /// Room for a ring laid out by `RingAddresses.init(contiguousAt:size:)`.
    public static func contiguousBytes(_ size: UInt16) -> Int {
        descriptorTableBytes(size) + availRingBytes(size) + 64 + usedRingBytes(size)
    }
    /// A power of two up to `maximumSize`.
    public static func isLegal(size: UInt16) -> Bool { size != 0 && size <= maximumSize && size & (size - 1) == 0 }
}

/// What the two sides agreed about the ring itself.
public struct RingFeatures: Hashable, Sendable {
    /// VIRTIO_F_EVENT_IDX
    public var eventIndex: Bool
    /// VIRTIO_F_INDIRECT_DESC
    public var indirect: Bool

    /// Neither, where nothing is said.
    public init(eventIndex: Bool = false, indirect: Bool = false) {
        self.eventIndex = eventIndex
        self.indirect = indirect
    }

    /// What the negotiated feature bits say of it.
    public init(negotiated features: UInt64) {
        eventIndex = features & NetFeature.eventIndex != 0
        indirect = features & NetFeature.indirectDescriptors != 0
    }
}

/// A queue as plain data, as it is configured or was saved. Untrusted: only the throwing initialisers
/// of the two queue types make a usable queue of it.
public struct QueueState: Hashable, Sendable {
    /// Entries.
    public var size: UInt16
    /// Where its areas lie.
    public var addresses: RingAddresses
    /// Where the device goes on.
    public var base: RingPosition
    /// What was agreed on.
    public var features: RingFeatures

    /// A fresh ring where no base is given.
    public init(size: UInt16, addresses: RingAddresses, base: RingPosition = 0, features: RingFeatures = RingFeatures())
    {
        self.size = size
        self.addresses = addresses
        self.base = base
        self.features = features
    }
}
