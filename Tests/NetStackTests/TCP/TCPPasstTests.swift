// Uploads to a peer that drops like passt. The kernel's TCP collapses there (a 200 ms timeout per
// dropped burst); the quick repairs must keep the socket full.

import Bytes
import Testing

@testable import NetStack

@Suite struct TCPPasstTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var mtu: Int
        var mss: UInt16
        var room: Int
        var gigabits: Double
        var window: Int
        /// Share of the server's rate that must be reached.
        var share: Double
        var testDescription: String { "MTU \(mtu), socket \(room), \(gigabits) Gbit/s, window \(window)" }
    }

    @Test(
        "an upload through a dropping passt keeps its socket busy and never waits for a timeout",
        arguments: [
            Case(mtu: 1500, mss: 1460, room: 300_000, gigabits: 2, window: 4 << 20, share: 0.5),
            Case(mtu: 1500, mss: 1460, room: 60_000, gigabits: 1, window: 1 << 20, share: 0.3),
            Case(mtu: 65_520, mss: 61_440, room: 400_000, gigabits: 5, window: 4 << 20, share: 0.5),
            Case(mtu: 65_520, mss: 61_440, room: 150_000, gigabits: 5, window: 4 << 20, share: 0.2),
            Case(mtu: 65_520, mss: 61_440, room: 2_500_000, gigabits: 10, window: 2 << 20, share: 0.8),
        ])
    func upload(_ c: Case) {
        let peer = PasstPeer(
            mtu: c.mtu, mss: c.mss, socketRoom: c.room, drainRate: c.gigabits * 1e9 / 8, window: c.window)
        let total = 6 << 20
        let seconds = peer.upload(total)
        #expect(seconds != nil)
        let reached = Double(total) * 8 / 1e9 / (seconds ?? 1e9)
        #expect(reached >= c.share * c.gigabits, "\(reached) Gbit/s")
        #expect(peer.longestStall < 150_000_000)
    }
}
