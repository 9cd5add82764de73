// Where a stream socket listens or connects, as the fields of QEMU's SocketAddress. Values only.

import Glibc

/// The address of a stream socket.
public enum StreamAddress: Equatable, Sendable {
    /// A path or an abstract name.
    case unix(UnixAddress)
    /// A host and a port, perhaps to be looked up.
    case inet(InternetName)
    /// An open descriptor of this process, by its number; it is taken over.
    case descriptor(CInt)
    /// A context and a port of vsock(7).
    case vsock(cid: UInt32, port: UInt32)

    /// `unix:PATH`, `tcp:HOST:PORT`, `fd:N`, `vsock:CID:PORT`.
    public var text: String {
        switch self {
        case .unix(let address): "unix:\(address.path)"
        case .inet(let name): "tcp:\(name.text)"
        case .descriptor(let number): "fd:\(number)"
        case .vsock(let cid, let port): "vsock:\(cid):\(port)"
        }
    }
}

/// A path, or a name of the abstract name space.
public struct UnixAddress: Equatable, Sendable {
    /// At most 107 bytes where it is abstract; longer paths are reached through their directory.
    public var path: String
    /// A name of the abstract name space instead of a path.
    public var isAbstract = false
    /// Of an abstract name: the address ends with it; otherwise zeros fill it up.
    public var isTight = true

    /// A path, where nothing else is said.
    public init(path: String, isAbstract: Bool = false, isTight: Bool = true) {
        self.path = path
        self.isAbstract = isAbstract
        self.isTight = isTight
    }
}

/// A host and a port that may have to be looked up.
public struct InternetName: Equatable, Sendable {
    /// Empty: every address when listening. Nothing has no name, so nobody can connect to it.
    public var host: String
    /// A number or the name of a service.
    public var port: String
    /// Listening takes the first free port up to this one.
    public var lastPort: UInt16?
    /// Both are numbers: nothing is looked up.
    public var isNumeric = false
    /// nil: whether this family is used is up to the other one.
    public var ipv4: Bool?
    /// The same of the other family.
    public var ipv6: Bool?
    /// Sent on a connection that is silent; nil leaves it to the system.
    public var keepAlive: KeepAlive?
    /// Multipath TCP.
    public var isMultipath = false

    /// Looked up unless `isNumeric` is set.
    public init(host: String, port: String) {
        self.host = host
        self.port = port
    }

    /// `HOST:PORT`, as both were given: no brackets around an IPv6 address.
    public var text: String { "\(host):\(port)" }

    /// The family to look for; AF_UNSPEC for any. nil: both are switched off.
    public var family: CInt? {
        switch (ipv4, ipv6) {
        case (false, false): nil
        case (true, true), (nil, nil): AF_UNSPEC
        case (true, _), (_, false): AF_INET
        case (_, true), (false, _): AF_INET6
        }
    }
}

/// TCP keep-alive; 0 leaves the kernel's value.
public struct KeepAlive: Equatable, Sendable {
    /// Probes without an answer that end the connection; 0 leaves it to the system.
    public var count: UInt32
    /// Seconds.
    public var idle: UInt32
    /// Seconds between probes; 0 leaves it to the system.
    public var interval: UInt32

    /// What is not said, the system decides.
    public init(count: UInt32 = 0, idle: UInt32 = 0, interval: UInt32 = 0) {
        self.count = count
        self.idle = idle
        self.interval = interval
    }
}
