// Tells whether descriptors were closed, without looking at numbers that another test may reuse: copies
// of a pipe's write end travel, and the read end is at its end of file when the last copy is closed.

import CLinux
import Glibc
import Linux

final class ClosureProbe {
    private let readEnd: FileDescriptor
    private var writeEnd: FileDescriptor?

    init() throws {
        var ends: [CInt] = [-1, -1]
        _ = try check(ne_pipe(&ends), "pipe2")
        readEnd = FileDescriptor(owning: ends[0])
        writeEnd = FileDescriptor(owning: ends[1])
        _ = try check(ne_set_nonblocking(ends[0], 1), "fcntl")
    }

    func copies(_ count: Int) throws -> [SharedDescriptor] {
        guard let raw = writeEnd?.raw else { return [] }
        return try (0..<count).map { _ in
            let copy = try check(Int(dup(raw)), "dup")
            return SharedDescriptor(FileDescriptor(owning: CInt(copy)))
        }
    }

    /// True when no copy is open any more. The probe makes no copies afterwards.
    func allAreClosed() -> Bool {
        writeEnd = nil
        var byte: UInt8 = 0
        return read(readEnd.raw, &byte, 1) == 0
    }
}
