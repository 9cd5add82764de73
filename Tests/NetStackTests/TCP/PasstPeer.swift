// A peer that behaves as passt does towards a guest that uploads: no buffer of its own, no SACK and no
// timestamps; what its socket cannot take now is dropped, whatever lies behind a gap is dropped, too,
// and a gap is announced by two equal ACKs, once per sequence number.

import Bytes

@testable import NetStack

/// One connection of a host to a server behind a modelled passt.
final class PasstPeer {
    let host: TestHost
    let serverAddress = IPAddress(10, 0, 0, 2)
    /// What the socket towards the server holds, and how fast the server takes it: bytes per second.
    let socketRoom: Int
    let drainRate: Double
    /// What the window claims.
    let window: Int
    let mss: UInt16

    private(set) var now = Instant(nanoseconds: 1_000_000_000)
    private(set) var received = 0
    private(set) var isCorrect = true
    private(set) var droppedSegments = 0
    /// The longest time without any progress, in nanoseconds.
    private(set) var longestStall: UInt64 = 0
    private var queued = 0.0
    private var drainedAt: UInt64 = 1_000_000_000
    private var hostNext: UInt32 = 0
    private var hostPort: UInt16 = 0
    private var own: UInt32 = 0x7000_0000
    private var lastGap: UInt32?
    private var lastProgress: UInt64 = 1_000_000_000
    private var toHost: [(at: UInt64, bytes: [UInt8])] = []
    private var toPeer: [(at: UInt64, bytes: [UInt8])] = []
    private let delay: UInt64 = 30_000

    init(mtu: Int, mss: UInt16, socketRoom: Int, drainRate: Double, window: Int) {
        host = TestHost(IPAddress(10, 0, 0, 1), mtu: mtu)
        self.mss = mss
        self.socketRoom = socketRoom
        self.drainRate = drainRate
        self.window = window
    }

    /// Uploads `total` bytes; the simulated seconds it took, nil when it did not end or bytes were wrong.
    func upload(_ total: Int, limit: Interval = .seconds(600)) -> Double? {
        guard let id = try? host.tcp.connect(to: Endpoint(serverAddress, 5001), now: now) else { return nil }
        let start = now.nanoseconds
        let end = now + limit
        var sent = 0
        while received < total {
            while sent < total {
                let chunk = Pattern.bytes(sent..<min(total, sent + 65_000), 5)
                let taken = chunk.withUnsafeBytes { host.tcp.send(id, $0, now: now).count }
                sent += taken
                if taken < chunk.count { break }
            }
            guard step(limit: end) else { return nil }
        }
        return isCorrect ? Double(now.nanoseconds - start) / 1e9 : nil
    }

    private func step(limit: Instant) -> Bool {
        flush()
        let times = [toHost.first?.at, toPeer.first?.at, host.tcp.nextDeadline?.nanoseconds]
        guard let next = times.compactMap({ $0 }).min(), next <= limit.nanoseconds else { return false }
        now = Instant(nanoseconds: max(now.nanoseconds, next))
        while let first = toHost.first, first.at <= now.nanoseconds {
            toHost.removeFirst()
            host.receive(first.bytes, from: serverAddress, now: now, trusted: true)
        }
        takeBatch()
        host.tcp.advance(to: now)
        flush()
        return true
    }

    /// A TX ring of 256 frames; the other side sees them as one batch.
    private func flush() {
        var count = 0
        while count < 256, let (bytes, _) = host.transmit(now: now) {
            toPeer.append((now.nanoseconds + delay, bytes))
            count += 1
        }
    }

    private func drain() {
        let passed = Double(now.nanoseconds - drainedAt) / 1e9
        queued = max(0, queued - passed * drainRate)
        drainedAt = now.nanoseconds
    }

    private func takeBatch() {
        drain()
        var advanced = false
        var gap = false
        while let first = toPeer.first, first.at <= now.nanoseconds {
            toPeer.removeFirst()
            guard
                let (header, size) = try? first.bytes.withUnsafeBytes({
                    try TCPHeader.parse($0, segmentLength: first.bytes.count)
                })
            else { continue }
            if header.flags.contains(.syn) {
                hostNext = header.sequence &+ 1
                hostPort = header.sourcePort
                answer([.syn, .ack])
                own &+= 1
            } else if first.bytes.count > size {
                take(header.sequence, first.bytes[size...], &advanced, &gap)
            }
        }
        if advanced {
            longestStall = max(longestStall, now.nanoseconds - lastProgress)
            lastProgress = now.nanoseconds
            answer(.ack)
        }
        if gap, lastGap != hostNext {
            lastGap = hostNext
            answer(.ack)
            answer(.ack)
        }
    }

    private func take(_ sequence: UInt32, _ text: ArraySlice<UInt8>, _ advanced: inout Bool, _ gap: inout Bool) {
        let skip = Int(Int32(bitPattern: hostNext &- sequence))
        guard skip >= 0 else {
            droppedSegments += 1
            gap = true
            return
        }
        guard skip < text.count else { return }
        let fresh = text.dropFirst(skip)
        let room = socketRoom - Int(queued)
        let count = min(max(0, room), fresh.count)
        if count > 0, !fresh.prefix(count).withUnsafeBytes({ Pattern.matches($0, at: received, 5) }) {
            isCorrect = false
        }
        received += count
        queued += Double(count)
        hostNext &+= UInt32(count)
        if count > 0 { advanced = true }
        if count < fresh.count {
            droppedSegments += 1
            gap = true
            // EAGAIN is announced each time.
            if count == 0 { lastGap = nil }
        }
    }

    private func answer(_ flags: TCPFlags) {
        var header = TCPHeader(
            sourcePort: 5001, destinationPort: hostPort, sequence: own, acknowledgement: hostNext, flags: flags,
            window: UInt16(clamping: flags.contains(.syn) ? window : window >> 8))
        if flags.contains(.syn) {
            header.maximumSegmentSize = mss
            header.windowShift = 8
        }
        var bytes = [UInt8](repeating: 0, count: header.size)
        bytes.withUnsafeMutableBytes { _ = header.write(into: $0) }
        toHost.append((now.nanoseconds + delay, bytes))
    }
}
