// An IPv4 or IPv6 address with a port, as the kernel's sockaddr_in and sockaddr_in6: both directions.

import Glibc

/// One end of a TCP or UDP socket.
public struct InternetSocketAddress: Equatable, Hashable, Sendable, CustomStringConvertible {
    /// 4 bytes (IPv4) or 16 (IPv6), in network order.
    public let address: [UInt8]
    /// In the host's order.
    public let port: UInt16
    /// IPv6 scope (interface index of a link-local address); 0 otherwise.
    public let scope: UInt32

    /// Of 16 bytes, not 4.
    public var isIPv6: Bool { address.count == 16 }
    /// AF_INET or AF_INET6.
    public var family: CInt { isIPv6 ? AF_INET6 : AF_INET }

    /// Nil unless `address` has 4 or 16 bytes.
    public init?(address: [UInt8], port: UInt16, scope: UInt32 = 0) {
        guard address.count == 4 || address.count == 16 else { return nil }
        self.address = address
        self.port = port
        self.scope = scope
    }

    /// Numeric text such as `192.0.2.1` or `2001:db8::1`; nil for anything else.
    public init?(_ text: String, port: UInt16) {
        var room = [UInt8](repeating: 0, count: 16)
        if inet_pton(AF_INET, text, &room) == 1 {
            self.init(address: Array(room.prefix(4)), port: port)
        } else if inet_pton(AF_INET6, text, &room) == 1 {
            self.init(address: room, port: port)
        } else {
            return nil
        }
    }

    init?(_ storage: sockaddr_storage) {
        var storage = storage
        let value = withUnsafeBytes(of: &storage) { bytes -> InternetSocketAddress? in
            switch CInt(bytes.load(as: sa_family_t.self)) {
            case AF_INET:
                return InternetSocketAddress(
                    address: Array(bytes[4..<8]), port: UInt16(bytes[2]) << 8 | UInt16(bytes[3]))
            case AF_INET6:
                return InternetSocketAddress(
                    address: Array(bytes[8..<24]), port: UInt16(bytes[2]) << 8 | UInt16(bytes[3]),
                    scope: bytes.loadUnaligned(fromByteOffset: 24, as: UInt32.self))
            default: return nil
            }
        }
        guard let value else { return nil }
        self = value
    }

    /// Lends the value as a sockaddr for one call.
    public func withSockAddr<R>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
        var storage = sockaddr_storage()
        withUnsafeMutableBytes(of: &storage) { bytes in
            bytes.storeBytes(of: sa_family_t(family), as: sa_family_t.self)
            bytes[2] = UInt8(port >> 8)
            bytes[3] = UInt8(port & 0xff)
            let at = isIPv6 ? 8 : 4
            for (index, byte) in address.enumerated() { bytes[at + index] = byte }
            if isIPv6 { bytes.storeBytes(of: scope, toByteOffset: 24, as: UInt32.self) }
        }
        let size = socklen_t(isIPv6 ? MemoryLayout<sockaddr_in6>.size : MemoryLayout<sockaddr_in>.size)
        return withUnsafePointer(to: &storage) { storage in
            storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, size) }
        }
    }

    /// The address `fd` is bound to.
    public static func local(of fd: CInt) throws(SystemError) -> InternetSocketAddress {
        try name(of: fd, "getsockname", getsockname)
    }

    /// The address `fd` is connected to.
    public static func remote(of fd: CInt) throws(SystemError) -> InternetSocketAddress {
        try name(of: fd, "getpeername", getpeername)
    }

    private static func name(
        of fd: CInt, _ call: String,
        _ get: (CInt, UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> CInt
    ) throws(SystemError) -> InternetSocketAddress {
        var storage = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let status = withUnsafeMutablePointer(to: &storage) { storage in
            storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { get(fd, $0, &size) }
        }
        guard status == 0 else { throw SystemError(call: call, code: errno) }
        guard let value = InternetSocketAddress(storage) else { throw SystemError(call: call, code: EAFNOSUPPORT) }
        return value
    }

    /// The address alone.
    public var host: String {
        var room = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        return inet_ntop(family, address, &room, socklen_t(room.count)).map { String(cString: $0) } ?? "?"
    }

    public var description: String { isIPv6 ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
