// The script language of the TCP tests: one real TCPLayer, and a peer whose segments are written down
// line by line. Sequence numbers are relative to each side's SYN, time is simulated.
//
//     let s = TCPScript.established()
//     s.send("hello")                                   // the caller queues bytes
//     s.expect(Seg([.ack, .psh], seq: 1, ack: 1, "hello"))
//     s.peer(Seg(.ack, seq: 1, ack: 6))                 // the peer's segment arrives
//     s.expectNothing()

import Bytes
import Testing

@testable import NetStack

/// A segment as a script writes it. nil in an expectation: not looked at.
struct Seg: Equatable, CustomStringConvertible {
    var flags: TCPFlags
    var seq: Int
    var ack: Int?
    var window: Int?
    var text: [UInt8]
    var mss: UInt16?
    var scale: UInt8?
    var stamps: TCPTimestamps?
    var urgent: UInt16 = 0

    init(
        _ flags: TCPFlags, seq: Int, ack: Int? = nil, _ text: String = "", window: Int? = nil, mss: UInt16? = nil,
        scale: UInt8? = nil, stamps: TCPTimestamps? = nil, bytes: Int = 0
    ) {
        self.flags = flags
        self.seq = seq
        self.ack = ack
        self.window = window
        self.text = Array(text.utf8) + [UInt8](repeating: 0x78, count: bytes)
        self.mss = mss
        self.scale = scale
        self.stamps = stamps
    }

    static func == (a: Seg, b: Seg) -> Bool {
        a.flags == b.flags && a.seq == b.seq && a.ack == b.ack && a.text == b.text
    }

    var description: String {
        let names: [(TCPFlags, String)] = [
            (.syn, "S"), (.fin, "F"), (.rst, "R"), (.psh, "P"), (.ack, "A"), (.urg, "U"),
        ]
        let bits = names.filter { flags.contains($0.0) }.map(\.1).joined()
        return "[\(bits) seq \(seq) ack \(ack.map(String.init) ?? "-") len \(text.count) win \(window ?? -1)]"
    }
}

/// One host and its scripted peer.
final class TCPScript {
    let host: TestHost
    let peerAddress = IPAddress(10, 0, 0, 2)
    var peerPort: UInt16 = 80
    var hostPort: UInt16 = 0
    var now = Instant(nanoseconds: 10_000_000_000)
    var id = TCPSocketID(index: 0, generation: 0)
    /// Initial sequence numbers: the host's is learnt from its SYN.
    var hostStart: UInt32 = 0
    var peerStart: UInt32 = 0x1000_0000
    /// What the peer announces when a segment says nothing else, before scaling.
    var peerWindow = 60_000
    var hostScale: UInt8 = 0

    init(mtu: Int = 1500, _ change: (inout TCPConfiguration) -> Void = { _ in }) {
        var configuration = TCPConfiguration()
        configuration.usesTimestamps = false
        configuration.initialBuffer = 32 << 10
        change(&configuration)
        host = TestHost(IPAddress(10, 0, 0, 1), mtu: mtu, seed: 7, configuration)
    }

    var tcp: TCPLayer { host.tcp }
    var state: TCPState? { tcp.status(id)?.state }
    var error: TCPError? { tcp.status(id)?.error }

    // MARK: time

    /// Simulated milliseconds pass; timers run at their time.
    func wait(_ milliseconds: Int) { wait(microseconds: milliseconds * 1000) }

    func wait(microseconds: Int) {
        let end = now + .microseconds(Int64(microseconds))
        while let next = tcp.nextDeadline, next <= end {
            now = max(now, next)
            tcp.advance(to: now)
        }
        now = end
        tcp.advance(to: now)
    }

    // MARK: the caller

    func connect() {
        guard let id = try? tcp.connect(to: Endpoint(peerAddress, peerPort), now: now) else {
            Issue.record("connect failed")
            return
        }
        self.id = id
        hostPort = tcp.status(id)?.local.port ?? 0
    }

    @discardableResult func send(_ text: String) -> Int { send(Array(text.utf8)) }
    @discardableResult func send(count: Int) -> Int { send([UInt8](repeating: 0x78, count: count)) }
    @discardableResult func send(_ bytes: [UInt8]) -> Int {
        bytes.withUnsafeBytes { tcp.send(id, $0, now: now).count }
    }

    func read(_ most: Int = 1 << 20) -> String { String(decoding: readBytes(most), as: UTF8.self) }
    func readBytes(_ most: Int = 1 << 20) -> [UInt8] {
        var room = [UInt8](repeating: 0, count: most)
        let count = room.withUnsafeMutableBytes { tcp.receive(id, into: $0, now: now).count }
        return Array(room[..<count])
    }

    func shutdown() { tcp.shutdownSend(id, now: now) }

    // MARK: the peer

    /// A segment of the peer arrives.
    func peer(_ seg: Seg) {
        var header = TCPHeader(
            sourcePort: peerPort, destinationPort: hostPort, sequence: peerStart &+ UInt32(truncatingIfNeeded: seg.seq),
            flags: seg.flags, window: UInt16(seg.window ?? peerWindow))
        if let ack = seg.ack { header.acknowledgement = hostStart &+ UInt32(truncatingIfNeeded: ack) }
        header.maximumSegmentSize = seg.mss
        header.windowShift = seg.scale
        header.timestamps = seg.stamps
        header.urgentPointer = seg.urgent
        // RFC 7323, 2.2: without the option on both sides nothing is scaled.
        if seg.flags.contains(.syn), seg.scale == nil { hostScale = 0 }
        inject(header, seg.text)
    }

    func inject(_ header: TCPHeader, _ text: [UInt8] = []) {
        host.receive(encode(header, text, from: peerAddress, to: host.address), from: peerAddress, now: now)
    }

    /// The next segment of the host; nil: it has nothing to say.
    func next() -> Seg? {
        guard let (bytes, _) = host.transmit(now: now) else { return nil }
        guard let (header, size) = try? bytes.withUnsafeBytes({ try TCPHeader.parse($0, segmentLength: bytes.count) })
        else {
            Issue.record("the host sent a segment that cannot be parsed")
            return nil
        }
        #expect(sumIsRight(bytes, from: host.address, to: peerAddress), "checksum")
        if header.flags.contains(.syn) {
            hostStart = header.sequence
            hostPort = header.sourcePort
            hostScale = header.windowShift ?? 0
        }
        var seg = Seg(header.flags, seq: Int(Int32(bitPattern: header.sequence &- hostStart)))
        if header.flags.contains(.ack) { seg.ack = Int(Int32(bitPattern: header.acknowledgement &- peerStart)) }
        if header.flags.contains(.rst), !header.flags.contains(.ack) { seg.ack = nil }
        seg.text = Array(bytes[size...])
        seg.window = header.flags.contains(.syn) ? Int(header.window) : Int(header.window) << Int(hostScale)
        seg.mss = header.maximumSegmentSize
        seg.scale = header.windowShift
        seg.stamps = header.timestamps
        return seg
    }

    /// The host says exactly this now, and nothing else.
    func expect(_ wanted: Seg..., at location: SourceLocation = #_sourceLocation) {
        for want in wanted {
            guard let seg = next() else {
                Issue.record("nothing was sent instead of \(want)", sourceLocation: location)
                return
            }
            #expect(seg == want, sourceLocation: location)
            if let window = want.window { #expect(seg.window == window, "window", sourceLocation: location) }
            if let mss = want.mss { #expect(seg.mss == mss, "mss", sourceLocation: location) }
            if let scale = want.scale { #expect(seg.scale == scale, "scale", sourceLocation: location) }
            if let stamps = want.stamps { #expect(seg.stamps == stamps, "timestamps", sourceLocation: location) }
        }
        expectNothing(at: location)
    }

    func expectNothing(at location: SourceLocation = #_sourceLocation) {
        if let seg = next() { Issue.record("unexpected \(seg)", sourceLocation: location) }
    }

    /// Everything the host says now.
    func drain() -> [Seg] {
        var all: [Seg] = []
        while let seg = next() { all.append(seg) }
        return all
    }
}

func encode(_ header: TCPHeader, _ text: [UInt8], from source: IPAddress, to destination: IPAddress) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: header.size) + text
    bytes.withUnsafeMutableBytes { _ = header.write(into: $0) }
    setSum(&bytes, from: source, to: destination)
    return bytes
}

/// The plain 16-bit loop of RFC 1071, to check the fast one against.
func plainSum(_ bytes: [UInt8], from source: IPAddress, to destination: IPAddress) -> UInt16 {
    var sum = UInt32(6 + bytes.count)
    for word in [source, destination].map({ $0.v4?.rawValue ?? 0 }) { sum += word >> 16 + word & 0xffff }
    for (at, byte) in bytes.enumerated() { sum += at & 1 == 0 ? UInt32(byte) << 8 : UInt32(byte) }
    while sum > 0xffff { sum = sum & 0xffff + sum >> 16 }
    return ~UInt16(sum)
}

func setSum(_ bytes: inout [UInt8], from source: IPAddress, to destination: IPAddress) {
    bytes[16] = 0
    bytes[17] = 0
    let sum = plainSum(bytes, from: source, to: destination)
    bytes[16] = UInt8(sum >> 8)
    bytes[17] = UInt8(sum & 0xff)
}

func sumIsRight(_ bytes: [UInt8], from source: IPAddress, to destination: IPAddress) -> Bool {
    plainSum(bytes, from: source, to: destination) == 0
}

// MARK: scripts that have come some way
extension TCPScript {
    /// SYN-SENT; the SYN is taken off the wire.
    static func synSent(_ change: (inout TCPConfiguration) -> Void = { _ in }) -> TCPScript {
        let script = TCPScript(change)
        script.connect()
        _ = script.drain()
        return script
    }

    /// ESTABLISHED by an active open; the round trip was 1 ms.
    static func established(
        mtu: Int = 1500, mss: UInt16 = 1000, scale: UInt8? = nil, window: Int = 60_000,
        _ change: (inout TCPConfiguration) -> Void = { _ in }
    ) -> TCPScript {
        let script = TCPScript(mtu: mtu, change)
        script.peerWindow = window
        script.connect()
        _ = script.drain()
        script.wait(1)
        script.peer(Seg([.syn, .ack], seq: 0, ack: 1, mss: mss, scale: scale))
        _ = script.drain()
        return script
    }

    /// A listener on port 80, and the peer is about to connect from port 4000.
    static func listening(backlog: Int = 8, _ change: (inout TCPConfiguration) -> Void = { _ in }) -> TCPScript {
        let script = TCPScript(change)
        script.peerPort = 4000
        script.hostPort = 80
        guard let id = try? script.tcp.listen(on: 80, backlog: backlog) else {
            Issue.record("listen failed")
            return script
        }
        script.id = id
        return script
    }

    /// ESTABLISHED by a passive open, accepted.
    static func accepted(_ change: (inout TCPConfiguration) -> Void = { _ in }) -> TCPScript {
        let script = listening(change)
        script.peer(Seg(.syn, seq: 0, mss: 1000))
        _ = script.drain()
        script.peer(Seg(.ack, seq: 1, ack: 1))
        guard let id = script.tcp.accept(script.id) else {
            Issue.record("nothing to accept")
            return script
        }
        script.id = id
        return script
    }

    static func finWait1() -> TCPScript {
        let script = established()
        script.shutdown()
        _ = script.drain()
        return script
    }

    static func finWait2() -> TCPScript {
        let script = finWait1()
        script.peer(Seg(.ack, seq: 1, ack: 2))
        return script
    }

    static func closeWait() -> TCPScript {
        let script = established()
        script.peer(Seg([.fin, .ack], seq: 1, ack: 1))
        _ = script.drain()
        return script
    }

    static func closing() -> TCPScript {
        let script = finWait1()
        script.peer(Seg([.fin, .ack], seq: 1, ack: 1))
        _ = script.drain()
        return script
    }

    static func lastAck() -> TCPScript {
        let script = closeWait()
        script.shutdown()
        _ = script.drain()
        return script
    }

    static func timeWait() -> TCPScript {
        let script = finWait2()
        script.peer(Seg([.fin, .ack], seq: 1, ack: 2))
        _ = script.drain()
        return script
    }
}
