import Bytes
import Glibc
import Linux
import Testing

@testable import Migration

@Suite("a memory file as pages")
struct MemoryPagesTests {
    private static let pageSize = MigrationLimits.pageSize

    private func populated(_ pages: MemoryPages) -> PageSet {
        var set = PageSet(pageCount: pages.pageCount)
        pages.populated(into: &set)
        return set
    }

    /// A file without a name, all holes.
    private func holes(pages: Int) throws -> FileDescriptor {
        var name = Array("/tmp/netemu-pages-XXXXXX\0".utf8CString)
        let file = FileDescriptor(owning: mkstemp(&name))
        unlink(name)
        #expect(ftruncate(file.raw, off_t(pages * Self.pageSize)) == 0)
        return file
    }

    @Test("zero pages cost nothing where nothing was written, and clear what was")
    func zero() throws {
        let memory = try SharedMemory(name: "zero", size: 128 << 20)
        let pages = MemoryPages(memory)
        let content = [UInt8](repeating: 7, count: 2 * Self.pageSize)
        for round in 0..<1000 {
            let at = round * 31
            content.withUnsafeBytes { pages.write($0, at: at) }
            pages.zero(0..<at + 1)
            #expect(memory.bytes[at * Self.pageSize] == 0 && memory.bytes[(at + 1) * Self.pageSize] == 7)
            pages.zero(0..<pages.pageCount)
            #expect(memory.bytes[(at + 1) * Self.pageSize] == 0)
        }
        #expect(populated(pages).count == 2000)
    }

    @Test("memory that begins somewhere in its file counts its pages from there, and ends where it ends")
    func offset() throws {
        let file = try holes(pages: 64)
        for page in [0, 20, 60] { #expect(pwrite(file.raw, "x", 1, off_t(page * Self.pageSize)) == 1) }
        let memory = try SharedMemory(file, size: 16 * Self.pageSize, offset: 16 * Self.pageSize)
        let pages = MemoryPages(memory)
        #expect(populated(pages).contains(4))
        for page in 0..<16 where memory.bytes[page * Self.pageSize] != 0 { #expect(page == 4) }
        // A page of nothing else is left out where the file system knows holes that small.
        var whole = PageSet(pageCount: 16)
        whole.insert(0..<16)
        #expect(populated(pages) == whole || populated(pages).count == 1)
    }

    @Test("what is written to a private mapping is in no file: every page may hold data")
    func privateMapping() throws {
        let memory = try SharedMemory(try holes(pages: 16), size: 16 * Self.pageSize, isShared: false)
        memory.bytes[7 * Self.pageSize] = 1
        #expect(populated(MemoryPages(memory)).contains(7))
    }

    @Test("whoever writes anything into its log adds pages of this memory, and no others")
    func scribbledLog() throws {
        let memory = try SharedMemory(name: "scribbled", size: 100 * Self.pageSize)
        let pages = MemoryPages(memory)
        try pages.beginTracking()
        let log = try DirtyLog(pageCount: 100, isShared: true)
        pages.tracking?.add(log)
        memset(log.memory.base, 0xff, log.memory.size)
        for _ in 0..<2 {
            var dirty = PageSet(pageCount: pages.pageCount)
            pages.takeDirty(into: &dirty)
            #expect(dirty.run(from: 0, limit: .max) == 0..<100 && dirty.count == 100 && pages.isExact)
            memset(log.memory.base, 0xff, log.memory.size)
        }
        // It can neither be made shorter nor longer by whoever has its descriptor.
        #expect(ftruncate(log.memory.descriptor.raw, 0) != 0 && ftruncate(log.memory.descriptor.raw, 1 << 20) != 0)
    }
}
