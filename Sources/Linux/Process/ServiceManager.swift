// Telling a service manager how far we are: sd_notify(3), a datagram of lines to the socket that $NOTIFY_SOCKET names.

import CLinux
import Glibc

/// The service manager that started this process.
public struct ServiceManager: Sendable {
    /// A path, or `@` and a name of the abstract name space.
    private let address: String

    /// nil when the environment names none.
    public init?() {
        guard let value = getenv("NOTIFY_SOCKET").map({ String(systemText: $0) }), !value.isEmpty else { return nil }
        address = value
    }

    /// Sends `KEY=VALUE` lines in one datagram; a manager that does not take it within a second is an error.
    public func tell(_ lines: [String]) throws(SystemError) {
        let socket = try connect()
        var entry = pollfd(fd: socket.raw, events: Int16(POLLOUT), revents: 0)
        _ = poll(&entry, 1, 1000)
        let message = lines.joined(separator: "\n")
        guard try UnixSocket.send(socket.raw, message: Array(message.utf8)) else {
            throw SystemError(call: "send", code: EAGAIN, subject: address)
        }
    }

    private func connect() throws(SystemError) -> FileDescriptor {
        switch address.utf8.first {
        case UInt8(ascii: "/"): return try UnixSocket.connect(to: address, kind: .datagrams)
        case UInt8(ascii: "@"): return try UnixSocket.connect(toAbstract: String(address.dropFirst()), kind: .datagrams)
        default: throw SystemError(call: "connect", code: EAFNOSUPPORT, subject: address)
        }
    }
}
