// Feature bits of a network device and of its rings (VIRTIO 1.3, 5.1.3 and 6), who owns which, and
// what a bit depends on. Policy (which bits a NIC model offers) is a value given to `NetDevice`.

/// Feature bits as masks.
public enum NetFeature {
    public static let checksum: UInt64 = 1 << 0
    public static let guestChecksum: UInt64 = 1 << 1
    public static let guestOffloadsControl: UInt64 = 1 << 2
    public static let mtu: UInt64 = 1 << 3
    public static let mac: UInt64 = 1 << 5
    public static let guestTSO4: UInt64 = 1 << 7
    public static let guestTSO6: UInt64 = 1 << 8
    public static let guestECN: UInt64 = 1 << 9
    public static let guestUFO: UInt64 = 1 << 10
    public static let hostTSO4: UInt64 = 1 << 11
    public static let hostTSO6: UInt64 = 1 << 12
    public static let hostECN: UInt64 = 1 << 13
    public static let hostUFO: UInt64 = 1 << 14
    public static let mergeableBuffers: UInt64 = 1 << 15
    public static let status: UInt64 = 1 << 16
    public static let controlQueue: UInt64 = 1 << 17
    public static let guestAnnounce: UInt64 = 1 << 21
    public static let multiqueue: UInt64 = 1 << 22
    public static let notifyOnEmpty: UInt64 = 1 << 24
    public static let anyLayout: UInt64 = 1 << 27
    public static let indirectDescriptors: UInt64 = 1 << 28
    public static let eventIndex: UInt64 = 1 << 29
    public static let version1: UInt64 = 1 << 32
    public static let accessPlatform: UInt64 = 1 << 33
    public static let packedRing: UInt64 = 1 << 34
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
