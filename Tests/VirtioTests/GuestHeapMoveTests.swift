// Spans that are claimed again on the other side of a move: the same ones, and nothing else.

import Bytes
import Testing

@testable import Virtio

struct GuestHeapMoveTests {
    private static let sizes = [1, 64, 100, 500, 1500, 2048, 2049, 4096, 9000, 65536]

    private func address(_ span: UnsafeMutableRawBufferPointer, _ heap: GuestHeap) throws -> UInt64 {
        try #require(heap.address(ofLent: span))
    }

    @Test(
        "what any history has lent is claimed in any order, and the heap goes on as if it had lent it",
        arguments: 0..<20)
    func history(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let source = GuestHeap(memory: try GuestMemory(size: 200 * 4096))
        var lent: [UnsafeMutableRawBufferPointer] = []
        for _ in 0..<400 {
            if Int.random(in: 0..<5, using: &random) > 1 {
                if let span = source.allocate(Self.sizes.randomElement(using: &random) ?? 1) { lent.append(span) }
            } else if !lent.isEmpty {
                try source.free(lent.remove(at: .random(in: 0..<lent.count, using: &random)))
            }
        }
        let names = try lent.map { (address: try address($0, source), bytes: $0.count) }
        let heap = GuestHeap(memory: try GuestMemory(size: 200 * 4096))
        var claimed: [UnsafeMutableRawBufferPointer] = []
        for name in names.shuffled(using: &random) {
            let span = try heap.claim(name.bytes, at: name.address)
            #expect(try span.count == name.bytes && address(span, heap) == name.address)
            claimed.append(span)
        }
        #expect(heap.bytesInUse == source.bytesInUse)
        // Both have the same room left: nothing that is lent later meets a claimed span.
        var taken = names.map { $0.address..<$0.address + UInt64($0.bytes) }
        while let span = heap.allocate(Self.sizes.randomElement(using: &random) ?? 1) {
            let start = try address(span, heap)
            let range = start..<start + UInt64(span.count)
            #expect(!taken.contains { $0.overlaps(range) })
            taken.append(range)
            claimed.append(span)
        }
        for span in claimed.shuffled(using: &random) { try heap.free(span) }
        #expect(heap.bytesInUse == 0 && heap.allocate(199 * 4096) != nil)
    }

    @Test("overlapping, misaligned, outside, empty: nothing is claimed that could not have been lent")
    func refused() throws {
        let heap = GuestHeap(memory: try GuestMemory(size: 64 * 4096))
        _ = try heap.claim(10000, at: 8 * 4096)
        _ = try heap.claim(100, at: 20 * 4096 + 128)
        let before = heap.bytesInUse
        let wrong: [(Int, UInt64)] = [
            (10000, 8 * 4096), (4096, 9 * 4096), (4097, 10 * 4096), (64, 8 * 4096), (5000, 7 * 4096),  // overlapping
            (100, 20 * 4096 + 128), (64, 20 * 4096), (4096, 20 * 4096),  // the cell, its slab in other cells, its page
            (4096, 30 * 4096 + 64), (2048, 31 * 4096 + 64), (100, 20 * 4096 + 64), (1, 32 * 4096 + 1),  // misaligned
            (4096, 64 * 4096), (8192, 63 * 4096), (4096, .max - 4095), (1, .max), (1 << 40, 4096),  // outside
            (4096, 0), (64, 64),  // the page that is never lent
            (0, 40 * 4096), (-1, 40 * 4096), (.max, 40 * 4096), (.min, 40 * 4096),
        ]
        for (bytes, address) in wrong {
            #expect(throws: GuestHeapError.notFree(address: address, bytes: bytes)) {
                try heap.claim(bytes, at: address)
            }
        }
        #expect(heap.bytesInUse == before)
        #expect(throws: Never.self) { try heap.claim(100, at: 20 * 4096 + 256) }
        #expect(throws: Never.self) { try heap.claim(4096, at: 11 * 4096) }
    }

    @Test("only a whole span that is lent has a name")
    func names() throws {
        let heap = GuestHeap(memory: try GuestMemory(size: 64 * 4096))
        let span = try #require(heap.allocate(5000))
        #expect(heap.address(ofLent: span) != nil)
        #expect(heap.address(ofLent: UnsafeMutableRawBufferPointer(rebasing: span[..<64])) == nil)
        try heap.free(span)
        #expect(heap.address(ofLent: span) == nil)
    }
}
