// Feeds TCP a peer and a caller that do whatever the input says, in simulated time: segments near and far
// from what is expected, lone small ones, raw bytes, lying options, calls in any order, a door that holds and
// refuses, moves to another layer, also with spoiled state. At the end everything is released and time passes:
// no connection, no byte of buffer and no timer may be left.

import Bytes
import FuzzMain
import Glibc
import Link
import NetStack

@_cdecl("fuzz_tcp_main")
public func main(_ count: CInt, _ words: FuzzWords?) -> CInt {
    fuzzMain(count, words) { input in
        let session = FuzzedSession(input)
        session.run()
    }
}

private final class CountedHeap: BufferSource {
    var lent = 0
    func lend(_ bytes: Int) -> UnsafeMutableRawBufferPointer? {
        lent += bytes
        return .allocate(byteCount: bytes, alignment: 16)
    }
    func giveBack(_ span: UnsafeMutableRawBufferPointer) {
        lent -= span.count
        span.deallocate()
    }
}

private final class Everywhere: PathSource {
    func path(to destination: IPAddress, from source: IPAddress?) -> TransportPath? {
        TransportPath(source: FuzzedSession.here, interface: InterfaceID(rawValue: 1), mtu: 1500)
    }
    func isLocal(_ address: IPAddress) -> Bool { address == FuzzedSession.here }
}

private final class FuzzedDoor: TCPDoor {
    var answer = TCPAdmission.hold
    var held: [TCPSocketID] = []

    func admission(of id: TCPSocketID, from remote: Endpoint, to local: Endpoint) -> TCPAdmission {
        if case .refuse = answer {} else { held.append(id) }
        return answer
    }
    func ended(_ id: TCPSocketID, _ error: TCPError?) { held.removeAll { $0 == id } }
}

private final class FuzzedSession {
    static let here = IPAddress(10, 0, 0, 1)
    static let there = IPAddress(10, 0, 0, 2)

    private var input: UnsafeBufferPointer<UInt8>
    private var at = 0
    private let memory = CountedHeap()
    private let routes = Everywhere()
    private var tcp: TCPLayer
    private let door = FuzzedDoor()
    private var now = Instant(nanoseconds: 1_000_000_000)
    private var sockets: [TCPSocketID] = []
    /// What the host says, so that the peer can come close.
    private var hostNext: UInt32 = 0
    private var hostPort: UInt16 = 80
    private var peerNext: UInt32 = 0
    private var room = [UInt8](repeating: 0, count: 1480)

    init(_ input: UnsafeBufferPointer<UInt8>) {
        self.input = input
        var configuration = TCPConfiguration()
        configuration.initialBuffer = 4096
        configuration.maximumReceiveBuffer = 16_384
        configuration.keepAlive = .seconds(30)
        tcp = TCPLayer(seed: 1, buffers: memory, configuration: configuration)
        tcp.paths = routes
        tcp.door = door
    }

    private func byte() -> UInt8 {
        guard at < input.count else { return 0 }
        defer { at += 1 }
        return input[at]
    }

    private func word() -> UInt16 { UInt16(byte()) << 8 | UInt16(byte()) }

    func run() {
        if let listener = try? tcp.listen(on: 80, backlog: 4) { sockets.append(listener) }
        while at < input.count { step() }
        for id in sockets + door.held { tcp.release(id, now: now) }
        for _ in 0..<2000 {
            speak()
            while tcp.nextUnreachable() != nil {}
            guard let next = tcp.nextDeadline else { break }
            now = max(now, next)
            tcp.advance(to: now)
        }
        guard tcp.table().isEmpty, memory.lent == 0, tcp.nextDeadline == nil else { abort() }
    }

    private func step() {
        switch byte() % 20 {
        case 0...6: segment()
        case 7: raw()
        case 8: wait(.milliseconds(Int64(word())))
        case 9: open()
        case 10: if let id = chosen() { send(id) }
        case 11: if let id = chosen() { _ = room.withUnsafeMutableBytes { tcp.receive(id, into: $0, now: now) } }
        case 12: if let id = chosen() { tcp.shutdownSend(id, now: now) }
        case 13: if let id = chosen() { tcp.abort(id, now: now) }
        case 14: if let id = chosen() { tcp.release(id, now: now) }
        case 15: decide()
        case 16: knock()
        case 17: small()
        case 18: move()
        default: fail()
        }
        speak()
    }

    /// The door gets another mind, and what it holds goes on or not.
    private func decide() {
        let choices: [TCPAdmission] = [
            .hold, .accept, .refuse(.reset), .refuse(.unreachable(code: 1)), .refuse(.silence),
        ]
        door.answer = choices[Int(byte()) % choices.count]
        guard let id = door.held.first else { return }
        if byte() & 1 == 0 {
            _ = tcp.admit(id, now: now)
        } else if tcp.refuse(id, .reset, now: now) {
            door.held.removeFirst()
        }
    }

    /// A SYN for a port without a listener.
    private func knock() {
        let header = TCPHeader(
            sourcePort: 4000 &+ UInt16(byte() % 4), destinationPort: 4433, sequence: UInt32(word()), flags: .syn,
            window: 9000)
        var bytes = [UInt8](repeating: 0, count: header.size)
        bytes.withUnsafeMutableBytes { _ = header.write(into: $0) }
        deliver(bytes)
    }

    /// A byte or none, perhaps a FIN, exactly where it is expected; the window mostly closed.
    private func small() {
        let choice = byte()
        var header = TCPHeader(
            sourcePort: 4000, destinationPort: hostPort, sequence: peerNext, acknowledgement: hostNext,
            flags: choice & 1 == 0 ? .ack : [.ack, .fin], window: choice & 6 == 0 ? 9000 : UInt16(choice & 6))
        header.urgentPointer = UInt16(choice)
        var bytes = [UInt8](repeating: 0, count: header.size) + [UInt8](repeating: 9, count: Int(choice >> 7))
        bytes.withUnsafeMutableBytes { _ = header.write(into: $0) }
        deliver(bytes)
    }

    /// Connections go on in another layer; before that, one is offered spoiled state.
    private func move() {
        let section = tcp.section(now: now)
        var spoiled = section
        spoiled[Int(word()) % spoiled.count] ^= byte()
        let victim = TCPLayer(seed: 2, buffers: memory, configuration: tcp.configuration)
        _ = try? victim.restore(from: spoiled, now: now)
        victim.releaseAll(now: now)
        victim.abortAll(now: now)
        let later = now + .milliseconds(Int64(word()))
        let next = TCPLayer(seed: 3, buffers: memory, configuration: tcp.configuration)
        do { try next.restore(from: section, now: later) } catch {
            fatalError("what was written is not read: \(error)")
        }
        now = later
        next.paths = routes
        next.door = door
        next.pathsChanged(now: now)
        tcp = next
    }

    private func chosen() -> TCPSocketID? { sockets.isEmpty ? nil : sockets[Int(byte()) % sockets.count] }

    private func open() {
        if let listener = sockets.first, let id = tcp.accept(listener) { sockets.append(id) }
        let remote = Endpoint(Self.there, 4000)
        if sockets.count < 8, let id = try? tcp.connect(to: remote, now: now) { sockets.append(id) }
    }

    private func send(_ id: TCPSocketID) {
        let count = Int(word()) % 6000
        let bytes = [UInt8](repeating: 7, count: count)
        _ = bytes.withUnsafeBytes { tcp.send(id, $0, now: now) }
    }

    private func wait(_ interval: Interval) {
        now = now + interval
        tcp.advance(to: now)
    }

    private func fail() {
        let kinds: [PathError] = [
            .unreachable(code: byte()), .packetTooBig(mtu: Int(word())), .timeExceeded,
            .neighbourUnreachable(Self.there),
        ]
        tcp.pathFailed(
            QuotedError(
                kinds[Int(byte() % 4)], reporter: Self.there, local: Endpoint(Self.here, hostPort),
                remote: Endpoint(Self.there, 4000), sequence: hostNext &- UInt32(byte())), now: now)
    }

    /// A segment that is near to what the host expects: offsets are small and signed.
    private func segment() {
        let flags = TCPFlags(rawValue: byte())
        var header = TCPHeader(
            sourcePort: 4000, destinationPort: hostPort, sequence: peerNext &+ offset(),
            acknowledgement: hostNext &+ offset(), flags: flags, window: word())
        let options = byte()
        if options & 1 != 0 { header.maximumSegmentSize = word() }
        if options & 2 != 0 { header.windowShift = byte() }
        if options & 4 != 0 { header.timestamps = TCPTimestamps(value: UInt32(word()), echo: UInt32(word())) }
        var bytes = [UInt8](repeating: 0, count: header.size) + [UInt8](repeating: 9, count: Int(word()) % 1461)
        bytes.withUnsafeMutableBytes { _ = header.write(into: $0) }
        deliver(bytes)
    }

    private func offset() -> UInt32 { UInt32(bitPattern: Int32(Int8(bitPattern: byte()))) &* 16 }

    private func raw() {
        let count = Int(byte()) % 80
        var bytes: [UInt8] = [15, 160, UInt8(hostPort >> 8), UInt8(hostPort & 0xff)]
        for _ in 0..<count { bytes.append(byte()) }
        deliver(bytes)
    }

    private func deliver(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { bytes in
            var spans = [UnsafeRawBufferPointer(rebasing: bytes[..<(bytes.count / 2)])]
            spans.append(UnsafeRawBufferPointer(rebasing: bytes[(bytes.count / 2)...]))
            spans.withUnsafeBufferPointer { spans in
                tcp.receive(
                    SegmentView(
                        from: Self.there, to: Self.here, frame: FrameView(segments: spans, length: bytes.count), at: 0,
                        length: bytes.count, checksumTrusted: true), now: now)
            }
        }
    }

    /// Takes what the host sends; the peer learns its numbers.
    private func speak() {
        for _ in 0..<200 {
            let placed = room.withUnsafeMutableBytes {
                tcp.transmit(into: $0, on: InterfaceID(rawValue: 1), now: now)
            }
            guard let placed else { return }
            guard placed.offset + placed.length <= room.count else { abort() }
            let parsed = room.withUnsafeBytes {
                try? TCPHeader.parse(
                    UnsafeRawBufferPointer(rebasing: $0[placed.offset...]), segmentLength: placed.length)
            }
            guard let (header, size) = parsed else { abort() }
            hostNext = header.sequence &+ UInt32(placed.length - size) &+ (header.flags.contains(.syn) ? 1 : 0)
            hostPort = header.sourcePort
            if header.flags.contains(.ack) { peerNext = header.acknowledgement }
        }
    }
}
