// Memories one behind the other as one row of pages: guest memory that lies in several files.

import Linux

/// Memories as one, in their order.
public final class PageRow: PageSource, PageSink {
    private let parts: [(first: Int, pages: MemoryPages)]
    /// Pages of all of them.
    public let pageCount: Int
    private let tracking: WriteTracking?

    /// - Parameters:
    ///   - memories: each is mapped for as long as the row is used.
    ///   - tracking: who writes them, by the pages of the row; nil: nobody marks.
    public init(_ memories: [SharedMemory], tracking: WriteTracking? = nil) {
        self.tracking = tracking
        var (parts, count): ([(Int, MemoryPages)], Int) = ([], 0)
        for memory in memories {
            let pages = MemoryPages(memory)
            parts.append((count, pages))
            count += pages.pageCount
        }
        (self.parts, pageCount) = (parts, count)
    }

    /// While all writers mark.
    public var isExact: Bool { tracking?.isExact ?? false }

    /// What was marked since the last call; all that holds data while not everybody marks.
    public func takeDirty(into pages: inout PageSet) {
        guard let tracking, tracking.isExact else { return populated(into: &pages) }
        tracking.take { pages.insert(word: $1, at: $0) }
    }

    /// Pages that may hold something else than zeros.
    public func populated(into pages: inout PageSet) {
        for (first, part) in parts {
            var own = PageSet(pageCount: part.pageCount)
            part.populated(into: &own)
            var at = 0
            while let run = own.run(from: at, limit: .max) {
                pages.insert(first + run.lowerBound..<first + run.upperBound)
                at = run.upperBound
            }
        }
    }

    /// The bytes of the first of `pages`, and of those behind it that lie in the same memory.
    public func bytes(of pages: Range<Int>) -> UnsafeRawBufferPointer {
        guard let (first, part) = part(of: pages.lowerBound) else {
            return UnsafeRawBufferPointer(start: nil, count: 0)
        }
        return part.bytes(of: pages.lowerBound - first..<pages.upperBound - first)
    }

    /// Copies into the mappings.
    public func write(_ bytes: UnsafeRawBufferPointer, at page: Int) {
        var (rest, page) = (bytes, page)
        while !rest.isEmpty, let (first, part) = part(of: page) {
            let room = (first + part.pageCount - page) * MigrationLimits.pageSize
            part.write(UnsafeRawBufferPointer(rebasing: rest.prefix(room)), at: page - first)
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(room))
            page = first + part.pageCount
        }
    }

    /// These pages are zeros again.
    public func zero(_ pages: Range<Int>) {
        for (first, part) in parts {
            let own = pages.clamped(to: first..<first + part.pageCount)
            if !own.isEmpty { part.zero(own.lowerBound - first..<own.upperBound - first) }
        }
    }

    /// All pages are zeros, whatever was there: for memory that comes from a file, before a guest does.
    public func clear() { for (_, part) in parts { part.clear() } }

    private func part(of page: Int) -> (first: Int, pages: MemoryPages)? {
        parts.last { $0.first <= page && page < $0.first + $0.pages.pageCount }
    }
}
