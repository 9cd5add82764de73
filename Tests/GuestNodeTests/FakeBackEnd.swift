// A back-end in the same process: the device's side of both rings, frames as arrays, and the things
// a real one can do to a driver (die, hold frames back, return them in another order, merge buffers).

import Glibc
import Linux
import Virtio

final class FakeBackEnd: RingBackEnd {
    static let everything: UInt64 =
        NetFeature.version1 | NetFeature.mergeableBuffers | NetFeature.guestChecksum | NetFeature.eventIndex
        | NetFeature.indirectDescriptors

    var features: UInt64
    var isConnected = true
    private let device: NetDevice
    weak var owner: (any RingOwner)?
    private(set) var starts = 0
    private(set) var startedFeatures: UInt64 = 0
    private(set) var configurations: [QueueConfiguration] = []
    /// Stops are answered only when told.
    var holdsStop = false
    private var heldStop: (() -> Void)?
    /// Frames are taken but their buffers stay with the device.
    var holdsFrames = false
    /// Buffers are returned last first.
    var returnsBackwards = false
    private(set) var heldHeads: [UInt16] = []
    /// Where it marks what it writes to receive buffers, as a back-end in another process does.
    var log: DirtyLog?

    private var rings: Rings?
    fileprivate struct Rings: ~Copyable {
        var receive: SplitDeviceQueue
        var transmit: SplitDeviceQueue
        var batch = ChainBatch(chains: 64, segments: 4096)
    }

    init(_ device: NetDevice, features: UInt64 = FakeBackEnd.everything) {
        self.device = device
        self.features = features
    }

    func start(features: UInt64, queues: [QueueConfiguration]) {
        starts += 1
        startedFeatures = features
        configurations = queues
        func state(_ q: QueueConfiguration) -> QueueState {
            QueueState(
                size: q.size,
                addresses: RingAddresses(
                    descriptorTable: q.descriptorTable, availRing: q.availRing, usedRing: q.usedRing),
                base: q.base, features: RingFeatures(negotiated: features))
        }
        guard queues.count == 2,
            let receive = try? SplitDeviceQueue(state(queues[0]), memory: device.memory, direction: .writable),
            let transmit = try? SplitDeviceQueue(state(queues[1]), memory: device.memory, direction: .readable)
        else { return }
        rings = Rings(receive: receive, transmit: transmit)
    }

    func stop(_ done: @escaping ([RingPosition]) -> Void) {
        let bases: [RingPosition] =
            rings == nil ? [] : [rings?.receive.position ?? 0, rings?.transmit.position ?? 0]
        rings = nil
        if holdsStop { heldStop = { done(bases) } } else { done(bases) }
    }

    func kicked(queue: UInt16) {}

    func answerStop() {
        heldStop?()
        heldStop = nil
    }

    var isRunning: Bool { rings != nil }

    /// The process at the other end is dead: rings stay as they are.
    func die() {
        rings = nil
        isConnected = false
        device.backEndDied()
    }

    /// A successor that offers `features`.
    func comeBack(features: UInt64? = nil) {
        if let features { self.features = features }
        isConnected = true
        device.backEndReturned(features: self.features)
    }

    // MARK: frames

    /// The frames that the driver has sent since the last call, without their virtio header.
    func takeFrames() -> [[UInt8]] {
        guard rings != nil else { return [] }
        var frames: [[UInt8]] = []
        var heads: [UInt16] = []
        while true {
            let count = rings?.popTransmit() ?? 0
            if count == 0 { break }
            for index in 0..<count {
                guard let (head, bytes) = rings?.frame(index) else { continue }
                frames.append(bytes)
                heads.append(head)
            }
        }
        if holdsFrames { heldHeads += heads } else { giveBack(heads) }
        _ = rings?.transmit.rearmKicks()
        return frames
    }

    /// Returns the buffers that were held.
    func releaseFrames() {
        let heads = heldHeads
        heldHeads = []
        giveBack(heads)
    }

    private func giveBack(_ heads: [UInt16]) {
        for head in returnsBackwards ? heads.reversed() : heads { rings?.transmit.push(head: head, length: 0) }
        if rings?.transmit.publish() == true { device.interrupt(queue: 1) }
    }

    /// Delivers a frame; false when there are not enough buffers.
    func deliver(_ frame: [UInt8], flags: UInt8 = 0) -> Bool {
        guard rings != nil else { return false }
        let isMergeable = startedFeatures & NetFeature.mergeableBuffers != 0
        guard rings?.deliver(frame, flags: flags, isMergeable: isMergeable, markWritten) == true else { return false }
        if rings?.receive.publish() == true { device.interrupt(queue: 0) }
        return true
    }

    private func markWritten(_ start: UnsafeRawPointer, _ count: Int) {
        if let log, let address = device.memory.address(of: start) { log.marks.mark(address, count: count) }
    }

    var receiveBuffersPosted: Int { rings?.pendingReceive ?? 0 }

    /// Says that 300 buffers were used which never were given (RF-01).
    func breakTransmitRing() {
        guard configurations.count == 2, isRunning,
            let index = device.memory.span(at: configurations[1].usedRing + 2, count: 2)?.baseAddress
        else { return }
        index.storeBytes(of: index.load(as: UInt16.self) &+ 300, as: UInt16.self)
        device.interrupt(queue: 1)
    }
}

extension FakeBackEnd.Rings {
    mutating func popTransmit() -> Int { transmit.pop(into: &batch, limit: 64) }

    /// The frame of the chain at `index` of the batch.
    func frame(_ index: Int) -> (UInt16, [UInt8]) {
        let chain = batch.chains[index]
        var bytes: [UInt8] = []
        for span in batch.segments(of: chain) {
            bytes += UnsafeRawBufferPointer(start: span.iov_base, count: span.iov_len)
        }
        return (chain.head, Array(bytes.dropFirst(NetHeader.size)))
    }

    var pendingReceive: Int {
        mutating get {
            let count = receive.pop(into: &batch, limit: 64)
            receive.rewind(count, of: &batch)
            return count
        }
    }

    mutating func deliver(
        _ frame: [UInt8], flags: UInt8, isMergeable: Bool, _ written: (UnsafeRawPointer, Int) -> Void
    ) -> Bool {
        var header = NetHeader()
        header.flags = flags
        var bytes = [UInt8](repeating: 0, count: NetHeader.size) + frame
        var plan: [(head: UInt16, spans: [iovec], room: Int)] = []
        var room = 0
        let count = receive.pop(into: &batch, limit: isMergeable ? 64 : 1)
        for index in 0..<count where room < bytes.count {
            let chain = batch.chains[index]
            plan.append((chain.head, Array(batch.segments(of: chain)), Int(chain.writableBytes)))
            room += Int(chain.writableBytes)
        }
        receive.rewind(count - plan.count, of: &batch)
        guard room >= bytes.count else {
            receive.rewind(plan.count, of: &batch)
            return false
        }
        header.bufferCount = UInt16(plan.count)
        bytes.withUnsafeMutableBytes { if let base = $0.baseAddress { header.write(to: base) } }
        var rest = bytes[...]
        for chain in plan {
            var used = 0
            for span in chain.spans {
                let piece = rest.prefix(span.iov_len)
                UnsafeMutableRawBufferPointer(start: span.iov_base, count: span.iov_len).copyBytes(from: piece)
                if let base = span.iov_base { written(base, piece.count) }
                rest = rest.dropFirst(piece.count)
                used += piece.count
            }
            receive.push(head: chain.head, length: UInt32(used))
        }
        return true
    }
}
