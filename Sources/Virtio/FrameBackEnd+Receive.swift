// The driver's receive queue, seen from the device: frames are copied into its buffers, over several of
// them with MRG_RXBUF (VIRTIO 1.3, 5.1.6.4). Without buffers the sender keeps its frames.

import Glibc
import Link

/// The device's side of a receive queue.
struct ReceiveSide: ~Copyable {
    static let batch = 64

    /// What became of a batch of frames.
    struct Report {
        var taken = 0
        var needsCall = false
        var isBroken = false
    }

    private enum Fit {
        /// This many chains, from the next one on.
        case chains(Int)
        case noBuffers
        /// No posting of the driver will ever do.
        case never
    }

    private var queue: SplitDeviceQueue
    private let isMergeable: Bool
    /// VIRTIO_NET_F_GUEST_CSUM: without it flags is 0 (VIRTIO 1.3, 5.1.6.4.1).
    private let saysChecksums: Bool
    /// Chains that were taken from the ring; those from `next` on are not used yet.
    private var chains: ChainBatch
    private var next = 0
    /// A frame was refused: the driver is to kick.
    private(set) var isBlocked = false

    init(_ configuration: QueueConfiguration, features: UInt64, memory: GuestMemory) throws(VirtioError) {
        queue = try SplitDeviceQueue(
            QueueState(configuration, features: features), memory: memory, direction: .writable)
        chains = ChainBatch(chains: max(Self.batch, Int(configuration.size)), segments: 4096)
        isMergeable = features & NetFeature.mergeableBuffers != 0
        saysChecksums = features & NetFeature.guestChecksum != 0
        queue.suppressKicks()
    }

    var base: RingPosition { queue.position }

    /// Puts back what was taken from the ring and not used.
    mutating func giveBack() {
        queue.rewind(chains.chainCount - next, of: &chains)
        _ = queue.publish()
    }

    /// Copies frames until the buffers end.
    mutating func fill(_ frames: UnsafeBufferPointer<FrameView>, _ counters: inout QueueCounters) -> Report {
        var report = Report()
        let refusedBefore = queue.dropped
        if isBlocked { queue.suppressKicks() }
        isBlocked = false
        while report.taken < frames.count {
            guard let isCopied = place(frames[report.taken]) else {
                isBlocked = true
                break
            }
            if isCopied {
                counters.frames &+= 1
                counters.bytes &+= UInt64(truncatingIfNeeded: frames[report.taken].length)
            } else {
                counters.tooLong &+= 1
            }
            report.taken += 1
        }
        counters.malformed &+= queue.dropped &- refusedBefore
        if queue.publish() { report.needsCall = true }
        report.isBroken = queue.fault != nil
        return report
    }

    /// True: copied; false: no buffer will ever hold it; nil: there is no buffer now.
    private mutating func place(_ frame: FrameView) -> Bool? {
        switch fit(frame.length + NetHeader.size) {
        case .chains(let count):
            copy(frame, into: count)
            return true
        case .never: return false
        case .noBuffers: return nil
        }
    }

    /// How many chains, from the next one on, hold `bytes`. Takes more from the ring when these do not.
    private mutating func fit(_ bytes: Int) -> Fit {
        if let count = count(for: bytes) { return .chains(count) }
        refill(limit: max(Self.batch, 2))
        if let count = count(for: bytes) { return .chains(count) }
        if isMergeable, chains.chainCount == Self.batch { refill(limit: chains.chainCapacity) }
        if let count = count(for: bytes) { return .chains(count) }
        if !isMergeable, chains.chainCount > next { return .never }
        if chains.chainCount - next >= Int(queue.size) { return .never }
        return waitForMore(bytes)
    }

    /// The driver is to say when there are more chains; there may be some since we looked.
    private mutating func waitForMore(_ bytes: Int) -> Fit {
        var left = Int(queue.size)
        while queue.rearmKicks() {
            queue.suppressKicks()
            let before = chains.chainCount
            refill(limit: chains.chainCapacity)
            if let count = count(for: bytes) { return .chains(count) }
            guard chains.chainCount <= before else { continue }
            // There are more, but behind a chain that is no buffer (RV-19), or the batch has no room for their pieces:
            // those in front go back unused, or nothing would ever pass them.
            guard left > 0 else { return .never }
            left -= 1
            queue.pushAll(of: &chains)
        }
        return .noBuffers
    }

    private func count(for bytes: Int) -> Int? {
        var room = 0
        let all = chains.chains
        var index = next
        while index < all.count {
            room += Int(all[index].writableBytes)
            index += 1
            if room >= bytes { return index - next }
            if !isMergeable { return nil }
        }
        return nil
    }

    private mutating func refill(limit: Int) {
        queue.rewind(chains.chainCount - next, of: &chains)
        next = 0
        _ = queue.pop(into: &chains, limit: limit)
    }

    /// Writes header and frame over the next `count` chains and gives them to the driver.
    private mutating func copy(_ frame: FrameView, into count: Int) {
        var header = saysChecksums ? NetHeader(frame.offload) : NetHeader()
        header.bufferCount = UInt16(truncatingIfNeeded: count)
        var offset = -NetHeader.size
        let isTracked = queue.memory.isTracked
        for index in next..<next + count {
            let chain = chains.chains[index]
            let start = offset
            for span in chains.segments(of: chain) where offset < frame.length {
                guard let base = span.iov_base else { continue }
                let written = Self.write(header, frame, from: offset, to: base, room: span.iov_len)
                offset += written
                if isTracked { queue.memory.mark(base, count: written) }
            }
            queue.push(head: chain.head, length: UInt32(truncatingIfNeeded: offset - start))
        }
        next += count
    }

    /// Writes what follows `offset` (below 0: of the header); returns how many bytes.
    @inline(__always)
    private static func write(
        _ header: NetHeader, _ frame: FrameView, from offset: Int, to base: UnsafeMutableRawPointer, room: Int
    ) -> Int {
        var done = 0
        if offset < 0 {
            done = min(-offset, room)
            withUnsafeTemporaryAllocation(byteCount: NetHeader.size, alignment: 8) { bytes in
                guard let start = bytes.baseAddress else { return }
                header.write(to: start)
                base.copyMemory(from: start + (NetHeader.size + offset), byteCount: done)
            }
        }
        guard done < room else { return done }
        let target = UnsafeMutableRawBufferPointer(start: base + done, count: room - done)
        return done + frame.copy(from: max(0, offset), into: target)
    }
}

extension QueueState {
    init(_ configuration: QueueConfiguration, features: UInt64) {
        self.init(
            size: configuration.size,
            addresses: RingAddresses(
                descriptorTable: configuration.descriptorTable, availRing: configuration.availRing,
                usedRing: configuration.usedRing), base: configuration.base,
            features: RingFeatures(negotiated: features))
    }
}
