// Who removes a pid file when its process has become a user who may not: a small process of the former user that does
// nothing else. It waits for the end of its pipe, which comes however its owner ends.

import CLinux
import Glibc

/// The process that removes a pid file after this one.
public final class PidFileKeeper {
    private var gate: FileDescriptor?
    private let process: FileDescriptor
    private let pid: pid_t

    /// Forks; call while there is one thread, and before becoming somebody else.
    public init(_ file: PidFile) throws(SystemError) {
        var ends: [CInt] = [-1, -1]
        _ = try check(ne_pipe(&ends), "pipe2")
        let child = ne_fork()
        if child == 0 { Self.keep(file, until: ends[0]) }
        close(ends[0])
        gate = FileDescriptor(owning: ends[1])
        pid = try check(child, "fork")
        process = FileDescriptor(owning: try check(ne_pidfd_open(pid), "pidfd_open"))
    }

    deinit { finish() }

    private static func keep(_ file: PidFile, until end: CInt) -> Never {
        MinderProcess.leaveOwner(keeping: end)
        var byte: UInt8 = 0
        while read(MinderProcess.socketNumber, &byte, 1) != 0 {}
        file.remove()
        _exit(0)
    }

    /// Has the file removed and waits for that, three seconds at most.
    public func finish() {
        guard gate != nil else { return }
        gate = nil
        var entry = pollfd(fd: process.raw, events: Int16(POLLIN), revents: 0)
        _ = poll(&entry, 1, 3000)
        waitpid(pid, nil, WNOHANG)
    }
}
