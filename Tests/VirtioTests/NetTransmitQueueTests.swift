// The transmit queue of a driver against a device in the same process: frames whole and in order, slots
// recycled once in whatever order they come back, refusals, and a new device or a reset under way.

import Bytes
import Link
import Testing

@testable import Virtio

/// A transmit queue with a device behind that reads frames from it.
final class TransmitPair {
    let heap: GuestHeap
    var queue: NetTransmitQueue
    var device: DeviceEnd
    let features: UInt64
    var lastTurn = NetQueueReport()
    /// Frames committed by the last `send`.
    var committed = 0

    init(size: UInt16 = 8, features: UInt64 = NetFeature.version1) throws {
        heap = GuestHeap(memory: try GuestMemory(size: 1 << 20))
        self.features = features
        queue = try NetTransmitQueue(NetQueueShape(size: size, bufferBytes: 1514, features: features), heap: heap)
        device = try Self.device(size, queue.addresses, heap.memory, features)
    }

    static func device(
        _ size: UInt16, _ a: RingAddresses, _ memory: GuestMemory, _ features: UInt64, base: RingPosition = 0
    )
        throws -> DeviceEnd
    {
        let state = QueueState(size: size, addresses: a, base: base, features: RingFeatures(negotiated: features))
        return DeviceEnd(try SplitDeviceQueue(state, memory: memory, direction: .readable))
    }

    /// Sends what fits of `frames`, and returns how many did.
    func send(_ frames: [[UInt8]], offload: Offload = Offload(), limit: Int = 64) -> Int {
        var left = frames[...]
        committed = 0
        repeat {
            lastTurn = queue.transmit(limit: limit) { slots in
                var filled = 0
                while filled < slots.count, let frame = left.popFirst() {
                    slots[filled].room.copyBytes(from: frame.prefix(slots[filled].room.count))
                    slots[filled].length = frame.count
                    slots[filled].offload = offload
                    filled += 1
                }
                return filled
            }
            committed += lastTurn.frames
        } while lastTurn.hasMore && !left.isEmpty
        return frames.count - left.count
    }

    /// What the device finds now, without its header.
    func take(_ limit: Int = 64) -> [(chain: DeviceChain, header: NetHeader?, bytes: [UInt8])] {
        device.pop(limit).map {
            ($0, device.batch.header(of: $0), Array(device.readable($0).dropFirst(NetHeader.size)))
        }
    }

    func rearm() -> Bool { queue.rearm() }
    func restartBase() -> RingPosition? { queue.restartBase() }
    func restart(_ features: UInt64) { queue.restart(features: features) }
}

struct NetTransmitQueueTests {
    private func frame(_ seed: Int) -> [UInt8] {
        (0..<(60 + seed % 1400)).map { UInt8(truncatingIfNeeded: $0 &+ seed) }
    }

    @Test("frames arrive whole, in order, with a zero header")
    func order() throws {
        let pair = try TransmitPair()
        for round in 0..<50 {
            let frames = (0..<5).map { frame(round * 5 + $0) }
            #expect(pair.send(frames) == 5)
            let taken = pair.take()
            #expect(taken.map(\.bytes) == frames && taken.allSatisfy { $0.header == NetHeader() })
            for (chain, _, _) in taken { pair.device.push(chain) }
            _ = pair.device.publish()
        }
        #expect(pair.queue.fault == nil && pair.queue.dropped == 0)
    }

    @Test("CFE-19: slots that come back late and out of order are used again once each")
    func outOfOrder() throws {
        let pair = try TransmitPair(size: 16)
        var random = SeededGenerator(seed: 5)
        var out: [DeviceChain] = []
        var sent = 0
        var seen = 0
        while seen < 2000 {
            sent += pair.send((0..<Int.random(in: 0...9, using: &random)).map { frame(sent + $0) })
            for (chain, _, bytes) in pair.take(4) {
                #expect(bytes == frame(seen))
                seen += 1
                out.append(chain)
            }
            out.shuffle(using: &random)
            for _ in 0..<min(out.count, .random(in: 0...4, using: &random)) { pair.device.push(out.removeLast()) }
            _ = pair.device.publish()
            #expect(pair.queue.freeSlots + Int(pair.queue.outstanding) == 16)
        }
        #expect(pair.queue.fault == nil && pair.queue.dropped == 0)
    }

    @Test("RF-07: slots that never come back end the sending, and nothing is overwritten")
    func neverBack() throws {
        let pair = try TransmitPair()
        let frames = (0..<20).map { frame($0) }
        #expect(pair.send(frames) == 8)
        #expect(pair.queue.freeSlots == 0 && !pair.rearm())
        #expect(pair.take().map(\.bytes) == Array(frames[..<8]))
        #expect(pair.send([frame(30)]) == 0)
    }

    @Test("a call for free slots comes when half of them are back")
    func rearm() throws {
        let pair = try TransmitPair(features: NetFeature.version1 | NetFeature.eventIndex)
        #expect(pair.send((0..<8).map { frame($0) }) == 8)
        let chains = pair.take().map(\.chain)
        pair.device.push(chains[0])
        _ = pair.device.publish()  // the first decision always calls
        #expect(pair.send([]) == 0 && pair.queue.freeSlots == 1)
        #expect(!pair.rearm())
        var calls: [Bool] = []
        for chain in chains[1...] {
            pair.device.push(chain)
            calls.append(pair.device.publish())
        }
        #expect(calls == [false, false, true, false, false, false, false])
        #expect(pair.rearm(), "slots are there already")
    }

    @Test("a frame of no length, or longer than its slot, is dropped and its slot lent again")
    func unfit() throws {
        let pair = try TransmitPair()
        for _ in 0..<10 {
            #expect(pair.send([[], frame(3), [UInt8](repeating: 0, count: 1515)]) == 3)
            #expect(pair.committed == 1)
            #expect(pair.take().map(\.bytes) == [frame(3)])
            for chain in Array(pair.device.batch.chains) { pair.device.push(chain) }
            _ = pair.device.publish()
        }
        #expect(pair.queue.dropped == 20)
        #expect(pair.send([]) == 0 && pair.queue.freeSlots == 8)
    }

    @Test("a filler that claims more than it was lent commits what it was lent")
    func overclaim() throws {
        let pair = try TransmitPair()
        let turn = pair.queue.transmit(limit: 2) { slots in
            for index in slots.indices { slots[index].length = 60 }
            return 1000
        }
        #expect(turn.frames == 2 && pair.take().count == 2)
        #expect(pair.queue.transmit(limit: 2) { _ in -5 }.frames == 0)
    }

    @Test("offload facts are written only when the device agreed to them")
    func offload() throws {
        let offload = Offload(pendingChecksum: .init(start: 34, offset: 16), segmentation: .tcp4, segmentSize: 1000)
        let able = try TransmitPair(features: NetFeature.version1 | NetFeature.checksum | NetFeature.hostTSO4)
        #expect(able.send([frame(1000)], offload: offload) == 1)
        #expect(able.take().map(\.header) == [NetHeader(offload)])
        let unable = try TransmitPair(features: NetFeature.version1 | NetFeature.checksum)
        #expect(unable.send([frame(1000)], offload: offload) == 1)
        #expect(unable.take().isEmpty && unable.queue.dropped == 1)
    }

    @Test("CFE-11: a new device gets every frame that the dead one did not finish")
    func newDevice() throws {
        let pair = try TransmitPair()
        let frames = (0..<7).map { frame($0) }
        #expect(pair.send(frames) == 7)
        for (chain, _, _) in pair.take(4).prefix(2) { pair.device.push(chain) }
        _ = pair.device.publish()
        let base = try #require(pair.restartBase())
        #expect(base == 2)
        pair.device = try TransmitPair.device(8, pair.queue.addresses, pair.heap.memory, pair.features, base: base)
        #expect(pair.take().map(\.bytes) == Array(frames[2...]))
        for chain in Array(pair.device.batch.chains) { pair.device.push(chain) }
        _ = pair.device.publish()
        #expect(pair.send([frame(9)]) == 1 && pair.lastTurn.needsKick)
        #expect(pair.take().map(\.bytes) == [frame(9)])
    }

    @Test("after a reset the frames that were not given back are sent again, in their order")
    func reset() throws {
        let pair = try TransmitPair()
        #expect(pair.send((0..<7).map { frame($0) }) == 7)
        let chains = pair.take().map(\.chain)
        for index in [3, 0, 5] { pair.device.push(chains[index]) }
        _ = pair.device.publish()
        #expect(pair.send([frame(7), frame(8)]) == 2)
        #expect(pair.restartBase() == nil, "given back out of order")
        pair.restart(NetFeature.version1 | NetFeature.eventIndex)
        pair.device = try TransmitPair.device(8, pair.queue.addresses, pair.heap.memory, NetFeature.eventIndex)
        #expect(pair.take().map(\.bytes) == [1, 2, 4, 6, 7, 8].map { frame($0) })
        for chain in Array(pair.device.batch.chains) { pair.device.push(chain) }
        _ = pair.device.publish()
        #expect(pair.send([]) == 0 && pair.queue.freeSlots == 8)
    }
}
