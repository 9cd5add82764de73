// Packets of the node to itself: `lo` is an interface whose link is this file. They are carried in
// `advance`, never inside the call that sent them, so no socket call ends up in another one.

import Bytes
import Link

extension Host {
    /// Packets carried in one `advance`: two sockets that talk for ever do not stop the turn.
    private static let carryLimit = 256

    /// Takes what waits on `lo` and hands it in again; returns whether there was anything.
    func carryLoopback(_ now: Instant) -> Bool {
        guard let lo = attached.first else { return false }
        var carried = 0
        while carried < Self.carryLimit {
            let before = carried
            if let (_, bytes) = lo.output.front {
                countCarried(bytes.count, lo)
                Self.withView(of: bytes) { receive($0, lo, now) }
                lo.output.removeFirst()
                carried += 1
            }
            if carrySegment(lo, now) { carried += 1 }
            if carried == before { break }
        }
        return carried > 0
    }

    private func countCarried(_ length: Int, _ lo: NetworkInterface) {
        lo.counters.transmitted &+= 1
        lo.counters.transmittedBytes &+= UInt64(length)
        lo.counters.received &+= 1
        lo.counters.receivedBytes &+= UInt64(length)
    }

    /// A segment skips the IP header: nobody could have damaged it.
    private func carrySegment(_ lo: NetworkInterface, _ now: Instant) -> Bool {
        let room = loopbackRoom ?? .allocate(byteCount: lo.mtu, alignment: 16)
        loopbackRoom = room
        guard let placed = tcp.transmit(into: room, on: .loopback, now: now) else {
            return false
        }
        countCarried(placed.length, lo)
        guard isLocal(placed.destination) else {
            lo.counters.notForUs &+= 1
            return true
        }
        Self.withView(of: UnsafeRawBufferPointer(room)) { view in
            tcp.receive(
                SegmentView(
                    from: placed.source, to: placed.destination, frame: view, at: placed.offset, length: placed.length,
                    checksumTrusted: true), now: now)
        }
        return true
    }

    /// Lends bytes that lie in one piece as a frame.
    static func withView(of bytes: UnsafeRawBufferPointer, _ body: (FrameView) -> Void) {
        FrameView.withOneSpan(bytes, offload: Offload(isChecksumValid: true)) { body($0[0]) }
    }
}
