// A whole card whose memory is followed by marks alone: the driver's rings and slots, the device's used rings and what it
// copies into receive buffers.

import Bytes
import Link
import Linux
import TestSupport
import Testing

@testable import Virtio

@Suite("marks of everything that is written in guest memory")
struct MarkedWritesTests {
    private func frames(_ random: inout SeededGenerator, upTo length: Int) -> [[UInt8]] {
        (0..<Int.random(in: 0...40, using: &random)).map { _ in
            let fill = UInt8.random(in: 0...255, using: &random)
            return [UInt8](repeating: fill, count: Int.random(in: 14...length, using: &random))
        }
    }

    @Test("a card under load: at any moment the copy is the memory", arguments: 1...8 as ClosedRange<UInt64>)
    func card(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var shape = FrameCard.Shape()
        shape.buffer = seed % 2 == 0 ? 2048 : 256
        shape.size = seed % 3 == 0 ? 256 : 16
        if seed % 4 == 0 { shape.features &= ~NetFeature.eventIndex }
        let card = try FrameCard(shape)
        let memory = card.device.memory
        let tracking = try memory.beginTracking()
        let mirror = MemoryMirror(of: UnsafeRawBufferPointer(memory.shared.bytes))
        for _ in 0..<300 {
            switch Int.random(in: 0..<6, using: &random) {
            case 0: _ = card.send(frames(&random, upTo: 9000))
            case 1: _ = card.link.send(frames(&random, upTo: 3000), from: .netdev)
            case 2: _ = card.receive(budget: Int.random(in: 1...64, using: &random))
            case 3: _ = card.rearmReceive()
            case 4 where Int.random(in: 0..<10, using: &random) == 0: card.restart()
            default: card.turn.run()
            }
            if Bool.random(using: &random) { mirror.follow(tracking) } else { continue }
            #expect(mirror.differences == [])
        }
        mirror.follow(tracking)
        #expect(mirror.copiedInAll > 100 && mirror.differences == [])
        // Nobody wants to know any more.
        memory.endTracking()
        _ = card.send(frames(&random, upTo: 9000) + [[UInt8](repeating: 1, count: 60)])
        mirror.follow(tracking)
        #expect(mirror.copied == 0 && !memory.isTracked)
    }

    @Test("a few frames mark a few pages")
    func few() throws {
        let card = try FrameCard()
        let tracking = try card.device.memory.beginTracking()
        let mirror = MemoryMirror(of: UnsafeRawBufferPointer(card.device.memory.shared.bytes))
        _ = card.send([[UInt8](repeating: 7, count: 60), [UInt8](repeating: 7, count: 60)])
        card.turn.run()
        mirror.follow(tracking)
        // A page for each of two slots, at most two where one lies over a seam, and one of the ring.
        #expect((2...5).contains(mirror.copied), "\(mirror.copied)")
    }

    @Test("buffers of chains, indirect tables included, and chains that are refused", arguments: [true, false])
    func chains(isIndirect: Bool) throws {
        let memory = try GuestMemory(size: 1 << 20)
        let heap = GuestHeap(memory: memory)
        let room = try #require(heap.allocate(RingLayout.contiguousBytes(8)))
        let tables = try #require(heap.allocate(8 * 4 * 16))
        let address = try #require(room.baseAddress.flatMap { memory.address(of: $0) })
        let state = QueueState(
            size: 8, addresses: RingAddresses(contiguousAt: address, size: 8),
            features: RingFeatures(eventIndex: true, indirect: isIndirect))
        var driver = try SplitDriverQueue(state, memory: memory, indirectTables: tables)
        var device = try SplitDeviceQueue(state, memory: memory, direction: .both)
        let tracking = try memory.beginTracking()
        let mirror = MemoryMirror(of: UnsafeRawBufferPointer(memory.shared.bytes))
        var batch = ChainBatch()
        let buffers = (1...3).map { RingBuffer(address: UInt64($0) * 8192, length: 100) }
        for round in 0..<50 {
            let isAdded = buffers.withUnsafeBufferPointer { buffers in
                driver.add(
                    readable: UnsafeBufferPointer(rebasing: buffers[..<2]),
                    writable: UnsafeBufferPointer(rebasing: buffers[2...]), token: UInt32(round))
            }
            #expect(isAdded)
            _ = driver.publish()
            mirror.follow(tracking)
            #expect(mirror.differences == [])
            #expect(device.pop(into: &batch) == 1)
            device.pushAll(of: &batch)
            _ = device.publish()
            if round % 2 == 0 { device.suppressKicks() } else { _ = device.rearmKicks() }
            mirror.follow(tracking)
            #expect(mirror.differences == [])
            var used = [UsedChain](repeating: UsedChain(token: 0, length: 0), count: 8)
            #expect(used.withUnsafeMutableBufferPointer { driver.reap(into: $0) } == 1)
            if round % 3 == 0 { driver.suppressCalls() } else { _ = driver.rearmCalls() }
            if round == 40 {
                driver.clear()
                device = try SplitDeviceQueue(state, memory: memory, direction: .both)
            }
            mirror.follow(tracking)
            #expect(mirror.differences == [])
        }
    }

    @Test("files one behind the other are one row of pages; anything else is not")
    func row() throws {
        let files = [try SharedMemory(name: "a", size: 8192), try SharedMemory(name: "b", size: 4096)]
        #expect(try GuestMemory(inARow: files).isInARow)
        #expect(try GuestMemory(size: 1 << 20).isInARow)
        #expect(try !GuestMemory(size: 1 << 20, holes: [0xa0000..<0xc0000]).isInARow)
        let regions = [MemoryRegion(guestPhysical: 4096, size: 8192, userAddress: 4096, fileOffset: 0)]
        #expect(try !GuestMemory(files[0], regions: regions).isInARow)
        // The addresses that are marked end where the last region does.
        #expect(try GuestMemory(files[0], regions: regions).beginTracking().pageCount == 3)
    }
}
