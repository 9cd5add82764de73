// Which bytes behind RCV.NXT are already in the receive buffer (RFC 9293, 3.10.7.4, "segments with
// higher beginning sequence numbers SHOULD be held"). Bounded: a peer cannot make it grow.

import Bytes

/// Half-open ranges of sequence numbers, ascending, never touching each other.
struct ReorderList {
    struct Range {
        var start: SequenceNumber
        var end: SequenceNumber
    }

    static let limit = 16
    private var ranges: InlineArray<16, Range> = InlineArray(
        repeating: Range(start: SequenceNumber(0), end: SequenceNumber(0)))
    private(set) var count = 0

    init() {}

    var isEmpty: Bool { count == 0 }
    /// Where the last range ends.
    var end: SequenceNumber? { count == 0 ? nil : ranges[count &- 1].end }

    subscript(index: Int) -> Range? { index >= 0 && index < count ? ranges[index] : nil }

    /// Whether `start..<end` would need a range of its own although all are taken.
    func hasRoom(for start: SequenceNumber, _ end: SequenceNumber) -> Bool {
        if count < Self.limit { return true }
        for i in 0..<count where start <= ranges[i].end && end >= ranges[i].start { return true }
        return false
    }

    /// Adds `start..<end`, merging what it overlaps or touches. False: no room, nothing changed.
    mutating func insert(_ start: SequenceNumber, _ end: SequenceNumber) -> Bool {
        guard hasRoom(for: start, end) else { return false }
        var merged = Range(start: start, end: end)
        var first = 0
        while first < count, ranges[first].end < start { first &+= 1 }
        var last = first
        while last < count, ranges[last].start <= end {
            if ranges[last].start < merged.start { merged.start = ranges[last].start }
            if ranges[last].end > merged.end { merged.end = ranges[last].end }
            last &+= 1
        }
        replace(first, last, with: merged)
        return true
    }

    /// Puts one range where `first..<last` were.
    private mutating func replace(_ first: Int, _ last: Int, with range: Range) {
        if last == first {
            var i = count
            while i > first {
                ranges[i] = ranges[i &- 1]
                i &-= 1
            }
            count &+= 1
        } else if last > first &+ 1 {
            let gap = last &- first &- 1
            for i in last..<count { ranges[i &- gap] = ranges[i] }
            count &-= gap
        }
        ranges[first] = range
    }

    /// How far the bytes reach now that everything before `next` is there; forgets what that covers.
    mutating func advance(to next: SequenceNumber) -> SequenceNumber {
        var next = next
        var used = 0
        while used < count, ranges[used].start <= next {
            next = SequenceNumber.latest(next, ranges[used].end)
            used &+= 1
        }
        if used > 0 {
            for i in used..<count { ranges[i &- used] = ranges[i] }
            count &-= used
        }
        return next
    }

    mutating func removeAll() { count = 0 }
}

extension ReorderList {
    /// - Parameters:
    ///   - next: RCV.NXT: every range lies behind it.
    ///   - room: bytes from there that can be stored.
    mutating func code(
        _ coder: inout StateCoder, behind next: SequenceNumber, room: Int
    ) throws(StateError) {
        try coder.count(&count, in: 0...Self.limit, "ranges ahead")
        var last = next
        for index in 0..<count {
            try ranges[index].start.code(&coder)
            try ranges[index].end.code(&coder)
            let range = ranges[index]
            try coder.require(range.start > last && range.end > range.start && range.end - next <= room, "ranges ahead")
            last = range.end
        }
    }
}
