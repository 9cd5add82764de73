// The network behind a back-end under test: each frame the guest sends comes back with its addresses
// exchanged. It can hold frames, shuffle them, spread answers over many buffers, or wait for kicks
// strictly, so that rings are seen in every legal order.

import Bytes
import CLinux
import Glibc
import Linux
import Virtio

final class EchoResponder {
    /// Frames are taken and not answered while true: what a back-end does that is about to die.
    var holdsFrames = false
    /// At most so many frames are taken; nil is no limit.
    var budget: Int?
    /// Seeds the order in which chains are given back; nil keeps it.
    var shuffle: SeededGenerator?
    /// Work is done only when the kick descriptor is readable.
    var waitsForKicks = false
    private(set) var answered = 0
    private(set) var taken = 0

    private var receive: SplitDeviceQueue
    private var transmit: SplitDeviceQueue
    private var receiveBatch = ChainBatch(chains: 256, segments: 512)
    private var transmitBatch = ChainBatch(chains: 256, segments: 512)
    private let calls: [SharedDescriptor]
    private let kick: SharedDescriptor?
    /// Frames whose answer waits for receive buffers.
    private var waiting: [[UInt8]] = []
    /// Transmit chains not yet given back.
    private var held: [UInt16] = []

    var receiveBase: UInt16 { receive.base }
    var transmitBase: UInt16 { transmit.base }

    init(
        receive: QueueState, transmit: QueueState, memory: GuestMemory, calls: [SharedDescriptor],
        kick: SharedDescriptor?
    ) throws {
        self.receive = try SplitDeviceQueue(receive, memory: memory, direction: .writable)
        self.transmit = try SplitDeviceQueue(transmit, memory: memory, direction: .readable)
        self.calls = calls
        self.kick = kick
    }

    /// One turn over both rings; true when anything was done.
    func turn() -> Bool {
        if waitsForKicks, !isKicked() { return false }
        var didWork = takeFrames()
        if !holdsFrames {
            didWork = giveBack() || didWork
            didWork = deliver() || didWork
        }
        if waitsForKicks {
            _ = receive.rearmKicks()
            while transmit.rearmKicks(), budget != taken {
                didWork = takeFrames() || didWork
                didWork = giveBack() || didWork
                didWork = deliver() || didWork
            }
        }
        return didWork
    }

    /// Queues a frame for the guest, beside the answers.
    func push(_ frame: [UInt8]) { waiting.append(frame) }

    private func isKicked() -> Bool {
        var count: UInt64 = 0
        return kick.map { read($0.raw, &count, 8) == 8 } ?? false
    }

    // MARK: transmit ring: from the guest

    private func takeFrames() -> Bool {
        let limit = min(256, budget.map { max(0, $0 - taken) } ?? 256)
        guard limit > 0, transmit.pop(into: &transmitBatch, limit: limit) > 0 else { return false }
        for chain in transmitBatch.chains {
            var bytes: [UInt8] = []
            for segment in transmitBatch.segments(of: chain) {
                bytes += UnsafeRawBufferPointer(start: segment.iov_base, count: segment.iov_len)
            }
            held.append(chain.head)
            taken += 1
            let frame = bytes.dropFirst(NetHeader.size)
            if frame.count >= 12 { waiting.append(Array(frame[18..<24]) + Array(frame[12..<18]) + frame.dropFirst(12)) }
        }
        return true
    }

    private func giveBack() -> Bool {
        guard !held.isEmpty else { return false }
        if var random = shuffle {
            held.shuffle(using: &random)
            shuffle = random
        }
        for head in held { transmit.push(head: head, length: 0) }
        held = []
        if transmit.publish() { call(1) }
        return true
    }

    // MARK: receive ring: to the guest

    private func deliver() -> Bool {
        guard !waiting.isEmpty, receive.pop(into: &receiveBatch, limit: 256) > 0 else { return false }
        var chains = Array(receiveBatch.chains)
        let count = chains.count
        if var random = shuffle {
            chains.shuffle(using: &random)
            shuffle = random
        }
        var unused = chains[...]
        var done = 0
        for frame in waiting {
            guard let used = write(frame, into: unused) else { break }
            unused = unused.dropFirst(used)
            done += 1
        }
        waiting.removeFirst(done)
        answered += done
        giveBackUnused(unused, of: count)
        if receive.publish() { call(0) }
        return done > 0
    }

    /// Buffers that were not needed are put back; out of order that cannot be done, so they go back empty.
    private func giveBackUnused(_ unused: ArraySlice<DeviceChain>, of count: Int) {
        if shuffle == nil {
            receive.rewind(unused.count, of: &receiveBatch)
        } else {
            for chain in unused { receive.push(head: chain.head, length: 0) }
        }
    }

    /// Spreads header and frame over as many buffers as it takes; how many, or nil when there are too few.
    private func write(_ frame: [UInt8], into chains: ArraySlice<DeviceChain>) -> Int? {
        var header = NetHeader()
        let bytes = frame.count + NetHeader.size
        var room = 0
        var count = 0
        for chain in chains where room < bytes {
            room += Int(chain.writableBytes)
            count += 1
        }
        guard room >= bytes else { return nil }
        header.bufferCount = UInt16(count)
        var whole = [UInt8](repeating: 0, count: NetHeader.size) + frame
        whole.withUnsafeMutableBytes { raw in raw.baseAddress.map { header.write(to: $0) } }
        var offset = 0
        for chain in chains.prefix(count) {
            let start = offset
            for segment in receiveBatch.segments(of: chain) {
                let size = min(segment.iov_len, whole.count - offset)
                whole.withUnsafeBytes { raw in
                    UnsafeMutableRawBufferPointer(start: segment.iov_base, count: size)
                        .copyMemory(from: UnsafeRawBufferPointer(rebasing: raw[offset..<offset + size]))
                }
                offset += size
            }
            receive.push(head: chain.head, length: UInt32(offset - start))
        }
        return count
    }

    private func call(_ ring: Int) {
        guard ring < calls.count else { return }
        var one: UInt64 = 1
        _ = Glibc.write(calls[ring].raw, &one, 8)
    }
}
