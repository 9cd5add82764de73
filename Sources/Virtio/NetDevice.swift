// The virtio-net register block without a bus (VIRTIO 1.3, 2.1, 2.4, 4.1.4.3, 5.1): what a driver finds
// behind PCI or MMIO, as properties and calls. This file holds the registers' state; what a write does
// is in NetDevice+Registers, what a back-end does in NetDevice+BackEnd. No write of a driver, however
// wrong, traps: it is ignored, or answered in `status`.

import Link

/// Device status bits (VIRTIO 1.3, 2.1).
public struct DeviceStatus: OptionSet, Hashable, Sendable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }
    /// The driver has seen the device.
    public static let acknowledge = DeviceStatus(rawValue: 1)
    /// The driver knows how to drive it.
    public static let driver = DeviceStatus(rawValue: 2)
    /// The driver is ready: rings are worked on from here on.
    public static let driverOK = DeviceStatus(rawValue: 4)
    /// The features are agreed on; reads back as 0 when the device does not take them.
    public static let featuresOK = DeviceStatus(rawValue: 8)
    /// The device cannot go on before a reset; set by the device alone.
    public static let needsReset = DeviceStatus(rawValue: 0x40)
    /// The driver has given up.
    public static let failed = DeviceStatus(rawValue: 0x80)
}

/// Why the driver was interrupted; reading clears it (VIRTIO 1.3, 4.1.4.5).
public struct InterruptStatus: OptionSet, Hashable, Sendable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }
    /// Buffers were used.
    public static let queue = InterruptStatus(rawValue: 1)
    /// The configuration space, or NEEDS_RESET, changed.
    public static let configuration = InterruptStatus(rawValue: 2)
}

/// What the NIC's model is: fixed before a driver sees it.
public struct NetDeviceModel: Sendable {
    /// The address in the configuration space (VIRTIO_NET_F_MAC).
    public var mac: MACAddress
    /// Offered with VIRTIO_NET_F_MTU; nil offers none.
    public var mtu: UInt16?
    /// Largest size of each receive and transmit queue.
    public var receiveQueueSize: UInt16 = 256
    /// Largest size of the transmit queue.
    public var transmitQueueSize: UInt16 = 256
    /// Bits the model is willing to offer.
    public var features: UInt64 = NetFeature.known

    /// Queues of 256 entries and all features known here.
    public init(mac: MACAddress, mtu: UInt16? = nil) {
        self.mac = mac
        self.mtu = mtu
    }
}

/// Who works the driver door. Called on the device's thread. Interrupts may come within a call into the device (a
/// back-end in this process kicks and calls by plain calls): leave a note and do the work in a turn of your own.
public protocol NetDeviceDriver: AnyObject {
    /// The device used buffers of `queue`.
    func queueInterrupt(_ queue: UInt16)
    /// The link, the status (NEEDS_RESET) or the offered features changed; also told before DRIVER_OK, when the first
    /// back-end arrives.
    func configurationInterrupt()
    /// A reset that `writeStatus` could not complete within the call is complete now: `status` reads 0, no ring is
    /// touched any more.
    func resetComplete()
    /// The back-end died and a new one is to go on with `queue`. Reap it, then answer with used.idx when the avail ring
    /// holds exactly the outstanding chains from there; nil when only a reset helps.
    func restartBase(queue: UInt16) -> RingPosition?
}

/// A virtio network device: registers towards a driver, a back-end behind. Lives on one thread.
///
/// The order of things, for whoever puts one together:
///
/// 1. The device, then its driver (``NetDriver``, or another that sets `driver`). Until a back-end has told what it can
///    do, the driver finds nothing to negotiate with and waits for `configurationInterrupt`.
/// 2. ``attach(_:)`` puts the back-end behind, once. A back-end that is connected has arrived with that. Of a vhost-user
///    front-end set `onEvent` before its socket is attached: from that call on it watches the socket and the rings'
///    eventfds, and tells its news at the end of a turn. At its first `connected` it is attached to the device, at each
///    later one ``backEndReturned(features:)`` is called; nothing else is called twice.
/// 3. When the back-end is lost: end it for certain (a process that hangs may still write to guest memory), then
///    ``backEndDied()``, once. The link goes down; rings and driver keep what they have. Only then is the next socket
///    attached to the same front-end, so that its `connected` finds a device without a back-end.
/// 4. At the end the driver resets the device (``NetDriver/detach()``), then ``detach(_:)`` lets the back-end go.
public final class NetDevice: RingOwner {
    /// As it was made.
    public let model: NetDeviceModel
    /// Where its rings lie.
    public let memory: GuestMemory
    /// Who works the driver door; sets itself.
    public weak var driver: (any NetDeviceDriver)?

    // Registers.
    var statusRegister: DeviceStatus = []
    var negotiated: UInt64 = 0
    var queues: [QueueRegisters]
    var interrupts: InterruptStatus = []
    /// Incremented when the configuration space changes (VIRTIO 1.3, 2.5.1).
    public internal(set) var configurationGeneration: UInt8 = 0
    /// Which queue the queue registers name.
    public var queueSelect: UInt16 = 0

    // The side of the back-end.
    var backEnd: (any RingBackEnd)?
    /// What the present or last back-end can do; 0 before the first.
    var backEndFeatures: UInt64 = 0
    var work = BackEndWork.idle
    /// Called when the stop that is under way is complete.
    var stopWaiters: [() -> Void] = []
    /// Counts stops, so that the answer to an abandoned one is recognised.
    var stopSerial = 0
    var isResetting = false
    var isSuspended = false
    var isCableIn = true
    /// Alive as the device's owner told; the back-end itself is asked for nothing in between.
    var isBackEndAlive = false
    var reportedLink = false
    /// The back-end that worked on the rings died, and no other has taken them over.
    var isOrphaned = false

    /// - Throws: `queueSize` when the model's is no power of two.
    public init(model: NetDeviceModel, memory: GuestMemory) throws(VirtioError) {
        self.model = model
        self.memory = memory
        queues = [
            try QueueRegisters(maximumSize: model.receiveQueueSize),
            try QueueRegisters(maximumSize: model.transmitQueueSize),
        ]
    }
}

/// One queue's registers.
struct QueueRegisters {
    let maximumSize: UInt16
    var size: UInt16
    var addresses = RingAddresses()
    var isEnabled = false
    /// Where the back-end goes on when it starts.
    var base: RingPosition = 0
    /// How often the driver told the device to look, and was told to; since the card was made.
    var kicks: UInt64 = 0
    var calls: UInt64 = 0

    init(maximumSize: UInt16) throws(VirtioError) {
        guard RingLayout.isLegal(size: maximumSize) else { throw .queueSize(maximumSize) }
        self.maximumSize = maximumSize
        size = maximumSize
    }

    /// As after power-on.
    mutating func reset() {
        size = maximumSize
        addresses = RingAddresses()
        isEnabled = false
        base = 0
    }
}

/// What the back-end is doing for this device.
enum BackEndWork {
    /// Not started, or there is none: guest memory is not touched.
    case idle
    case running
    /// Asked to stop; guest memory may still be touched.
    case stopping
}
