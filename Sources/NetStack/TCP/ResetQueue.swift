// Segments that belong to no connection (any more): resets (RFC 9293, 3.10.7.1 and 3.10.5). Bounded;
// when it is full, further resets are dropped, and the peer's next segment asks again.

import Bytes

/// A RST that waits for room.
struct TCPReset {
    var key: TCPKey
    var interface: InterfaceID
    var sequence: UInt32
    var acknowledgement: UInt32
    var flags: TCPFlags

    /// Writes header and checksum; nil when `room` is too small.
    func write(into room: UnsafeMutableRawBufferPointer) -> PlacedSegment? {
        var header = TCPHeader(
            sourcePort: key.local.port, destinationPort: key.remote.port, sequence: sequence,
            acknowledgement: acknowledgement, flags: flags)
        guard let size = header.write(into: room) else { return nil }
        var sum = InternetChecksum.pseudoHeader(from: key.local.address, to: key.remote.address, .tcp, length: size)
        sum.add(UnsafeRawBufferPointer(rebasing: room[0..<size]))
        header.checksum = sum.checksum
        room.setBig16(16, header.checksum)
        return PlacedSegment(source: key.local.address, destination: key.remote.address, length: size)
    }
}

struct ResetQueue {
    static let limit = 4096
    private var waiting: [TCPReset] = []
    private var taken = 0

    var isEmpty: Bool { taken == waiting.count }

    mutating func push(_ reset: TCPReset) {
        guard waiting.count &- taken < Self.limit else { return }
        waiting.append(reset)
    }

    func contains(_ interface: InterfaceID) -> Bool {
        waiting[taken...].contains { $0.interface == interface }
    }

    /// The oldest one for an interface. Others keep their place.
    mutating func pop(_ interface: InterfaceID) -> TCPReset? {
        guard !isEmpty else { return nil }
        if waiting[taken].interface == interface {
            taken &+= 1
            let reset = waiting[taken &- 1]
            if isEmpty {
                waiting.removeAll(keepingCapacity: true)
                taken = 0
            }
            return reset
        }
        guard let at = waiting[taken...].firstIndex(where: { $0.interface == interface }) else { return nil }
        return waiting.remove(at: at)
    }
}
