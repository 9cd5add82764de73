// The feature words of vhost-user: protocol features (vhost-user specification, "Protocol features")
// and the two virtio feature bits that belong to the vhost level and never reach a driver.

/// What front-end and back-end agree on beside virtio features; bits as in the specification.
public struct ProtocolFeatures: OptionSet, Hashable, Sendable {
    public let rawValue: UInt64
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    public static let multiqueue = ProtocolFeatures(rawValue: 1 << 0)
    public static let logSharedDescriptor = ProtocolFeatures(rawValue: 1 << 1)
    public static let rarp = ProtocolFeatures(rawValue: 1 << 2)
    public static let replyAcknowledgement = ProtocolFeatures(rawValue: 1 << 3)
    public static let mtu = ProtocolFeatures(rawValue: 1 << 4)
    public static let backEndRequests = ProtocolFeatures(rawValue: 1 << 5)
    public static let crossEndian = ProtocolFeatures(rawValue: 1 << 6)
    public static let cryptoSession = ProtocolFeatures(rawValue: 1 << 7)
    public static let pageFault = ProtocolFeatures(rawValue: 1 << 8)
    public static let configuration = ProtocolFeatures(rawValue: 1 << 9)
    public static let backEndSendsDescriptors = ProtocolFeatures(rawValue: 1 << 10)
    public static let hostNotifier = ProtocolFeatures(rawValue: 1 << 11)
    public static let inflightDescriptor = ProtocolFeatures(rawValue: 1 << 12)
    public static let resetDevice = ProtocolFeatures(rawValue: 1 << 13)
    public static let inBandNotifications = ProtocolFeatures(rawValue: 1 << 14)
    public static let memorySlots = ProtocolFeatures(rawValue: 1 << 15)
    public static let status = ProtocolFeatures(rawValue: 1 << 16)
    public static let xenMapping = ProtocolFeatures(rawValue: 1 << 17)
    public static let sharedObject = ProtocolFeatures(rawValue: 1 << 18)
    public static let deviceState = ProtocolFeatures(rawValue: 1 << 19)

    /// What this front-end acknowledges when offered. Bits 20–22 mean different things in different
    /// implementations and are never acknowledged, nor is anything above them.
    public static let frontEnd: ProtocolFeatures = [
        .multiqueue, .logSharedDescriptor, .rarp, .replyAcknowledgement, .mtu, .backEndRequests, .resetDevice,
        .memorySlots, .status, .deviceState,
    ]
}

/// Virtio feature bits that front-end and back-end use between themselves.
public enum VhostFeature {
    /// VHOST_F_LOG_ALL: dirty pages are logged.
    public static let logAll: UInt64 = 1 << 26
    /// VHOST_USER_F_PROTOCOL_FEATURES: protocol features and SET_VRING_ENABLE exist.
    public static let protocolFeatures: UInt64 = 1 << 30
    /// VIRTIO_F_VERSION_1; without it a device is a legacy one.
    public static let version1: UInt64 = 1 << 32
    /// VIRTIO_NET_F_MTU.
    public static let mtu: UInt64 = 1 << 3
}
