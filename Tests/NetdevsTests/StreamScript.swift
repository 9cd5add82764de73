// One end of a stream connection as a port of a link, the other in the test's hand, and a reactor that is
// turned until something is true.

import Glibc
import Link
import Linux
import TestSupport

@testable import Netdevs

extension Reactor {
    /// Turns until `condition` holds; false after `seconds`. A condition that does something by itself is not to be
    /// waited for: then each turn only looks.
    func turn(seconds: UInt64 = 20, maxWait: UInt64 = 20_000_000, until condition: () -> Bool) throws -> Bool {
        let end = nowNanoseconds + seconds * 1_000_000_000
        while !condition() {
            guard nowNanoseconds < end else { return false }
            try turn(maxWaitNanoseconds: maxWait)
        }
        return true
    }
}

/// The frames of a byte stream, as it comes in.
struct StreamParser {
    private var bytes: [UInt8] = []
    private var start = 0
    private(set) var frames: [[UInt8]] = []

    /// Bytes behind the last whole frame.
    var rest: Int { bytes.count - start }

    mutating func take(_ more: [UInt8]) {
        bytes += more
        while rest >= 4 {
            let length = bytes[start..<start + 4].reduce(0) { $0 << 8 | Int($1) }
            guard rest >= 4 + length else { break }
            frames.append(Array(bytes[start + 4..<start + 4 + length]))
            start += 4 + length
        }
        if start > 1 << 20 {
            bytes.removeFirst(start)
            start = 0
        }
    }
}

/// `frames` as QEMU's stream protocol sends them.
func streamBytes(_ frames: [[UInt8]]) -> [UInt8] {
    frames.flatMap { frame in (0..<4).map { UInt8(truncatingIfNeeded: frame.count >> (24 - 8 * $0)) } + frame }
}

/// A socket in the test's hand.
struct RawPeer {
    let socket: SharedDescriptor

    /// Sends what the kernel takes of `bytes`, at most `limit`; how many.
    func send(_ bytes: ArraySlice<UInt8>, limit: Int = .max) -> Int {
        let count = bytes.withUnsafeBytes {
            // MSG_NOSIGNAL
            Glibc.send(socket.raw, $0.baseAddress, min($0.count, limit), CInt(MSG_DONTWAIT) | 0x4000)
        }
        return max(0, count)
    }

    func send(_ bytes: [UInt8]) -> Int { send(bytes[...]) }

    /// What is there, at most `limit` bytes; nil at the end of the stream.
    func receive(limit: Int = 1 << 16) -> [UInt8]? {
        var count = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: limit) { room, filled in
            count = recv(socket.raw, room.baseAddress, limit, CInt(MSG_DONTWAIT))
            filled = max(0, count)
        }
        return count == 0 ? nil : bytes
    }
}

/// A stream port over one end of a socket pair.
final class StreamScript {
    let reactor: Reactor
    let link: FrameLink
    let card = ScriptedPort()
    private(set) var port: StreamPort?
    private(set) var peer: RawPeer?
    private(set) var ends: [StreamEnd] = []

    /// - Parameter sendBuffer: SO_SNDBUF of both ends; the kernel doubles it.
    init(sendBuffer: CInt? = nil) throws {
        let reactor = try Reactor()
        self.reactor = reactor
        link = FrameLink(atEndOfTurn: { [unowned reactor] in reactor.atEndOfTurn($0) })
        link.connect(card, at: .card)
        let (ours, theirs) = try UnixSocket.pair()
        if let sendBuffer {
            for socket in [ours.raw, theirs.raw] {
                var bytes = sendBuffer
                setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &bytes, socklen_t(MemoryLayout<CInt>.size))
            }
        }
        peer = RawPeer(socket: theirs)
        port = try StreamPort(ours, on: link, reactor: reactor) { [weak self] in self?.ends.append($0) }
    }

    func closePeer() { peer = nil }
    func closePort() {
        port?.close()
        port = nil
    }

    /// Sends all of `bytes` from the peer, turning meanwhile; false when it takes too long.
    func peerSends(_ bytes: [UInt8]) throws -> Bool {
        var sent = 0
        return try reactor.turn {
            sent += peer?.send(bytes[sent...]) ?? 0
            return sent == bytes.count
        }
    }

    func allow(_ count: Int) {
        card.room = count
        link.hasRoom(.card)
    }
}
