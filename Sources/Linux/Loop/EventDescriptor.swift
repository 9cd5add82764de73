// eventfd(2): how one thread of this process wakes the other. For one that another process holds, too,
// there is SharedEvent: whoever shares the description can make reads and writes wait.

import CLinux
import Glibc

/// An eventfd with counter 0, non-blocking, close-on-exec. It stays in this process.
public final class EventDescriptor: Sendable {
    /// The eventfd.
    public let descriptor: FileDescriptor
    /// Its number.
    public var raw: CInt { descriptor.raw }

    /// Nothing was signalled yet.
    public init() throws(SystemError) {
        descriptor = FileDescriptor(owning: try check(ne_eventfd(), "eventfd"))
    }

    /// Makes the descriptor readable. A full counter already wakes the reader, so it is no error.
    public func signal() {
        var one: UInt64 = 1
        _ = Glibc.write(raw, &one, 8)
    }

    /// Resets the counter; false when nothing was pending.
    @discardableResult
    public func drain() -> Bool {
        var count: UInt64 = 0
        return Glibc.read(raw, &count, 8) == 8
    }
}
