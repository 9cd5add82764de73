// The header before every frame, in both directions (VIRTIO 1.3, 5.1.6): 12 bytes, little-endian,
// parse and write. What it says is checked against the frame and the negotiated bits before anybody
// believes it (VIRTIO 1.3, 5.1.6.2.2 and 5.1.6.4.2; RV-23).
//
//   flags u8@0 | gso_type u8@1 | hdr_len u16@2 | gso_size u16@4 | csum_start u16@6 | csum_offset u16@8 | num_buffers u16@10

import CLinux
import Link

/// Why a header and its frame do not go together. The frame is dropped.
public enum NetHeaderError: Error, Hashable, Sendable {
    /// The checksum field would lie beyond the frame.
    case checksum(start: UInt16, offset: UInt16, frame: Int)
    /// NEEDS_CSUM although the checksum feature was not negotiated.
    case checksumNotNegotiated
    /// An unknown gso_type, or one whose feature was not negotiated.
    case segmentation(type: UInt8)
    /// gso_size is 0 with a gso_type, or segmentation without NEEDS_CSUM.
    case segmentSize(UInt16)
}

/// Which way a frame travels: it decides which feature bits allow what.
public enum NetDirection: Sendable { case toDevice, toDriver }

extension LinkCapabilities {
    /// What an end does that speaks virtio with these negotiated `features`.
    /// - Parameter direction: the way of the frames that are given to it.
    init(features: UInt64, _ direction: NetDirection, largestFrame: Int = .max) {
        func has(_ device: UInt64, _ driver: UInt64) -> Bool {
            features & (direction == .toDevice ? device : driver) != 0
        }
        self.init(checksum: has(NetFeature.checksum, NetFeature.guestChecksum), largestFrame: largestFrame)
        if has(NetFeature.hostTSO4, NetFeature.guestTSO4) { segmentation.insert(.tcp4) }
        if has(NetFeature.hostTSO6, NetFeature.guestTSO6) { segmentation.insert(.tcp6) }
        if has(NetFeature.hostECN, NetFeature.guestECN) { segmentation.insert(.ecn) }
    }
}

/// A virtio-net header as a private copy.
public struct NetHeader: Hashable, Sendable {
    /// Bytes of the header, with num_buffers.
    @inlinable public static var size: Int { 12 }
    /// VIRTIO_NET_HDR_F_NEEDS_CSUM in `flags`.
    public static let needsChecksum: UInt8 = 1
    /// VIRTIO_NET_HDR_F_DATA_VALID in `flags`.
    public static let dataValid: UInt8 = 2
    /// Or'ed into gso_type: the segments carry ECN.
    public static let ecn: UInt8 = 0x80

    /// Bytes 0…7 and 8…11 as one integer each, byte 0 lowest.
    @usableFromInline var low: UInt64 = 0
    @usableFromInline var high: UInt32 = 0

    /// All zero: a whole frame with all checksums.
    @inlinable
    public init() {}

    /// Copies the 12 bytes at `source` (any alignment): each is loaded once, whatever is asked of the copy (RV-20).
    @inlinable
    public init(copying source: UnsafeRawPointer) {
        low = UInt64(littleEndian: ne_load_once64(source))
        high = UInt32(littleEndian: ne_load_once32(source + 8))
    }

    /// Writes the 12 bytes to `destination`.
    @inlinable
    public func write(to destination: UnsafeMutableRawPointer) {
        destination.storeBytes(of: low.littleEndian, as: UInt64.self)
        destination.storeBytes(of: high.littleEndian, toByteOffset: 8, as: UInt32.self)
    }

    /// `needsChecksum`, `dataValid`, or neither.
    @inlinable public var flags: UInt8 {
        get { UInt8(truncatingIfNeeded: low) }
        set { low = low & ~0xff | UInt64(newValue) }
    }
    /// gso_type: a raw value of `Offload.Segmentation`, or nonsense.
    @inlinable public var segmentationType: UInt8 {
        get { UInt8(truncatingIfNeeded: low >> 8) }
        set { low = low & ~0xff00 | UInt64(newValue) << 8 }
    }
    /// hdr_len: a hint that nobody here needs or believes.
    @inlinable public var headerLength: UInt16 {
        get { UInt16(truncatingIfNeeded: low >> 16) }
        set { low = low & ~0xffff_0000 | UInt64(newValue) << 16 }
    }
    /// gso_size: payload bytes of each segment.
    @inlinable public var segmentSize: UInt16 {
        get { UInt16(truncatingIfNeeded: low >> 32) }
        set { low = low & ~0xffff_0000_0000 | UInt64(newValue) << 32 }
    }
    /// csum_start: from where on is summed.
    @inlinable public var checksumStart: UInt16 {
        get { UInt16(truncatingIfNeeded: low >> 48) }
        set { low = low & 0xffff_ffff_ffff | UInt64(newValue) << 48 }
    }
    /// csum_offset: where the sum goes, from `checksumStart`.
    @inlinable public var checksumOffset: UInt16 {
        get { UInt16(truncatingIfNeeded: high) }
        set { high = high & ~0xffff | UInt32(newValue) }
    }
    /// num_buffers of a received frame.
    @inlinable public var bufferCount: UInt16 {
        get { UInt16(truncatingIfNeeded: high >> 16) }
        set { high = high & 0xffff | UInt32(newValue) << 16 }
    }

    /// What `offload` says, in the words of the header. `bufferCount` is 0, as a driver must write it.
    @inline(__always)
    public init(_ offload: Offload) {
        if let pending = offload.pendingChecksum {
            flags = NetHeader.needsChecksum
            checksumStart = pending.start
            checksumOffset = pending.offset
        } else if offload.isChecksumValid {
            flags = NetHeader.dataValid
        }
        segmentationType = offload.segmentation.rawValue
        segmentSize = offload.segmentSize
    }

    /// True for a header that says nothing but perhaps "checksum valid": the fast path of every frame.
    @inline(__always)
    var isPlain: Bool { low & 0xff01 == 0 }

    /// What the header says about a frame of `length` bytes, checked against the negotiated `features`.
    public func offload(frame length: Int, features: UInt64, direction: NetDirection) throws(NetHeaderError) -> Offload
    {
        let allowed = Allowed(features: features, direction: direction)
        var offload = Offload(isChecksumValid: flags & NetHeader.dataValid != 0 && allowed.checksum)
        if flags & NetHeader.needsChecksum != 0 {
            guard allowed.checksum else { throw .checksumNotNegotiated }
            guard Int(checksumStart) + Int(checksumOffset) + 2 <= length else {
                throw .checksum(start: checksumStart, offset: checksumOffset, frame: length)
            }
            offload.pendingChecksum = .init(start: checksumStart, offset: checksumOffset)
        }
        guard segmentationType != 0 else { return offload }
        guard let segmentation = Offload.Segmentation(rawValue: segmentationType), allowed.segmentation(segmentation)
        else { throw .segmentation(type: segmentationType) }
        guard segmentSize != 0, offload.pendingChecksum != nil else { throw .segmentSize(segmentSize) }
        offload.segmentation = segmentation
        offload.segmentSize = segmentSize
        return offload
    }

    /// The features that count for one direction.
    private struct Allowed {
        let features: UInt64
        let direction: NetDirection

        var checksum: Bool { has(device: NetFeature.checksum, driver: NetFeature.guestChecksum) }

        func segmentation(_ kind: Offload.Segmentation) -> Bool {
            switch kind {
            case .none, .udp: false
            case .tcp4: tcp4
            case .tcp4ECN: tcp4 && ecn
            case .tcp6: tcp6
            case .tcp6ECN: tcp6 && ecn
            }
        }

        private var tcp4: Bool { has(device: NetFeature.hostTSO4, driver: NetFeature.guestTSO4) }
        private var tcp6: Bool { has(device: NetFeature.hostTSO6, driver: NetFeature.guestTSO6) }
        private var ecn: Bool { has(device: NetFeature.hostECN, driver: NetFeature.guestECN) }

        private func has(device: UInt64, driver: UInt64) -> Bool {
            features & (direction == .toDevice ? device : driver) != 0
        }
    }
}
