// The smallest driver of a network device: negotiates, posts buffers, sends numbered frames, keeps what
// it receives. It resets the device when a ring breaks or when it is asked to.

import Link
import Virtio

final class TestGuest: NetDeviceDriver {
    let device: NetDevice
    private let heap: GuestHeap
    private var receiveQueue: NetReceiveQueue?
    private var transmitQueue: NetTransmitQueue?
    private(set) var received: [[UInt8]] = []
    private(set) var resets = 0
    private(set) var isLinkUp = false
    /// Frames that wait for a free slot.
    private var waiting: [[UInt8]] = []
    private let bufferBytes: Int
    private let isPolling: Bool

    /// - Parameter isPolling: keeps calls off and looks at the rings at every `poll`.
    init(_ device: NetDevice, heap: GuestHeap, bufferBytes: Int = 1536, isPolling: Bool = true) {
        self.device = device
        self.heap = heap
        self.bufferBytes = bufferBytes
        self.isPolling = isPolling
        device.driver = self
    }

    /// Initialisation in the order of VIRTIO 1.3, 3.1.1.
    func boot() throws {
        device.writeStatus([.acknowledge, .driver])
        device.driverFeatures = device.deviceFeatures
        device.writeStatus([.acknowledge, .driver, .featuresOK])
        guard device.status.contains(.featuresOK) else { throw Missing("FEATURES_OK") }
        try makeQueues(device.driverFeatures)
        for (index, addresses) in [receiveQueue?.addresses, transmitQueue?.addresses].enumerated() {
            device.queueSelect = UInt16(index)
            device.queueSize = 256
            device.queueAddresses = try required(addresses, "ring addresses")
            device.queueEnable = true
        }
        device.writeStatus([.acknowledge, .driver, .featuresOK, .driverOK])
    }

    private func makeQueues(_ features: UInt64) throws {
        if receiveQueue == nil {
            receiveQueue = try NetReceiveQueue(
                NetQueueShape(size: 256, bufferBytes: bufferBytes, features: features), heap: heap)
            transmitQueue = try NetTransmitQueue(
                NetQueueShape(size: 256, bufferBytes: 2048, features: features), heap: heap)
        } else {
            receiveQueue?.restart(features: features)
            transmitQueue?.restart(features: features)
        }
        if !isPolling { _ = receiveQueue?.rearm() }
    }

    var receiveRing: RingAddresses? { receiveQueue?.addresses }
    var transmitRing: RingAddresses? { transmitQueue?.addresses }
    /// Frames the receive queue dropped because the device broke a rule.
    var dropped: UInt64 { receiveQueue?.dropped ?? 0 }
    var clampedLengths: UInt64 { receiveQueue?.clampedLengths ?? 0 }
    var freeSlots: Int { transmitQueue?.freeSlots ?? -1 }
    var outstanding: Int { Int(transmitQueue?.outstanding ?? .max) }

    // MARK: frames

    func send(_ frame: [UInt8]) {
        waiting.append(frame)
        sendWaiting()
    }

    private func sendWaiting() {
        while !waiting.isEmpty {
            guard
                let turn = transmitQueue?.transmit({ slots in
                    var count = 0
                    while count < slots.count, count < waiting.count {
                        slots[count].room.copyBytes(from: waiting[count])
                        slots[count].length = waiting[count].count
                        slots[count].offload = Offload()
                        count += 1
                    }
                    return count
                })
            else { return }
            waiting.removeFirst(min(waiting.count, turn.frames))
            if turn.needsKick { device.notify(queue: 1) }
            if turn.frames == 0 { return }
        }
    }

    /// Takes what arrived and sends what waits.
    func poll() throws {
        var lent: [[UInt8]] = []
        let turn = receiveQueue?.receive { views in
            for view in views {
                var bytes = [UInt8](repeating: 0, count: view.length)
                bytes.withUnsafeMutableBytes { _ = view.copy(from: 0, into: $0) }
                lent.append(bytes)
            }
        }
        received += lent
        if turn?.needsKick == true { device.notify(queue: 0) }
        // Slots come back also when there is nothing to send.
        _ = transmitQueue?.transmit { _ in 0 }
        sendWaiting()
        if receiveQueue?.fault != nil || transmitQueue?.fault != nil { reset() }
    }

    func forgetReceived() { received = [] }

    // MARK: resets

    func reset() {
        guard !isResetting else { return }
        isResetting = true
        resets += 1
        device.writeStatus([])
        if device.status.isEmpty { resetComplete() }
    }

    private var isResetting = false

    func resetComplete() {
        isResetting = false
        try? boot()
    }

    // MARK: NetDeviceDriver

    func queueInterrupt(_ queue: UInt16) {
        try? poll()
        if !isPolling, receiveQueue?.rearm() == true { try? poll() }
    }

    func configurationInterrupt() {
        isLinkUp = device.configuration.isLinkUp
        if device.status.contains(.needsReset) { reset() }
    }

    func restartBase(queue: UInt16) -> RingPosition? {
        queue == 0 ? receiveQueue?.restartBase() : transmitQueue?.restartBase()
    }
}
