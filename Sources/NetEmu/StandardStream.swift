// stdout and stderr of the program, written without buffering so that words keep their order.

import Glibc
import Linux
import Synchronization

/// One of the two output streams.
struct StandardStream {
    let descriptor: CInt
    static let output = StandardStream(descriptor: 1)
    static let error = StandardStream(descriptor: 2)

    /// Writes all of `text`; gives up when the stream is gone (EPIPE and the like). What is said on standard error is lost
    /// when its reader takes nothing for a second, and at once until it takes something again: nobody who stops reading
    /// stops netemu.
    func write(_ text: String) {
        let bytes = text.systemBytes
        guard descriptor == 2 else { return write(bytes) }
        let lost = Self.lost.load(ordering: .relaxed)
        guard hasRoom(milliseconds: lost > 0 ? 0 : 1000) else {
            Self.lost.store(lost + 1, ordering: .relaxed)
            return
        }
        Self.lost.store(0, ordering: .relaxed)
        if lost > 0 { write(Array("netemu: \(lost) messages were not read in time and are lost\n".utf8)) }
        write(bytes)
    }

    /// Messages that standard error did not take.
    private static let lost = Atomic<Int>(0)

    /// A pipe that has room takes PIPE_BUF bytes at once.
    private func hasRoom(milliseconds: CInt) -> Bool {
        var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        return poll(&waiting, 1, milliseconds) > 0
    }

    func write(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno == EAGAIN {
                var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                guard poll(&waiting, 1, 1000) > 0 else { return }
            } else if errno != EINTR {
                return
            }
        }
    }

    func warn(_ text: String) { write("netemu: warning: \(text)\n") }
    func say(_ text: String) { write("netemu: \(text)\n") }
}
