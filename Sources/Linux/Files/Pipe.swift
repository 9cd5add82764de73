// pipe(2).

import CLinux
import Glibc

/// The two ends of a pipe, close-on-exec. The reading end is non-blocking; the writing end, which a child may get, is not.
public struct Pipe: Sendable {
    /// The end that is read.
    public let reading: SharedDescriptor
    /// The end that is written to.
    public let writing: SharedDescriptor

    /// Both ends are closed by execve(2), and neither blocks.
    public init() throws(SystemError) {
        var ends: [CInt] = [-1, -1]
        _ = try check(ne_pipe(&ends), "pipe2")
        reading = SharedDescriptor(FileDescriptor(owning: ends[0]))
        writing = SharedDescriptor(FileDescriptor(owning: ends[1]))
        _ = try check(ne_set_nonblocking(ends[0], 1), "fcntl(O_NONBLOCK)", "pipe")
    }
}
