// The device's half without a device: whoever has guest memory and rings can put a frame back-end on them, as a
// vhost-user back-end does whose rings are described by another process.

import Link
import TestSupport
import Testing

@testable import Virtio

private final class BareOwner: RingOwner {
    let memory: GuestMemory
    private(set) var interrupts: [UInt16] = []
    private(set) var broken = 0
    init(_ memory: GuestMemory) { self.memory = memory }
    func interrupt(queue: UInt16) { interrupts.append(queue) }
    func ringBroke() { broken += 1 }
}

/// The driver's two queues on memory, and a back-end that nobody but a `RingOwner` owns.
private final class BareRings {
    let turn = TurnEnd()
    let owner: BareOwner
    let link: FrameLink
    let port = ScriptedPort()
    let backEnd: FrameBackEnd
    private var receive: NetReceiveQueue
    private var transmit: NetTransmitQueue
    private let features = FrameBackEnd.offered

    init() throws {
        let heap = GuestHeap(memory: try GuestMemory(size: 8 << 20))
        owner = BareOwner(heap.memory)
        link = FrameLink(atEndOfTurn: turn.door)
        backEnd = FrameBackEnd(on: link, atEndOfTurn: turn.door)
        link.connect(port, at: .netdev)
        let shape = NetQueueShape(size: 16, bufferBytes: 2048, features: features)
        receive = try NetReceiveQueue(shape, heap: heap)
        transmit = try NetTransmitQueue(shape, heap: heap)
        backEnd.owner = owner
    }

    func start(_ bases: [RingPosition] = [0, 0]) {
        let addresses = [receive.addresses, transmit.addresses]
        backEnd.start(
            features: features,
            queues: [0, 1].map {
                QueueConfiguration(index: UInt16($0), size: 16, addresses: addresses[$0], base: bases[$0])
            })
        turn.run()
    }

    func send(_ frame: [UInt8]) {
        _ = transmit.transmit { slots in
            slots[0].room.copyBytes(from: frame)
            slots[0].length = frame.count
            return 1
        }
        backEnd.kicked(queue: 1)
        turn.run()
    }

    func received() -> [[UInt8]] {
        var frames: [[UInt8]] = []
        _ = receive.receive { batch in for frame in batch { frames.append(frame.bytes) } }
        return frames
    }
}

struct RingOwnerTests {
    @Test("a frame back-end serves rings without a device, stops at positions and goes on from them")
    func served() throws {
        let rings = try BareRings()
        rings.start()
        rings.send(testFrame(60, 1))
        #expect(rings.link.send([testFrame(70, 2), testFrame(3000, 3)], from: .netdev) == 2)
        #expect(rings.port.takeFrames() == [testFrame(60, 1)])
        #expect(rings.received() == [testFrame(70, 2), testFrame(3000, 3)])
        #expect(rings.owner.interrupts.contains(0) && rings.owner.broken == 0)
        var bases: [RingPosition] = []
        rings.backEnd.stop { bases = $0 }
        #expect(bases.map(\.index) == [3, 1], "3000 bytes lie in two buffers")
        rings.start(bases)
        rings.send(testFrame(60, 4))
        #expect(rings.port.takeFrames() == [testFrame(60, 4)])
    }

    @Test("a ring outside of memory is told to its owner, and nothing traps")
    func outside() throws {
        let rings = try BareRings()
        let addresses = RingAddresses(contiguousAt: 1 << 40, size: 16)
        rings.backEnd.start(
            features: FrameBackEnd.offered,
            queues: [QueueConfiguration(index: 1, size: 16, addresses: addresses, base: 0)])
        rings.turn.run()
        #expect(rings.owner.broken == 1)
    }
}
