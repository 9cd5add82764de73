// QEMU's sentences for stream sockets that could not be made (io/channel-socket.c, util/qemu-sockets.c).

import Glibc
import Linux

extension StreamFailure {
    /// One sentence in QEMU's words, without its end.
    /// - Parameter address: where the socket was to listen or to connect.
    public func sentence(at address: StreamAddress) -> String {
        if case .inet(let name) = address, name.family == nil { return "Cannot disable IPv4 and IPv6 at same time" }
        switch self {
        case .name(let error): return "\(error)"
        case .noSocket(let number): return "File descriptor '\(number)' is not a socket"
        case .connect(let error), .listen(let error):
            if case .unix(let unix) = address, error.code == ENAMETOOLONG {
                return "UNIX socket path '\(unix.path)' is too long"
            }
            return isOfListener
                ? listening(error, address) : "Failed to connect to '\(address.subject)': \(error.reason)"
        }
    }

    private var isOfListener: Bool { if case .listen = self { true } else { false } }

    private func listening(_ error: SystemError, _ address: StreamAddress) -> String {
        switch address {
        case .unix(let unix): return "Failed to bind socket to \(unix.path): \(error.reason)"
        case .descriptor: return "Failed to listen on fd socket: \(error.reason)"
        case .inet where error.code == EADDRINUSE: return "Failed to find an available port: \(error.reason)"
        case .inet, .vsock: return "Failed to bind socket: \(error.reason)"
        }
    }
}

extension StreamAddress {
    /// The address without its type, as these sentences have it.
    fileprivate var subject: String {
        switch self {
        case .unix(let address): address.path
        case .inet(let name): name.text
        case .descriptor(let number): "\(number)"
        case .vsock(let cid, let port): "\(cid):\(port)"
        }
    }
}
