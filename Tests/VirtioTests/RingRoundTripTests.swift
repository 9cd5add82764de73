// Both ends of a ring in one process: what the driver adds the device gets, byte for byte, and back.

import Bytes
import Testing
import Virtio

struct RingRoundTripTests {
    @Test("the golden bytes of a published chain of two descriptors")
    func goldenChain() throws {
        let ring = try TestRing(size: 4)
        let driver = try ring.driver()
        #expect(
            driver.add(
                out: [RingBuffer(address: 0x80000, length: 12)], in: [RingBuffer(address: 0x81000, length: 0x600)],
                token: 9))
        #expect(driver.publish())
        let expected: [UInt8] = [
            0x00, 0x00, 0x08, 0, 0, 0, 0, 0,  // desc[0].addr 0x80000
            0x0c, 0, 0, 0,  // len 12
            0x01, 0,  // flags NEXT
            0x01, 0,  // next 1
            0x00, 0x10, 0x08, 0, 0, 0, 0, 0,  // desc[1].addr 0x81000
            0x00, 0x06, 0, 0,  // len 0x600
            0x02, 0,  // flags WRITE
            0, 0,  // next unused
        ]
        #expect(ring.bytes(ring.state.addresses.descriptorTable, 32) == expected)
        let avail: [UInt8] = [
            0, 0,  // flags: calls wanted
            1, 0,  // idx
            0, 0, 0, 0, 0, 0, 0, 0,  // ring: head 0
            0, 0,  // used_event
        ]
        #expect(ring.bytes(ring.state.addresses.availRing, 14) == avail)
    }

    @Test("the golden bytes of a used chain")
    func goldenUsed() throws {
        let ring = try TestRing(size: 4)
        let driver = try ring.driver()
        let device = try ring.device()
        #expect(driver.add(in: [RingBuffer(address: 0x80000, length: 0x600)], token: 1))
        #expect(driver.publish())
        #expect(device.echo(0x123))
        let expected: [UInt8] = [
            0, 0,  // flags: kicks wanted
            1, 0,  // idx
            0, 0, 0, 0,  // id 0
            0x23, 0x01, 0, 0,  // len 0x123
        ]
        #expect(ring.bytes(ring.state.addresses.usedRing, 12) == expected)
        #expect(driver.reap() == [UsedChain(token: 1, length: 0x123)])
    }

    @Test(
        "random chains keep their shape, order and bytes",
        arguments: [
            RingFeatures(), RingFeatures(eventIndex: true), RingFeatures(indirect: true),
            RingFeatures(eventIndex: true, indirect: true),
        ])
    func randomChains(features: RingFeatures) throws {
        let ring = try TestRing(size: 16, features: features)
        let driver = try ring.driver()
        let device = DeviceEnd(
            try SplitDeviceQueue(ring.state, memory: ring.memory, direction: .both), chains: 5, segments: 40)
        var random = SeededGenerator(seed: 42)
        var sent: [UInt32: (bytes: [UInt8], room: Int)] = [:]
        var expected: [[UInt8]] = []
        var token: UInt32 = 0
        var returned = 0
        while returned < 6_000 {
            // The driver adds what fits.
            for _ in 0..<Int.random(in: 0...6, using: &random) {
                guard sent[token % 16] == nil else { break }
                let chain = Self.chain(ring, slot: token % 16, using: &random)
                guard driver.add(out: chain.out, in: chain.writable, token: token % 16) else {
                    break
                }
                sent[token % 16] = (chain.bytes, chain.room)
                expected.append(chain.bytes)
                token &+= 1
            }
            _ = driver.publish()
            // The device echoes what it read into what it may write.
            for chain in device.pop(Int.random(in: 1...5, using: &random)) {
                let bytes = device.readable(chain)
                #expect(bytes == expected.removeFirst())
                device.push(chain, device.write(bytes, to: chain))
            }
            _ = device.publish()
            for chain in driver.reap(4) {
                let was = sent.removeValue(forKey: chain.token)
                #expect(was.map { min($0.bytes.count, $0.room) } == Int(chain.length))
                returned += 1
            }
            #expect(driver.fault == nil && device.fault == nil)
        }
        #expect(driver.queue.clampedLengths == 0 && device.dropped == 0)
    }

    /// Up to three buffers out and up to three in, one at least, filled with random bytes.
    private static func chain(_ ring: TestRing, slot: UInt32, using random: inout SeededGenerator)
        -> (out: [RingBuffer], writable: [RingBuffer], bytes: [UInt8], room: Int)
    {
        var address = TestRing.dataAddress + UInt64(slot) * 1024
        func buffers(_ count: Int, _ random: inout SeededGenerator) -> [RingBuffer] {
            (0..<count).map { _ in
                let length = UInt32.random(in: 1...40, using: &random)
                defer { address += UInt64(length) }
                return RingBuffer(address: address, length: length)
            }
        }
        let out = buffers(Int.random(in: 0...3, using: &random), &random)
        let writable = buffers(Int.random(in: out.isEmpty ? 1...3 : 0...3, using: &random), &random)
        let bytes = out.flatMap { buffer in
            let bytes = (0..<buffer.length).map { _ in UInt8.random(in: 0...255, using: &random) }
            ring.fill(buffer.address, bytes)
            return bytes
        }
        return (out, writable, bytes, writable.reduce(0) { $0 + Int($1.length) })
    }

    @Test("indices wrap at 65535 without a slip", arguments: [false, true])
    func wrap(eventIndex: Bool) throws {
        let ring = try TestRing(size: 128, features: RingFeatures(eventIndex: eventIndex))
        let driver = try ring.driver()
        let device = try ring.device(.writable)
        var round: UInt32 = 0
        while round < 70_000 {
            for token in round..<round + 50 where !driver.post(token) { Issue.record("no room for \(token)") }
            #expect(driver.publish() == (!eventIndex || round == 0 || round / 65536 != (round + 50) / 65536))
            _ = device.echo(64)
            #expect(driver.reap(128) == (round..<round + 50).map { UsedChain(token: $0, length: 64) })
            round += 50
        }
        #expect(device.base == UInt16(truncatingIfNeeded: round) && ring.usedIndex == device.base)
    }

    @Test("a chain may be as long as the ring, and not longer", arguments: [false, true])
    func longestChain(indirect: Bool) throws {
        let ring = try TestRing(size: 8, features: RingFeatures(indirect: indirect))
        let (driver, device) = (try ring.driver(), try ring.device(.readable))
        let buffers = (0..<9 as Range<UInt64>).map { RingBuffer(address: TestRing.dataAddress + 16 * $0, length: 16) }
        #expect(!driver.add(out: buffers))
        for token in 0..<20 as Range<UInt32> {
            #expect(driver.add(out: Array(buffers[..<8]), token: token))
            #expect(driver.free == (indirect ? 7 : 0))
            _ = driver.publish()
            let chain = device.pop()
            #expect(chain.first?.readable == 8 && chain.first?.readableBytes == 128)
            device.push(chain[0])
            _ = device.publish()
            #expect(driver.reap() == [UsedChain(token: token, length: 0)] && driver.free == 8)
        }
    }

    @Test("a ring of one entry works")
    func oneEntry() throws {
        let ring = try TestRing(size: 1)
        let driver = try ring.driver()
        let device = try ring.device()
        for round in 0..<100 as Range<UInt32> {
            #expect(driver.post(round))
            #expect(!driver.post(round))
            _ = driver.publish()
            _ = device.echo(64)
            #expect(driver.reap() == [UsedChain(token: round, length: 64)])
        }
    }
}
