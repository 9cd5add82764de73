// Every frame that crosses the peer's bridge, looked at for RST and FIN.

import Glibc
import Linux

/// A packet socket on br0 in the peer's namespace.
final class Capture {
    private let descriptor: FileDescriptor

    /// To be made in the peer's namespace.
    init() throws {
        let fd = socket(AF_PACKET, CInt(SOCK_RAW.rawValue | SOCK_NONBLOCK.rawValue), CInt(UInt16(3).bigEndian))
        try require(fd >= 0, "packet socket: errno \(errno)")
        var size: CInt = 8 << 20
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, 4)
        descriptor = FileDescriptor(owning: fd)
    }

    /// TCP segments so far with RST, and distinct sequence numbers of segments with FIN.
    func count() -> (resets: Int, fins: Int) {
        var frame = [UInt8](repeating: 0, count: 65536)
        var resets = 0
        var fins: Set<[UInt8]> = []
        while true {
            let n = recv(descriptor.raw, &frame, frame.count, 0)
            if n <= 0 { return (resets, fins.count) }
            guard let at = tcpHeader(frame, n) else { continue }
            if frame[at + 13] & 4 != 0 { resets += 1 }
            // A FIN that is sent again starts somewhere else when data goes with it: name it by source and direction.
            if frame[at + 13] & 1 != 0 { fins.insert(Array(frame[at..<at + 4])) }
        }
    }

    private func tcpHeader(_ frame: [UInt8], _ length: Int) -> Int? {
        guard length >= 54 else { return nil }
        switch (frame[12], frame[13]) {
        case (0x08, 0x00) where frame[23] == 6: return 14 + Int(frame[14] & 15) * 4
        case (0x86, 0xdd) where frame[20] == 6 && length >= 74: return 54
        default: return nil
        }
    }
}
