// What the kernel knows of the TCP sockets of this network namespace, whoever owns them (sock_diag(7)). It is asked, and
// nothing is changed. A kernel without inet_diag has no answers: ENOENT.

import CLinux
import Glibc

/// A netlink socket for questions about TCP sockets.
public struct SocketDiagnosis: ~Copyable {
    private let descriptor: FileDescriptor

    /// Throws when the kernel has no sock_diag.
    public init() throws(SystemError) {
        descriptor = FileDescriptor(owning: try check(ne_diagnosis_open(), "socket", "NETLINK_SOCK_DIAG"))
    }

    /// How many connected sockets bear `mark` (SO_MARK). Takes CAP_NET_ADMIN.
    public func connections(marked mark: UInt32) throws(SystemError) -> Int {
        Int(try check(ne_count_marked(descriptor.raw, mark), "sock_diag"))
    }

    /// Whether there is a connection between these ends, seen from `local`; a listener at `local` is none.
    public func hasConnection(_ local: InternetSocketAddress, _ remote: InternetSocketAddress) throws(SystemError)
        -> Bool
    {
        let answer = local.withSockAddr { local, _ in
            remote.withSockAddr { remote, _ in ne_has_connection(descriptor.raw, local, remote) }
        }
        return try check(answer, "sock_diag") == 1
    }
}
