// Packets that are longer than the MTU of their interface (RFC 791, 3.2): datagrams and echoes, in pieces of a multiple
// of eight bytes. TCP sends no such packets.

import Bytes
import Link

extension Host {
    /// Writes the payload of a packet once, in private memory, and queues it in fragments.
    /// - Throws: `queueFull` when they do not all have room; what has left already is lost with the rest at the receiver.
    func sendFragments(
        _ head: PacketHead, _ way: Way, to mac: MACAddress?, now: Instant,
        fill: (PacketHead, UnsafeMutableRawBufferPointer) -> Void
    ) throws(HostError) {
        let mtu = way.interface.mtu
        let step = (mtu - head.size) & ~7
        guard head.totalLength <= 65535, head.destination.isIPv4, step > 0 else {
            throw .tooLong(bytes: head.totalLength, limit: mtu)
        }
        let payload = UnsafeMutableRawBufferPointer.allocate(byteCount: head.payloadLength, alignment: 8)
        defer { payload.deallocate() }
        fill(head, payload)
        let identification = UInt16.random(in: 0...UInt16.max, using: &random)
        for offset in stride(from: 0, to: payload.count, by: step) {
            let part = UnsafeRawBufferPointer(rebasing: payload[offset..<min(offset + step, payload.count)])
            var piece = head
            piece.payloadLength = part.count
            piece.fragment = PacketHead.Fragment(
                identification: identification, offset: offset, isLast: offset + part.count == payload.count)
            try send(piece, way, to: mac, now: now) { _, room in room.copyMemory(from: part) }
        }
    }
}
