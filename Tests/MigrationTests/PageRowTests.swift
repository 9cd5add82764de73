import Glibc
import Linux
import Testing

@testable import Migration

@Suite("memories one behind the other as one row of pages")
struct PageRowTests {
    private static let pageSize = MigrationLimits.pageSize

    private func memories() throws -> [SharedMemory] {
        [try SharedMemory(name: "a", size: 4 * Self.pageSize), try SharedMemory(name: "b", size: 8 * Self.pageSize)]
    }

    @Test("a write over the seam is in both, bytes end at it, zeros go over it")
    func seam() throws {
        let parts = try memories()
        let row = PageRow(parts)
        #expect(row.pageCount == 12)
        let content = [UInt8](repeating: 7, count: 3 * Self.pageSize)
        content.withUnsafeBytes { row.write($0, at: 2) }
        #expect(parts[0].bytes[2 * Self.pageSize] == 7 && parts[0].bytes[4 * Self.pageSize - 1] == 7)
        #expect(parts[1].bytes[0] == 7 && parts[1].bytes[Self.pageSize] == 0)
        #expect(row.bytes(of: 3..<9).count == Self.pageSize && row.bytes(of: 4..<9).count == 5 * Self.pageSize)
        #expect(row.bytes(of: 12..<13).isEmpty)
        var pages = PageSet(pageCount: row.pageCount)
        row.populated(into: &pages)
        #expect((2..<5).allSatisfy { pages.contains($0) })
        row.zero(3..<5)
        #expect(parts[0].bytes[3 * Self.pageSize] == 0 && parts[1].bytes[0] == 0)
        #expect(parts[0].bytes[2 * Self.pageSize] == 7)
        // Outside of the memory nothing happens.
        content.withUnsafeBytes { row.write($0, at: 12) }
        row.zero(11..<40)
    }

    @Test("memory that had something in it is all zeros before a guest comes, private memory, too")
    func clear() throws {
        for isShared in [true, false] {
            let file = try SharedMemory(name: "file", size: 16 * Self.pageSize)
            file.bytes[5 * Self.pageSize + 3] = 9
            let memory = try SharedMemory(try file.descriptor.duplicate(), size: file.size, isShared: isShared)
            PageRow([memory]).clear()
            #expect(memory.bytes.allSatisfy { $0 == 0 })
            #expect(file.bytes[5 * Self.pageSize + 3] == (isShared ? 0 : 9))
        }
    }

    @Test("a run of pages ends where its limit says, however large that is")
    func limits() {
        var pages = PageSet(pageCount: 200)
        pages.insert(10..<150)
        for (limit, end) in [(0, 11), (1, 11), (5, 15), (140, 150), (.max, 150)] {
            #expect(pages.run(from: 0, limit: limit) == 10..<end)
        }
        #expect(pages.run(from: 20, limit: .max) == 20..<150 && pages.run(from: 150, limit: .max) == nil)
    }
}
