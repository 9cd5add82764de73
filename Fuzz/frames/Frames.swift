// Feeds a host arbitrary frames. The input is a list of steps: a byte that says what, two bytes of
// length or time, the bytes of a frame. A step may have the parts mended that random bytes never get
// right (MAC, checksums, transaction, identifier, port), so that mutations reach the machines behind
// them. The host has a lease under way on one interface, a fixed address on the other, and sockets.

import Bytes
import FuzzMain
import Link
import NetStack

@_cdecl("fuzz_frames_main")
public func main(_ count: CInt, _ words: FuzzWords?) -> CInt {
    fuzzMain(count, words) { FrameFuzzer().run($0) }
}

/// Heap memory that must all come back.
final class FuzzBuffers: BufferSource {
    var lent = 0

    func lend(_ bytes: Int) -> UnsafeMutableRawBufferPointer? {
        lent += 1
        return .allocate(byteCount: bytes, alignment: 16)
    }

    func giveBack(_ span: UnsafeMutableRawBufferPointer) {
        lent -= 1
        span.deallocate()
    }
}

final class FrameFuzzer {
    private let buffers = FuzzBuffers()
    private let host: Host
    private var interfaces: [InterfaceID] = []
    private var now = Instant(nanoseconds: 1_000_000_000)
    private var socket: UDPSocketID?
    private var listener: TCPSocketID?
    private var echo: EchoID?
    private var query: QueryID
    /// The last frame the host sent on each interface: answers are mended after it.
    private var last: [[UInt8]] = [[], []]
    private let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 65550, alignment: 16)

    init() {
        host = Host(hostname: "fuzz", seed: 1, buffers: buffers)
        let mac = MACAddress(0x52, 0x54, 0, 0, 0, 1)
        interfaces.append(host.addInterface(InterfaceConfiguration(name: "eth0", mac: mac, mtu: 1500)))
        interfaces.append(host.addInterface(InterfaceConfiguration(name: "eth1", mac: mac, mtu: 1500, dhcp: false)))
        if let prefix = IPPrefix("10.0.0.1/24") {
            try? host.configure(
                interfaces[1], address: prefix, gateway: IPAddress(10, 0, 0, 2),
                nameServers: [IPAddress(10, 0, 0, 2)], now: now)
        }
        for id in interfaces { host.setLink(id, isUp: true, now: now) }
        socket = try? host.openUDP(port: 9)
        listener = try? host.tcp.listen(on: 80, address: nil, backlog: 4)
        echo = try? host.openEcho(to: IPAddress(10, 0, 0, 2))
        query = host.resolve("a.b", now: now)
        _ = try? host.tcp.connect(to: TCPEndpoint(IPAddress(10, 0, 0, 2), 81), from: nil, now: now)
        drain()
    }

    deinit { room.deallocate() }

    func run(_ input: UnsafeBufferPointer<UInt8>) {
        var reader = ByteReader(UnsafeRawBufferPointer(input))
        while let step: UInt8 = try? reader.big(), let number: UInt16 = try? reader.big() {
            if step & 0xc0 == 0xc0 {
                control(step, number)
            } else {
                guard let bytes = try? reader.span(min(Int(number) % 2048, reader.remaining)) else { return }
                var frame = Array(bytes)
                if step & 1 == 1 { mend(&frame, interface: Int(step >> 1 & 1), step) }
                receive(frame, on: interfaces[Int(step >> 1 & 1)], cut: Int(step >> 2 & 15))
            }
            host.advance(to: now)
            drain()
            use()
        }
    }

    /// Time, link, and requests of tools.
    private func control(_ step: UInt8, _ number: UInt16) {
        let id = interfaces[Int(step & 1)]
        switch step >> 1 & 7 {
        case 0, 1: now = now + .milliseconds(Int64(number))
        case 2: now = now + .seconds(Int64(number))
        case 3: host.setLink(id, isUp: number & 1 == 0, now: now)
        case 4: if let echo { try? host.sendEcho(echo, sequence: number, payload: Int(number) % 1400, now: now) }
        case 5: query = host.resolve("a.b", now: now)
        default:
            if let socket {
                try? host.sendUDP(
                    socket, to: Endpoint(.init(10, 0, 0, 2), number), .init(start: nil, count: 0), now: now)
            }
        }
    }

    private func receive(_ frame: [UInt8], on id: InterfaceID, cut: Int) {
        frame.withUnsafeBytes { bytes in
            let cut = min(cut * 4, bytes.count)
            let spans = [
                UnsafeRawBufferPointer(rebasing: bytes[0..<cut]), UnsafeRawBufferPointer(rebasing: bytes[cut...]),
            ]
            spans.withUnsafeBufferPointer { segments in
                let view = FrameView(segments: segments, length: bytes.count)
                withUnsafePointer(to: view) {
                    host.receive(UnsafeBufferPointer(start: $0, count: 1), on: id, now: now)
                }
            }
        }
    }

    private func drain() {
        for (index, id) in interfaces.enumerated() {
            var slot = TransmitSlot(room: room)
            for _ in 0..<1000 {
                let count = withUnsafeMutablePointer(to: &slot) {
                    host.transmit(into: UnsafeMutableBufferPointer(start: $0, count: 1), on: id, now: now)
                }
                if count == 0 { break }
                last[index] = Array(room[0..<slot.length])
            }
        }
    }

    /// What tools would do each turn.
    private func use() {
        var bytes = [UInt8](repeating: 0, count: 4096)
        bytes.withUnsafeMutableBytes { bytes in
            if let socket { while host.receiveUDP(socket, into: bytes) != nil {} }
            if let listener {
                while let accepted = host.tcp.accept(listener) { host.tcp.release(accepted, now: now) }
            }
        }
        if let echo { while host.nextEchoEvent(echo) != nil {} }
        _ = host.takeResolution(query)
        _ = (host.interfaces(), host.routes(), host.neighbours(), host.nextDeadline)
    }

    // MARK: Mending

    /// Destination MAC, and for IPv4 version, lengths, checksums; DHCP and DNS answers get the numbers
    /// of the question that was sent last.
    private func mend(_ frame: inout [UInt8], interface: Int, _ step: UInt8) {
        guard frame.count >= 34 else { return }
        frame.replaceSubrange(0..<6, with: [0x52, 0x54, 0, 0, 0, 1])
        guard frame[12] == 8, frame[13] == 0 else { return }
        frame[14] = 0x45
        put(UInt16(frame.count - 14), at: 16, in: &frame)
        let asked = last[interface]
        if frame[23] == 17, frame.count >= 42 {
            put(UInt16(frame.count - 34), at: 38, in: &frame)
            put(0, at: 40, in: &frame)
            if step & 0x20 != 0, asked.count >= 50, asked[23] == 17 {
                // Back to where the question came from.
                frame.replaceSubrange(26..<30, with: asked[30..<34])
                frame.replaceSubrange(34..<36, with: asked[36..<38])
                frame.replaceSubrange(36..<38, with: asked[34..<36])
                if asked[37] == 53, frame.count >= 44 { frame.replaceSubrange(42..<44, with: asked[42..<44]) }
                if asked[37] == 67, frame.count >= 76 {
                    frame.replaceSubrange(46..<50, with: asked[46..<50])
                    frame.replaceSubrange(70..<76, with: asked[70..<76])
                }
            }
        }
        if frame[23] == 1, frame.count >= 42 { sum(34..<frame.count, at: 36, in: &frame) }
        sum(14..<34, at: 24, in: &frame)
    }

    private func put(_ value: UInt16, at offset: Int, in frame: inout [UInt8]) {
        frame[offset] = UInt8(value >> 8)
        frame[offset + 1] = UInt8(value & 0xff)
    }

    private func sum(_ range: Range<Int>, at offset: Int, in frame: inout [UInt8]) {
        put(0, at: offset, in: &frame)
        put(frame[range].withUnsafeBytes { InternetChecksum.checksum(of: $0) }, at: offset, in: &frame)
    }
}
