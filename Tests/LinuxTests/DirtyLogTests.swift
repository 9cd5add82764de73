import TestSupport
import Testing

@testable import Linux

@Suite("marks of written pages")
struct DirtyLogTests {
    private func pages(_ take: (_ body: (Int, UInt64) -> Void) -> Void) -> Set<Int> {
        var pages: Set<Int> = []
        take { index, word in
            for bit in 0..<64 where word >> UInt64(bit) & 1 == 1 { pages.insert(index * 64 + bit) }
        }
        return pages
    }

    @Test("page n is bit n % 8 of byte n / 8, as in vhost's log")
    func layout() throws {
        let log = try DirtyLog(pageCount: 1000, isShared: true)
        log.marks.mark(13 * 4096 + 4095, count: 2)
        log.marks.mark(999 * 4096, count: 1)
        #expect(log.memory.bytes[1] == 0b0110_0000 && log.memory.bytes[124] == 0b1000_0000)
        #expect(pages(log.take) == [13, 14, 999])
        #expect(pages(log.take).isEmpty && log.memory.bytes.allSatisfy { $0 == 0 })
        // Another process marks bytes.
        log.memory.bytes[7] = 1
        #expect(pages(log.take) == [56])
    }

    @Test("every run of bytes marks its pages and no other; what lies behind the end is left out")
    func runs() throws {
        let log = try DirtyLog(pageCount: 200, isShared: false)
        let end = 200 * 4096
        for start in stride(from: 0, to: end + 9000, by: 3777) {
            for count in [0, -1, 1, 4096, 4097, 270_000, .max] {
                log.marks.mark(UInt64(start), count: count)
                let last = count > 0 ? min(end, start + min(count, end)) : start
                let expected = start < last ? Set(start / 4096...(last - 1) / 4096) : []
                #expect(pages(log.take) == expected, "\(count) bytes from \(start)")
            }
        }
        log.marks.mark(.max, count: 5)
        #expect(pages(log.take).isEmpty)
    }

    @Test("marks of several threads and a taker lose nothing")
    func threads() throws {
        let log = try DirtyLog(pageCount: 4096, isShared: true)
        let running = Guarded(4)
        for thread in 0..<4 {
            onThread {
                for page in stride(from: thread, to: 4096, by: 4) { log.marks.mark(UInt64(page) * 4096, count: 1) }
                running.withLock { $0 -= 1 }
            }
        }
        var taken: Set<Int> = []
        var isOver = false
        while !isOver {
            isOver = running.withLock { $0 == 0 }
            taken.formUnion(pages(log.take))
        }
        #expect(taken.count == 4096)
    }

    @Test("all logs are taken together; who writes without a mark is remembered with the first reason")
    func tracking() throws {
        let tracking = try WriteTracking(pageCount: 100)
        let other = try DirtyLog(pageCount: 100, isShared: true)
        tracking.add(other)
        tracking.onTake = { tracking.own.marks.mark(7 * 4096, count: 1) }
        tracking.own.marks.mark(0, count: 1)
        other.marks.mark(99 * 4096, count: 1)
        #expect(pages(tracking.take) == [0, 7, 99] && tracking.isExact)
        tracking.lose("first")
        tracking.lose("second")
        #expect(!tracking.isExact && tracking.gap == "first")
    }
}
