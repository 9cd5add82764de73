// The driver's transmit queue of a network device (VIRTIO 1.3, 5.1.6.1 and 5.1.6.2): slots in guest
// RAM, lent empty to whoever has something to send, committed in batches, and lent again when the
// device gave them back, in whatever order, once each (RF-02, RF-07). A frame costs no allocation.
//
//   slot   50 unused | header 12 | frame …      so that the payload of a TCP segment over IPv4 with
//                                               timestamps begins on a cache line

import Link

/// Transmit slots in guest RAM. The memory goes back to the heap with the value: end it only when the device does not
/// touch the ring any more.
public struct NetTransmitQueue: ~Copyable {
    static let headerOffset = 50
    static let frameOffset = headerOffset + NetHeader.size

    var queue: SplitDriverQueue
    private let memory: NetQueueMemory
    /// Where the ring lies: what the device is told.
    public let addresses: RingAddresses
    private var features: UInt64
    let frameBytes: Int

    /// Slot i is descriptor i. Lent are the free ones from `head` on, up to one that is not free or the end.
    private let slots: UnsafeMutablePointer<TransmitSlot>
    var head = 0
    /// What is with the device: bytes of each slot's descriptor, 0 when the slot is free, and when it was committed.
    let sent: UnsafeMutablePointer<Sent>
    var serial: UInt32 = 0

    struct Sent {
        var length: UInt32
        var serial: UInt32
    }

    /// Frames that were not sent: longer than a slot, or of a kind the device did not agree to.
    public internal(set) var dropped: UInt64 = 0
    /// Why the ring is broken; it stays so until `restart`.
    public var fault: RingFault? { queue.fault }
    /// Entries, each with a slot.
    public var size: UInt16 { queue.size }
    /// Frames that the device has not given back.
    public var outstanding: UInt16 { queue.outstanding }
    /// Slots that can be lent, without a look at what the device gave back since.
    public var freeSlots: Int { Int(queue.freeDescriptors) }

    /// Lays out the ring and `shape.size` free slots for frames of up to `shape.bufferBytes`.
    public init(_ shape: NetQueueShape, heap: GuestHeap) throws(VirtioError) {
        try self.init(shape, heap: heap, at: nil)
    }

    /// - Parameter known: where the ring lies already, as somebody has left it.
    init(_ shape: NetQueueShape, heap: GuestHeap, at known: NetQueuePlace?) throws(VirtioError) {
        guard shape.bufferBytes >= 60, shape.bufferBytes <= 1 << 24 else {
            throw .bufferSize(shape.bufferBytes, least: 60)
        }
        let stride = (NetTransmitQueue.frameOffset + shape.bufferBytes + 63) & ~63
        let memory = try NetQueueMemory(size: shape.size, stride: stride, heap: heap, at: known)
        let addresses = RingAddresses(contiguousAt: memory.ringAddress, size: shape.size)
        let state = QueueState(
            size: shape.size, addresses: addresses, features: RingFeatures(negotiated: shape.features))
        queue = try SplitDriverQueue(fixed: state, posted: 0, memory: heap.memory, isFresh: known == nil)
        self.addresses = addresses
        features = shape.features
        frameBytes = shape.bufferBytes
        slots = .allocate(capacity: Int(shape.size))
        sent = .allocate(capacity: Int(shape.size))
        for index in 0..<Int(shape.size) {
            let frame = memory.start + index * stride + NetTransmitQueue.frameOffset
            let room = UnsafeMutableRawBufferPointer(start: frame, count: shape.bufferBytes)
            (slots + index).initialize(to: TransmitSlot(room: room))
            (sent + index).initialize(to: Sent(length: 0, serial: 0))
        }
        self.memory = memory
        if known == nil { queue.suppressCalls() }
    }

    var place: NetQueuePlace { NetQueuePlace(ring: memory.ringAddress, buffers: memory.place.address) }

    deinit {
        slots.deallocate()
        sent.deallocate()
    }

    // MARK: sending

    /// Recycles what the device has sent, lends up to `limit` free slots to `fill`, commits the first n it returns and
    /// makes them available at once. `hasMore` is true when `fill` used all it was lent: call again; when that lends
    /// nothing (`frames` 0, `freeSlots` 0), `rearm` and wait.
    public mutating func transmit(
        limit: Int = 64, _ fill: (UnsafeMutableBufferPointer<TransmitSlot>) -> Int
    ) -> NetQueueReport {
        var turn = NetQueueReport()
        collect()
        let lent = freeRun(atMost: limit)
        guard lent > 0, queue.fault == nil else { return turn }
        let filled = max(0, min(lent, fill(UnsafeMutableBufferPointer(start: slots + head, count: lent))))
        if queue.memory.isTracked { mark(head..<head + lent, filled: filled) }
        turn.frames = commit(head..<head + filled)
        head = (head + filled) & (Int(queue.size) - 1)
        turn.needsKick = queue.publish()
        turn.hasMore = filled == lent
        return turn
    }

    /// What `fill` wrote is marked, its slots' headers included, which are written next. A slot that it began and left
    /// has a length, too.
    @inline(never)
    private func mark(_ lent: Range<Int>, filled: Int) {
        for index in lent.prefix(filled + 1) {
            let length = max(0, min(slots[index].length, frameBytes))
            guard length > 0 else { continue }
            let start = memory.place.pointer(index) + NetTransmitQueue.headerOffset
            queue.memory.mark(start, count: NetHeader.size + length)
        }
        if filled < lent.count { slots[lent.lowerBound + filled].length = 0 }
    }

    /// Takes back what the device has sent; how many slots are free.
    public mutating func room() -> Int {
        collect()
        return freeSlots
    }

    /// Slots that the device is done with are free.
    private mutating func collect() {
        let sent = sent
        queue.reapFixedEach(limit: .max) { sent[Int($0.token)].length = 0 }
    }

    /// Moves `head` to the next free slot; how many are free from there on.
    private mutating func freeRun(atMost limit: Int) -> Int {
        guard queue.freeDescriptors > 0 else { return 0 }
        let (sent, size) = (sent, Int(queue.size))
        var start = head
        // One is free, so this ends.
        while sent[start].length != 0 { start = (start + 1) & (size - 1) }
        head = start
        let end = min(start + max(0, limit), size)
        if queue.outstanding == 0 { return end - start }
        var index = start
        while index < end, sent[index].length == 0 { index &+= 1 }
        return index - start
    }

    /// Sends these slots; those that are not fit stay free. Returns how many were sent.
    private mutating func commit(_ filled: Range<Int>) -> Int {
        var posting = queue.begin()
        var index = filled.lowerBound
        while index < filled.upperBound {
            index &+= commitPlain(index..<filled.upperBound, &posting)
            guard index < filled.upperBound else { break }
            commitAny(index, &posting)
            index &+= 1
        }
        queue.end(posting)
        serial &+= UInt32(truncatingIfNeeded: posting.count)
        return posting.count
    }

    /// The common case, in registers: a run of frames with which nothing is left to do. Returns its length.
    @inline(__always)
    private func commitPlain(_ filled: Range<Int>, _ posting: inout FixedPosting) -> Int {
        let first = filled.lowerBound
        let (slots, sent, stride, frameBytes) = (slots + first, sent + first, memory.place.stride, UInt(frameBytes))
        var start = memory.place.pointer(first) + NetTransmitQueue.headerOffset
        var address = memory.place.address(first) &+ UInt64(NetTransmitQueue.headerOffset)
        let firstSerial = serial &+ UInt32(truncatingIfNeeded: posting.count)
        var run = 0
        while run < filled.count {
            let slot = slots + run
            let length = slot.pointee.length
            guard UInt(bitPattern: length &- 1) < frameBytes, slot.pointee.offload.pendingChecksum == nil,
                slot.pointee.offload.segmentation == .none
            else { break }
            slot.pointee.length = 0
            NetHeader().write(to: start)
            let bytes = UInt32(truncatingIfNeeded: NetHeader.size &+ length)
            sent[run] = Sent(length: bytes, serial: firstSerial &+ UInt32(truncatingIfNeeded: run))
            posting.set(
                UInt16(truncatingIfNeeded: run), to: UInt32(truncatingIfNeeded: first &+ run), address: address,
                length: bytes, isWritable: false)
            start += stride
            address &+= UInt64(truncatingIfNeeded: stride)
            run &+= 1
        }
        posting.advance(by: UInt16(truncatingIfNeeded: run))
        return run
    }

    /// A frame of any kind, or one that is not fit.
    private mutating func commitAny(_ index: Int, _ posting: inout FixedPosting) {
        let length = slots[index].length
        slots[index].length = 0
        let start = memory.place.pointer(index) + NetTransmitQueue.headerOffset
        guard UInt(bitPattern: length &- 1) < UInt(frameBytes),
            Self.writeOffload(slots + index, length: length, features: features, to: start)
        else {
            dropped &+= 1
            return
        }
        let bytes = UInt32(truncatingIfNeeded: NetHeader.size &+ length)
        sent[index] = Sent(length: bytes, serial: serial &+ UInt32(truncatingIfNeeded: posting.count))
        let address = memory.place.address(index) &+ UInt64(NetTransmitQueue.headerOffset)
        posting.post(UInt32(truncatingIfNeeded: index), address: address, length: bytes, isWritable: false)
    }

    /// The driver may ask only for what was negotiated (VIRTIO 1.3, 5.1.6.2.1); false when it asked for more. Static:
    /// a call that borrows a value which is not copyable costs a copy of it.
    @inline(never)
    private static func writeOffload(
        _ slot: UnsafeMutablePointer<TransmitSlot>, length: Int, features: UInt64, to start: UnsafeMutableRawPointer
    ) -> Bool {
        let header = NetHeader(slot.pointee.offload)
        slot.pointee.offload = Offload()
        header.write(to: start)
        return (try? header.offload(frame: length, features: features, direction: .toDevice)) != nil
    }

    // MARK: waiting, and a new device

    /// No slot was free: wants a call when half of what is out came back. True: that is so already; transmit, do not wait.
    public mutating func rearm() -> Bool { queue.rearmCalls(after: max(1, queue.outstanding / 2)) }

    /// Calls are of no interest while slots are free.
    public mutating func suppressCalls() { queue.suppressCalls() }

    /// Takes back what a dead device sent; then where a new one may begin, or nil when only a reset helps.
    public mutating func restartBase() -> RingPosition? {
        collect()
        return queue.restartBase()
    }

    /// After a device reset: the same ring, and the frames that were not given back once more, in their order. Those the
    /// new agreement does not allow are dropped. Kick once the device is started.
    public mutating func restart(features: UInt64) {
        self.features = features
        queue.clear(features: RingFeatures(negotiated: features))
        queue.suppressCalls()
        let newest = serial
        let waiting = (0..<Int(queue.size)).filter { sent[$0].length > 0 }
            .sorted { newest &- sent[$0].serial > newest &- sent[$1].serial }
        var posting = queue.begin()
        for index in waiting {
            guard isStillAgreed(index) else {
                dropped &+= 1
                sent[index].length = 0
                continue
            }
            let address = memory.place.address(index) &+ UInt64(NetTransmitQueue.headerOffset)
            posting.post(UInt32(index), address: address, length: sent[index].length, isWritable: false)
        }
        queue.end(posting)
        queue.publishBeforeStart()
    }

    private func isStillAgreed(_ index: Int) -> Bool {
        let header = NetHeader(copying: memory.place.pointer(index) + NetTransmitQueue.headerOffset)
        let frame = Int(sent[index].length) - NetHeader.size
        return (try? header.offload(frame: frame, features: features, direction: .toDevice)) != nil
    }
}
