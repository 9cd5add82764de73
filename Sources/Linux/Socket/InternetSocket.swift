// TCP sockets: listening, connecting without waiting, their options (tcp(7), ip(7)).

import CLinux
import Glibc

/// Making TCP sockets. Everything is non-blocking and close-on-exec.
public enum InternetSocket {
    private static let multipathTCP: CInt = 262

    private static func make(_ family: CInt, _ name: InternetName) throws(SystemError) -> FileDescriptor {
        let type = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_NONBLOCK.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        let raw = socket(family, type, name.isMultipath ? multipathTCP : 0)
        guard raw >= 0 else { throw SystemError(call: "socket", code: errno) }
        return FileDescriptor(owning: raw)
    }

    /// Begins to connect; the socket becomes writable when that has come to an end (`connectionError`).
    public static func connect(to address: InternetSocketAddress, _ name: InternetName) throws(SystemError)
        -> FileDescriptor
    {
        let socket = try make(address.family, name)
        let code = address.withSockAddr { Glibc.connect(socket.raw, $0, $1) == 0 ? 0 : errno }
        guard code == 0 || code == EINPROGRESS else {
            throw SystemError(call: "connect", code: code, subject: address.description)
        }
        try setOptions(of: socket.raw, name)
        return socket
    }

    /// How a connection that was begun came out; nil when it is there. A client that asks a port of this host again and
    /// again gets that very port as its own one day and is connected to itself (RFC 9293, 3.5: simultaneous open):
    /// nobody listens there, so it was refused. It ends with a reset then: its TIME_WAIT would keep the port from the
    /// server for a minute.
    public static func connectionError(of socket: CInt) -> CInt? {
        var code: CInt = 0
        var size = socklen_t(MemoryLayout<CInt>.size)
        guard getsockopt(socket, SOL_SOCKET, SO_ERROR, &code, &size) == 0 else { return errno }
        guard code == 0 else { return code }
        guard let own = try? InternetSocketAddress.local(of: socket),
            own == (try? InternetSocketAddress.remote(of: socket))
        else { return nil }
        var reset = linger(l_onoff: 1, l_linger: 0)
        setsockopt(socket, SOL_SOCKET, SO_LINGER, &reset, socklen_t(MemoryLayout<linger>.size))
        return ECONNREFUSED
    }

    /// Listens at the first address that is free, ports counting up to `lastPort`.
    public static func listen(at addresses: [InternetSocketAddress], _ name: InternetName) throws(SystemError)
        -> FileDescriptor
    {
        var failure = SystemError(call: "bind", code: EADDRNOTAVAIL, subject: name.text)
        for address in addresses {
            for port in address.port...max(address.port, name.lastPort ?? address.port) {
                guard let one = InternetSocketAddress(address: address.address, port: port, scope: address.scope) else {
                    continue
                }
                do { return try listen(at: one, name) } catch { failure = error }
            }
        }
        throw failure
    }

    private static func listen(at address: InternetSocketAddress, _ name: InternetName) throws(SystemError)
        -> FileDescriptor
    {
        let socket = try make(address.family, name)
        set(socket.raw, SOL_SOCKET, SO_REUSEADDR, 1)
        if address.isIPv6 { set(socket.raw, CInt(IPPROTO_IPV6), IPV6_V6ONLY, name.ipv4 == false ? 1 : 0) }
        let code = address.withSockAddr { Glibc.bind(socket.raw, $0, $1) == 0 ? 0 : errno }
        guard code == 0 else { throw SystemError(call: "bind", code: code, subject: address.description) }
        guard Glibc.listen(socket.raw, 1) == 0 else {
            throw SystemError(call: "listen", code: errno, subject: address.description)
        }
        try setOptions(of: socket.raw, name)
        return socket
    }

    private static func setOptions(of socket: CInt, _ name: InternetName) throws(SystemError) {
        guard let keepAlive = name.keepAlive else { return }
        let values = [
            (SOL_SOCKET, SO_KEEPALIVE, 1), (CInt(IPPROTO_TCP), TCP_KEEPCNT, keepAlive.count),
            (CInt(IPPROTO_TCP), TCP_KEEPIDLE, keepAlive.idle), (CInt(IPPROTO_TCP), TCP_KEEPINTVL, keepAlive.interval),
        ]
        for (level, option, value) in values where value != 0 {
            guard set(socket, level, option, value) else {
                throw SystemError(call: "setsockopt(keep-alive)", code: errno, subject: "\(value)")
            }
        }
    }

    /// Small packets leave at once.
    public static func setNoDelay(_ socket: CInt) { set(socket, CInt(IPPROTO_TCP), TCP_NODELAY, 1) }

    @discardableResult
    private static func set(_ socket: CInt, _ level: CInt, _ option: CInt, _ value: UInt32) -> Bool {
        var value = value
        return setsockopt(socket, level, option, &value, socklen_t(MemoryLayout<UInt32>.size)) == 0
    }

    // MARK: vsock(7)

    /// A vsock address, by hand: `sockaddr_vm` is not in the overlay.
    private static func withVsock<R>(_ cid: UInt32, _ port: UInt32, _ body: (UnsafePointer<sockaddr>, socklen_t) -> R)
        -> R
    {
        let words: (UInt16, UInt16, UInt32, UInt32, UInt32) = (40, 0, port, cid, 0)
        return withUnsafeBytes(of: words) { bytes in
            bytes.withMemoryRebound(to: sockaddr.self) { entries in
                body(entries.baseAddress.unsafelyUnwrapped, 16)
            }
        }
    }

    /// A socket that is connecting over vsock(7); it becomes writable when that is over.
    public static func connect(cid: UInt32, port: UInt32) throws(SystemError) -> FileDescriptor {
        let socket = try make(40, InternetName(host: "", port: ""))
        let code = withVsock(cid, port) { Glibc.connect(socket.raw, $0, $1) == 0 ? 0 : errno }
        guard code == 0 || code == EINPROGRESS else {
            throw SystemError(call: "connect", code: code, subject: "vsock:\(cid):\(port)")
        }
        return socket
    }

    /// A socket that listens on vsock(7), backlog 1.
    public static func listen(cid: UInt32, port: UInt32) throws(SystemError) -> FileDescriptor {
        let socket = try make(40, InternetName(host: "", port: ""))
        let code = withVsock(cid, port) { Glibc.bind(socket.raw, $0, $1) == 0 ? 0 : errno }
        guard code == 0, Glibc.listen(socket.raw, 1) == 0 else {
            throw SystemError(call: "bind", code: code == 0 ? errno : code, subject: "vsock:\(cid):\(port)")
        }
        return socket
    }
}
