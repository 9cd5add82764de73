// Pages by number, a bit each, as dirty logs have them.

/// A set of pages of a memory of fixed size.
public struct PageSet: Equatable, Sendable {
    /// Pages that the memory has.
    public let pageCount: Int
    private var words: [UInt64]

    /// No page of `pageCount`.
    public init(pageCount: Int) {
        self.pageCount = max(0, pageCount)
        words = [UInt64](repeating: 0, count: (self.pageCount + 63) / 64)
    }

    /// How many pages are in it; looks at every word.
    public var count: Int { words.reduce(0) { $0 + $1.nonzeroBitCount } }

    /// Whether a page is in it.
    public func contains(_ page: Int) -> Bool {
        page >= 0 && page < pageCount && words[page >> 6] >> UInt64(page & 63) & 1 == 1
    }

    /// Adds the pages of a run; what lies outside of the memory is left out.
    public mutating func insert(_ pages: Range<Int>) { change(pages) { $0 |= $1 } }

    /// Takes the pages of a run out.
    public mutating func remove(_ pages: Range<Int>) { change(pages) { $0 &= ~$1 } }

    /// Adds 64 pages from `64 * index` on, the lowest bit first: a word of a dirty log. Bits behind the end are left out.
    public mutating func insert(word: UInt64, at index: Int) {
        guard index >= 0, index < words.count else { return }
        let inside = index == words.count - 1 && pageCount & 63 != 0 ? (1 << UInt64(pageCount & 63)) &- 1 : UInt64.max
        words[index] |= word & inside
    }

    /// Adds all of another set of a memory of the same size, and empties that.
    public mutating func takeAll(of other: inout PageSet) {
        for index in 0..<min(words.count, other.words.count) where other.words[index] != 0 {
            insert(word: other.words[index], at: index)
            other.words[index] = 0
        }
    }

    /// The next pages in a row at or after `start`, at most `limit`; nil when there are none.
    public func run(from start: Int, limit: Int) -> Range<Int>? {
        guard start < pageCount, let found = run(in: start..<pageCount) else { return nil }
        return found.prefix(max(1, limit))
    }

    /// The first pages in a row within `pages`, behind which nobody looks; nil when there are none.
    public func run(in pages: Range<Int>) -> Range<Int>? {
        let limit = min(pages.upperBound, pageCount)
        guard let first = next(from: pages.lowerBound, before: limit, isIn: true) else { return nil }
        return first..<(next(from: first, before: limit, isIn: false) ?? limit)
    }

    /// The first page at or after `start` that is in the set, or is not.
    private func next(from start: Int, before limit: Int, isIn: Bool) -> Int? {
        guard start >= 0, start < limit else { return nil }
        let end = (limit + 63) >> 6
        var index = start >> 6
        var word = (isIn ? words[index] : ~words[index]) & (UInt64.max << UInt64(start & 63))
        while word == 0 {
            index += 1
            guard index < end else { return nil }
            word = isIn ? words[index] : ~words[index]
        }
        let page = index << 6 + word.trailingZeroBitCount
        return page < limit ? page : nil
    }

    private mutating func change(_ pages: Range<Int>, _ body: (inout UInt64, UInt64) -> Void) {
        var page = max(0, pages.lowerBound)
        let end = min(pages.upperBound, pageCount)
        while page < end {
            let last = min(end, (page | 63) + 1)
            let bits = (UInt64.max >> UInt64(64 - (last - page))) << UInt64(page & 63)
            body(&words[page >> 6], bits)
            page = last
        }
    }
}
