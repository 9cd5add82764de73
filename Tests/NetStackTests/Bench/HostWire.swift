// A wire between hosts in simulated time: frames are copied out of one end and handed to all others
// after a delay, with loss, duplication and reordering by seed. Nothing sleeps.

import Bytes
import Link
import NetStack

/// Heap memory for sockets; counts what is out, so that a test can see leaks.
final class HeapBuffers: BufferSource {
    private(set) var lent = 0
    var refuses = false

    func lend(_ bytes: Int) -> UnsafeMutableRawBufferPointer? {
        if refuses { return nil }
        lent += 1
        return .allocate(byteCount: bytes, alignment: 16)
    }

    func giveBack(_ span: UnsafeMutableRawBufferPointer) {
        lent -= 1
        span.deallocate()
    }
}

/// How badly a wire behaves.
struct WireFaults {
    var delay = Interval.microseconds(50)
    /// Probabilities per frame, 0…1.
    var loss = 0.0
    var duplication = 0.0
    /// Such frames arrive up to 5 ms late.
    var reordering = 0.0
}

/// A host, or a script that answers frames.
final class WireEnd {
    /// Another one takes its place when it moves.
    var host: Host?
    let interface: InterfaceID
    let script: (([UInt8], Instant) -> [[UInt8]])?
    /// Every frame that came to this end.
    var seen: [[UInt8]] = []

    init(_ host: Host, _ interface: InterfaceID) {
        self.host = host
        self.interface = interface
        script = nil
    }

    init(script: @escaping ([UInt8], Instant) -> [[UInt8]]) {
        host = nil
        interface = .loopback
        self.script = script
    }
}

final class HostWire {
    private(set) var now = Instant(nanoseconds: 1_000_000_000)
    private(set) var ends: [WireEnd] = []
    var faults: WireFaults
    /// Every frame that was sent, also those lost.
    private(set) var sent: [[UInt8]] = []
    private var random: Bytes.SeededGenerator
    private var flying: [(due: Instant, order: Int, from: Int, frame: [UInt8])] = []
    private var order = 0
    private let room: UnsafeMutableRawBufferPointer

    init(_ faults: WireFaults = WireFaults(), seed: UInt64 = 1) {
        self.faults = faults
        random = Bytes.SeededGenerator(seed: seed)
        room = .allocate(byteCount: 65550, alignment: 16)
    }

    deinit { room.deallocate() }

    @discardableResult
    func attach(_ end: WireEnd) -> WireEnd {
        ends.append(end)
        return end
    }

    /// Puts a frame on the wire as if end `from` had sent it.
    func inject(_ frame: [UInt8], from: Int) {
        sent.append(frame)
        guard Double.random(in: 0..<1, using: &random) >= faults.loss else { return }
        let copies = Double.random(in: 0..<1, using: &random) < faults.duplication ? 2 : 1
        for _ in 0..<copies {
            var delay = faults.delay
            if Double.random(in: 0..<1, using: &random) < faults.reordering {
                delay = delay + .microseconds(Int64.random(in: 0...5000, using: &random))
            }
            order += 1
            flying.append((now + delay, order, from, frame))
        }
    }

    /// Forgets what was sent and seen so far.
    func forget() {
        sent = []
        for end in ends { end.seen = [] }
    }

    /// Takes everything the hosts want to send now.
    func collect() {
        for (index, end) in ends.enumerated() {
            guard let host = end.host else { continue }
            var slot = TransmitSlot(room: room)
            while withUnsafeMutablePointer(
                to: &slot,
                { host.transmit(into: UnsafeMutableBufferPointer(start: $0, count: 1), on: end.interface, now: now) })
                == 1
            {
                inject(Array(room[0..<slot.length]), from: index)
            }
        }
    }

    private func deliver() {
        let due = flying.filter { $0.due <= now }.sorted { ($0.due, $0.order) < ($1.due, $1.order) }
        flying.removeAll { $0.due <= now }
        for flight in due {
            for (index, end) in ends.enumerated() where index != flight.from {
                end.seen.append(flight.frame)
                if let host = end.host {
                    host.receive(flight.frame, on: end.interface, now: now)
                } else {
                    for answer in end.script?(flight.frame, now) ?? [] { inject(answer, from: index) }
                }
            }
        }
    }

    /// One turn of everybody, without moving time.
    func turn() {
        deliver()
        for end in ends { end.host?.advance(to: now) }
        collect()
    }

    /// Runs until `isDone`, or for `limit`; returns whether it was done.
    @discardableResult
    func run(for limit: Interval, until isDone: () -> Bool = { false }) -> Bool {
        let end = now + limit
        turn()
        while !isDone() {
            // What the tools behind `isDone` have just written leaves in this turn.
            collect()
            let deadlines = flying.map(\.due) + ends.compactMap { $0.host?.nextDeadline }
            guard let next = deadlines.min(), next <= end else {
                now = end
                turn()
                return isDone()
            }
            now = max(next, now + Interval(nanoseconds: 1))
            turn()
        }
        return true
    }
}

extension Host {
    /// Hands in one frame that lies in two spans, cut at `cut`, as a ring would.
    func receive(_ frame: [UInt8], on id: InterfaceID, now: Instant, cut: Int = 17, offload: Offload = Offload()) {
        frame.withUnsafeBytes { bytes in
            let cut = min(cut, bytes.count)
            let spans = [
                UnsafeRawBufferPointer(rebasing: bytes[0..<cut]), UnsafeRawBufferPointer(rebasing: bytes[cut...]),
            ]
            spans.withUnsafeBufferPointer { segments in
                let view = FrameView(segments: segments, length: bytes.count, offload: offload)
                withUnsafePointer(to: view) {
                    receive(UnsafeBufferPointer(start: $0, count: 1), on: id, now: now)
                }
            }
        }
    }

    /// Every frame that wants to leave now.
    func output(on id: InterfaceID, now: Instant) -> [[UInt8]] {
        var frames: [[UInt8]] = []
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 65550, alignment: 16)
        defer { room.deallocate() }
        var slot = TransmitSlot(room: room)
        while withUnsafeMutablePointer(
            to: &slot, { transmit(into: UnsafeMutableBufferPointer(start: $0, count: 1), on: id, now: now) }) == 1
        {
            frames.append(Array(room[0..<slot.length]))
        }
        return frames
    }
}
