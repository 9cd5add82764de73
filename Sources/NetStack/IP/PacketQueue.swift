// A bounded first-in first-out queue of packets in one span of memory: an interface's output, a UDP
// socket's input. The records lie in private memory, so a span in guest RAM may change under us and
// still nobody reads past it. No allocation per packet.

/// What is remembered of a queued packet beside its bytes.
struct PacketRecord {
    var offset: Int
    var length: Int
    var source = Endpoint(.any, 0)
    var destination = Endpoint(.any, 0)
}

/// Packets in a ring; each one lies in one piece. The owner of the span frees it.
struct PacketQueue: ~Copyable {
    let span: UnsafeMutableRawBufferPointer
    private var records: [PacketRecord]
    private var first = 0
    private(set) var count = 0
    /// Where the next packet would begin.
    private var end = 0
    /// What was written since `takeWritten`: from the lowest to the highest byte.
    private var (lowest, highest) = (Int.max, 0)

    /// - Parameter limit: most packets at a time.
    init(span: UnsafeMutableRawBufferPointer, limit: Int) {
        self.span = span
        records = Array(repeating: PacketRecord(offset: 0, length: 0), count: max(1, limit))
    }

    var isEmpty: Bool { count == 0 }
    /// Most packets at a time.
    var limit: Int { records.count }

    /// The packet that is `index` places behind the oldest one, of those that wait.
    func record(_ index: Int) -> PacketRecord { records[(first + index) % records.count] }

    /// Takes up a packet that lies in the span already; there is a place for it.
    mutating func restore(_ record: PacketRecord) {
        guard count < records.count else { return }
        records[(first + count) % records.count] = record
        end = record.offset + max(1, record.length)
        count += 1
    }

    /// Room for a packet of `length` bytes behind the last one; nothing is queued until `commit`.
    mutating func reserve(_ length: Int) -> UnsafeMutableRawBufferPointer? {
        guard count < records.count, length >= 0, let offset = place(for: max(1, length)) else { return nil }
        end = offset
        (lowest, highest) = (min(lowest, offset), max(highest, offset + length))
        return UnsafeMutableRawBufferPointer(rebasing: span[offset..<offset + length])
    }

    /// Queues the first `length` bytes of the room reserved last.
    mutating func commit(
        _ length: Int, from source: Endpoint = Endpoint(.any, 0), to destination: Endpoint = Endpoint(.any, 0)
    ) {
        guard count < records.count, length >= 0, length <= span.count - end else { return }
        var index = first + count
        if index >= records.count { index -= records.count }
        records[index] = PacketRecord(offset: end, length: length, source: source, destination: destination)
        end += max(1, length)
        count += 1
    }

    /// Packets are kept whole: what does not fit before the end of the span starts again at 0. Every
    /// packet takes at least one byte, so `end == oldest` always means full.
    private func place(for length: Int) -> Int? {
        guard count > 0 else { return length <= span.count ? 0 : nil }
        let oldest = records[first].offset
        if end > oldest {
            if length <= span.count - end { return end }
            return length < oldest ? 0 : nil
        }
        return length <= oldest - end ? end : nil
    }

    /// The oldest packet.
    var front: (record: PacketRecord, bytes: UnsafeRawBufferPointer)? {
        guard count > 0 else { return nil }
        let record = records[first]
        return (record, UnsafeRawBufferPointer(rebasing: span[record.offset..<record.offset + record.length]))
    }

    mutating func removeFirst() {
        guard count > 0 else { return }
        first += 1
        if first == records.count { first = 0 }
        count -= 1
        if count == 0 { end = 0 }
    }

    /// The part of the span in which something was written since the last call.
    mutating func takeWritten() -> UnsafeMutableRawBufferPointer {
        let part = lowest < highest ? lowest..<highest : 0..<0
        (lowest, highest) = (.max, 0)
        return UnsafeMutableRawBufferPointer(rebasing: span[part])
    }

    mutating func removeAll() {
        count = 0
        end = 0
    }
}
