// The driver door: what the driver reads and writes (VIRTIO 1.3, 2.1, 2.2, 3.1.1, 4.1.4.3, 5.1.4).
// Wrong writes are ignored, or cost the driver its FEATURES_OK; they never trap. No call of this file
// calls the driver back.

import Link

extension NetDevice {
    // MARK: features

    /// What is offered: the model's own bits, and of the back-end's bits those that both can do.
    public var deviceFeatures: UInt64 {
        var own = NetFeature.mac | NetFeature.status
        if model.mtu != nil { own |= NetFeature.mtu }
        let offered = model.features & (own | (NetFeature.ownedByBackEnd & backEndFeatures))
        return NetFeature.withoutOrphans(offered)
    }

    /// The driver's choice. Writable until FEATURES_OK.
    public var driverFeatures: UInt64 {
        get { negotiated }
        set { if !statusRegister.contains(.featuresOK), !isResetting { negotiated = newValue } }
    }

    /// True when a driver can begin: a back-end has told what it can do.
    public var isPresent: Bool { backEndFeatures & NetFeature.version1 != 0 }

    // MARK: status

    /// The device status. After a reset 0 is read only when no ring is touched any more: at once, or when
    /// `NetDeviceDriver.resetComplete` is called.
    public var status: DeviceStatus { statusRegister }

    /// Writes the device status; 0 resets. Bits once set stay until then; NEEDS_RESET is not the driver's to write.
    public func writeStatus(_ value: DeviceStatus) {
        if value.isEmpty { return reset() }
        guard !isResetting else { return }
        var added = value.subtracting(statusRegister).intersection([
            .acknowledge, .driver, .driverOK, .featuresOK, .failed,
        ])
        if added.contains(.featuresOK), !isAcceptable(negotiated) { added.remove(.featuresOK) }
        if added.contains(.driverOK), !statusRegister.union(added).contains(.featuresOK) { added.remove(.driverOK) }
        statusRegister.formUnion(added)
        if added.contains(.driverOK) { startIfReady() }
    }

    /// A choice within the offer, with VERSION_1, and no bit without its base (VIRTIO 1.3, 2.2.1, 5.1.3.1, 6.1).
    private func isAcceptable(_ features: UInt64) -> Bool {
        features & ~deviceFeatures == 0 && features & NetFeature.version1 != 0
            && NetFeature.orphan(in: features) == nil
    }

    private func reset() {
        guard !isResetting else { return }
        isResetting = true
        var isWithinCall = true
        stopWork { [self] in
            clearRegisters()
            if !isWithinCall { driver?.resetComplete() }
        }
        isWithinCall = false
    }

    private func clearRegisters() {
        statusRegister = []
        negotiated = 0
        interrupts = []
        queueSelect = 0
        for index in queues.indices { queues[index].reset() }
        isResetting = false
        isOrphaned = false
    }

    // MARK: the selected queue

    /// Receive and transmit queues together.
    public var numberOfQueues: UInt16 { UInt16(truncatingIfNeeded: queues.count) }

    /// Size of the selected queue: the largest one until written; 0 when there is no such queue. Only a power of two up
    /// to the largest is taken.
    public var queueSize: UInt16 {
        get { selected?.size ?? 0 }
        set {
            changeSelected { queue in
                if RingLayout.isLegal(size: newValue), newValue <= queue.maximumSize { queue.size = newValue }
            }
        }
    }

    /// Where the three areas of the selected queue lie.
    public var queueAddresses: RingAddresses {
        get { selected?.addresses ?? RingAddresses() }
        set { changeSelected { $0.addresses = newValue } }
    }

    /// Enables the selected queue; only a reset disables it. Reads false as long as size and addresses do not name a
    /// ring that lies whole in guest memory (RV-03, RV-05, RV-06, RV-35).
    public var queueEnable: Bool {
        get { selected?.isEnabled ?? false }
        set {
            guard newValue, let queue = selected else { return }
            let state = QueueState(size: queue.size, addresses: queue.addresses)
            guard (try? RingMemory(state, in: memory)) != nil else { return }
            changeSelected { $0.isEnabled = true }
        }
    }

    private var selected: QueueRegisters? { registers(queueSelect) }

    func registers(_ queue: UInt16) -> QueueRegisters? {
        Int(queue) < queues.count ? queues[Int(queue)] : nil
    }

    /// The fields of a queue are fixed once it is enabled (VIRTIO 1.3, 4.1.4.3.2).
    private func changeSelected(_ change: (inout QueueRegisters) -> Void) {
        guard let queue = selected, !queue.isEnabled, !isResetting, !statusRegister.contains(.driverOK) else { return }
        change(&queues[Int(queueSelect)])
    }

    /// Tells the back-end that the driver made buffers of `queue` available. A back-end that is stopping is told
    /// nothing any more; one that starts looks by itself.
    public func notify(queue: UInt16) {
        guard Int(queue) < queues.count, queues[Int(queue)].isEnabled, statusRegister.contains(.driverOK),
            work == .running
        else { return }
        queues[Int(queue)].kicks &+= 1
        backEnd?.kicked(queue: queue)
    }

    // MARK: configuration and interrupts

    /// The configuration as a value.
    public var configuration: NetConfiguration {
        NetConfiguration(mac: model.mac, isLinkUp: reportedLink, maximumQueuePairs: 1, mtu: model.mtu)
    }

    /// The bytes of the configuration space from `offset` on; beyond its end nothing is copied. Returns the bytes
    /// copied. Reads of several fields belong together when `configurationGeneration` is the same before and after.
    @discardableResult
    public func readConfiguration(at offset: Int, into room: UnsafeMutableRawBufferPointer) -> Int {
        let bytes = configuration.bytes
        guard offset >= 0, offset < bytes.count else { return 0 }
        let part = bytes[offset..<min(bytes.count, offset + min(room.count, bytes.count))]
        room.copyBytes(from: part)
        return part.count
    }

    /// What happened since the last read.
    public func readInterruptStatus() -> InterruptStatus {
        defer { interrupts = [] }
        return interrupts
    }
}

/// The configuration space of a network device (VIRTIO 1.3, 5.1.4).
public struct NetConfiguration: Hashable, Sendable {
    /// Bytes of the space.
    public static let size = 12

    /// The card's address.
    public var mac: MACAddress
    /// VIRTIO_NET_S_LINK_UP.
    public var isLinkUp: Bool
    /// Pairs of queues; 1 without VIRTIO_NET_F_MQ.
    public var maximumQueuePairs: UInt16
    /// The largest IP packet in bytes; nil (0 in the space) without VIRTIO_NET_F_MTU.
    public var mtu: UInt16?

    /// mac[6] @0, status u16 @6 (bit 0: link up), max_virtqueue_pairs u16 @8, mtu u16 @10; little-endian.
    public var bytes: [UInt8] {
        func little(_ value: UInt16) -> [UInt8] { [UInt8(value & 0xff), UInt8(value >> 8)] }
        return (0..<6).map { mac[$0] } + little(isLinkUp ? 1 : 0) + little(maximumQueuePairs) + little(mtu ?? 0)
    }
}
