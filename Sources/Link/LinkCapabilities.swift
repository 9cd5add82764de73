// What an end of a link can do for a frame beside taking its bytes. The words are those of VIRTIO 1.3, 5.1.3 and
// 5.1.6; how a segment is cut, or what a checksum is over, is not known here.

/// Kinds of segmentation, as a set.
public struct SegmentationKinds: OptionSet, Hashable, Sendable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Nothing at all, or a frame that is not to be cut.
    public static let none: SegmentationKinds = []
    /// TCP over IPv4.
    public static let tcp4 = SegmentationKinds(rawValue: 1)
    /// TCP over IPv6.
    public static let tcp6 = SegmentationKinds(rawValue: 2)
    /// UDP datagrams.
    public static let udp = SegmentationKinds(rawValue: 4)
    /// With `tcp4` or `tcp6`: CWR of the first segment is not copied to the others.
    public static let ecn = SegmentationKinds(rawValue: 8)

    /// What an end must be able to do that is given a frame of this `kind`.
    public init(_ kind: Offload.Segmentation) {
        self =
            switch kind {
            case .none: []
            case .tcp4: .tcp4
            case .tcp4ECN: [.tcp4, .ecn]
            case .tcp6: .tcp6
            case .tcp6ECN: [.tcp6, .ecn]
            case .udp: .udp
            }
    }
}

/// What an end of a link can do.
public struct LinkCapabilities: Hashable, Sendable {
    /// It takes frames whose checksum is pending. To one that does not, the link completes them.
    public var checksum: Bool
    /// What it can cut, or hand on uncut. Other frames that are to be cut are dropped before they reach it.
    public var segmentation: SegmentationKinds
    /// Bytes of the longest frame that is not to be cut, without frame check sequence. Longer ones are dropped.
    public var largestFrame: Int

    /// What is not named, it cannot do; frames may be of any length.
    public init(checksum: Bool = false, segmentation: SegmentationKinds = .none, largestFrame: Int = .max) {
        self.checksum = checksum
        self.segmentation = segmentation
        self.largestFrame = largestFrame
    }

    /// Whole frames of any length with all their checksums: what every end can do.
    public static let plain = LinkCapabilities()

    /// Both a frame of `length` bytes and what travels with it can be given to this end as they are.
    public func takes(_ offload: Offload, length: Int) -> Bool {
        guard offload.pendingChecksum == nil || checksum else { return false }
        guard offload.segmentation != .none else { return length <= largestFrame }
        return segmentation.isSuperset(of: SegmentationKinds(offload.segmentation))
    }
}
