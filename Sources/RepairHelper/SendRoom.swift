// Room for a send queue that is put back. A fresh socket takes 16 KiB or so, a connection whose peer read slowly had up to
// 4 MiB under way (tcp_wmem): the rest would be refused with EAGAIN, and with it the connection.

import Glibc

/// The send buffer of a socket that is about to become a connection again.
enum SendRoom {
    /// The largest queue that the kernel's own tuning makes by default; the kernel doubles it.
    private static let wanted: CInt = 4 << 20
    /// SO_BUF_LOCK (socket(7), Linux 5.14).
    private static let bufferLock: CInt = 72

    /// As much as the kernel gives: without CAP_NET_ADMIN in the first user namespace net.core.wmem_max. The kernel goes on
    /// to tune it.
    static func make(in fd: CInt) {
        if !set(SO_SNDBUFFORCE, wanted, on: fd) { set(SO_SNDBUF, wanted, on: fd) }
        set(bufferLock, 0, on: fd)
    }

    @discardableResult
    private static func set(_ name: CInt, _ value: CInt, on fd: CInt) -> Bool {
        var value = value
        return setsockopt(fd, SOL_SOCKET, name, &value, socklen_t(MemoryLayout<CInt>.size)) == 0
    }
}
