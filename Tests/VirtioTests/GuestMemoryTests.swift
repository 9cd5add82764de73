// Guest RAM: regions, translation that cannot wrap, and the heap that lends spans of it.

import Bytes
import Linux
import Testing

@testable import Virtio

struct GuestMemoryTests {
    @Test("a plain memory is one region from 0, with synthetic user addresses")
    func plain() throws {
        let memory = try GuestMemory(size: 1 << 20)
        #expect(
            memory.regions == [
                MemoryRegion(guestPhysical: 0, size: 1 << 20, userAddress: 0x7000_0000_0000, fileOffset: 0)
            ])
        #expect(memory.userAddress(of: 0x1234) == 0x7000_0000_1234)
        #expect(memory.userAddress(of: 1 << 20) == nil)
        #expect(memory.size == 1 << 20)
    }

    @Test("a hole splits RAM into two regions of one file")
    func hole() throws {
        let memory = try GuestMemory(size: 1 << 20, holes: [0xa0000..<0xc0000])
        #expect(memory.regions.map(\.guestPhysical) == [0, 0xc0000])
        #expect(memory.regions.map(\.size) == [0xa0000, 0x40000])
        #expect(memory.regions.map(\.fileOffset) == [0, 0xc0000])
        #expect(memory.span(at: 0x9ffff, count: 1) != nil && memory.span(at: 0x9ffff, count: 2) == nil)
        #expect(memory.span(at: 0xa0000, count: 1) == nil && memory.span(at: 0xc0000, count: 0x40000) != nil)
    }

    @Test("sizes that are no positive multiple of 4096 are refused", arguments: [0, -4096, 1, 4095, 4097])
    func badSize(size: Int) {
        #expect(throws: VirtioError.memorySize(bytes: size)) { _ = try GuestMemory(size: size) }
    }

    @Test("translation refuses what is empty, outside, or wraps")
    func translation() throws {
        let memory = try GuestMemory(size: 8192)
        #expect(memory.span(at: 0, count: 8192)?.count == 8192)
        for (address, count) in [(0, 8193), (8192, 1), (8191, 2), (0, 0), (0, -1), (.max, 1), (.max - 8190, 8192)]
            as [(UInt64, Int)]
        { #expect(memory.span(at: address, count: count) == nil, "\(address) \(count)") }
        let start = try #require(memory.span(at: 4096, count: 1)?.baseAddress)
        #expect(memory.address(of: start) == 4096 && memory.address(of: start + 4095) == 8191)
        #expect(memory.address(of: start + 4096) == nil && memory.address(of: start - 4097) == nil)
    }

    @Test("RM-03, RM-04: regions that are empty, unaligned, outside the file, wrapping or overlapping are refused")
    func badRegions() throws {
        func refused(_ regions: [MemoryRegion]) throws -> VirtioError? {
            let memory = try SharedMemory(name: "test", size: 1 << 16)
            do { _ = try GuestMemory(memory, regions: regions) } catch { return error }
            return nil
        }
        func region(_ gpa: UInt64, _ size: UInt64, _ offset: UInt64, user: UInt64 = 1 << 40) -> MemoryRegion {
            MemoryRegion(guestPhysical: gpa, size: size, userAddress: user &+ gpa, fileOffset: offset)
        }
        #expect(try refused([]) == .noRegion)
        for bad in [
            region(0, 0, 0), region(1, 4096, 0), region(0, 4097, 0), region(0, 4096, 8), region(0, 4096, 1 << 16),
            region(0, 1 << 63, 0), region(~4095, 4096, 0), region(0, 8192, ~4095), region(0, 4096, 0, user: ~4095),
        ] { #expect(try refused([bad]) == .region(bad, fileSize: 1 << 16)) }
        let first = region(0, 8192, 0)
        for second in [
            region(4096, 8192, 8192), region(0, 4096, 8192), region(8192, 4096, 8192, user: (1 << 40) - 4096),
        ] {
            #expect(try refused([first, second]) == .regionsOverlap(first, second))
        }
        #expect(
            try refused([first, region(8192, 4096, 0)]) == nil, "one piece of the file at two addresses is allowed")
    }
}

struct SeveralFilesTests {
    private let files: [SharedMemory]
    private let memory: GuestMemory

    /// 64 KiB of a first file at 0, 128 KiB of a second at 1 MiB; the second's user addresses lie below the first's.
    init() throws {
        files = [try SharedMemory(name: "first", size: 1 << 16), try SharedMemory(name: "second", size: 1 << 18)]
        memory = try GuestMemory(
            files,
            regions: [
                MemoryRegion(guestPhysical: 0, size: 1 << 16, userAddress: 1 << 40, fileOffset: 0),
                MemoryRegion(
                    guestPhysical: 1 << 20, size: 1 << 17, userAddress: 1 << 39, fileOffset: 1 << 16, file: 1),
            ])
    }

    @Test("each region lies in its own file, at its own offset")
    func places() throws {
        memory.span(at: 0x100, count: 1)?.copyBytes(from: [1])
        memory.span(at: (1 << 20) + 0x100, count: 1)?.copyBytes(from: [2])
        #expect(files[0].bytes[0x100] == 1 && files[1].bytes[0x10100] == 2)
        let second: UInt64 = (1 << 20) + 0x100
        #expect(memory.address(of: files[1].base + 0x10100) == second)
        #expect(memory.address(of: files[1].base) == nil, "no region has the file's beginning")
        #expect(memory.size == 3 << 16)
        #expect(GuestHeap(memory: memory).capacity == UInt64(3 << 16) - 4096)
    }

    @Test("files in a row, of one only what is mapped of it")
    func row() throws {
        let descriptor = try SharedMemory(name: "part", size: 1 << 16).descriptor.duplicate()
        let part = try SharedMemory(descriptor, size: 1 << 14, offset: 1 << 14)
        let memory = try GuestMemory(inARow: [files[0], part])
        #expect(memory.size == 5 << 14 && memory.isShared)
        #expect(memory.regions[1].guestPhysical == 1 << 16 && memory.regions[1].fileOffset == 1 << 14)
        memory.span(at: (1 << 16) + 3, count: 1)?.copyBytes(from: [7])
        #expect(part.bytes[3] == 7)
        #expect(memory.guestAddress(ofUser: MemoryRegion.userAddressBase + (1 << 16)) == 1 << 16)
        for offset in [0, 1 << 15] as [UInt64] {
            let region = MemoryRegion(guestPhysical: 0, size: 1 << 14, userAddress: 1 << 40, fileOffset: offset)
            #expect(throws: VirtioError.region(region, fileSize: 1 << 15)) {
                _ = try GuestMemory(part, regions: [region])
            }
        }
    }

    @Test("user addresses are translated both ways, and only those that some region has")
    func userAddresses() {
        for address in [0, 0xffff, 1 << 20, (1 << 20) + 0x1ffff] as [UInt64] {
            #expect(memory.userAddress(of: address).flatMap { memory.guestAddress(ofUser: $0) } == address)
        }
        #expect(memory.guestAddress(ofUser: 1 << 39) == 1 << 20)
        for user in [0, (1 << 39) - 1, (1 << 39) + (1 << 17), (1 << 40) + (1 << 16), .max] as [UInt64] {
            #expect(memory.guestAddress(ofUser: user) == nil)
        }
    }

    @Test("a region of a file that is not there, or not long enough, is refused")
    func refused() {
        for (file, size) in [(2, 0), (-1, 0), (0, UInt64(1 << 16))] {
            let region = MemoryRegion(
                guestPhysical: 0, size: 1 << 17, userAddress: 1 << 40, fileOffset: 0, file: file)
            #expect(throws: VirtioError.region(region, fileSize: size)) {
                _ = try GuestMemory(files, regions: [region])
            }
        }
    }
}

struct GuestHeapTests {
    private func heap(pages: Int = 64) throws -> GuestHeap {
        GuestHeap(memory: try GuestMemory(size: pages * 4096))
    }

    @Test("spans are in RAM, aligned, apart from each other, and never at address 0")
    func spans() throws {
        let heap = try heap()
        var taken: [Range<UInt64>] = []
        for bytes in [1, 64, 65, 2048, 2049, 4096, 4097, 10000, 64, 1, 128] {
            let span = try #require(heap.allocate(bytes))
            let start = try #require(span.baseAddress.flatMap { heap.memory.address(of: $0) })
            #expect(span.count == bytes && start >= 4096)
            #expect(start % (bytes > 2048 ? 4096 : 64) == 0)
            let range = start..<start + UInt64(bytes)
            #expect(!taken.contains { $0.overlaps(range) })
            taken.append(range)
        }
        #expect(heap.bytesInUse == taken.reduce(0) { $0 + UInt64($1.count) })
    }

    @Test("a span given back twice, of another length, or never lent is recognised")
    func doubleFree() throws {
        let heap = try heap()
        for bytes in [100, 5000] {
            let span = try #require(heap.allocate(bytes))
            let address = try #require(span.baseAddress.flatMap { heap.memory.address(of: $0) })
            let part = UnsafeMutableRawBufferPointer(rebasing: span[..<64])
            #expect(throws: GuestHeapError.notLent(address: address, bytes: 64)) { try heap.free(part) }
            try heap.free(span)
            #expect(throws: GuestHeapError.notLent(address: address, bytes: bytes)) { try heap.free(span) }
        }
        let foreign = UnsafeMutableRawBufferPointer.allocate(byteCount: 64, alignment: 64)
        defer { foreign.deallocate() }
        #expect(throws: GuestHeapError.notLent(address: 0, bytes: 64)) { try heap.free(foreign) }
        #expect(heap.bytesInUse == 0)
    }

    @Test("exhaustion is an answer, and everything given back can be lent again in one piece")
    func exhaustion() throws {
        let heap = try heap(pages: 9)
        #expect(heap.capacity == 8 * 4096)
        #expect(heap.allocate(8 * 4096 + 1) == nil && heap.allocate(0) == nil && heap.allocate(-1) == nil)
        #expect(heap.allocate(.max) == nil)
        var spans: [UnsafeMutableRawBufferPointer] = []
        while let span = heap.allocate(4096) { spans.append(span) }
        #expect(spans.count == 8 && heap.allocate(1) == nil)
        for index in [3, 0, 7, 1, 2, 6, 5, 4] { try heap.free(spans[index]) }
        #expect(heap.allocate(8 * 4096) != nil)
    }

    @Test("random lending and giving back never overlaps and leaks nothing")
    func random() throws {
        let heap = try heap(pages: 200)
        var random = SeededGenerator(seed: 7)
        var lent: [(span: UnsafeMutableRawBufferPointer, mark: UInt8)] = []
        for round in 0..<3000 {
            if Bool.random(using: &random), let span = heap.allocate(sizes.randomElement(using: &random) ?? 1) {
                let mark = UInt8(truncatingIfNeeded: round)
                span.initializeMemory(as: UInt8.self, repeating: mark)
                lent.append((span, mark))
            } else if !lent.isEmpty {
                let (span, mark) = lent.remove(at: .random(in: 0..<lent.count, using: &random))
                #expect(span.first == mark && span.last == mark)
                try heap.free(span)
            }
        }
        for (span, _) in lent { try heap.free(span) }
        #expect(heap.bytesInUse == 0 && heap.allocate(199 * 4096) != nil)
    }

    private var sizes: [Int] { [1, 64, 100, 500, 1500, 2048, 2049, 4096, 9000, 65536] }

    @Test("no span crosses the border of two regions that touch")
    func borders() throws {
        let file = try SharedMemory(name: "test", size: 16 * 4096)
        let regions = [MemoryRegion.identity(from: 0, to: 8 * 4096), .identity(from: 8 * 4096, to: 16 * 4096)]
        let heap = GuestHeap(memory: try GuestMemory(file, regions: regions))
        let first = try #require(heap.allocate(7 * 4096))
        let second = try #require(heap.allocate(8 * 4096))
        try heap.free(first)
        try heap.free(second)
        #expect(heap.allocate(9 * 4096) == nil && heap.allocate(8 * 4096) != nil)
    }
}
