// Memory of a guest in a test.

import Bytes
import Glibc
import Migration

/// Pages in an array, as a source and as a sink.
final class TestMemory: PageSource, PageSink {
    let start: UnsafeMutableRawPointer
    let room: UnsafeMutableRawBufferPointer
    let pageCount: Int
    var dirty: PageSet
    /// Called when the dirty set is taken, with how often that was done: a guest that writes meanwhile.
    var onTake: ((TestMemory, Int) -> Void)?
    private(set) var takes = 0
    /// Pages lie together in runs of at most so many.
    var piece = Int.max
    private(set) var pagesWritten = 0

    init(pages: Int) {
        pageCount = pages
        start = .allocate(byteCount: pages * 4096, alignment: 4096)
        room = UnsafeMutableRawBufferPointer(start: start, count: pages * 4096)
        room.initializeMemory(as: UInt8.self, repeating: 0)
        dirty = PageSet(pageCount: pages)
    }

    deinit { start.deallocate() }

    /// A write by the guest, marked.
    func set(_ page: Int, _ value: UInt8, at offset: Int = 0) {
        room[page * 4096 + offset] = value
        dirty.insert(page..<page + 1)
    }

    func fill(_ pages: Range<Int>, seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        for word in pages.lowerBound * 512..<pages.upperBound * 512 {
            room.storeBytes(of: generator.next(), toByteOffset: word * 8, as: UInt64.self)
        }
    }

    func populated(into pages: inout PageSet) {
        let zeros = [UInt8](repeating: 0, count: 4096)
        for page in 0..<pageCount where memcmp(start + page * 4096, zeros, 4096) != 0 {
            pages.insert(page..<page + 1)
        }
    }

    func takeDirty(into pages: inout PageSet) {
        takes += 1
        onTake?(self, takes)
        pages.takeAll(of: &dirty)
    }

    func bytes(of pages: Range<Int>) -> UnsafeRawBufferPointer {
        let count = min(pages.count, piece)
        return UnsafeRawBufferPointer(
            rebasing: room[pages.lowerBound * 4096..<(pages.lowerBound + count) * 4096])
    }

    func write(_ bytes: UnsafeRawBufferPointer, at page: Int) {
        pagesWritten += bytes.count / 4096
        UnsafeMutableRawBufferPointer(rebasing: room[(page * 4096)...]).copyMemory(from: bytes)
    }

    func zero(_ pages: Range<Int>) {
        memset(start + pages.lowerBound * 4096, 0, pages.count * 4096)
    }

    func equals(_ other: TestMemory) -> Bool {
        pageCount == other.pageCount && memcmp(start, other.start, room.count) == 0
    }
}
