// The test language of this room: guest RAM, a ring with both of its ends in one process, seeded
// randomness, and a hand that writes into a ring what no honest peer would.

import Bytes
import CLinux
import Glibc
import Link
import Linux
import Testing
import Virtio

/// A ring in RAM of its own, at fixed addresses, and the raw words in it.
struct TestRing {
    static let ringAddress: UInt64 = 0x1000
    static let tablesAddress: UInt64 = 0x40000
    /// Free for buffers from here to the end.
    static let dataAddress: UInt64 = 0x80000

    let memory: GuestMemory
    let state: QueueState

    init(size: UInt16 = 8, features: RingFeatures = RingFeatures(), base: RingPosition = 0, bytes: Int = 1 << 20) throws
    {
        memory = try GuestMemory(size: bytes)
        let addresses = RingAddresses(contiguousAt: TestRing.ringAddress, size: size)
        state = QueueState(size: size, addresses: addresses, base: base, features: features)
    }

    func driver(tableEntries: Int = 8) throws -> DriverEnd {
        let tables = memory.span(at: TestRing.tablesAddress, count: Int(state.size) * tableEntries * 16)
        return DriverEnd(try SplitDriverQueue(state, memory: memory, indirectTables: tables))
    }

    func device(_ direction: ChainDirection = .both, base: RingPosition? = nil) throws -> DeviceEnd {
        var state = state
        if let base { state.base = base }
        return DeviceEnd(try SplitDeviceQueue(state, memory: memory, direction: direction))
    }

    // MARK: raw words

    func pointer(_ address: UInt64, _ count: Int = 16) -> UnsafeMutableRawPointer {
        memory.span(at: address, count: count).unsafelyUnwrapped.baseAddress.unsafelyUnwrapped
    }

    func setDescriptor(_ index: Int, _ address: UInt64, _ length: UInt32, flags: UInt16 = 0, next: UInt16 = 0) {
        setEntry(at: state.addresses.descriptorTable + UInt64(16 * index), address, length, flags: flags, next: next)
    }

    /// A descriptor anywhere, as in an indirect table.
    func setEntry(at place: UInt64, _ address: UInt64, _ length: UInt32, flags: UInt16 = 0, next: UInt16 = 0) {
        let room = pointer(place)
        room.storeBytes(of: address, as: UInt64.self)
        room.storeBytes(of: length, toByteOffset: 8, as: UInt32.self)
        room.storeBytes(of: flags, toByteOffset: 12, as: UInt16.self)
        room.storeBytes(of: next, toByteOffset: 14, as: UInt16.self)
    }

    var availIndex: UInt16 {
        get { ne_load_acquire16(pointer(state.addresses.availRing) + 2) }
        nonmutating set { ne_store_release16(pointer(state.addresses.availRing) + 2, newValue) }
    }

    var usedIndex: UInt16 {
        get { ne_load_acquire16(pointer(state.addresses.usedRing) + 2) }
        nonmutating set { ne_store_release16(pointer(state.addresses.usedRing) + 2, newValue) }
    }

    func setAvail(_ slot: Int, _ head: UInt16) {
        ne_store_relaxed16(pointer(state.addresses.availRing, 4 + 2 * (slot + 1)) + 4 + 2 * slot, head)
    }

    func avail(_ slot: Int) -> UInt16 { ne_load_relaxed16(pointer(state.addresses.availRing) + 4 + 2 * slot) }

    func setUsed(_ slot: Int, _ id: UInt32, _ length: UInt32) {
        let entry = pointer(state.addresses.usedRing) + 4 + 8 * slot
        ne_store_relaxed32(entry, id)
        ne_store_relaxed32(entry + 4, length)
    }

    func used(_ slot: Int) -> (id: UInt32, length: UInt32) {
        let entry = pointer(state.addresses.usedRing) + 4 + 8 * slot
        return (ne_load_relaxed32(entry), ne_load_relaxed32(entry + 4))
    }

    /// Makes `heads` available as a driver that is not ours would.
    func offer(_ heads: UInt16...) {
        let start = availIndex
        for (position, head) in heads.enumerated() {
            setAvail(Int((start &+ UInt16(position)) % state.size), head)
        }
        availIndex = start &+ UInt16(heads.count)
    }

    /// The bytes from `address` as an array.
    func bytes(_ address: UInt64, _ count: Int) -> [UInt8] {
        memory.span(at: address, count: count).map { Array($0) } ?? []
    }

    func fill(_ address: UInt64, _ bytes: [UInt8]) {
        memory.span(at: address, count: bytes.count)?.copyBytes(from: bytes)
    }
}

/// The driver's end, with arrays instead of lent buffers.
final class DriverEnd {
    var queue: SplitDriverQueue
    init(_ queue: consuming SplitDriverQueue) { self.queue = queue }

    var fault: RingFault? { queue.fault }
    var outstanding: Int { Int(queue.outstanding) }
    var free: Int { Int(queue.freeDescriptors) }

    func add(out: [RingBuffer] = [], in writable: [RingBuffer] = [], token: UInt32 = 0) -> Bool {
        out.withUnsafeBufferPointer { out in
            writable.withUnsafeBufferPointer { queue.add(readable: out, writable: $0, token: token) }
        }
    }

    /// Adds one buffer of 64 bytes to be written.
    func post(_ token: UInt32, bytes: UInt32 = 64) -> Bool {
        queue.add(
            RingBuffer(address: TestRing.dataAddress + UInt64(token % 64) * 64, length: bytes), isWritable: true,
            token: token)
    }

    func publish() -> Bool { queue.publish() }

    /// What `reap` takes back now.
    func reap(_ limit: Int = 64) -> [UsedChain] {
        let room = UnsafeMutableBufferPointer<UsedChain>.allocate(capacity: limit)
        defer { room.deallocate() }
        return Array(room[..<queue.reap(into: room)])
    }

    func rearm(after: UInt16 = 1) -> Bool { queue.rearmCalls(after: after) }
    func restartBase() -> RingPosition? { queue.restartBase() }
}

/// The device's end with a batch of its own.
final class DeviceEnd {
    var queue: SplitDeviceQueue
    var batch: ChainBatch

    init(_ queue: consuming SplitDeviceQueue, chains: Int = 64, segments: Int = 1024) {
        self.queue = queue
        batch = ChainBatch(chains: chains, segments: segments)
    }

    var fault: RingFault? { queue.fault }
    var dropped: Int { Int(queue.dropped) }
    var inFlight: Int { Int(queue.inFlight) }
    var base: UInt16 { queue.base }

    func pop(_ limit: Int = 64) -> [DeviceChain] {
        _ = queue.pop(into: &batch, limit: limit)
        return Array(batch.chains)
    }

    func rewind(_ count: Int) { queue.rewind(count, of: &batch) }
    func push(_ chain: DeviceChain, _ length: Int = 0) { queue.push(head: chain.head, length: UInt32(length)) }
    func publish() -> Bool { queue.publish() }
    func rearm() -> Bool { queue.rearmKicks() }

    /// Takes everything and gives it back with `length` bytes written.
    func echo(_ length: Int = 0) -> Bool {
        for chain in pop() { push(chain, length) }
        return publish()
    }

    /// The readable bytes of a chain, put together.
    func readable(_ chain: DeviceChain) -> [UInt8] {
        batch.segments(of: chain).prefix(Int(chain.readable)).flatMap {
            Array(UnsafeRawBufferPointer(start: $0.iov_base, count: $0.iov_len))
        }
    }

    /// Writes `bytes` into the writable spans of a chain; returns how many fitted.
    func write(_ bytes: [UInt8], to chain: DeviceChain) -> Int {
        var done = 0
        for span in batch.segments(of: chain).dropFirst(Int(chain.readable)) where done < bytes.count {
            let count = min(span.iov_len, bytes.count - done)
            UnsafeMutableRawBufferPointer(start: span.iov_base, count: count).copyBytes(
                from: bytes[done..<done + count])
            done += count
        }
        return done
    }
}
