// Frames over rings that a back-end of another temper works on: order, spread, lateness, wake-ups; and
// what a hostile one writes into shared memory.

import Bytes
import CLinux
import Glibc
import Linux
import Testing
import Virtio

@testable import VhostUser

@Suite("Rings behind a front-end") struct RingTrafficTests {
    @Test("receive buffers used in any order, frames over 1 to 64 of them, arrive exactly (CFE-18)")
    func spread() throws {
        let bench = try WireBench(bufferBytes: 64)
        try bench.boot(.passt) { $0.configureResponder = { $0.shuffle = SeededGenerator(seed: 18) } }
        var expected: [[UInt8]] = []
        // A first buffer holds 52 bytes of a frame beside the header, each further one 64.
        for buffers in 1...64 {
            let length = min(2048, 52 + 64 * (buffers - 1))
            bench.guest.send(WireBench.frame(buffers, length: length))
            expected.append(WireBench.answer(buffers, length: length))
            // Answers longer than what a transmit slot holds come from the back-end alone.
            let frame = WireBench.frame(1000 + buffers, length: 52 + 64 * (buffers - 1))
            try bench.run("an answer") { bench.guest.received.count == expected.count }
            bench.backEnd?.responder?.push(frame)
            expected.append(frame)
            try bench.run("a frame over \(buffers) buffers") { bench.guest.received.count == expected.count }
        }
        #expect(bench.guest.received == expected)
        #expect(bench.guest.resets == 0)
    }

    @Test("transmit buffers that come back late and shuffled are recycled once each (CFE-19)")
    func late() throws {
        let bench = try WireBench()
        try bench.boot(.everything) { $0.configureResponder = { $0.shuffle = SeededGenerator(seed: 19) } }
        var sent = 0
        for round in 0..<40 {
            let responder = try required(bench.backEnd?.responder, "responder")
            responder.holdsFrames = true
            for _ in 0..<(20 + round * 7) {
                bench.guest.send(WireBench.frame(sent))
                sent += 1
            }
            for _ in 0..<3 { try bench.turn() }
            responder.holdsFrames = false
            try bench.run("all answers") { bench.guest.received.count == sent }
        }
        #expect(bench.receivedNumbers.sorted() == Array(0..<sent))
        #expect(bench.guest.outstanding == 0)
        #expect(bench.guest.freeSlots == 256)
    }

    @Test("single frames with EVENT_IDX and strict wake-ups never stall (CFE-25)")
    func wakeUps() throws {
        let bench = try WireBench(isPolling: false)
        try bench.boot(.everything) { $0.configureResponder = { $0.waitsForKicks = true } }
        #expect(bench.device.driverFeatures & NetFeature.eventIndex != 0)
        let rounds = getenv("NETEMU_STRESS").flatMap { Int(String(cString: $0)) } ?? 20_000
        for number in 0..<rounds {
            bench.guest.send(WireBench.frame(number))
            // Nobody looks at a ring without having been woken: the guest's `poll` is called by its interrupt only.
            var turns = 0
            while bench.guest.received.isEmpty, turns < 10 {
                _ = try bench.backEnd?.turn()
                try bench.reactor.turn(maxWaitNanoseconds: 0)
                turns += 1
            }
            guard bench.receivedNumbers == [number] else {
                Issue.record("round \(number): \(bench.receivedNumbers)")
                return
            }
            bench.guest.forgetReceived()
        }
    }
}

@Suite("Hostile rings behind a front-end") struct HostileRingTests {
    /// A running NIC whose back-end does not work on its rings: the test does, with bare hands.
    private func bench() throws -> (WireBench, Hands) {
        let bench = try WireBench()
        try bench.connect(.everything)
        try bench.run("the handshake", workOnRings: false) { bench.frontEnd.isConnected }
        try bench.guest.boot()
        try bench.run("running rings", workOnRings: false) { bench.frontEnd.state == .running }
        return (bench, try Hands(bench))
    }

    /// After a fault: one reset, and traffic as if nothing had been.
    private func expectRecovery(_ bench: WireBench, resets: Int) throws {
        try bench.run("the reset", workOnRings: false) {
            bench.guest.resets == resets && bench.frontEnd.state == .running
        }
        bench.guest.forgetReceived()
        bench.guest.send(WireBench.frame(77))
        try bench.run("traffic after it") { bench.receivedNumbers.contains(77) }
        #expect(bench.disconnections.isEmpty)
    }

    @Test("a used index beyond what is outstanding breaks the ring; a reset heals it (RF-01)", arguments: [0, 1])
    func usedIndexJump(_ ring: Int) throws {
        let (bench, hands) = try bench()
        hands.setUsedIndex(ring, 300)
        try expectRecovery(bench, resets: 1)
    }

    @Test("a used id out of range, not outstanding or twice breaks the ring; a reset heals it (RF-02)")
    func usedIDs() throws {
        for ids in [[256], [.max], [0x1_0000], [0, 0]] as [[UInt32]] {
            let (bench, hands) = try bench()
            for (index, id) in ids.enumerated() { hands.setUsed(0, UInt16(index), id: id, length: 64) }
            hands.setUsedIndex(0, UInt16(ids.count))
            try expectRecovery(bench, resets: 1)
        }
        let (bench, hands) = try bench()
        hands.setUsed(1, 0, id: 3, length: 0)
        hands.setUsedIndex(1, 1)
        try expectRecovery(bench, resets: 1)
    }

    @Test("a used length beyond the buffer is clamped to it (RF-03)")
    func usedLength() throws {
        let (bench, hands) = try bench()
        hands.writeHeader(bufferCount: 1)
        hands.setUsed(0, 0, id: 0, length: .max)
        hands.setUsedIndex(0, 1)
        for _ in 0..<3 { try bench.turn(workOnRings: false) }
        #expect(bench.guest.received.map(\.count) == [1536 - NetHeader.size])
        #expect(bench.guest.clampedLengths == 1)
        #expect(bench.guest.resets == 0)
    }

    @Test("a used length that leaves no frame is dropped and counted (RF-04)", arguments: [0, 11, 12])
    func shortFrame(_ length: UInt32) throws {
        let (bench, hands) = try bench()
        hands.writeHeader(bufferCount: 1)
        hands.setUsed(0, 0, id: 0, length: length)
        hands.setUsedIndex(0, 1)
        for _ in 0..<3 { try bench.turn(workOnRings: false) }
        #expect(bench.guest.received.isEmpty)
        #expect(bench.guest.dropped == 1)
    }

    @Test("a buffer count of 0, or more than were used, is dropped and counted (RF-05)", arguments: [0, 2, 65535])
    func bufferCount(_ count: UInt16) throws {
        let (bench, hands) = try bench()
        hands.writeHeader(bufferCount: count)
        hands.setUsed(0, 0, id: 0, length: 100)
        hands.setUsedIndex(0, 1)
        for _ in 0..<3 { try bench.turn(workOnRings: false) }
        #expect(bench.guest.received.isEmpty)
        #expect(bench.guest.dropped == 1)
    }

    @Test("descriptors that the back-end rewrites are never read back (RF-06)")
    func rewrittenDescriptors() throws {
        let (bench, hands) = try bench()
        hands.writeHeader(bufferCount: 1)
        hands.scribbleDescriptors(0)
        hands.scribbleDescriptors(1)
        hands.setUsed(0, 0, id: 0, length: 76)
        hands.setUsedIndex(0, 1)
        for _ in 0..<3 { try bench.turn(workOnRings: false) }
        #expect(bench.guest.received.map(\.count) == [64])
        #expect(bench.guest.resets == 0)
    }

    @Test("transmit buffers that never come back hold the sender, not the process (RF-07)")
    func neverReturned() throws {
        let (bench, _) = try bench()
        for number in 0..<1000 { bench.guest.send(WireBench.frame(number)) }
        for _ in 0..<20 { try bench.turn(workOnRings: false) }
        #expect(bench.guest.freeSlots == 0)
        #expect(bench.guest.outstanding == 256)
        try bench.run("all of them, when it works after all") { bench.guest.received.count == 1000 }
        #expect(bench.receivedNumbers == Array(0..<1000))
    }

    @Test("a storm of calls for nothing costs a read each and changes nothing (RF-08)")
    func callStorm() throws {
        let (bench, _) = try bench()
        for _ in 0..<1000 {
            for ring in 0..<2 {
                var many: UInt64 = 1 << 40
                _ = write(try required(bench.backEnd?.rings[ring]?.call, "call").raw, &many, 8)
            }
            try bench.turn(workOnRings: false)
        }
        #expect(bench.guest.received.isEmpty)
        #expect(bench.guest.resets == 0)
        #expect(bench.disconnections.isEmpty)
    }

    @Test("a back-end that writes all over guest memory breaks rings at most (RF-09)")
    func scribbledMemory() throws {
        let (bench, hands) = try bench()
        hands.scribbleEverything(seed: 9)
        for _ in 0..<5 { try bench.turn(workOnRings: false) }
        // A reset lays everything out anew.
        bench.guest.reset()
        let resets = bench.guest.resets
        try expectRecovery(bench, resets: resets)
    }
}

/// Writes into rings as a hostile back-end would.
struct Hands {
    private let memory: GuestMemory
    private let rings: [RingAddresses]

    init(_ bench: WireBench) throws {
        memory = bench.memory
        rings = [
            try required(bench.guest.receiveRing, "receive ring"),
            try required(bench.guest.transmitRing, "transmit ring"),
        ]
    }

    func setUsedIndex(_ ring: Int, _ index: UInt16) {
        store(rings[ring].usedRing + 2, withUnsafeBytes(of: index.littleEndian) { Array($0) })
    }

    func setUsed(_ ring: Int, _ slot: UInt16, id: UInt32, length: UInt32) {
        let entry =
            withUnsafeBytes(of: id.littleEndian) { Array($0) } + withUnsafeBytes(of: length.littleEndian) { Array($0) }
        store(rings[ring].usedRing + 4 + 8 * UInt64(slot), entry)
    }

    /// A plain header in the first receive buffer, whose address is in descriptor 0.
    func writeHeader(bufferCount: UInt16) {
        guard let descriptor = memory.span(at: rings[0].descriptorTable, count: 8) else { return }
        let address = descriptor.loadUnaligned(as: UInt64.self)
        store(address, Array(repeating: 0, count: 10) + withUnsafeBytes(of: bufferCount.littleEndian) { Array($0) })
    }

    func scribbleDescriptors(_ ring: Int) {
        store(rings[ring].descriptorTable, Array(repeating: 0xff, count: 16 * 256))
    }

    func scribbleEverything(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        for word in memory.shared.bytes.bindMemory(to: UInt64.self).indices {
            memory.shared.bytes.storeBytes(of: random.next(), toByteOffset: word * 8, as: UInt64.self)
        }
    }

    private func store(_ address: UInt64, _ bytes: [UInt8]) {
        memory.span(at: address, count: bytes.count)?.copyBytes(from: bytes)
    }
}
