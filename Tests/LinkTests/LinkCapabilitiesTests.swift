// What a link does for an end that cannot do it itself: golden checksums, what is dropped, and that nothing is lost
// or told twice when the end refuses.

import Bytes
import TestSupport
import Testing

@testable import Link

/// A scripted port that says what it can do.
private final class AblePort: FramePort {
    var capabilities: LinkCapabilities
    var room = Int.max
    private(set) var frames: [[UInt8]] = []
    private(set) var offloads: [Offload] = []
    private(set) var batches: [Int] = []

    init(_ capabilities: LinkCapabilities = .plain) { self.capabilities = capabilities }

    func take(_ lent: UnsafeBufferPointer<FrameView>) -> Int {
        let count = min(room, lent.count)
        batches.append(count)
        for frame in lent[..<count] {
            frames.append(frame.bytes)
            offloads.append(frame.offload)
        }
        if room != .max { room -= count }
        return count
    }

    func peerHasRoom() {}
}

struct LinkCapabilitiesTests {
    private let turn = TurnEnd()

    private func link(_ port: AblePort) -> FrameLink {
        let link = FrameLink(atEndOfTurn: turn.door)
        link.connect(port, at: .netdev)
        return link
    }

    private static let pending = Offload(pendingChecksum: .init(start: 34, offset: 6))

    /// UDP from 10.0.0.1:7 to 10.0.0.2:9 with "hi!"; the field holds the sum of the pseudo-header (RFC 768).
    private static let datagram: [UInt8] =
        [UInt8](repeating: 2, count: 12) + [0x08, 0x00]  // Ethernet
        + [0x45, 0, 0, 31, 0, 0, 0, 0, 64, 17, 0x66, 0xcc, 10, 0, 0, 1, 10, 0, 0, 2]  // IPv4
        + [0, 7, 0, 9, 0, 11, 0x14, 0x1f]  // UDP; 0x0a00+1+0x0a00+2+17+11 = 0x141f
        + [0x68, 0x69, 0x21]

    /// Sends frames that share an offload, cut into pieces.
    private func send(_ frames: [[UInt8]], _ offload: Offload, over link: FrameLink, pieces: Int = 1) -> Int {
        withFrames(frames, pieces: pieces) { plain in
            let views = plain.map { FrameView(segments: $0.segments, length: $0.length, offload: offload) }
            return views.withUnsafeBufferPointer { link.send($0, from: .card) }
        }
    }

    @Test("a pending checksum is completed for an end that does not, however the frame lies", arguments: [1, 2, 7, 45])
    func completed(pieces: Int) {
        let port = AblePort()
        let link = link(port)
        #expect(send([Self.datagram], Self.pending, over: link, pieces: pieces) == 1)
        // 0x0007 + 0x0009 + 0x000b + 0x141f + 0x6869 + 0x2100 = 0x9da3
        var expected = Self.datagram
        (expected[40], expected[41]) = (0x62, 0x5c)
        #expect(port.frames == [expected] && port.offloads == [Offload(isChecksumValid: true)])
        #expect(link.counters(.card).checksumsCompleted == 1 && link.counters(.card).frames == 1)
        #expect(Self.datagram[40] == 0x14, "the sender's bytes are the sender's")
    }

    @Test("a checksum of 0 is written as 0xffff")
    func zero() {
        let port = AblePort()
        let link = link(port)
        // The sum of everything is 0xffff.
        var bytes = Self.datagram
        bytes[42...44] = [0, 0, 0]
        (bytes[40], bytes[41]) = (0xff, 0xff - 7 - 9 - 11)
        #expect(send([bytes], Self.pending, over: link) == 1)
        #expect(Array(port.frames[0][40...41]) == [0xff, 0xff])
    }

    @Test("an end that takes pending checksums gets them as they are")
    func handedOn() {
        let port = AblePort(LinkCapabilities(checksum: true))
        let link = link(port)
        #expect(send([Self.datagram], Self.pending, over: link) == 1)
        #expect(port.frames == [Self.datagram] && port.offloads == [Self.pending])
        #expect(link.counters(.card).checksumsCompleted == 0)
    }

    @Test("plain frames around one that needs a hand go in whole batches")
    func batches() {
        let port = AblePort()
        let link = link(port)
        let frames = (0..<9).map { testFrame(60, $0) }
        let taken = withFrames(frames) { plain in
            var views = Array(plain)
            views[4] = FrameView(segments: views[4].segments, length: 60, offload: Self.pending)
            return views.withUnsafeBufferPointer { link.send($0, from: .card) }
        }
        #expect(taken == 9 && port.batches == [4, 1, 4])
        #expect(port.frames.map { $0[..<34] } == frames.map { $0[..<34] })
    }

    @Test("an end that refuses a completed frame gets it again, and it is counted once")
    func refused() {
        let port = AblePort()
        let link = link(port)
        port.room = 1
        #expect(send([Self.datagram, Self.datagram, Self.datagram], Self.pending, over: link) == 1)
        port.room = 0
        #expect(send([Self.datagram, Self.datagram], Self.pending, over: link) == 0)
        port.room = .max
        #expect(send([Self.datagram, Self.datagram], Self.pending, over: link) == 2)
        #expect(port.frames.count == 3 && link.counters(.card).checksumsCompleted == 3)
        #expect(link.counters(.card).blocked == 2)
    }

    @Test(
        "a checksum whose place is not in the frame is dropped and counted; nothing traps",
        arguments: [(45, 0), (44, 0), (0, 44), (34, 10), (65535, 65535)] as [(UInt16, UInt16)])
    func nonsense(start: UInt16, offset: UInt16) {
        let port = AblePort()
        let link = link(port)
        let offload = Offload(pendingChecksum: .init(start: start, offset: offset))
        #expect(send([Self.datagram], offload, over: link) == 1)
        #expect(port.frames.isEmpty && link.counters(.card).checksumsDropped == 1)
        #expect(link.counters(.card).frames == 0)
    }

    @Test("a frame that the other end cannot cut is dropped and counted; one that it can is not touched")
    func segments() {
        let port = AblePort(LinkCapabilities(checksum: true, segmentation: [.tcp4, .ecn], largestFrame: 1514))
        let link = link(port)
        func offload(_ kind: Offload.Segmentation) -> Offload {
            Offload(pendingChecksum: .init(start: 34, offset: 16), segmentation: kind, segmentSize: 1448)
        }
        for kind in [Offload.Segmentation.tcp4, .tcp6, .udp, .tcp4ECN, .tcp6ECN] {
            #expect(send([testFrame(20_000)], offload(kind), over: link) == 1)
        }
        #expect(port.offloads == [offload(.tcp4), offload(.tcp4ECN)])
        #expect(link.counters(.card).segmentsDropped == 3)
    }

    @Test("a frame longer than the other end takes is dropped and counted, also one that has to be completed")
    func tooLong() {
        let port = AblePort(LinkCapabilities(largestFrame: 100))
        let link = link(port)
        #expect(link.send([testFrame(100), testFrame(101), testFrame(99)], from: .card) == 3)
        #expect(send([testFrame(101)], Self.pending, over: link) == 1)
        #expect(port.frames == [testFrame(100), testFrame(99)] && link.counters(.card).tooLong == 2)
        let any = AblePort()
        link.connect(any, at: .netdev)
        #expect(send([testFrame(ChecksumCompletion.longest)], Self.pending, over: link) == 1)
        #expect(send([testFrame(ChecksumCompletion.longest - 1)], Self.pending, over: link, pieces: 3) == 1)
        #expect(any.frames.count == 2)
    }

    @Test("a port that learns something says so, and a port that leaves takes its abilities along")
    func changes() {
        let port = AblePort()
        let link = link(port)
        #expect(link.capabilities(.netdev) == .plain)
        port.capabilities = LinkCapabilities(checksum: true)
        #expect(link.capabilities(.netdev) == .plain)
        link.capabilitiesChanged(.netdev)
        #expect(link.capabilities(.netdev).checksum)
        link.connect(nil, at: .netdev)
        #expect(link.capabilities(.netdev) == .plain)
    }

    @Test("through a hub a checksum stays pending, and is completed where a port does not")
    func hub() {
        let hub = Hub()
        let ports = [AblePort(), AblePort(LinkCapabilities(checksum: true)), AblePort()]
        let links = ports.map { link($0) }
        for link in links { _ = hub.addPort(on: link, at: .card) }
        _ = Self.datagram.withUnsafeBytes { bytes in
            FrameView.withOneSpan(bytes, offload: Self.pending) { links[0].send($0, from: .netdev) }
        }
        #expect(ports[1].frames == [Self.datagram] && ports[1].offloads == [Self.pending])
        #expect(ports[2].offloads == [Offload(isChecksumValid: true)] && ports[2].frames[0][40] == 0x62)
    }
}
