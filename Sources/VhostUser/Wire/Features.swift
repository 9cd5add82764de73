// The feature words of vhost-user: protocol features (vhost-user specification, "Protocol features")
// and the two virtio feature bits that belong to the vhost level and never reach a driver.

/// What front-end and back-end agree on beside virtio features; bits as in the specification.
public struct ProtocolFeatures: OptionSet, Hashable, Sendable {
    public let rawValue: UInt64
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    /// VHOST_USER_PROTOCOL_F_MQ: GET_QUEUE_NUM.
    public static let multiqueue = ProtocolFeatures(rawValue: 1 << 0)
    /// VHOST_USER_PROTOCOL_F_LOG_SHMFD: the dirty log comes as a descriptor.
    public static let logSharedDescriptor = ProtocolFeatures(rawValue: 1 << 1)
    /// VHOST_USER_PROTOCOL_F_RARP: SEND_RARP.
    public static let rarp = ProtocolFeatures(rawValue: 1 << 2)
    /// VHOST_USER_PROTOCOL_F_REPLY_ACK: a request may ask for its answer.
    public static let replyAcknowledgement = ProtocolFeatures(rawValue: 1 << 3)
    /// VHOST_USER_PROTOCOL_F_MTU: NET_SET_MTU.
    public static let mtu = ProtocolFeatures(rawValue: 1 << 4)
    /// VHOST_USER_PROTOCOL_F_BACKEND_REQ: the back-end has a channel of its own.
    public static let backEndRequests = ProtocolFeatures(rawValue: 1 << 5)
    /// VHOST_USER_PROTOCOL_F_CROSS_ENDIAN: SET_VRING_ENDIAN.
    public static let crossEndian = ProtocolFeatures(rawValue: 1 << 6)
    /// VHOST_USER_PROTOCOL_F_CRYPTO_SESSION.
    public static let cryptoSession = ProtocolFeatures(rawValue: 1 << 7)
    /// VHOST_USER_PROTOCOL_F_PAGEFAULT: post-copy migration.
    public static let pageFault = ProtocolFeatures(rawValue: 1 << 8)
    /// VHOST_USER_PROTOCOL_F_CONFIG: GET_CONFIG and SET_CONFIG.
    public static let configuration = ProtocolFeatures(rawValue: 1 << 9)
    /// VHOST_USER_PROTOCOL_F_BACKEND_SEND_FD.
    public static let backEndSendsDescriptors = ProtocolFeatures(rawValue: 1 << 10)
    /// VHOST_USER_PROTOCOL_F_HOST_NOTIFIER.
    public static let hostNotifier = ProtocolFeatures(rawValue: 1 << 11)
    /// VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD.
    public static let inflightDescriptor = ProtocolFeatures(rawValue: 1 << 12)
    /// VHOST_USER_PROTOCOL_F_RESET_DEVICE.
    public static let resetDevice = ProtocolFeatures(rawValue: 1 << 13)
    /// VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS: kicks and calls as messages.
    public static let inBandNotifications = ProtocolFeatures(rawValue: 1 << 14)
    /// VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS: regions come and go one by one.
    public static let memorySlots = ProtocolFeatures(rawValue: 1 << 15)
    /// VHOST_USER_PROTOCOL_F_STATUS: the device status is told.
    public static let status = ProtocolFeatures(rawValue: 1 << 16)
    /// VHOST_USER_PROTOCOL_F_XEN_MMAP.
    public static let xenMapping = ProtocolFeatures(rawValue: 1 << 17)
    /// VHOST_USER_PROTOCOL_F_SHARED_OBJECT.
    public static let sharedObject = ProtocolFeatures(rawValue: 1 << 18)
    /// VHOST_USER_PROTOCOL_F_DEVICE_STATE: the back-end's state can be moved.
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
