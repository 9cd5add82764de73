// Feeds a stream port with arbitrary bytes in arbitrary pieces over a socket pair, while the card refuses and
// sends as the input says. Each input byte is an operation; some take more bytes. Whatever happens, the card
// gets the frames that a simple reading of the bytes gives, once and in order, and the connection ends just
// when that reading does.

import FuzzMain
import Glibc
import Link
import Linux
import Netdevs

@_cdecl("fuzz_stream_main")
public func main(_ count: CInt, _ words: FuzzWords?) -> CInt {
    fuzzMain(count, words) { StreamFuzzer().run($0) }
}

/// The card's end: takes what it has room for.
final class FuzzCard: FramePort {
    var room = Int.max
    var frames: [[UInt8]] = []

    func take(_ lent: UnsafeBufferPointer<FrameView>) -> Int {
        let count = min(room, lent.count)
        for frame in lent[..<count] { frames.append(frame.segments.flatMap { Array($0) }) }
        if room != .max { room -= count }
        return count
    }

    func peerHasRoom() {}
}

/// What the port's owner was told.
final class FuzzEnds {
    var all: [StreamEnd] = []
}

final class StreamFuzzer {
    private let reactor: Reactor
    private let link: FrameLink
    private let card = FuzzCard()
    private let port: StreamPort
    private let peer: SharedDescriptor
    private let ends = FuzzEnds()
    /// All that the peer sent.
    private var sent: [UInt8] = []

    init() {
        guard let reactor = try? Reactor(), let (ours, theirs) = try? UnixSocket.pair() else { fatalError("no socket") }
        (self.reactor, peer) = (reactor, theirs)
        link = FrameLink(atEndOfTurn: { [unowned reactor] in reactor.atEndOfTurn($0) })
        link.connect(card, at: .card)
        let told = ends
        guard let port = try? StreamPort(ours, on: link, reactor: reactor, onEnd: { told.all.append($0) }) else {
            fatalError("no port")
        }
        self.port = port
    }

    func run(_ input: UnsafeBufferPointer<UInt8>) {
        var rest = input[...]
        while let operation = rest.popFirst() {
            let count = Int(operation >> 2)
            switch operation & 3 {
            case 0: send(take(count, &rest))
            case 1:
                let frame = take(count * 4, &rest)
                send([0, 0, 0, UInt8(truncatingIfNeeded: frame.count)] + frame)
            case 2:
                card.room = count == 63 ? .max : count
                link.hasRoom(.card)
            default: sendFrame(count * 16 + 14)
            }
            if operation & 0x80 == 0 { turn() }
        }
        card.room = .max
        link.hasRoom(.card)
        for _ in 0..<16 { turn() }
        check()
    }

    private func take(_ count: Int, _ rest: inout Slice<UnsafeBufferPointer<UInt8>>) -> [UInt8] {
        defer { rest = rest.dropFirst(count) }
        return Array(rest.prefix(count))
    }

    private func send(_ bytes: [UInt8]) {
        // MSG_NOSIGNAL
        let count = bytes.withUnsafeBytes {
            Glibc.send(peer.raw, $0.baseAddress, $0.count, CInt(MSG_DONTWAIT) | 0x4000)
        }
        sent += bytes.prefix(max(0, count))
    }

    private func sendFrame(_ length: Int) {
        _ = [UInt8](repeating: 1, count: length).withUnsafeBytes {
            FrameView.withOneSpan($0) { link.send($0, from: .card) }
        }
    }

    private func turn() { try? reactor.turn(maxWaitNanoseconds: 0) }

    /// The frames that were sent, read slowly.
    private func check() {
        var expected: [[UInt8]] = []
        var rest = sent[...]
        var end: StreamEnd?
        while rest.count >= 4 {
            let length = rest.prefix(4).reduce(0) { $0 << 8 | Int($1) }
            guard length <= StreamPort.longest else {
                end = .oversized(UInt32(length))
                break
            }
            guard rest.count >= 4 + length else { break }
            if length > 0 { expected.append(Array(rest.dropFirst(4).prefix(length))) }
            rest = rest.dropFirst(4 + length)
        }
        guard card.frames == expected else { fatalError("\(card.frames.count) frames, \(expected.count) expected") }
        guard ends.all == (end.map { [$0] } ?? []) else { fatalError("ended: \(ends.all), expected: \(end as Any)") }
    }
}
