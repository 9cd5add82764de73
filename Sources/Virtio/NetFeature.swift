// Feature bits of a network device and of its rings (VIRTIO 1.3, 5.1.3 and 6), who owns which, and
// what a bit depends on. Policy (which bits a NIC model offers) is a value given to `NetDevice`.

/// Feature bits as masks.
public enum NetFeature {
    /// VIRTIO_NET_F_CSUM: the device completes pending checksums.
    public static let checksum: UInt64 = 1 << 0
    /// VIRTIO_NET_F_GUEST_CSUM: the driver takes frames with pending or vouched-for checksums.
    public static let guestChecksum: UInt64 = 1 << 1
    /// VIRTIO_NET_F_CTRL_GUEST_OFFLOADS: offloads can be changed while it runs.
    public static let guestOffloadsControl: UInt64 = 1 << 2
    /// VIRTIO_NET_F_MTU: the configuration space says the largest packet.
    public static let mtu: UInt64 = 1 << 3
    /// VIRTIO_NET_F_MAC: the configuration space has the address.
    public static let mac: UInt64 = 1 << 5
    /// VIRTIO_NET_F_GUEST_TSO4: the driver takes uncut TCP over IPv4.
    public static let guestTSO4: UInt64 = 1 << 7
    /// VIRTIO_NET_F_GUEST_TSO6: the driver takes uncut TCP over IPv6.
    public static let guestTSO6: UInt64 = 1 << 8
    /// VIRTIO_NET_F_GUEST_ECN: the driver takes uncut TCP with ECN.
    public static let guestECN: UInt64 = 1 << 9
    /// VIRTIO_NET_F_GUEST_UFO: the driver takes uncut UDP.
    public static let guestUFO: UInt64 = 1 << 10
    /// VIRTIO_NET_F_HOST_TSO4: the device cuts TCP over IPv4.
    public static let hostTSO4: UInt64 = 1 << 11
    /// VIRTIO_NET_F_HOST_TSO6: the device cuts TCP over IPv6.
    public static let hostTSO6: UInt64 = 1 << 12
    /// VIRTIO_NET_F_HOST_ECN: the device cuts TCP with ECN.
    public static let hostECN: UInt64 = 1 << 13
    /// VIRTIO_NET_F_HOST_UFO: the device cuts UDP.
    public static let hostUFO: UInt64 = 1 << 14
    /// VIRTIO_NET_F_MRG_RXBUF: a received frame may span several buffers.
    public static let mergeableBuffers: UInt64 = 1 << 15
    /// VIRTIO_NET_F_STATUS: the configuration space says whether the link is up.
    public static let status: UInt64 = 1 << 16
    /// VIRTIO_NET_F_CTRL_VQ: there is a control queue.
    public static let controlQueue: UInt64 = 1 << 17
    /// VIRTIO_NET_F_GUEST_ANNOUNCE: the driver announces itself when asked.
    public static let guestAnnounce: UInt64 = 1 << 21
    /// VIRTIO_NET_F_MQ: several pairs of queues.
    public static let multiqueue: UInt64 = 1 << 22
    /// VIRTIO_F_NOTIFY_ON_EMPTY of legacy devices.
    public static let notifyOnEmpty: UInt64 = 1 << 24
    /// VIRTIO_F_ANY_LAYOUT of legacy devices.
    public static let anyLayout: UInt64 = 1 << 27
    /// VIRTIO_F_INDIRECT_DESC: a descriptor may name a table of others.
    public static let indirectDescriptors: UInt64 = 1 << 28
    /// VIRTIO_F_EVENT_IDX: each side says up to where it wants to be left alone.
    public static let eventIndex: UInt64 = 1 << 29
    /// VIRTIO_F_VERSION_1: a device of the standard, not a legacy one.
    public static let version1: UInt64 = 1 << 32
    /// VIRTIO_F_ACCESS_PLATFORM: addresses are those of an IOMMU.
    public static let accessPlatform: UInt64 = 1 << 33
    /// VIRTIO_F_RING_PACKED: packed rings instead of split ones.
    public static let packedRing: UInt64 = 1 << 34
    /// VIRTIO_F_IN_ORDER: buffers are used in the order they were made available.
    public static let inOrder: UInt64 = 1 << 35

    /// Bits the NIC's model answers for alone: a back-end can neither add nor remove them.
    public static let ownedByModel: UInt64 = mac | status | mtu

    /// Bits the back-end must be able to do before they are offered (vhost-user specification, "Feature bits").
    public static let ownedByBackEnd: UInt64 =
        checksum | guestChecksum | guestTSO4 | guestTSO6 | guestECN | guestUFO | hostTSO4 | hostTSO6 | hostECN | hostUFO
        | mergeableBuffers | indirectDescriptors | eventIndex | version1

    /// What this code can offer at all.
    public static let known: UInt64 = ownedByModel | ownedByBackEnd

    /// (bit, needs one of) pairs of VIRTIO 1.3, 5.1.3.1.
    static let dependencies: [(bit: UInt64, anyOf: UInt64)] = [
        (guestTSO4, guestChecksum), (guestTSO6, guestChecksum), (guestUFO, guestChecksum),
        (guestECN, guestTSO4 | guestTSO6),
        (hostTSO4, checksum), (hostTSO6, checksum), (hostUFO, checksum), (hostECN, hostTSO4 | hostTSO6),
    ]

    /// `features` without the bits whose base bit is missing.
    public static func withoutOrphans(_ features: UInt64) -> UInt64 {
        var kept = features
        for (bit, anyOf) in dependencies where kept & anyOf == 0 { kept &= ~bit }
        return kept
    }

    /// The first bit of `features` whose base bit is missing, or nil.
    public static func orphan(in features: UInt64) -> UInt64? {
        dependencies.first { features & $0.bit != 0 && features & $0.anyOf == 0 }?.bit
    }
}
