// stdout and stderr of the program, written without buffering so that words keep their order.

import Glibc
import Linux
import Synchronization

/// One of the two output streams.
struct StandardStream {
    let descriptor: CInt
    static let output = StandardStream(descriptor: 1)
    static let error = StandardStream(descriptor: 2)

    /// What is behind standard input.
    enum Input { case terminal, null, other }

    /// As it was at the start.
    static let input: Input = {
        if isatty(0) == 1 { return .terminal }
        var (own, null) = (stat(), stat())
        guard fstat(0, &own) == 0, stat("/dev/null", &null) == 0 else { return .null }
        return own.st_mode & S_IFMT == S_IFCHR && own.st_rdev == null.st_rdev ? .null : .other
    }()

    /// Writes all of `text`; gives up when the stream is gone (EPIPE and the like): false, errno says why. What is said
    /// on standard error is lost when its reader takes nothing for a second, and at once until it takes something again:
    /// nobody who stops reading stops netemu.
    @discardableResult
    func write(_ text: String) -> Bool {
        let bytes = text.systemBytes
        guard descriptor == 2 else { return write(bytes) }
        let lost = Self.lost.load(ordering: .relaxed)
        guard hasRoom(milliseconds: lost > 0 ? 0 : 1000) else {
            Self.lost.store(lost + 1, ordering: .relaxed)
            return false
        }
        Self.lost.store(0, ordering: .relaxed)
        if lost > 0 { write(Array("netemu: \(lost) messages were not read in time and are lost\n".utf8)) }
        return write(bytes)
    }

    /// Messages that standard error did not take.
    private static let lost = Atomic<Int>(0)

    /// A pipe that has room takes PIPE_BUF bytes at once.
    private func hasRoom(milliseconds: CInt) -> Bool {
        var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        return poll(&waiting, 1, milliseconds) > 0
    }

    @discardableResult
    func write(_ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno == EAGAIN {
                var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                guard poll(&waiting, 1, 1000) > 0 else { return false }
            } else if errno != EINTR {
                return false
            }
        }
        return true
    }

    func warn(_ text: String) { write("netemu: warning: \(text)\n") }
    func say(_ text: String) { write("netemu: \(text)\n") }
}
