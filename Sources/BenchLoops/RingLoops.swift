// The loops that `netemu-bench bench ring` and the gates of rings run: a driver's transmit queue and a device, a device and
// a driver's receive queue, and the first of them in C (CRingPeer).

import CRingPeer
import Glibc
import Link
import Linux
import Virtio

/// The driver's end of the transmit direction: slots are committed, their bytes as they are.
package final class RingDriver {
    private var queue: NetTransmitQueue

    init(_ queue: consuming NetTransmitQueue) { self.queue = queue }

    package func turn(batch: Int, length: Int) -> NetQueueReport {
        queue.transmit(limit: batch) { slots in
            for index in slots.indices { slots[index].length = length }
            return slots.count
        }
    }

    package func rearm() -> Bool { queue.rearm() }
}

/// The device's end: header and frame are copied out, the chain goes back.
package final class RingDevice {
    private var queue: SplitDeviceQueue
    private var chains = ChainBatch(chains: 64, segments: 1024)
    private let sink: UnsafeMutableRawPointer

    init(_ queue: consuming SplitDeviceQueue) {
        self.queue = queue
        sink = .allocate(byteCount: 65536, alignment: 64)
    }

    deinit { sink.deallocate() }

    package func turn(batch: Int) -> NetQueueReport { Self.turn(&queue, &chains, batch: batch, sink: sink) }
    package func rearm() -> Bool { queue.rearmKicks() }

    /// Both values are lent once, not per frame.
    private static func turn(
        _ queue: inout SplitDeviceQueue, _ chains: inout ChainBatch, batch: Int, sink: UnsafeMutableRawPointer
    ) -> NetQueueReport {
        var turn = NetQueueReport()
        turn.frames = queue.pop(into: &chains, limit: batch)
        for chain in chains.chains {
            let span = chains.first(of: chain)
            guard span.iov_len > NetHeader.size, let frame = span.iov_base, NetHeader(copying: frame).flags == 0 else {
                continue
            }
            sink.copyMemory(from: frame + NetHeader.size, byteCount: span.iov_len - NetHeader.size)
        }
        queue.pushAll(of: &chains)
        turn.needsKick = queue.publish()
        return turn
    }
}

/// Both ends of the transmit direction.
package final class RingLoop: @unchecked Sendable {
    static let size: UInt16 = 256
    private let heap: GuestHeap
    package let driver: RingDriver
    package let device: RingDevice

    package init?() {
        let features = NetFeature.version1 | NetFeature.eventIndex
        guard let memory = try? GuestMemory(size: 4 << 20) else { return nil }
        heap = GuestHeap(memory: memory)
        let shape = NetQueueShape(size: Self.size, bufferBytes: 1514, features: features)
        do throws(VirtioError) {
            let queue = try NetTransmitQueue(shape, heap: heap)
            let state = QueueState(
                size: Self.size, addresses: queue.addresses, features: RingFeatures(negotiated: features))
            device = RingDevice(try SplitDeviceQueue(state, memory: memory, direction: .readable))
            driver = RingDriver(queue)
        } catch { return nil }
    }

    /// `rounds` batches of `batch` frames of `length` bytes; returns the frames moved.
    package func run(rounds: Int, batch: Int, length: Int) -> Int {
        var moved = 0
        for _ in 0..<rounds {
            _ = driver.turn(batch: batch, length: length)
            moved += device.turn(batch: batch).frames
        }
        return moved
    }
}

/// Both ends of the receive direction: the device writes frames, the driver is lent them where they lie.
package final class ReceiveLoop {
    private let heap: GuestHeap
    private var queue: NetReceiveQueue
    private var device: SplitDeviceQueue
    private var chains = ChainBatch(chains: 64, segments: 1024)
    private let source: UnsafeMutableRawPointer
    private(set) var bytes = 0

    package init?() {
        let features = NetFeature.version1 | NetFeature.eventIndex | NetFeature.mergeableBuffers
        guard let memory = try? GuestMemory(size: 4 << 20) else { return nil }
        heap = GuestHeap(memory: memory)
        let shape = NetQueueShape(size: RingLoop.size, bufferBytes: 2048, features: features)
        do throws(VirtioError) {
            let queue = try NetReceiveQueue(shape, heap: heap)
            let state = QueueState(
                size: RingLoop.size, addresses: queue.addresses, features: RingFeatures(negotiated: features))
            let device = try SplitDeviceQueue(state, memory: memory, direction: .writable)
            self.queue = queue
            self.device = device
        } catch { return nil }
        source = .allocate(byteCount: 65536, alignment: 64)
        source.initializeMemory(as: UInt8.self, repeating: 0, count: 65536)
        source.storeBytes(of: 1, toByteOffset: 10, as: UInt16.self)  // num_buffers
    }

    deinit { source.deallocate() }

    package func run(rounds: Int, batch: Int, length: Int) -> Int {
        var moved = 0
        for _ in 0..<rounds {
            Self.give(&device, &chains, batch: batch, frame: .init(start: source, count: NetHeader.size + length))
            var bytes = 0
            let turn = queue.receive { frames in
                for frame in frames { bytes &+= frame.length }
            }
            self.bytes &+= bytes
            moved += turn.frames
        }
        return moved
    }

    private static func give(
        _ device: inout SplitDeviceQueue, _ chains: inout ChainBatch, batch: Int, frame: UnsafeRawBufferPointer
    ) {
        _ = device.pop(into: &chains, limit: batch)
        guard let source = frame.baseAddress else { return }
        for chain in chains.chains {
            chains.segments(of: chain)[0].iov_base?.copyMemory(from: source, byteCount: frame.count)
            device.push(head: chain.head, length: UInt32(frame.count))
        }
        _ = device.publish()
    }
}

/// The C loop over memory of its own.
package final class CRingLoop: @unchecked Sendable {
    private let memory: GuestMemory
    private let peer: OpaquePointer
    private let sink: UnsafeMutableRawPointer

    package init?() {
        guard let memory = try? GuestMemory(size: 4 << 20),
            let peer = crp_new(memory.shared.base, memory.size, 4096, RingLoop.size, 16384 + 50, 1600)
        else { return nil }
        self.memory = memory
        self.peer = peer
        sink = .allocate(byteCount: 65536, alignment: 64)
    }

    deinit {
        crp_free(peer)
        sink.deallocate()
    }

    package func run(rounds: Int, batch: Int, length: Int) -> Int {
        Int(crp_run(peer, UInt64(rounds), UInt32(batch), UInt32(length), sink))
    }

    package func driverTurn(batch: Int, length: Int) -> NetQueueReport {
        var turn = NetQueueReport()
        var notify: CInt = 0
        turn.frames = Int(crp_driver_turn(peer, UInt32(batch), UInt32(length), &notify))
        turn.needsKick = notify != 0
        return turn
    }

    package func deviceTurn(batch: Int) -> NetQueueReport {
        var turn = NetQueueReport()
        var notify: CInt = 0
        turn.frames = Int(crp_device_turn(peer, UInt32(batch), sink, &notify))
        turn.needsKick = notify != 0
        return turn
    }

    package func driverRearm() -> Bool { crp_driver_rearm(peer) != 0 }
    package func deviceRearm() -> Bool { crp_device_rearm(peer) != 0 }
}

extension RingLoop {
    static let gates = [
        Gate(name: "ring", unit: "frame of 1514 bytes sent") {
            RingLoop()?.run(rounds: 400, batch: 64, length: 1514) ?? 0
        },
        Gate(name: "ring-receive", unit: "frame of 1514 bytes received") {
            ReceiveLoop()?.run(rounds: 400, batch: 64, length: 1514) ?? 0
        },
    ]
}
