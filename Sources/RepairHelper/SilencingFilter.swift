// What a connection in repair mode must not do. The kernel stops sending then, but it still takes what the peer sends and
// acknowledges it: bytes that come behind the reading of the receive queue would be acknowledged here and known to nobody,
// and the connection put up elsewhere would wait for them for ever. A filter that drops every packet before TCP sees it
// makes the peer send again, to whoever has the connection then.

import Glibc

/// SO_ATTACH_FILTER (socket(7)) with one instruction of classic BPF: BPF_RET | BPF_K, no byte. Takes no privilege.
enum SilencingFilter {
    private static let attachFilter: CInt = 26
    private static let detachFilter: CInt = 27

    /// False when the kernel refuses.
    @discardableResult
    static func attach(to fd: CInt) -> Bool {
        var instruction: (code: UInt16, jumps: UInt16, value: UInt32) = (0x06, 0, 0)
        return withUnsafePointer(to: &instruction) { instruction in
            // struct sock_fprog: a count of 16 bits, padding, a pointer.
            var program: (count: UInt, instructions: UnsafeRawPointer) = (1, UnsafeRawPointer(instruction))
            return setsockopt(fd, SOL_SOCKET, attachFilter, &program, socklen_t(MemoryLayout.size(ofValue: program)))
                == 0
        }
    }

    /// The socket hears again. Nothing happens to one without a filter.
    static func detach(from fd: CInt) {
        var nothing: CInt = 0
        setsockopt(fd, SOL_SOCKET, detachFilter, &nothing, socklen_t(MemoryLayout<CInt>.size))
    }
}
