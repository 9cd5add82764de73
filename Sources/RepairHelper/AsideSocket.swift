// How a connection that came in through a forwarded port is let go on one host. No silent port can listen beside its
// server, and the next server, which listens there before it has put the connection up, answers a peer that speaks
// meanwhile with RST. So the socket itself stays, in repair mode and deaf, and steps aside: bound to the device through
// which its packets come it is another one to the kernel than a new socket with the same two ends. That may be connected
// then, and of the two it is found first: the kernel looks through the newest first.
//
//   release:   bound to its device ── packets: dropped ──▶ restored elsewhere: packets go there ── disconnected

import Glibc
import Linux

/// A connection in repair mode that nobody needs any more but for its packets.
enum AsideSocket {
    /// SO_BINDTOIFINDEX (socket(7), Linux 5.1). Takes no privilege for a socket that is bound to none.
    private static let bindToDevice: CInt = 62
    /// IP_PKTINFO and IP_PKTOPTIONS (ip(7)), and the same of IPv6 (RFC 2292, 4 and 7): what is to be told, and what is told.
    private static let ofIPv4 = (level: CInt(IPPROTO_IP), wanted: CInt(8), told: CInt(9))
    private static let ofIPv6 = (level: CInt(IPPROTO_IPV6), wanted: CInt(2), told: CInt(6))

    /// False when the connection was opened from here, or the kernel refuses: it is as it was.
    static func stepAside(_ fd: CInt) -> Bool {
        guard var device = arrivalDevice(of: fd) else { return false }
        return setsockopt(fd, SOL_SOCKET, bindToDevice, &device, socklen_t(MemoryLayout<CInt>.size)) == 0
    }

    /// Index of the device through which the first segment came; nil for a connection that was opened from here.
    /// The kernel tells it as a control message of a stream socket.
    private static func arrivalDevice(of fd: CInt) -> CInt? {
        guard let local = try? InternetSocketAddress.local(of: fd) else { return nil }
        let (level, wanted, told) = local.isIPv6 ? ofIPv6 : ofIPv4
        var one: CInt = 1
        guard setsockopt(fd, level, wanted, &one, socklen_t(MemoryLayout<CInt>.size)) == 0 else { return nil }
        var room = [UInt8](repeating: 0, count: 256)
        var size = socklen_t(room.count)
        guard getsockopt(fd, level, told, &room, &size) == 0 else { return nil }
        return deviceIndex(in: room.prefix(Int(size)), level: level, type: wanted)
    }

    /// The index in struct in_pktinfo, or behind the address of struct in6_pktinfo, of the first control message.
    private static func deviceIndex(in message: ArraySlice<UInt8>, level: CInt, type: CInt) -> CInt? {
        message.withUnsafeBytes { bytes in
            let header = MemoryLayout<cmsghdr>.size
            let place = header + (level == CInt(IPPROTO_IPV6) ? 16 : 0)
            guard bytes.count >= place + MemoryLayout<CInt>.size else { return nil }
            let found = bytes.loadUnaligned(as: cmsghdr.self)
            let index = bytes.loadUnaligned(fromByteOffset: place, as: CInt.self)
            return found.cmsg_level == level && found.cmsg_type == type && index > 0 ? index : nil
        }
    }
}
