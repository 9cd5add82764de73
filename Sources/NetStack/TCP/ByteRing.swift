// A ring over a lent span: the bytes of a socket buffer. Reading and writing happen at offsets from
// its first byte, so that both the send buffer (unacknowledged bytes first) and the receive buffer
// (out-of-order bytes behind the readable ones) are this one type. It is plain data.

/// Bytes in a lent span, possibly wrapped around its end.
struct ByteRing {
    private var base: UnsafeMutableRawPointer?
    private(set) var capacity = 0
    /// Position of the first byte in the span; below `capacity` unless that is 0.
    private(set) var head = 0
    /// Bytes that count as there, from the first on.
    private(set) var count = 0
    /// How often the first byte has passed the end of the span.
    private var laps = 0

    init() {}

    var free: Int { capacity &- count }
    var isAttached: Bool { base != nil }

    /// Takes a span; the ring must have none.
    mutating func attach(_ span: UnsafeMutableRawBufferPointer) {
        base = span.baseAddress
        capacity = base == nil ? 0 : span.count
        head = 0
        count = 0
        laps = 0
    }

    /// Takes a span in which `count` bytes lie from `head` on; both must fit it.
    mutating func attach(_ span: UnsafeMutableRawBufferPointer, head: Int, count: Int) {
        attach(span)
        self.head = min(max(0, head), max(0, capacity &- 1))
        self.count = min(max(0, count), capacity)
    }

    /// The span, whole.
    var span: UnsafeMutableRawBufferPointer? {
        base.map { UnsafeMutableRawBufferPointer(start: $0, count: capacity) }
    }

    /// A copy of the first `extent` bytes, also of those behind the last one that counts.
    func bytes(_ extent: Int) -> [UInt8] {
        let (first, second) = pieces(at: 0, count: extent)
        return Array(first) + Array(second)
    }

    /// Fills an empty ring; `count` of the bytes count as there.
    mutating func put(_ bytes: [UInt8], counting count: Int) {
        bytes.withUnsafeBytes { bytes in
            let (room, _) = pieces(at: 0, count: bytes.count)
            if room.count == bytes.count { room.copyMemory(from: bytes) }
        }
        extend(count)
    }

    /// Gives up the span and everything in it.
    mutating func detach() -> UnsafeMutableRawBufferPointer? {
        guard let base else { return nil }
        let span = UnsafeMutableRawBufferPointer(start: base, count: capacity)
        self = ByteRing()
        return span
    }

    /// Moves to a larger span, keeping the first `extent` bytes (at least `count`); returns the old span.
    mutating func move(to span: UnsafeMutableRawBufferPointer, extent: Int) -> UnsafeMutableRawBufferPointer? {
        let (first, second) = pieces(at: 0, count: min(extent, span.count))
        copy(first, to: span, at: 0)
        copy(second, to: span, at: first.count)
        let kept = count
        let old = detach()
        attach(span)
        count = min(kept, capacity)
        return old
    }

    private func copy(_ piece: UnsafeMutableRawBufferPointer, to span: UnsafeMutableRawBufferPointer, at offset: Int) {
        guard let from = piece.baseAddress, let to = span.baseAddress, piece.count <= span.count &- offset else {
            return
        }
        (to + offset).copyMemory(from: from, byteCount: piece.count)
    }

    /// `count` bytes from `offset` on, in one or two pieces; cut to what the span holds.
    @inline(__always) func pieces(
        at offset: Int, count wanted: Int
    ) -> (UnsafeMutableRawBufferPointer, UnsafeMutableRawBufferPointer) {
        let none = UnsafeMutableRawBufferPointer(start: nil, count: 0)
        guard let base, offset >= 0, offset < capacity, wanted > 0 else { return (none, none) }
        let length = min(wanted, capacity &- offset)
        var start = head &+ offset
        if start >= capacity { start &-= capacity }
        let first = min(length, capacity &- start)
        let front = UnsafeMutableRawBufferPointer(start: base + start, count: first)
        if first == length { return (front, none) }
        return (front, UnsafeMutableRawBufferPointer(start: base, count: length &- first))
    }

    /// Forgets the first `n` bytes.
    mutating func drop(_ n: Int) {
        let n = min(max(0, n), count)
        count &-= n
        head &+= n
        if head >= capacity {
            head &-= capacity
            laps &+= 1
        }
        // An empty ring of sent data starts over, so that the next spans are long.
        if capacity == 0 { head = 0 }
    }

    /// How many bytes have been written in order since the span was attached; where the next one goes, modulo capacity.
    var position: Int { laps &* capacity &+ head &+ count }

    /// The parts of the span with the bytes from one position to a later one.
    func written(from start: Int, to end: Int) -> [UnsafeMutableRawBufferPointer] {
        guard let span, capacity > 0, end > start else { return [] }
        guard end &- start < capacity, start >= 0 else { return [span] }
        let (low, high) = (start % capacity, end % capacity)
        let parts = low < high ? [low..<high] : [low..<capacity, 0..<high]
        return parts.filter { !$0.isEmpty }.map { UnsafeMutableRawBufferPointer(rebasing: span[$0]) }
    }

    /// Lets `n` more bytes, already written behind the last, count as there.
    mutating func extend(_ n: Int) { count = min(capacity, count &+ max(0, n)) }

    /// The first contiguous bytes.
    var firstSpan: UnsafeMutableRawBufferPointer { pieces(at: 0, count: count).0 }
    /// The first contiguous room behind the last byte.
    var freeSpan: UnsafeMutableRawBufferPointer { pieces(at: count, count: free).0 }

    /// Copies in what fits; returns how many bytes that was.
    mutating func append(_ bytes: UnsafeRawBufferPointer) -> Int {
        let (first, second) = pieces(at: count, count: min(free, bytes.count))
        guard let from = bytes.baseAddress, let to = first.baseAddress else { return 0 }
        to.copyMemory(from: from, byteCount: first.count)
        second.baseAddress?.copyMemory(from: from + first.count, byteCount: second.count)
        count &+= first.count &+ second.count
        return first.count &+ second.count
    }

    /// Copies out and drops up to `room.count` of the first bytes.
    mutating func take(into room: UnsafeMutableRawBufferPointer) -> Int {
        let (first, second) = pieces(at: 0, count: min(count, room.count))
        guard let to = room.baseAddress, let from = first.baseAddress else { return 0 }
        to.copyMemory(from: from, byteCount: first.count)
        if let rest = second.baseAddress { (to + first.count).copyMemory(from: rest, byteCount: second.count) }
        drop(first.count &+ second.count)
        return first.count &+ second.count
    }
}
