// What a back-end is told about a queue, and the door through which a device's rings are driven
// from outside. Nothing here touches a ring.

/// A queue as the driver configured it. Addresses are guest-physical.
public struct QueueConfiguration: Sendable {
    /// Which queue of the device it is.
    public var index: UInt16
    /// Entries: a power of two.
    public var size: UInt16
    /// Of `size` descriptors.
    public var descriptorTable: UInt64
    /// What the driver makes available.
    public var availRing: UInt64
    /// What the device gives back.
    public var usedRing: UInt64
    /// Where the back-end goes on.
    public var base: RingPosition

    /// - Parameters:
    ///   - index: the queue's number.
    ///   - size: entries.
    ///   - addresses: guest-physical, of the three parts.
    ///   - base: where the back-end goes on: 0 of a fresh ring.
    public init(index: UInt16, size: UInt16, addresses: RingAddresses, base: RingPosition) {
        self.index = index
        self.size = size
        descriptorTable = addresses.descriptorTable
        availRing = addresses.availRing
        usedRing = addresses.usedRing
        self.base = base
    }
}

/// Whoever works on the rings of a device: a vhost-user front-end (the work is done in another
/// process), or a device in this one.
public protocol RingBackEnd: AnyObject {
    /// Feature bits it can do, ring and frame level (VIRTIO 1.3, 2.2). Empty until it is connected.
    var features: UInt64 { get }
    /// Somebody is there who would work on rings.
    var isConnected: Bool { get }
    /// Whose rings these are; held weakly. The device sets it when it takes the back-end.
    var owner: (any RingOwner)? { get set }
    /// Starts work on `queues` with the negotiated `features`. Failure is told by the back-end's own events.
    func start(features: UInt64, queues: [QueueConfiguration])
    /// Stops work. `done` is called once, later or within the call, when guest memory is no longer touched, with the
    /// position of each started queue in the order of `start`.
    func stop(_ done: @escaping ([RingPosition]) -> Void)
    /// The driver made buffers of `queue` available. Called within a call of the driver: the rings are not to be worked
    /// on now. What was available at `start` the back-end finds by itself.
    func kicked(queue: UInt16)
}
