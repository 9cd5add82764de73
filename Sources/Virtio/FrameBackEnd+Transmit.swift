// The driver's transmit queue, seen from the device: chains become lent frames. A frame that the link
// refuses stays in the ring; a chain that is no frame goes back and is counted (RV-20 … RV-23).

import Glibc
import Link

/// The device's side of a transmit queue and what is needed to lend its frames.
struct TransmitSide: ~Copyable {
    static let batch = 64
    /// Frames of one turn: others want their turn, too.
    static let budget = 256

    /// What a turn came to.
    struct Report {
        var needsCall = false
        /// There is more to send at once.
        var hasMore = false
        var isBroken = false
    }

    private var queue: SplitDeviceQueue
    private var chains = ChainBatch(chains: TransmitSide.batch, segments: 1024)
    private let features: UInt64
    private let frames: UnsafeMutablePointer<FrameView>
    private let segments: UnsafeMutablePointer<UnsafeRawBufferPointer>
    /// The link refused a frame: nothing is sent until it has room.
    var isBlocked = false

    init(_ configuration: QueueConfiguration, features: UInt64, memory: GuestMemory) throws(VirtioError) {
        queue = try SplitDeviceQueue(
            QueueState(configuration, features: features), memory: memory, direction: .readable)
        self.features = features
        frames = .allocate(capacity: Self.batch)
        segments = .allocate(capacity: chains.segmentCapacity)
    }

    deinit {
        frames.deallocate()
        segments.deallocate()
    }

    var base: RingPosition { queue.position }

    /// Sends what the driver made available, at most `budget` frames.
    mutating func run(over link: FrameLink, _ counters: inout QueueCounters) -> Report {
        var report = Report()
        guard !isBlocked else { return report }
        let refusedBefore = queue.dropped
        queue.suppressKicks()
        var left = Self.budget
        while left > 0, !isBlocked {
            let count = queue.pop(into: &chains, limit: min(left, Self.batch))
            guard count > 0 else { break }
            left -= count
            send(over: link, &counters)
        }
        counters.malformed &+= queue.dropped &- refusedBefore
        if queue.publish() { report.needsCall = true }
        report.isBroken = queue.fault != nil
        guard !isBlocked, !report.isBroken else { return report }
        report.hasMore = left <= 0 || queue.rearmKicks()
        return report
    }

    /// Lends the frames of the batch; what is not taken is put back.
    private mutating func send(over link: FrameLink, _ counters: inout QueueCounters) {
        let count = gather()
        guard count > 0 else { return drop(&counters) }
        queue.rewind(chains.chainCount - count, of: &chains)
        let taken = link.send(UnsafeBufferPointer(start: frames, count: count), from: .card)
        for frame in 0..<taken { counters.bytes &+= UInt64(truncatingIfNeeded: frames[frame].length) }
        counters.frames &+= UInt64(taken)
        isBlocked = taken < count
        queue.rewind(count - taken, of: &chains)
        queue.pushAll(of: &chains)
    }

    /// The first chain is no frame: it goes back with nothing done.
    private mutating func drop(_ counters: inout QueueCounters) {
        queue.rewind(chains.chainCount - 1, of: &chains)
        queue.pushAll(of: &chains)
        counters.malformed &+= 1
    }

    /// Makes frames of the chains up to the first that is none; returns how many.
    private mutating func gather() -> Int {
        var next = 0
        for (index, chain) in chains.chains.enumerated() {
            let length = Int(chain.readableBytes) - NetHeader.size
            guard length >= 14, let header = chains.header(of: chain) else { return index }
            var offload = Offload()
            if !header.isPlain {
                guard let said = try? header.offload(frame: length, features: features, direction: .toDevice) else {
                    return index
                }
                offload = said
            }
            let first = next
            var skip = NetHeader.size
            for span in chains.segments(of: chain) {
                guard skip < span.iov_len, let start = span.iov_base else {
                    skip -= span.iov_len
                    continue
                }
                segments[next] = UnsafeRawBufferPointer(start: start + skip, count: span.iov_len - skip)
                next += 1
                skip = 0
            }
            frames[index] = FrameView(
                segments: UnsafeBufferPointer(start: segments + first, count: next - first), length: length,
                offload: offload)
        }
        return chains.chainCount
    }
}
