// Which pages of a memory were written: one bit for each, in the layout of vhost's log (vhost-user specification,
// "Migration"), so that another process can mark, too: page n is bit n % 8 of byte n / 8, in 64-bit little-endian words.
// Nobody takes a lock: a bit is set by an atomic OR and taken by an atomic exchange. Who marks does so behind what he
// wrote, or before it in one go with it on the thread that takes; then no write is ever missed.

import CLinux
import Glibc

/// Marks of written pages that are taken away in one go.
public final class DirtyLog: @unchecked Sendable {
    /// Bytes of a page.
    public static let pageSize = 4096
    /// Pages that can be marked.
    public let pageCount: Int
    /// The bits; a sealed memfd, which another process may map where it was asked for.
    public let memory: SharedMemory
    private let wordCount: Int

    /// - Parameters:
    ///   - name: what /proc/PID/fd shows for it.
    ///   - pageCount: pages of the memory.
    ///   - isShared: another process marks here. It can only add to what is sent, or take back its own marks.
    public init(name: String = "dirty-log", pageCount: Int, isShared: Bool) throws(SystemError) {
        self.pageCount = max(0, pageCount)
        wordCount = (self.pageCount + 63) / 64
        let pages = (wordCount * 8 + Self.pageSize - 1) / Self.pageSize
        memory = try SharedMemory(name: name, size: max(1, pages) * Self.pageSize, isShared: isShared)
    }

    /// Where writers of this process mark; valid for as long as the log is.
    public var marks: DirtyMarks { DirtyMarks(words: memory.base, pageCount: pageCount) }

    /// Takes all marks: `body` is called with each word that has any, and its number.
    public func take(_ body: (_ index: Int, _ word: UInt64) -> Void) {
        for index in 0..<wordCount {
            let place = memory.base + index * 8
            guard ne_load_relaxed64(place) != 0 else { continue }
            body(index, UInt64(littleEndian: ne_exchange_acquire64(place, 0)))
        }
    }
}

/// The bits of a log, for those who mark.
public struct DirtyMarks {
    private let words: UnsafeMutableRawPointer
    private let pageCount: Int

    init(words: UnsafeMutableRawPointer, pageCount: Int) { (self.words, self.pageCount) = (words, pageCount) }

    /// Marks every page that has one of `count` bytes from `address` on; what lies behind the end is left out.
    public func mark(_ address: UInt64, count: Int) {
        let size = UInt64(pageCount) * UInt64(DirtyLog.pageSize)
        guard count > 0, address < size else { return }
        let last = address + min(UInt64(count), size - address) - 1
        let end = Int(last / UInt64(DirtyLog.pageSize)) + 1
        var page = Int(address / UInt64(DirtyLog.pageSize))
        while page < end {
            let next = min(end, (page | 63) + 1)
            let bits = (UInt64.max >> UInt64(64 - (next - page))) << UInt64(page & 63)
            let place = words + (page >> 6) * 8
            if ne_load_relaxed64(place) & bits.littleEndian != bits.littleEndian {
                ne_fetch_or_release64(place, bits.littleEndian)
            }
            page = next
        }
    }
}
