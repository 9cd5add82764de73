// Two TCP layers and the wire between them in simulated time: delay, rate, a queue, loss,
// reordering and duplication, all from one seed.

import Bytes
import Glibc

@testable import NetStack

/// How a wire behaves, the same in both directions.
struct WireBehaviour {
    var delay = Interval.microseconds(50)
    /// Bits per second; 0: no limit.
    var rate: Int64 = 0
    /// Segments that wait at most for a limited rate; more are dropped.
    var queue = 1000
    var loss = 0.0
    var duplication = 0.0
    /// Share of segments that are held back by up to four delays.
    var reordering = 0.0
    var corruption = 0.0
}

/// The wire from one host to the other.
struct WireDirection {
    struct InFlight {
        var arrival: UInt64
        var order: UInt64
        var bytes: [UInt8]
    }

    var behaviour: WireBehaviour
    var random: SeededGenerator
    private(set) var flying: [InFlight] = []
    private var freeAt: UInt64 = 0
    private var count: UInt64 = 0
    private(set) var dropped = 0
    private(set) var carried = 0

    init(_ behaviour: WireBehaviour, seed: UInt64) {
        self.behaviour = behaviour
        random = SeededGenerator(seed: seed)
    }

    var next: UInt64? { flying.first?.arrival }

    mutating func send(_ bytes: [UInt8], now: UInt64) {
        var bytes = bytes
        guard random.unit() >= behaviour.loss else {
            dropped += 1
            return
        }
        if random.unit() < behaviour.corruption { bytes[Int(random.next() % UInt64(bytes.count))] ^= 0x10 }
        var departure = now
        if behaviour.rate > 0 {
            let time = UInt64(Int64(bytes.count + 38) * 8 * 1_000_000_000 / behaviour.rate)
            guard freeAt <= now || (freeAt - now) / max(1, time) < UInt64(behaviour.queue) else {
                dropped += 1
                return
            }
            freeAt = max(freeAt, now) + time
            departure = freeAt
        }
        var delay = UInt64(behaviour.delay.nanoseconds)
        if random.unit() < behaviour.reordering { delay += UInt64(Double(delay) * 4 * random.unit()) }
        put(bytes, at: departure + delay)
        if random.unit() < behaviour.duplication { put(bytes, at: departure + delay + 1000) }
    }

    private mutating func put(_ bytes: [UInt8], at arrival: UInt64) {
        count += 1
        carried += 1
        let item = InFlight(arrival: arrival, order: count, bytes: bytes)
        var at = flying.count
        while at > 0, flying[at - 1].arrival > arrival { at -= 1 }
        flying.insert(item, at: at)
    }

    mutating func pop(now: UInt64) -> [UInt8]? {
        guard let first = flying.first, first.arrival <= now else { return nil }
        flying.removeFirst()
        return first.bytes
    }
}

/// Two hosts and their wire.
final class SimulatedNetwork {
    let a: TestHost
    let b: TestHost
    var ab: WireDirection
    var ba: WireDirection
    private(set) var now = Instant(nanoseconds: 1_000_000_000)
    /// Called for every segment: from a?, its bytes.
    var watch: ((Bool, [UInt8]) -> Void)?

    init(
        _ behaviour: WireBehaviour = WireBehaviour(), mtu: Int = 1500, seed: UInt64 = 1,
        _ configuration: TCPConfiguration = TCPConfiguration(), peer: TCPConfiguration? = nil
    ) {
        a = TestHost(IPAddress(10, 0, 0, 1), mtu: mtu, seed: seed, configuration)
        b = TestHost(IPAddress(10, 0, 0, 2), mtu: mtu, seed: seed &+ 99, peer ?? configuration)
        ab = WireDirection(behaviour, seed: seed &* 2)
        ba = WireDirection(behaviour, seed: seed &* 2 &+ 1)
    }

    /// Takes everything that the hosts want to send onto the wire.
    func flush() {
        while let (bytes, _) = a.transmit(now: now) {
            watch?(true, bytes)
            ab.send(bytes, now: now.nanoseconds)
        }
        while let (bytes, _) = b.transmit(now: now) {
            watch?(false, bytes)
            ba.send(bytes, now: now.nanoseconds)
        }
    }

    /// Goes on to the next event; false: nothing will ever happen again, or not before `limit`.
    func step(limit: Instant = Instant(nanoseconds: .max)) -> Bool {
        flush()
        let times = [ab.next, ba.next, a.tcp.nextDeadline?.nanoseconds, b.tcp.nextDeadline?.nanoseconds]
        guard let next = times.compactMap({ $0 }).min(), next <= limit.nanoseconds else { return false }
        now = Instant(nanoseconds: max(now.nanoseconds, next))
        while let bytes = ab.pop(now: now.nanoseconds) { b.receive(bytes, from: a.address, now: now) }
        while let bytes = ba.pop(now: now.nanoseconds) { a.receive(bytes, from: b.address, now: now) }
        a.tcp.advance(to: now)
        b.tcp.advance(to: now)
        flush()
        return true
    }

    /// Lets simulated time pass.
    func run(for interval: Interval) {
        let end = now + interval
        while step(limit: end) {}
        now = end
    }

    /// Steps until `done`, which is asked at least every `tick`; false: it did not happen within `limit`.
    func run(atMost limit: Interval, tick: Interval = .milliseconds(10), until done: () -> Bool) -> Bool {
        let end = now + limit
        while !done() {
            guard now < end else { return false }
            let pause = now + tick
            if !step(limit: pause) { now = pause }
        }
        return true
    }
}

/// Bytes of a stream that can be checked at any place: a random period of prime length, moved by a salt.
enum Pattern {
    private static let period = 65_521
    private static let table: [UInt8] = {
        var random = SeededGenerator(seed: 42)
        let once = (0..<period).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        return once + once
    }()

    private static func start(_ at: Int, _ salt: UInt8) -> Int { (at + Int(salt) * 977) % period }

    /// At most `period` bytes.
    static func bytes(_ range: Range<Int>, _ salt: UInt8) -> [UInt8] {
        let start = start(range.lowerBound, salt)
        return Array(table[start..<start + range.count])
    }

    static func matches(_ bytes: UnsafeRawBufferPointer, at: Int, _ salt: UInt8) -> Bool {
        let start = start(at, salt)
        return table.withUnsafeBytes { table in
            guard let expected = table.baseAddress, let got = bytes.baseAddress else { return bytes.isEmpty }
            return memcmp(expected + start, got, bytes.count) == 0
        }
    }
}

/// One end of a transfer: sends `total` pattern bytes, then FIN, and checks what comes.
struct StreamEnd {
    let host: TestHost
    let id: TCPSocketID
    var total: Int
    var expected: Int
    var sendSalt: UInt8
    var receiveSalt: UInt8
    /// Bytes read per turn at most: a slow reader.
    var readLimit = Int.max
    var sent = 0
    var received = 0
    var isCorrect = true
    var isDone = false

    mutating func work(now: Instant) {
        while sent < total {
            let chunk = Pattern.bytes(sent..<min(total, sent + 16_384), sendSalt)
            let taken = chunk.withUnsafeBytes { host.tcp.send(id, $0, now: now).count }
            sent += taken
            if taken < chunk.count { break }
        }
        if sent == total { host.tcp.shutdownSend(id, now: now) }
        read(now: now)
        if let status = host.tcp.status(id) {
            isDone = status.isEOF && received == expected && status.unacknowledgedBytes == 0
        }
    }

    private mutating func read(now: Instant) {
        var left = readLimit
        while left > 0 {
            let count = withUnsafeTemporaryAllocation(byteCount: 16_384, alignment: 16) { room in
                let room = UnsafeMutableRawBufferPointer(rebasing: room[0..<min(left, room.count)])
                let count = host.tcp.receive(id, into: room, now: now).count
                let got = UnsafeRawBufferPointer(rebasing: room[0..<count])
                if count > 0, !Pattern.matches(got, at: received, receiveSalt) { isCorrect = false }
                return count
            }
            guard count > 0 else { return }
            received += count
            left -= count
        }
    }
}

extension SimulatedNetwork {
    /// Opens a connection from a to a listener on b.
    func open(port: UInt16 = 80) -> (TCPSocketID, TCPSocketID)? {
        guard let listener = try? b.tcp.listen(on: port),
            let client = try? a.tcp.connect(to: Endpoint(b.address, port), now: now)
        else { return nil }
        var server: TCPSocketID?
        let isOpen = run(atMost: .seconds(300)) {
            if server == nil { server = b.tcp.accept(listener) }
            return server != nil && a.tcp.status(client)?.state == .established
        }
        b.tcp.release(listener, now: now)
        guard isOpen, let server else { return nil }
        return (client, server)
    }

    /// Sends `forth` bytes a to b and `back` bytes b to a at the same time; returns the simulated
    /// nanoseconds it took, nil when bytes were wrong or it did not end within `limit`.
    func transfer(forth: Int, back: Int, limit: Interval = .seconds(3600), readLimit: Int = .max) -> UInt64? {
        guard let (client, server) = open() else { return nil }
        var left = StreamEnd(
            host: a, id: client, total: forth, expected: back, sendSalt: 0x11, receiveSalt: 0x77, readLimit: readLimit)
        var right = StreamEnd(
            host: b, id: server, total: back, expected: forth, sendSalt: 0x77, receiveSalt: 0x11, readLimit: readLimit)
        let start = now.nanoseconds
        let done = run(atMost: limit) {
            left.work(now: now)
            right.work(now: now)
            flush()
            return left.isDone && right.isDone
        }
        guard done, left.isCorrect, right.isCorrect else { return nil }
        return now.nanoseconds - start
    }
}
