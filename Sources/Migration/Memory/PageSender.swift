// One round after the other: pages that are to go, into frames. Zeros and what the destination has already are left out.
// Pages are copied first, and the copy is judged: the guest may write meanwhile.

import Bytes

/// What was done to pages so far.
public struct PageCounters: Equatable, Sendable {
    /// Sent with their bytes.
    public var normal: UInt64 = 0
    /// Found to be zeros, untouched ones included.
    public var zero: UInt64 = 0
    /// Marked dirty, but with the bytes that the destination has.
    public var unchanged: UInt64 = 0
}

/// The source's half of the way of the pages.
struct PageSender {
    private let source: any PageSource
    private let digests: PageDigests
    private var todo: PageSet
    private var cursor = 0
    private(set) var counters = PageCounters()
    /// Pages of this round that were not looked at yet.
    private(set) var remaining: Int
    /// Pages that `checkMarks` found.
    private(set) var unmarked = 0

    /// Begins with all pages that may hold data.
    init(_ source: any PageSource) {
        self.source = source
        digests = PageDigests(pageCount: source.pageCount)
        todo = PageSet(pageCount: source.pageCount)
        source.populated(into: &todo)
        remaining = todo.count
        counters.zero = UInt64(source.pageCount - remaining)
    }

    /// All pages of this round are in frames.
    var isRoundOver: Bool { remaining <= 0 }

    /// Takes what became dirty; what is left of the round before stays.
    mutating func takeDirty() {
        source.takeDirty(into: &todo)
        cursor = 0
        remaining = todo.count
    }

    /// The guest stands still: pages that nobody marked are as they were sent. Those that are not go, too, and are counted.
    mutating func checkMarks() {
        var pages = PageSet(pageCount: source.pageCount)
        source.populated(into: &pages)
        var page = 0
        while let run = pages.run(from: page, limit: 1) {
            page = run.upperBound
            let bytes = source.bytes(of: run)
            guard !todo.contains(run.lowerBound), bytes.count >= MigrationLimits.pageSize,
                !digests.isSame(
                    run.lowerBound, UnsafeRawBufferPointer(rebasing: bytes[..<MigrationLimits.pageSize]))
            else { continue }
            todo.insert(run)
            unmarked += 1
        }
        remaining = todo.count
    }

    /// Puts pages into frames while there is room, at most `limit` bytes of them or else one page, and tells how many
    /// pages it looked at.
    @discardableResult
    mutating func fill(_ writer: FrameWriter, limit: Int) -> Int {
        var seen = 0
        let end = writer.appended &+ UInt64(max(0, limit))
        while writer.appended < end, writer.hasRoomForPages,
            let run = todo.run(from: cursor, limit: Self.pages(in: end &- writer.appended))
        {
            let bytes = source.bytes(of: run)
            let count = max(1, min(run.count, bytes.count / MigrationLimits.pageSize))
            let pages = run.lowerBound..<run.lowerBound + count
            if bytes.count >= count * MigrationLimits.pageSize { send(pages, bytes, writer) }
            todo.remove(pages)
            cursor = pages.upperBound
            remaining -= count
            seen += count
        }
        if todo.run(from: cursor, limit: 1) == nil { remaining = 0 }
        return seen
    }

    /// Pages of the next frame when so many bytes may go.
    private static func pages(in bytes: UInt64) -> Int {
        max(1, Int(min(bytes / UInt64(MigrationLimits.pageSize), UInt64(MigrationLimits.pagesInFrame))))
    }

    /// Pages that lie together: frames of those in a row that are news.
    private mutating func send(_ pages: Range<Int>, _ bytes: UnsafeRawBufferPointer, _ writer: FrameWriter) {
        var zeros = pages.lowerBound..<pages.lowerBound
        var isOpen = false
        for page in pages {
            let start = (page - pages.lowerBound) * MigrationLimits.pageSize
            let content = UnsafeRawBufferPointer(rebasing: bytes[start..<start + MigrationLimits.pageSize])
            if PageDigests.isZero(content) {
                counters.zero += 1
                close(&isOpen, writer)
                guard digests.update(page, to: 0) else { continue }
                if zeros.upperBound != page { flush(&zeros, writer) }
                zeros = zeros.isEmpty ? page..<page + 1 : zeros.lowerBound..<page + 1
            } else {
                flush(&zeros, writer)
                if !isOpen { writer.openPages(from: page) }
                isOpen = true
                if !keep(page, content, writer) { close(&isOpen, writer) }
            }
        }
        close(&isOpen, writer)
        flush(&zeros, writer)
    }

    /// Copies a page into the open frame; false when the destination has it.
    private mutating func keep(_ page: Int, _ content: UnsafeRawBufferPointer, _ writer: FrameWriter) -> Bool {
        let slot = writer.pageSlot
        slot.copyMemory(from: content)
        guard digests.update(page, to: PageDigests.digest(UnsafeRawBufferPointer(slot))) else {
            counters.unchanged += 1
            return false
        }
        counters.normal += 1
        writer.keepPage()
        return true
    }

    private func close(_ isOpen: inout Bool, _ writer: FrameWriter) {
        if isOpen { writer.closePages() }
        isOpen = false
    }

    private func flush(_ zeros: inout Range<Int>, _ writer: FrameWriter) {
        guard !zeros.isEmpty else { return }
        var body = StateEncoder()
        body.integer(UInt64(zeros.lowerBound))
        body.integer(UInt64(zeros.count))
        writer.append(.zeroPages, body.bytes)
        zeros = zeros.upperBound..<zeros.upperBound
    }
}
