// A copy of a memory that follows it by the marks of its writers alone, as the other end of a move does.

import Glibc
import Linux

/// A memory as somebody sees it who copies what is marked.
public final class MemoryMirror {
    private let memory: UnsafeRawBufferPointer
    private let copy: UnsafeMutableRawBufferPointer
    /// Pages copied by the last `follow`, and by all.
    public private(set) var (copied, copiedInAll) = (0, 0)

    /// As the memory is now.
    public init(of memory: UnsafeRawBufferPointer) {
        self.memory = memory
        copy = .allocate(byteCount: memory.count, alignment: DirtyLog.pageSize)
        copy.copyMemory(from: memory)
    }

    deinit { copy.deallocate() }

    /// Copies every page that was marked since the last time.
    public func follow(_ tracking: WriteTracking) {
        var pages: Set<Int> = []
        tracking.take { index, word in
            for bit in 0..<64 where word >> UInt64(bit) & 1 == 1 { pages.insert(index * 64 + bit) }
        }
        for page in pages where (page + 1) * DirtyLog.pageSize <= memory.count {
            let range = page * DirtyLog.pageSize..<(page + 1) * DirtyLog.pageSize
            UnsafeMutableRawBufferPointer(rebasing: copy[range])
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: memory[range]))
        }
        copied = pages.count
        copiedInAll += pages.count
    }

    /// Pages that are not as in the memory.
    public var differences: [Int] {
        guard let one = memory.baseAddress, let other = UnsafeRawPointer(copy.baseAddress) else { return [] }
        return (0..<memory.count / DirtyLog.pageSize).filter {
            memcmp(one + $0 * DirtyLog.pageSize, other + $0 * DirtyLog.pageSize, DirtyLog.pageSize) != 0
        }
    }
}
