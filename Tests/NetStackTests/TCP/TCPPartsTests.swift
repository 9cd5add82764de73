// The parts of which a connection is made, each for itself.

import Bytes
import Testing

@testable import NetStack

@Suite struct TCPPartsTests {
    @Test("RFC 9293 3.4: sequence numbers compare around the circle")
    func sequenceNumbers() {
        let high = SequenceNumber(0xffff_fff0)
        let low = SequenceNumber(0x10)
        #expect(high < low)
        #expect(low > high)
        #expect(low - high == 0x20)
        #expect(high - low == -0x20)
        #expect(high + 0x20 == low)
        #expect(low + -0x20 == high)
        #expect(SequenceNumber.latest(high, low) == low)
        #expect(SequenceNumber(5) <= SequenceNumber(5))
    }

    @Test("a ring gives back what was put in, across its end and at every offset")
    func ring() {
        let span = UnsafeMutableRawBufferPointer.allocate(byteCount: 10, alignment: 1)
        defer { span.deallocate() }
        var ring = ByteRing()
        #expect(ring.append(UnsafeRawBufferPointer(span)) == 0, "a ring without a span takes nothing")
        ring.attach(span)
        var next: UInt8 = 0
        var expected: UInt8 = 0
        var random = SeededGenerator(seed: 1)
        for _ in 0..<1000 {
            let bytes = (0..<Int.random(in: 0...12, using: &random)).map { UInt8(truncatingIfNeeded: $0) &+ next }
            let taken = bytes.withUnsafeBytes { ring.append($0) }
            #expect(taken == min(bytes.count, 10) || ring.free == 0)
            next &+= UInt8(taken)
            var room = [UInt8](repeating: 0, count: Int.random(in: 0...12, using: &random))
            let given = room.withUnsafeMutableBytes { ring.take(into: $0) }
            for i in 0..<given {
                #expect(room[i] == expected)
                expected &+= 1
            }
            #expect(ring.count == Int(next &- expected))
        }
    }

    @Test("a ring moves to a larger span with everything behind its end that matters")
    func ringMoves() {
        let small = UnsafeMutableRawBufferPointer.allocate(byteCount: 8, alignment: 1)
        let large = UnsafeMutableRawBufferPointer.allocate(byteCount: 16, alignment: 1)
        defer {
            small.deallocate()
            large.deallocate()
        }
        var ring = ByteRing()
        ring.attach(small)
        _ = [1, 2, 3, 4, 5].withUnsafeBytes { (_: UnsafeRawBufferPointer) in 0 }
        let bytes: [UInt8] = [1, 2, 3, 4, 5, 6]
        _ = bytes.withUnsafeBytes { ring.append($0) }
        ring.drop(4)
        let more: [UInt8] = [7, 8, 9, 10]
        _ = more.withUnsafeBytes { ring.append($0) }
        let ahead = ring.pieces(at: 6, count: 1).0
        ahead[0] = 99
        let old = ring.move(to: large, extent: 7)
        #expect(old?.baseAddress == small.baseAddress)
        #expect(ring.count == 6)
        #expect(Array(ring.firstSpan) == [5, 6, 7, 8, 9, 10])
        #expect(ring.pieces(at: 6, count: 1).0[0] == 99)
    }

    @Test("ranges ahead merge as a set of numbers would")
    func reorderList() {
        var random = SeededGenerator(seed: 5)
        for base in [UInt32(0), 0xffff_ffe0] {
            for _ in 0..<200 {
                var list = ReorderList()
                var set: Set<Int> = []
                for _ in 0..<20 {
                    let start = Int.random(in: 1...60, using: &random)
                    let end = start + Int.random(in: 1...8, using: &random)
                    if list.insert(SequenceNumber(base) + start, SequenceNumber(base) + end) {
                        set.formUnion(start..<end)
                    }
                    check(list, set, base)
                }
                let next = list.advance(to: SequenceNumber(base) + 5)
                var reached = 5
                while set.contains(reached) { reached += 1 }
                #expect(next == SequenceNumber(base) + reached)
            }
        }
    }

    private func check(_ list: ReorderList, _ set: Set<Int>, _ base: UInt32) {
        var covered: Set<Int> = []
        var last = Int.min
        for i in 0..<list.count {
            guard let range = list[i] else { continue }
            let start = range.start - SequenceNumber(base)
            let end = range.end - SequenceNumber(base)
            #expect(start > last, "ascending, and a gap between")
            #expect(end > start)
            covered.formUnion(start..<end)
            last = end
        }
        #expect(covered == set)
    }

    @Test("the connection table finds what is in it, through growth and removal in any order")
    func table() {
        let slots = ConnectionSlots()
        let table = ConnectionTable(secrets: TCPSecrets(seed: 1), slots: slots)
        var model: [TCPKey: UInt32] = [:]
        var random = SeededGenerator(seed: 2)
        var settings = TCPConfiguration()
        let path = TransportPath(source: .any, interface: InterfaceID(rawValue: 1), mtu: 1500)
        for _ in 0..<20_000 {
            // Half of the keys are the same addresses as IPv6 has them, so only the family tells them apart.
            let high: UInt64 = Bool.random(using: &random) ? 0 : 0xfe80 << 48
            let key = TCPKey(
                local: Endpoint(IPAddress(high: high, low: 0xffff_0a00_0001), .random(in: 0..<40, using: &random)),
                remote: Endpoint(IPAddress(high: high, low: 0xffff_0a00_0002), .random(in: 0..<40, using: &random)))
            if let slot = model[key] {
                #expect(table.find(key) == slot)
                table.remove(key)
                slots.remove(slot)
                model[key] = nil
            } else {
                #expect(table.find(key) == nil)
                let slot = slots.add(TCPConnection(key: key, path: path, settings: &settings)).index
                table.insert(key, slot: slot)
                model[key] = slot
            }
        }
        #expect(table.count == model.count)
        for (key, slot) in model { #expect(table.find(key) == slot) }
    }

    @Test("the heap gives slots in the order of their time; a later time is no work")
    func heap() {
        var heap = TimerHeap()
        var model: [UInt32: UInt64] = [:]
        var random = SeededGenerator(seed: 4)
        for _ in 0..<5000 {
            let slot = UInt32.random(in: 0..<200, using: &random)
            switch UInt8.random(in: 0..<4, using: &random) {
            case 0:
                heap.remove(slot)
                model[slot] = nil
            case 1:
                let now = UInt64.random(in: 0..<1000, using: &random)
                while let due = heap.popDue(now) {
                    #expect((model[due] ?? .max) <= now)
                    model[due] = nil
                }
                #expect(model.values.allSatisfy { $0 > now })
            default:
                let when = UInt64.random(in: 0..<2000, using: &random)
                heap.schedule(slot, at: when)
                model[slot] = min(model[slot] ?? .max, when)
            }
            #expect(heap.first == model.values.min())
        }
    }

    @Test("SipHash-2-4 gives different words for different inputs and keys")
    func sipHash() {
        let hash = SipHash(seed: 1)
        var seen: Set<UInt64> = []
        var keys = [TCPKey(local: Endpoint(addressA, 1), remote: Endpoint(addressB, 2))]
        for i in 1..<1000 {
            for address in [IPAddress(IPv4Address(rawValue: UInt32(i))), IPAddress(high: UInt64(i), low: 7)] {
                keys.append(TCPKey(local: Endpoint(address, 1), remote: Endpoint(addressB, 2)))
                keys.append(TCPKey(local: Endpoint(addressB, 1), remote: Endpoint(address, 2)))
                keys.append(TCPKey(local: Endpoint(addressA, UInt16(i)), remote: Endpoint(address, 2)))
            }
        }
        for key in keys { seen.insert(hash.hash(key)) }
        #expect(seen.count == keys.count)
        #expect(SipHash(seed: 2).hash(keys[0]) != hash.hash(keys[0]))
    }
}
