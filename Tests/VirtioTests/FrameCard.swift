// A whole card in a test's hand: a device with a frame back-end on a link, a scripted port at the link's
// other end, and in front either the driver's own queues or a ring that the test writes by hand.

import Link
import TestSupport
import Testing

@testable import Virtio

/// A card that is driven by the network queues of the driver's side.
final class FrameCard: NetDeviceDriver {
    let turn = TurnEnd()
    let link: FrameLink
    let port = ScriptedPort()
    let backEnd: FrameBackEnd
    let device: NetDevice
    var receiveQueue: NetReceiveQueue
    var transmitQueue: NetTransmitQueue
    private(set) var interrupts: [UInt16] = []
    private(set) var resets = 0
    private let features: UInt64
    private let size: UInt16

    struct Shape {
        var size: UInt16 = 16
        /// Bytes of a receive buffer.
        var buffer = 2048
        var longestSent = 9000
        var features = FrameBackEnd.offered
    }

    init(_ shape: Shape = Shape()) throws {
        let heap = GuestHeap(memory: try GuestMemory(size: 16 << 20))
        link = FrameLink(atEndOfTurn: turn.door)
        backEnd = FrameBackEnd(on: link, atEndOfTurn: turn.door)
        link.connect(port, at: .netdev)
        var model = NetDeviceModel(mac: DeviceScript.mac)
        (model.receiveQueueSize, model.transmitQueueSize) = (shape.size, shape.size)
        device = try NetDevice(model: model, memory: heap.memory)
        features = shape.features
        size = shape.size
        receiveQueue = try NetReceiveQueue(
            NetQueueShape(size: shape.size, bufferBytes: shape.buffer, features: shape.features), heap: heap)
        transmitQueue = try NetTransmitQueue(
            NetQueueShape(size: shape.size, bufferBytes: shape.longestSent, features: shape.features), heap: heap)
        device.driver = self
        device.attach(backEnd)
        start()
    }

    /// VIRTIO 1.3, 3.1.1, to DRIVER_OK.
    private func start() {
        device.writeStatus([.acknowledge, .driver])
        device.driverFeatures = features
        device.writeStatus([.acknowledge, .driver, .featuresOK])
        for (index, addresses) in [receiveQueue.addresses, transmitQueue.addresses].enumerated() {
            device.queueSelect = UInt16(index)
            device.queueSize = size
            device.queueAddresses = addresses
            device.queueEnable = true
        }
        device.writeStatus([.acknowledge, .driver, .featuresOK, .driverOK])
        turn.run()
    }

    /// Resets the device and begins anew with the same queues.
    func restart() {
        device.writeStatus([])
        // What the device gave back is not sent again.
        _ = send([])
        receiveQueue.restart(features: features)
        transmitQueue.restart(features: features)
        start()
    }

    /// Sends what fits of `frames`, kicks when the device wants that; how many did.
    func send(_ frames: [[UInt8]]) -> Int {
        var left = frames[...]
        var turn = NetQueueReport()
        repeat {
            turn = transmitQueue.transmit { slots in
                var filled = 0
                while filled < slots.count, let frame = left.popFirst() {
                    slots[filled].room.copyBytes(from: frame)
                    slots[filled].length = frame.count
                    filled += 1
                }
                return filled
            }
            if turn.needsKick { device.notify(queue: 1) }
        } while turn.hasMore && !left.isEmpty
        return frames.count - left.count
    }

    /// What the driver finds in its receive queue; kicks for the buffers it posts again.
    func receive(budget: Int = 256) -> [[UInt8]] {
        var frames: [[UInt8]] = []
        let turn = receiveQueue.receive(budget: budget) { batch in
            for frame in batch { frames.append(frame.bytes) }
        }
        if turn.needsKick { device.notify(queue: 0) }
        return frames
    }

    func rearmReceive() -> Bool { receiveQueue.rearm() }

    func queueInterrupt(_ queue: UInt16) { interrupts.append(queue) }
    func configurationInterrupt() {}
    func resetComplete() { resets += 1 }
    func restartBase(queue: UInt16) -> RingPosition? {
        queue == 0 ? receiveQueue.restartBase() : transmitQueue.restartBase()
    }

    var isBroken: Bool { device.status.contains(.needsReset) }
    /// The port takes `count` frames from now on.
    func allow(_ count: Int) {
        port.room = count
        link.hasRoom(.netdev)
    }
}

/// A card of one queue whose ring is written by hand.
final class HandCard {
    let turn = TurnEnd()
    let ring: TestRing
    let queue: UInt16
    let link: FrameLink
    let port = ScriptedPort()
    let backEnd: FrameBackEnd
    let device: NetDevice
    let driver = ScriptedDriver()
    private let features: UInt64

    init(
        queue: UInt16, size: UInt16 = 8, features: UInt64 = NetFeature.version1 | NetFeature.mergeableBuffers
    ) throws {
        ring = try TestRing(size: size, features: RingFeatures(negotiated: features), bytes: 4 << 20)
        self.queue = queue
        self.features = features
        link = FrameLink(atEndOfTurn: turn.door)
        backEnd = FrameBackEnd(on: link, atEndOfTurn: turn.door)
        link.connect(port, at: .netdev)
        var model = NetDeviceModel(mac: DeviceScript.mac)
        (model.receiveQueueSize, model.transmitQueueSize) = (size, size)
        device = try NetDevice(model: model, memory: ring.memory)
        device.driver = driver
        device.attach(backEnd)
    }

    /// To DRIVER_OK, with this one queue.
    func start() {
        device.writeStatus([.acknowledge, .driver])
        device.driverFeatures = features
        device.writeStatus([.acknowledge, .driver, .featuresOK])
        device.queueSelect = queue
        device.queueSize = ring.state.size
        device.queueAddresses = ring.state.addresses
        device.queueEnable = true
        device.writeStatus([.acknowledge, .driver, .featuresOK, .driverOK])
        turn.run()
    }

    func kick() {
        device.notify(queue: queue)
        turn.run()
    }

    /// A reset, and the ring's indices at 0 as the driver leaves them.
    func restart() {
        device.writeStatus([])
        (ring.availIndex, ring.usedIndex) = (0, 0)
        start()
    }

    var isBroken: Bool { device.status.contains(.needsReset) }
    var counters: QueueCounters { queue == 0 ? backEnd.receiveCounters : backEnd.transmitCounters }
}
