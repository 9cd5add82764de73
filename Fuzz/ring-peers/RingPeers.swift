// Both queues of a driver, and with bit 7 of the first byte the device of this process on the same rings, against
// somebody who shares all of their memory and their eventfds: used entries, indices, headers of received frames,
// descriptors and event words in any order, counters that are full and descriptions that wait. Each input byte is an
// operation; some take more bytes. Whatever happens, nothing traps and nothing waits, frames that are lent lie in
// guest memory, and a driver and a device that start anew pass a frame each way.

import FuzzMain
import Link
import Linux
import Virtio

@_cdecl("fuzz_ring_peers_main")
public func main(_ count: CInt, _ words: FuzzWords?) -> CInt {
    fuzzMain(count, words) { RingPeersFuzzer($0)?.run() }
}

final class RingPeersFuzzer {
    static let size: UInt16 = 8
    static let bufferBytes = 128
    private static let memory = try? GuestMemory(size: 1 << 18)

    private let card: FuzzCard
    private var receive: NetReceiveQueue
    private var transmit: NetTransmitQueue
    private let features: UInt64
    private var rest: Slice<UnsafeBufferPointer<UInt8>>
    private let events: FuzzEvents
    private var received = 0

    init?(_ input: UnsafeBufferPointer<UInt8>) {
        guard let memory = Self.memory, let events = FuzzEvents.shared else { fatalError("no memory") }
        rest = input[...]
        self.events = events
        let flags = rest.popFirst() ?? 0
        features =
            NetFeature.version1 | (flags & 1 != 0 ? NetFeature.mergeableBuffers : 0)
            | (flags & 2 != 0 ? NetFeature.eventIndex : 0)
        let heap = GuestHeap(memory: memory)
        let shape = NetQueueShape(
            size: Self.size, bufferBytes: flags & 1 != 0 ? Self.bufferBytes : 1526, features: features)
        guard let receive = try? NetReceiveQueue(shape, heap: heap),
            let transmit = try? NetTransmitQueue(shape, heap: heap),
            let card = FuzzCard(memory, isOn: flags & 0x80 != 0)
        else { fatalError("no queues") }
        card.start(features, [receive.addresses, transmit.addresses])
        self.card = card
        self.receive = receive
        self.transmit = transmit
    }

    func run() {
        while let operation = rest.popFirst() { perform(operation & 15, Int(operation >> 4)) }
        checkMended()
    }

    private func next() -> UInt8 { rest.popFirst() ?? 0 }

    private func perform(_ operation: UInt8, _ argument: Int) {
        let addresses = argument & 1 == 0 ? receive.addresses : transmit.addresses
        switch operation {
        case 0, 1: use(argument >> 1)
        case 2: writeUsed(addresses, entry: argument >> 1, id: UInt32(next()), length: UInt32(next()))
        case 3:
            card.store(addresses.usedRing + 2, UInt16(truncatingIfNeeded: argument >> 1) &+ index(addresses.usedRing))
        case 4: card.store(addresses.usedRing + 2, UInt16(next()) << 8 | UInt16(next()))
        case 5: writeHeader(slot: argument >> 1)
        case 6: take(budget: argument)
        case 7: send(argument)
        case 8: scribble(addresses.descriptorTable, range: 16 * Int(Self.size))
        case 9: scribble(addresses.availRing, range: RingLayout.availRingBytes(Self.size))
        case 10: scribble(addresses.usedRing, range: RingLayout.usedRingBytes(Self.size))
        case 11: wait(argument)
        case 12: card.turn(deliver: argument)
        case 13: events.perform(argument)
        case 14: newDevice(argument)
        default: restart()
        }
    }

    // MARK: the second side

    private func index(_ ring: UInt64) -> UInt16 { card.load(ring + 2) }

    private func writeUsed(_ ring: RingAddresses, entry: Int, id: UInt32, length: UInt32) {
        let place = ring.usedRing + 4 + 8 * UInt64(entry % Int(Self.size))
        card.store(place, id)
        card.store(place + 4, length)
    }

    /// Gives the next buffer of the receive ring back, with a header that names `buffers` of them.
    private func use(_ buffers: Int) {
        let ring = receive.addresses
        let used = index(ring.usedRing)
        let head: UInt16 = card.load(ring.availRing + 4 + 2 * UInt64(used % Self.size))
        let address: UInt64 = card.load(ring.descriptorTable + 16 * UInt64(head % Self.size))
        var header = NetHeader()
        header.bufferCount = UInt16(buffers)
        if let start = card.memory.span(at: address, count: NetHeader.size)?.baseAddress { header.write(to: start) }
        writeUsed(ring, entry: Int(used % Self.size), id: UInt32(head), length: UInt32(next() & 127))
        card.store(ring.usedRing + 2, used &+ 1)
    }

    private func writeHeader(slot: Int) {
        let address: UInt64 = card.load(receive.addresses.descriptorTable + 16 * UInt64(slot))
        guard let span = card.memory.span(at: address, count: NetHeader.size) else { return }
        span[Int(next()) % NetHeader.size] = next()
    }

    private func scribble(_ start: UInt64, range: Int) { card.store(start + UInt64(Int(next()) % range), next()) }

    // MARK: the driver

    private func take(budget: Int) {
        let memory = card.memory
        var seen = 0
        let turn = receive.receive(budget: budget) { frames in
            for frame in frames {
                guard frame.segments.reduce(0, { $0 + $1.count }) == frame.length else { fatalError("length") }
                for segment in frame.segments where segment.count > 0 {
                    guard let start = segment.baseAddress, memory.address(of: start) != nil,
                        memory.address(of: start + (segment.count - 1)) != nil
                    else { fatalError("a frame outside of guest memory") }
                }
            }
            seen += frames.count
        }
        guard turn.frames == seen else { fatalError("\(seen) frames, \(turn.frames) told") }
        received += seen
        if turn.needsKick { kick(0) }
    }

    private func send(_ count: Int) {
        let turn = transmit.transmit(limit: 8) { slots in
            let count = min(count, slots.count)
            for slot in 0..<count { slots[slot].length = 60 + slot }
            return count
        }
        guard transmit.freeSlots + Int(transmit.outstanding) == Int(Self.size) else { fatalError("slots are lost") }
        if turn.needsKick { kick(1) }
    }

    private func kick(_ queue: UInt16) {
        card.device.notify(queue: queue)
        events.perform(0)
    }

    private func wait(_ argument: Int) {
        switch argument & 3 {
        case 0: _ = receive.rearm()
        case 1: receive.suppressCalls()
        case 2: _ = transmit.rearm()
        default: transmit.suppressCalls()
        }
    }

    private func newDevice(_ argument: Int) {
        if argument & 1 == 0 { _ = receive.restartBase() } else { _ = transmit.restartBase() }
    }

    private func restart() {
        card.device.writeStatus([])
        card.turn(deliver: 0)
        receive.restart(features: features)
        transmit.restart(features: features)
        card.start(features, [receive.addresses, transmit.addresses])
    }

    private func checkMended() {
        card.isOn = true
        restart()
        guard receive.fault == nil, transmit.fault == nil else { fatalError("broken after a restart") }
        let (sent, before) = (card.frames, received)
        send(1)
        card.turn(deliver: 1)
        take(budget: 64)
        guard card.frames > sent, received == before + 1 else {
            fatalError("\(card.frames - sent) frames to the device, \(received - before) from it")
        }
    }
}
