// A peer that reads is alive, one that sends is; one that is sent nothing owes no sign.

import Glibc
import Link
import Linux
import TestSupport
import Testing

@testable import Netdevs

@Suite("signs of life on a stream")
struct StreamLifeTests {
    /// The silence at the last of these looks, 1 s apart.
    private static func silence(_ looks: [(unread: Int, sent: UInt64, arrived: UInt64)]) -> UInt64 {
        var life = StreamLife()
        var silence: UInt64 = 0
        for (index, look) in looks.enumerated() {
            silence = life.silence(
                at: StreamLife.Look(
                    time: UInt64(index), unread: look.unread, sent: look.sent, arrived: look.arrived))
        }
        return silence
    }

    @Test("what is not read is silence, from the look before it was sent")
    func unread() {
        #expect(Self.silence([(0, 0, 0), (768, 100, 0), (768, 100, 0), (1536, 200, 0)]) == 3)
        #expect(Self.silence([(0, 0, 0), (0, 0, 0), (768, 100, 0)]) == 1)
    }

    @Test("whoever reads, or sends, or is sent nothing, is alive")
    func alive() {
        #expect(Self.silence([(0, 0, 0), (0, 500, 0), (0, 900, 0)]) == 0)
        #expect(Self.silence([(768, 100, 0), (768, 100, 0), (768, 100, 1)]) == 0)
        // The queue is as full as before, and much more was sent than lies in it.
        #expect(Self.silence([(200_000, 0, 0), (200_000, 9_000_000, 0), (200_000, 18_000_000, 0)]) == 0)
        #expect(Self.silence([(768, 100, 0), (1536, 200, 0), (768, 200, 0)]) == 0)
        #expect(Self.silence([(0, 0, 0)]) == 0)
        #expect(Self.silence([(-1, UInt64.max, 0), (Int.max, 5, 0)]) >= 0)
    }

    @Test("a pause of whoever looks is none of the peer's silence")
    func pause() {
        var life = StreamLife()
        for (time, silence) in [(0, 0), (100_000_000_000, 1), (100_000_000_001, 2)] as [(UInt64, UInt64)] {
            let found = life.silence(at: StreamLife.Look(time: time, unread: 768, sent: 100, arrived: 0))
            #expect(silence == 2 ? found == StreamLife.longestStep + 1 : found == silence * StreamLife.longestStep)
        }
    }

    @Test("a real socket: silent while the peer does not read, alive when it has read")
    func socket() throws {
        let reactor = try Reactor()
        let (ours, theirs) = try UnixSocket.pair()
        let stream = FrameStream(on: reactor)
        try stream.attach(ours)
        stream.link.setUp(true)
        #expect(stream.silence(now: 1) == 0)
        #expect(stream.link.send([testFrame(100)], from: .card) == 1)
        #expect(stream.silence(now: 2) == 1 && stream.silence(now: 5) == 4)
        var bytes = [UInt8](repeating: 0, count: 1000)
        #expect(read(theirs.raw, &bytes, bytes.count) == 104)
        #expect(stream.silence(now: 6) == 0 && stream.silence(now: 7) == 0)
        stream.detach()
    }
}
