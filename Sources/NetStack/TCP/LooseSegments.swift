// Segments that belong to no connection (any more): resets (RFC 9293, 3.10.7.1 and 3.10.5) and answers by cookie. Bounded;
// when it is full, the oldest make room: what a stranger asked for is not worth more than what came last.

import Bytes

/// A segment without text that waits for room.
struct TCPLooseSegment {
    var key: TCPKey
    var interface: InterfaceID
    var header: TCPHeader

    init(key: TCPKey, interface: InterfaceID, header: TCPHeader) {
        self.key = key
        self.interface = interface
        self.header = header
    }

    /// A RST, with an ACK when `acknowledgement` is given.
    init(reset key: TCPKey, interface: InterfaceID, sequence: UInt32, acknowledgement: UInt32?) {
        self.key = key
        self.interface = interface
        header = TCPHeader(
            sourcePort: key.local.port, destinationPort: key.remote.port, sequence: sequence,
            acknowledgement: acknowledgement ?? 0, flags: acknowledgement == nil ? .rst : [.rst, .ack])
    }

    /// Writes header and checksum; nil when `room` is too small.
    func write(into room: UnsafeMutableRawBufferPointer) -> PlacedSegment? {
        guard let size = header.write(into: room) else { return nil }
        var sum = InternetChecksum.pseudoHeader(from: key.local.address, to: key.remote.address, .tcp, length: size)
        sum.add(UnsafeRawBufferPointer(rebasing: room[0..<size]))
        room.setBig16(16, sum.checksum)
        return PlacedSegment(source: key.local.address, destination: key.remote.address, length: size)
    }
}

struct LooseSegments {
    static let limit = 4096
    private var waiting: [TCPLooseSegment] = []
    private var taken = 0

    var isEmpty: Bool { taken == waiting.count }

    mutating func push(_ segment: TCPLooseSegment) {
        if waiting.count &- taken >= Self.limit { taken &+= 1 }
        if taken >= Self.limit {
            waiting.removeFirst(taken)
            taken = 0
        }
        waiting.append(segment)
    }

    func contains(_ interface: InterfaceID) -> Bool {
        waiting[taken...].contains { $0.interface == interface }
    }

    /// The oldest one for an interface. Others keep their place.
    mutating func pop(_ interface: InterfaceID) -> TCPLooseSegment? {
        guard !isEmpty else { return nil }
        if waiting[taken].interface == interface {
            taken &+= 1
            let segment = waiting[taken &- 1]
            if isEmpty {
                waiting.removeAll(keepingCapacity: true)
                taken = 0
            }
            return segment
        }
        guard let at = waiting[taken...].firstIndex(where: { $0.interface == interface }) else { return nil }
        return waiting.remove(at: at)
    }
}
