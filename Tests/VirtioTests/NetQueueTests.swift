// The two network queues of a driver against a device in the same process: frames in one buffer and in
// many, slots out of order, what a hostile device says, and a new device or a reset under way.

import Bytes
import Glibc
import Link
import TestSupport
import Testing

@testable import Virtio

/// A receive queue with a device behind that writes frames into it.
final class ReceivePair {
    let heap: GuestHeap
    var queue: NetReceiveQueue
    var device: DeviceEnd
    let features: UInt64

    init(
        size: UInt16 = 8, buffer: Int = 128,
        features: UInt64 = NetFeature.version1 | NetFeature.mergeableBuffers | NetFeature.guestChecksum
    ) throws {
        heap = GuestHeap(memory: try GuestMemory(size: 1 << 20))
        self.features = features
        queue = try NetReceiveQueue(NetQueueShape(size: size, bufferBytes: buffer, features: features), heap: heap)
        device = try Self.device(size, queue.addresses, heap.memory, features)
    }

    static func device(
        _ size: UInt16, _ a: RingAddresses, _ memory: GuestMemory, _ features: UInt64, base: RingPosition = 0
    )
        throws -> DeviceEnd
    {
        let state = QueueState(size: size, addresses: a, base: base, features: RingFeatures(negotiated: features))
        return DeviceEnd(try SplitDeviceQueue(state, memory: memory, direction: .writable))
    }

    /// Writes header and frame over as many buffers as it takes; `count` lies about num_buffers.
    @discardableResult
    func deliver(_ frame: [UInt8], header: NetHeader = NetHeader(), count: UInt16? = nil, length: Int? = nil) -> Bool {
        var left = [UInt8](repeating: 0, count: NetHeader.size) + frame
        let chains = device.pop()
        var used: [(DeviceChain, Int)] = []
        while !left.isEmpty, used.count < chains.count {
            let done = device.write(left, to: chains[used.count])
            left.removeFirst(done)
            used.append((chains[used.count], done))
        }
        var header = header
        header.bufferCount = count ?? UInt16(used.count)
        if let first = used.first, let base = device.batch.segments(of: first.0)[0].iov_base { header.write(to: base) }
        for (chain, done) in used { device.push(chain, length ?? done) }
        device.rewind(chains.count - used.count)
        return device.publish()
    }

    /// What `receive` lends now, put together.
    func receive(budget: Int = 256) -> [(bytes: [UInt8], offload: Offload, spans: Int)] {
        var frames: [(bytes: [UInt8], offload: Offload, spans: Int)] = []
        lastTurn = queue.receive(budget: budget) { batch in
            for frame in batch {
                let bytes = frame.segments.flatMap { Array($0) }
                #expect(bytes.count == frame.length)
                frames.append((bytes, frame.offload, frame.segments.count))
            }
        }
        return frames
    }
    var lastTurn = NetQueueReport()

    func rearm() -> Bool { queue.rearm() }
    func restartBase() -> RingPosition? { queue.restartBase() }
    func restart(_ features: UInt64) { queue.restart(features: features) }
}

struct NetReceiveQueueTests {
    static func frame(_ length: Int, _ seed: UInt8 = 1) -> [UInt8] {
        (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ Int(seed)) }
    }

    @Test("CFE-18: a frame arrives whole in 1 to 8 buffers", arguments: 1...8)
    func lengths(buffers: Int) throws {
        let pair = try ReceivePair()
        let frame = Self.frame(buffers * 128 - NetHeader.size)
        for _ in 0..<5 {
            pair.deliver(frame)
            let frames = pair.receive()
            #expect(frames.map(\.bytes) == [frame] && frames.first?.spans == buffers)
        }
        #expect(pair.queue.dropped == 0 && pair.queue.fault == nil)
    }

    @Test("CFE-18: random frames in random batches arrive whole and in order", arguments: [false, true])
    func random(eventIndex: Bool) throws {
        let features = NetFeature.version1 | NetFeature.mergeableBuffers | (eventIndex ? NetFeature.eventIndex : 0)
        let pair = try ReceivePair(size: 64, features: features)
        var random = SeededGenerator(seed: 3)
        var expected: [[UInt8]] = []
        var received: [[UInt8]] = []
        for round in 0..<500 {
            for _ in 0..<Int.random(in: 0...6, using: &random) {
                let frame = Self.frame(.random(in: 14...1100, using: &random), UInt8(truncatingIfNeeded: round))
                expected.append(frame)
                pair.deliver(frame)
            }
            while true {
                let frames = pair.receive(budget: .random(in: 1...4, using: &random))
                received += frames.map(\.bytes)
                if !pair.lastTurn.hasMore { break }
            }
            #expect(received == expected)
            (received, expected) = ([], [])
        }
        #expect(pair.queue.dropped == 0 && pair.queue.fault == nil)
    }

    @Test("a budget ends the turn and loses nothing")
    func budget() throws {
        let pair = try ReceivePair()
        for seed in 0..<5 as Range<UInt8> { pair.deliver(Self.frame(60, seed)) }
        #expect(pair.receive(budget: 2).map(\.bytes) == [Self.frame(60, 0), Self.frame(60, 1)])
        #expect(pair.lastTurn.hasMore)
        #expect(pair.rearm(), "what waits is no reason to sleep")
        #expect(pair.receive().map(\.bytes) == (2..<5).map { Self.frame(60, $0) })
        #expect(!pair.lastTurn.hasMore && !pair.rearm())
        #expect(pair.receive(budget: 0).isEmpty)
    }

    @Test("RF-04: a used length below the header is dropped, and the buffer comes back", arguments: [0, 1, 11, 12])
    func short(length: Int) throws {
        let pair = try ReceivePair()
        for _ in 0..<20 {
            pair.deliver([1], length: length)
            #expect(pair.receive().isEmpty)
        }
        #expect(pair.queue.dropped == 20 && pair.queue.fault == nil)
        pair.deliver(Self.frame(60))
        #expect(pair.receive().count == 1)
    }

    @Test("RF-05: num_buffers 0 is dropped")
    func noBuffers() throws {
        let pair = try ReceivePair()
        for _ in 0..<20 {
            pair.deliver(Self.frame(60), count: 0)
            #expect(pair.receive().isEmpty)
        }
        #expect(pair.queue.dropped == 20)
    }

    @Test(
        "RF-05: num_buffers beyond what was used breaks the ring; good frames before it arrive",
        arguments: [2, 9, 65535])
    func tooManyBuffers(count: Int) throws {
        let pair = try ReceivePair()
        pair.deliver(Self.frame(60, 9))
        pair.deliver(Self.frame(60), count: UInt16(count))
        #expect(pair.receive().map(\.bytes) == [Self.frame(60, 9)])
        #expect(pair.queue.fault == .missingBuffers(given: 1) && pair.queue.dropped == 1)
        #expect(!pair.lastTurn.hasMore)
        pair.deliver(Self.frame(60))
        #expect(pair.receive().isEmpty, "a broken ring stays broken")
    }

    /// What lies between whole frames and a frame without its last buffers, in the same batch.
    enum Before: CaseIterable { case severalBuffers, oneBuffer, nonsense, nothing }

    @Test(
        "RF-05: a frame without its last buffers behind others in one batch breaks the ring, and nothing traps",
        arguments: Before.allCases, [1, 5])
    func incompleteBehind(before: Before, round: Int) throws {
        let pair = try ReceivePair()
        // The place in the list of used buffers differs from that in the ring.
        for seed in 0..<UInt8(round) {
            pair.deliver(Self.frame(60, seed))
            #expect(pair.receive().count == 1)
        }
        var whole: [[UInt8]] = []
        switch before {
        case .severalBuffers: whole = [Self.frame(300)]
        case .oneBuffer: whole = [Self.frame(60)]
        case .nonsense: pair.deliver(Self.frame(60), count: 0)
        case .nothing: break
        }
        for frame in whole { pair.deliver(frame) }
        pair.deliver(Self.frame(60), count: 3)
        #expect(pair.receive().map(\.bytes) == whole)
        #expect(pair.queue.fault == .missingBuffers(given: 1))
    }

    @Test("buffers that are given back while a turn goes on complete their frame")
    func completedLate() throws {
        let pair = try ReceivePair()
        pair.deliver(Self.frame(60))
        pair.deliver(Self.frame(300))
        // The last buffer of the second frame is not seen yet.
        pair.device.queue.ring.publishUsedIndex(3)
        var sizes: [Int] = []
        _ = pair.queue.receive { frames in
            sizes += frames.map(\.length)
            pair.device.queue.ring.publishUsedIndex(4)
        }
        #expect(sizes == [60, 300] && pair.queue.fault == nil)
    }

    @Test("RF-03: a used length beyond the buffer is cut to it")
    func clamped() throws {
        let pair = try ReceivePair()
        pair.deliver(Self.frame(60), length: 100_000)
        #expect(pair.receive().map(\.bytes.count) == [128 - NetHeader.size])
        #expect(pair.queue.clampedLengths == 1)
    }

    @Test("without MRG_RXBUF a frame is one buffer, whatever num_buffers says")
    func unmerged() throws {
        let pair = try ReceivePair(buffer: 1526, features: NetFeature.version1)
        pair.deliver(Self.frame(1514), count: 7)
        pair.deliver(Self.frame(60), count: 0)
        #expect(pair.receive().map(\.bytes) == [Self.frame(1514), Self.frame(60)])
    }

    @Test("buffers below the legal size are refused")
    func smallBuffers() throws {
        let heap = GuestHeap(memory: try GuestMemory(size: 1 << 20))
        for (features, least) in [
            (NetFeature.version1, 1526), (NetFeature.guestTSO4, 65562), (NetFeature.mergeableBuffers, 64),
        ] {
            #expect(throws: VirtioError.bufferSize(least - 1, least: least)) {
                _ = try NetReceiveQueue(NetQueueShape(size: 8, bufferBytes: least - 1, features: features), heap: heap)
            }
        }
        #expect(throws: VirtioError.exhausted(bytes: 256 * 65536)) {
            let shape = NetQueueShape(size: 256, bufferBytes: 65536, features: NetFeature.mergeableBuffers)
            _ = try NetReceiveQueue(shape, heap: heap)
        }
        #expect(heap.bytesInUse == 0, "what was refused took nothing")
    }

    @Test("checksum facts reach the frame only when they were negotiated")
    func offload() throws {
        var valid = NetHeader()
        valid.flags = NetHeader.dataValid
        var pending = NetHeader(Offload(pendingChecksum: .init(start: 34, offset: 16)))
        let pair = try ReceivePair()
        pair.deliver(Self.frame(60), header: valid)
        pair.deliver(Self.frame(60), header: pending)
        pending.checksumStart = 43
        pair.deliver(Self.frame(60), header: pending)
        let offloads = pair.receive().map(\.offload)
        #expect(offloads == [Offload(isChecksumValid: true), Offload(pendingChecksum: .init(start: 34, offset: 16))])
        #expect(pair.queue.dropped == 1, "a checksum field beyond the frame")
        let plain = try ReceivePair(features: NetFeature.version1 | NetFeature.mergeableBuffers)
        plain.deliver(Self.frame(60), header: valid)
        plain.deliver(Self.frame(60), header: pending)
        #expect(plain.receive().map(\.offload) == [Offload()])
        #expect(plain.queue.dropped == 1)
    }

    @Test("a device that breaks the ring is a fault, not a trap")
    func broken() throws {
        let pair = try ReceivePair()
        pair.deliver(Self.frame(60))
        pair.device.queue.ring.publishUsedIndex(100)
        #expect(pair.receive().isEmpty)
        #expect(pair.queue.fault == .usedIndex(100, next: 0, outstanding: 8))
    }

    @Test("CFE-11: a new device goes on where the dead one stopped")
    func newDevice() throws {
        let pair = try ReceivePair()
        pair.deliver(Self.frame(300, 1))
        #expect(pair.device.pop().count == 5, "taken, never given back")
        let base = try #require(pair.restartBase())
        #expect(base == 3)
        #expect(pair.receive().map(\.bytes) == [Self.frame(300, 1)])
        pair.device = try ReceivePair.device(8, pair.queue.addresses, pair.heap.memory, pair.features, base: base)
        for seed in 0..<30 as Range<UInt8> {
            pair.deliver(Self.frame(200, seed))
            #expect(pair.receive().map(\.bytes) == [Self.frame(200, seed)])
        }
    }

    /// Story: the half that a dead back-end had used was continued by the first buffers of its successor.
    @Test("what a dead device left half is no part of its successor's frames", arguments: [0, 1, 3])
    func halfFrame(wholeBefore: Int) throws {
        let pair = try ReceivePair()
        for seed in 0..<UInt8(wholeBefore) { pair.deliver(Self.frame(60, seed)) }
        pair.deliver(Self.frame(60, 77), count: 3)
        let base = try #require(pair.restartBase())
        #expect(base.index == UInt16(wholeBefore + 1))
        pair.device = try ReceivePair.device(8, pair.queue.addresses, pair.heap.memory, pair.features, base: base)
        pair.deliver(Self.frame(100, 8))
        pair.deliver(Self.frame(100, 9))
        let expected = (0..<UInt8(wholeBefore)).map { Self.frame(60, $0) } + [Self.frame(100, 8), Self.frame(100, 9)]
        #expect(pair.receive().map(\.bytes) == expected)
        #expect(pair.queue.dropped == 1 && pair.queue.fault == nil)
        for seed in 0..<30 as Range<UInt8> {
            pair.deliver(Self.frame(1000, seed))
            #expect(pair.receive().map(\.bytes) == [Self.frame(1000, seed)], "all buffers are there")
        }
    }

    @Test("frames that are refused stay in their buffers and are lent again, whatever lies between them")
    func refused() throws {
        let pair = try ReceivePair(size: 16)
        let frames = [60, 300, 60, 500, 60].enumerated().map { Self.frame($1, UInt8($0)) }
        for (index, frame) in frames.enumerated() {
            if index == 2 { pair.deliver(Self.frame(60), count: 0) }
            pair.deliver(frame)
        }
        var taken: [[UInt8]] = []
        for _ in 0..<10 {
            let turn = pair.queue.offer { batch in
                if let first = batch.first { taken.append(first.bytes) }
                return min(1, batch.count)
            }
            #expect(turn.isRefused == (taken.count < frames.count) && !(turn.isRefused && turn.hasMore))
            if !turn.isRefused { break }
        }
        #expect(taken == frames)
        #expect(pair.queue.dropped == 1 && pair.queue.fault == nil)
        #expect(pair.device.pop().count == 16, "every buffer is posted again")
    }

    @Test("after a reset all buffers are posted again")
    func reset() throws {
        let pair = try ReceivePair()
        pair.deliver(Self.frame(300, 1))
        pair.restart(NetFeature.version1 | NetFeature.mergeableBuffers | NetFeature.eventIndex)
        pair.device = try ReceivePair.device(
            8, pair.queue.addresses, pair.heap.memory, NetFeature.eventIndex)
        #expect(pair.receive().isEmpty)
        pair.deliver(Self.frame(8 * 128 - 12, 2))
        #expect(pair.receive().map(\.bytes) == [Self.frame(8 * 128 - 12, 2)])
    }

    @Test("the memory goes back to the heap with the queue")
    func givesBack() throws {
        let heap = GuestHeap(memory: try GuestMemory(size: 1 << 20))
        for _ in 0..<100 {
            let shape = NetQueueShape(size: 64, bufferBytes: 2048, features: NetFeature.mergeableBuffers)
            _ = try NetReceiveQueue(shape, heap: heap)
            _ = try NetTransmitQueue(shape, heap: heap)
        }
        #expect(heap.bytesInUse == 0)
    }
}
