// stdout and stderr of the program, written without buffering so that words keep their order.

import Glibc

/// One of the two output streams.
struct StandardStream {
    let descriptor: CInt
    static let output = StandardStream(descriptor: 1)
    static let error = StandardStream(descriptor: 2)

    /// Opens /dev/null in place of standard descriptors that the caller closed: nothing that is opened later may
    /// come to be 0, 1 or 2.
    static func ensureOpen() {
        for descriptor: CInt in 0...2 where fcntl(descriptor, F_GETFD) < 0 { _ = open("/dev/null", O_RDWR) }
    }

    /// Writes all of `text`; gives up when the stream is gone (EPIPE and the like).
    func write(_ text: String) { write(Array(text.utf8)) }

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
