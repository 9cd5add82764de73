// A memory file as pages: both doors to guest memory that lies in one piece, and the marks of who writes it.
// Which pages were written is a DirtyLog's to know.

import Glibc
import Linux

/// The pages of one memory file, with a dirty log for those who write it in this process.
public final class MemoryPages: PageSource, PageSink {
    private static let pageSize = MigrationLimits.pageSize
    // lseek(2); Glibc has them for _GNU_SOURCE only.
    private static let seekData: CInt = 3
    private static let seekHole: CInt = 4
    private let memory: SharedMemory
    /// Whole pages of the file.
    public let pageCount: Int
    /// What `write` left here, and blocks of `blockSize` pages with such pages: what `zero` has to look at.
    private var written: PageSet
    private var writtenBlocks: PageSet
    private static let blockSize = 4096
    /// Who writes the file, page 0 being its first; nil: nobody marks, and every page that holds data counts as written.
    /// Nothing is lost then, each is compared with what was sent.
    public var tracking: WriteTracking?

    /// The whole file; a rest that is no whole page is left out.
    public init(_ memory: SharedMemory) {
        self.memory = memory
        pageCount = memory.size / Self.pageSize
        written = PageSet(pageCount: pageCount)
        writtenBlocks = PageSet(pageCount: (pageCount + Self.blockSize - 1) / Self.blockSize)
    }

    /// While all writers mark.
    public var isExact: Bool { tracking?.isExact ?? false }

    /// Whoever writes the file from now on marks it here.
    public func beginTracking() throws(SystemError) { tracking = try WriteTracking(pageCount: pageCount) }

    /// `count` bytes from `offset` on were written. What lies outside of the memory is left out.
    public func mark(offset: Int, count: Int) {
        guard let tracking, offset >= 0 else { return }
        tracking.own.marks.mark(UInt64(offset), count: count)
    }

    /// Holes of the file are left out (lseek(2), SEEK_DATA): a page that nobody ever touched costs nothing. What was
    /// written to a private mapping is not in the file: all of its pages count.
    public func populated(into pages: inout PageSet) {
        guard memory.isShared else { return pages.insert(0..<pageCount) }
        let (fd, start, limit) = (memory.descriptor.raw, memory.offset, memory.offset + memory.size)
        var at = lseek(fd, start, Self.seekData)
        while at >= start, at < limit {
            let end = min(lseek(fd, at, Self.seekHole), limit)
            guard end > at else { return pages.insert(0..<pageCount) }
            pages.insert((at - start) / Self.pageSize..<(end - start + Self.pageSize - 1) / Self.pageSize)
            at = lseek(fd, end, Self.seekData)
        }
        // ENXIO: no data behind the last hole. Whoever knows no holes has data everywhere.
        if at < 0, errno != ENXIO { pages.insert(0..<pageCount) }
    }

    /// What was marked since the last call; all that holds data while not everybody marks.
    public func takeDirty(into pages: inout PageSet) {
        guard let tracking, tracking.isExact else { return populated(into: &pages) }
        tracking.take { pages.insert(word: $1, at: $0) }
    }

    /// All of `pages`, in the mapping.
    public func bytes(of pages: Range<Int>) -> UnsafeRawBufferPointer {
        let pages = pages.clamped(to: 0..<pageCount)
        return UnsafeRawBufferPointer(
            rebasing: memory.bytes[pages.lowerBound * Self.pageSize..<pages.upperBound * Self.pageSize])
    }

    /// Copies into the mapping.
    public func write(_ bytes: UnsafeRawBufferPointer, at page: Int) {
        guard page >= 0, page < pageCount, bytes.count <= memory.size - page * Self.pageSize else { return }
        UnsafeMutableRawBufferPointer(rebasing: memory.bytes[(page * Self.pageSize)...]).copyMemory(from: bytes)
        let end = page + (bytes.count + Self.pageSize - 1) / Self.pageSize
        guard end > page else { return }
        written.insert(page..<end)
        writtenBlocks.insert(page / Self.blockSize..<(end - 1) / Self.blockSize + 1)
    }

    /// Clears in the mapping what `write` wrote. All other pages are zeros from the beginning, and are not touched: the
    /// few bytes that name a run of them cost as little here.
    public func zero(_ pages: Range<Int>) {
        let pages = pages.clamped(to: 0..<pageCount)
        var block = pages.lowerBound / Self.blockSize
        let end = (pages.upperBound + Self.blockSize - 1) / Self.blockSize
        while let next = writtenBlocks.run(in: block..<max(block, end))?.lowerBound {
            let all = next * Self.blockSize..<(next + 1) * Self.blockSize
            clear(all.clamped(to: pages))
            if written.run(in: all) == nil { writtenBlocks.remove(next..<next + 1) }
            block = next + 1
        }
    }

    /// All pages are zeros, whatever was there; those that hold zeros already are only read.
    public func clear() {
        var pages = PageSet(pageCount: pageCount)
        populated(into: &pages)
        var at = 0
        while let run = pages.run(from: at, limit: 1) {
            let page = memory.base + run.lowerBound * Self.pageSize
            if !PageDigests.isZero(UnsafeRawBufferPointer(start: page, count: Self.pageSize)) {
                memset(page, 0, Self.pageSize)
            }
            at = run.upperBound
        }
    }

    /// Pages of one block.
    private func clear(_ pages: Range<Int>) {
        var at = pages.lowerBound
        while let run = written.run(in: at..<pages.upperBound) {
            memset(memory.base + run.lowerBound * Self.pageSize, 0, run.count * Self.pageSize)
            written.remove(run)
            at = run.upperBound
        }
    }
}
