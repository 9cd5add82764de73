// A driver in a test's hand: memory, a device with a frame back-end on a link, a scripted port at that link's
// other end, and the end of the turn. The back-end can be made late, and can die.

import Link
import TestSupport
import Testing

@testable import Virtio

/// The in-process back-end's side of a device that is driven by `NetDriver`.
final class DriverStand {
    let turn = TurnEnd()
    let heap: GuestHeap
    let device: NetDevice
    let link: FrameLink
    /// What is behind the back-end.
    let port = ScriptedPort()
    let backEnd: FrameBackEnd

    init(size: UInt16 = 16, memory: Int = 32 << 20) throws {
        heap = GuestHeap(memory: try GuestMemory(size: memory))
        var model = NetDeviceModel(mac: DeviceScript.mac, mtu: 1500)
        (model.receiveQueueSize, model.transmitQueueSize) = (size, size)
        device = try NetDevice(model: model, memory: heap.memory)
        link = FrameLink(atEndOfTurn: turn.door)
        backEnd = FrameBackEnd(on: link, atEndOfTurn: turn.door)
        link.connect(port, at: .netdev)
    }

    /// The port takes `count` frames from now on.
    func allow(_ count: Int) {
        port.room = count
        link.hasRoom(.netdev)
        turn.run()
    }

    /// The used index of a queue moves further than there are chains (RF-01).
    func breakRing(_ queue: UInt16) throws {
        device.queueSelect = queue
        let place = try #require(device.memory.span(at: device.queueAddresses.usedRing + 2, count: 2)?.baseAddress)
        place.storeBytes(of: place.load(as: UInt16.self) &+ 300, as: UInt16.self)
        device.interrupt(queue: queue)
    }
}
