// Room for queues that are put back. A fresh socket takes 16 KiB or so, a connection whose peer read slowly had megabytes
// under way (tcp_wmem): the rest would be refused with EAGAIN, and with it the connection.

import Glibc

/// One of the two buffers of a socket that is about to become a connection again.
enum SocketBuffer {
    case send, receive

    /// The largest send queue that the kernel's own tuning makes by default, in bytes.
    static let usualQueue = 4 << 20

    private var name: CInt { self == .send ? SO_SNDBUF : SO_RCVBUF }
    private var force: CInt { self == .send ? SO_SNDBUFFORCE : SO_RCVBUFFORCE }
    /// SO_BUF_LOCK (socket(7), Linux 5.14).
    private static let bufferLock: CInt = 72

    /// Its size in bytes, as the kernel counts: with what it needs itself. 0 when it does not say.
    func size(of fd: CInt) -> Int {
        var size: CInt = 0
        var length = socklen_t(MemoryLayout<CInt>.size)
        return getsockopt(fd, SOL_SOCKET, name, &size, &length) == 0 ? Int(size) : 0
    }

    /// Twice `bytes`, or what the kernel gives without CAP_NET_ADMIN in the first user namespace (net.core.wmem_max,
    /// rmem_max); never less than there is. The kernel goes on to tune it.
    func raise(of fd: CInt, to bytes: Int) {
        let wanted = CInt(clamping: bytes)
        guard size(of: fd) / 2 < Int(wanted) else { return }
        if !Self.set(force, wanted, on: fd), size(of: fd) < most(wanted) { Self.set(name, wanted, on: fd) }
        Self.set(Self.bufferLock, 0, on: fd)
    }

    /// What the kernel makes of `wanted`, seen at a socket that nobody needs: SO_SNDBUF also makes a buffer smaller.
    private func most(_ wanted: CInt) -> Int {
        let probe = socket(AF_INET, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard probe >= 0 else { return 0 }
        defer { close(probe) }
        Self.set(name, wanted, on: probe)
        return size(of: probe)
    }

    @discardableResult
    private static func set(_ name: CInt, _ value: CInt, on fd: CInt) -> Bool {
        var value = value
        return setsockopt(fd, SOL_SOCKET, name, &value, socklen_t(MemoryLayout<CInt>.size)) == 0
    }
}
