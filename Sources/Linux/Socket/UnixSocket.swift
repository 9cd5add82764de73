// AF_UNIX sockets: connecting, listening, descriptors on the way (unix(7)). Everything is
// non-blocking and close-on-exec. Paths that do not fit an address (108 bytes with the final zero)
// are reached through /proc/self/fd/N/name.

import CLinux
import Glibc

/// Which process is at the other end, as of connect or listen (SO_PEERCRED).
public struct PeerCredentials: Equatable, Sendable {
    /// The process that connected or listened.
    public let pid: Int32
    /// Its effective user then.
    public let uid: UInt32
    /// Its effective group then.
    public let gid: UInt32
}

/// How messages are cut.
public enum UnixSocketKind: Sendable {
    /// SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM.
    case stream, sequencedPackets, datagrams

    var number: CInt {
        switch self {
        case .stream: CInt(SOCK_STREAM.rawValue)
        case .sequencedPackets: CInt(SOCK_SEQPACKET.rawValue)
        case .datagrams: CInt(SOCK_DGRAM.rawValue)
        }
    }
}

/// Making AF_UNIX sockets.
public enum UnixSocket {
    /// Connects to the socket at `path`, of any length. A full backlog is EAGAIN: a later try may do.
    /// - Parameters:
    ///   - path: of the socket.
    ///   - directory: a directory's descriptor that a relative path starts from.
    ///   - kind: the listener's.
    public static func connect(to path: String, in directory: CInt? = nil, kind: UnixSocketKind = .stream)
        throws(SystemError) -> FileDescriptor
    {
        let socket = FileDescriptor(owning: try check(ne_unix_socket(kind.number), "socket"))
        try withShortPath(path, in: directory) { short throws(SystemError) in
            _ = try check(ne_unix_connect(socket.raw, short.systemPath), "connect", path)
        }
        return socket
    }

    /// Listens at `path`. A socket of that name that nobody listens at any more is replaced; anything else
    /// that is there is EADDRINUSE.
    public static func listen(
        at path: String, in directory: CInt? = nil, kind: UnixSocketKind = .stream, backlog: CInt = 16
    ) throws(SystemError) -> FileDescriptor {
        let socket = FileDescriptor(owning: try check(ne_unix_socket(kind.number), "socket"))
        try withShortPath(path, in: directory) { short throws(SystemError) in
            var code = ne_unix_bind(socket.raw, short.systemPath)
            if code == -EADDRINUSE, removeStale(short, kind) { code = ne_unix_bind(socket.raw, short.systemPath) }
            _ = try check(code, "bind", path)
            let place = PlacedFile(short)
            guard kind == .datagrams || Glibc.listen(socket.raw, backlog) == 0 else {
                let error = SystemError(call: "listen", code: errno, subject: path)
                place.remove()
                throw error
            }
        }
        return socket
    }

    /// Connects to a name of the abstract name space, which is the network namespace's.
    /// - Parameters:
    ///   - name: without the 0 before it.
    ///   - isTight: the address ends with the name; otherwise zeros fill it up.
    ///   - kind: the listener's.
    public static func connect(toAbstract name: String, isTight: Bool = true, kind: UnixSocketKind = .stream)
        throws(SystemError) -> FileDescriptor
    {
        let socket = FileDescriptor(owning: try check(ne_unix_socket(kind.number), "socket"))
        _ = try check(ne_unix_connect_abstract(socket.raw, name.systemPath, isTight ? 1 : 0), "connect", "@" + name)
        return socket
    }

    /// Listens at a name of the abstract name space; it is free again when the socket is closed.
    public static func listen(
        atAbstract name: String, isTight: Bool = true, kind: UnixSocketKind = .stream, backlog: CInt = 16
    ) throws(SystemError) -> FileDescriptor {
        let socket = FileDescriptor(owning: try check(ne_unix_socket(kind.number), "socket"))
        _ = try check(ne_unix_bind_abstract(socket.raw, name.systemPath, isTight ? 1 : 0), "bind", "@" + name)
        guard kind == .datagrams || Glibc.listen(socket.raw, backlog) == 0 else {
            throw SystemError(call: "listen", code: errno, subject: "@" + name)
        }
        return socket
    }

    /// The next connection that waits at a listening socket; EAGAIN when there is none.
    public static func accept(_ listener: borrowing FileDescriptor) throws(SystemError) -> FileDescriptor {
        FileDescriptor(owning: try check(ne_accept(listener.raw), "accept4"))
    }

    /// Two connected sockets.
    public static func pair(_ kind: UnixSocketKind = .stream) throws(SystemError) -> (
        SharedDescriptor, SharedDescriptor
    ) {
        var ends: [CInt] = [-1, -1]
        _ = try check(ne_socketpair(kind.number, &ends), "socketpair")
        return (SharedDescriptor(FileDescriptor(owning: ends[0])), SharedDescriptor(FileDescriptor(owning: ends[1])))
    }

    /// What was written to a stream socket and the other end has not read: bytes, with what the kernel adds to each
    /// write (unix(7), SIOCOUTQ).
    public static func unread(_ socket: CInt) throws(SystemError) -> Int {
        Int(try check(ne_unread(socket), "ioctl(SIOCOUTQ)"))
    }

    /// SO_PEERCRED of a connected socket.
    public static func peerCredentials(_ socket: CInt) throws(SystemError) -> PeerCredentials {
        var found = ne_credentials()
        _ = try check(ne_peer_credentials(socket, &found), "getsockopt(SO_PEERCRED)")
        return PeerCredentials(pid: found.pid, uid: found.uid, gid: found.gid)
    }

    private static let slash = UInt8(ascii: "/")

    /// An address is 108 bytes with its final zero.
    static let longestPath = 107

    /// Gives `body` a path that fits an address and means `path`.
    private static func withShortPath(
        _ path: String, in directory: CInt?, _ body: (String) throws(SystemError) -> Void
    ) throws(SystemError) {
        let isRelative = directory != nil && path.utf8.first != slash
        if !isRelative, path.systemBytes.count <= longestPath { return try body(path) }
        if isRelative, let directory, !path.utf8.contains(slash) {
            return try body("/proc/self/fd/\(directory)/\(path)")
        }
        let cut = path.utf8.lastIndex(of: slash)
        let parent = cut.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        let name = cut.map { String(path[path.utf8.index(after: $0)...]) } ?? path
        let opened = FileDescriptor(
            owning: try check(
                ne_openat(directory ?? AT_FDCWD, parent.systemPath, O_RDONLY | O_DIRECTORY, 0), "open", parent))
        try body("/proc/self/fd/\(opened.raw)/\(name)")
    }

    /// A socket that refuses connections has no listener any more, and goes; another that somebody has put in its place
    /// since it was asked stays.
    private static func removeStale(_ path: String, _ kind: UnixSocketKind) -> Bool {
        var info = stat()
        guard lstat(path.systemPath, &info) == 0, info.st_mode & S_IFMT == S_IFSOCK else { return false }
        let place = PlacedFile(path)
        // One of another kind: EPROTOTYPE says that the socket lives, and whoever listens there sees no connection.
        let probe = ne_unix_socket(CInt((kind == .datagrams ? SOCK_STREAM : SOCK_DGRAM).rawValue))
        guard probe >= 0 else { return false }
        defer { close(probe) }
        return ne_unix_connect(probe, path.systemPath) == -ECONNREFUSED && place.remove()
    }
}
