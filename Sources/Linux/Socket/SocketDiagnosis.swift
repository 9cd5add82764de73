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
        try connection(local, remote) != nil
    }

    /// The connection between these ends, by its socket's inode (0: no process has it); nil when there is none. Two at
    /// different times with the same ends are told apart by it.
    public func connection(
        _ local: InternetSocketAddress, _ remote: InternetSocketAddress
    ) throws(SystemError) -> UInt32? {
        var inode: UInt32 = 0
        let answer = local.withSockAddr { local, _ in
            remote.withSockAddr { remote, _ in ne_find_connection(descriptor.raw, local, remote, &inode) }
        }
        return try check(answer, "sock_diag") == 1 ? inode : nil
    }
}

extension InternetSocketAddress {
    /// Whether a socket of this network namespace can have this address now: an interface has it.
    public var isHere: Bool {
        let raw = socket(family, CInt(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard raw >= 0 else { return true }
        let socket = FileDescriptor(owning: raw)
        guard let place = InternetSocketAddress(address: address, port: 0, scope: scope) else { return true }
        return place.withSockAddr { bind(socket.raw, $0, $1) } == 0 || errno != EADDRNOTAVAIL
    }
}
