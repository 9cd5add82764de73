// A port that answers nothing. Between the release of a connection on one host and its restore nobody owns its packets,
// and the kernel answers those with RST, which ends it: a peer that speaks at that moment was enough. A listening
// socket whose filter drops every packet takes them instead; the peer sends again, to the restored connection.
//
//   release:   silent port listens  ->  connect(AF_UNSPEC)  ...  restored: packets find the connection first
//
// It is bound as anybody could bind it, without repair mode and without a privilege: the kernel refuses a port at which
// somebody listens, and then there is none (`AsideSocket`). Whoever hands sockets over is not to be trusted with the ports
// of others.

import Glibc
import Linux

/// Listening at an address and dropping what arrives, as long as the descriptor lives.
enum SilentPort {
    /// nil when it cannot be made: somebody listens there (another silent port, too), the address is another network
    /// namespace's, the kernel refuses.
    /// - Parameter connection: a connected socket in repair mode; the port is its own one.
    static func open(beside connection: CInt) -> SharedDescriptor? {
        guard let address = try? InternetSocketAddress.local(of: connection) else { return nil }
        let fd = socket(address.family, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard fd >= 0 else { return nil }
        let descriptor = FileDescriptor(owning: fd)
        // Beside connections that allow it (those in repair mode do), never beside a listener: the kernel's rule.
        var one: CInt = 1
        guard let here = namespace(of: fd), here == namespace(of: connection), SilencingFilter.attach(to: fd),
            setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<CInt>.size)) == 0,
            address.withSockAddr({ bind(fd, $0, $1) }) == 0, listen(fd, 1) == 0
        else { return nil }
        return SharedDescriptor(descriptor)
    }

    /// SO_NETNS_COOKIE (socket(7), Linux 5.14).
    private static func namespace(of fd: CInt) -> UInt64? {
        var cookie: UInt64 = 0
        var size = socklen_t(MemoryLayout<UInt64>.size)
        return getsockopt(fd, SOL_SOCKET, 71, &cookie, &size) == 0 ? cookie : nil
    }
}
