// What a TCPLayer needs around it in tests: memory that is counted, a route, and a way to hand it
// segments as they would come out of IP.

import Bytes
import Link

@testable import NetStack

/// Socket-buffer memory from the heap that counts what is lent and can refuse.
final class CountedMemory: BufferSource {
    private(set) var lent = 0
    private(set) var spans = 0
    var limit = Int.max

    func lend(_ bytes: Int) -> UnsafeMutableRawBufferPointer? {
        guard lent + bytes <= limit else { return nil }
        lent += bytes
        spans += 1
        return .allocate(byteCount: bytes, alignment: 16)
    }

    func giveBack(_ span: UnsafeMutableRawBufferPointer) {
        lent -= span.count
        spans -= 1
        span.deallocate()
    }
}

/// One interface, one address, every destination behind it.
final class OneRoute: PathSource {
    let address: IPAddress
    var mtu: Int
    var isUp = true
    var interface = InterfaceID(rawValue: 1)
    /// Every address is one of its own.
    var isGateway = false

    init(address: IPAddress, mtu: Int) {
        self.address = address
        self.mtu = mtu
    }

    func path(to destination: IPAddress, from source: IPAddress?) -> TransportPath? {
        guard isUp, source == nil || source == address || isGateway else { return nil }
        return TransportPath(source: source ?? address, interface: interface, mtu: mtu)
    }

    func isLocal(_ address: IPAddress) -> Bool { address == self.address }
}

/// A TCPLayer with its doors.
final class TestHost {
    let memory = CountedMemory()
    let routes: OneRoute
    let tcp: TCPLayer
    private let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_535, alignment: 16)

    init(_ address: IPAddress, mtu: Int = 1500, seed: UInt64 = 1, _ configuration: TCPConfiguration = .init()) {
        routes = OneRoute(address: address, mtu: mtu)
        tcp = TCPLayer(seed: seed, buffers: memory, configuration: configuration)
        tcp.paths = routes
    }

    deinit { room.deallocate() }

    var address: IPAddress { routes.address }

    /// The next segment that the layer wants to send, as bytes.
    func transmit(now: Instant) -> (bytes: [UInt8], destination: IPAddress)? {
        let room = UnsafeMutableRawBufferPointer(rebasing: room[0..<max(101, routes.mtu)])
        guard let placed = tcp.transmit(into: room, on: routes.interface, now: now) else { return nil }
        return (Array(room[placed.offset..<placed.offset + placed.length]), placed.destination)
    }

    /// Hands the layer a segment that lies in `pieces` spans behind some bytes of other headers.
    func receive(_ bytes: [UInt8], from source: IPAddress, now: Instant, trusted: Bool = false, pieces: Int = 1) {
        lend(bytes, from: source, to: address, trusted: trusted, pieces: pieces) { tcp.receive($0, now: now) }
    }
}

/// Lends a segment as IP would, in `pieces` spans behind some bytes of other headers.
func lend(
    _ bytes: [UInt8], from source: IPAddress, to destination: IPAddress, trusted: Bool = false, pieces: Int = 1,
    _ body: (SegmentView) -> Void
) {
    let headRoom = 34
    let frame = [UInt8](repeating: 0xee, count: headRoom) + bytes
    frame.withUnsafeBytes { all in
        let step = max(1, (all.count + pieces - 1) / pieces)
        let spans = stride(from: 0, to: all.count, by: step).map {
            UnsafeRawBufferPointer(rebasing: all[$0..<min($0 + step, all.count)])
        }
        spans.withUnsafeBufferPointer { spans in
            body(
                SegmentView(
                    from: source, to: destination, frame: FrameView(segments: spans, length: all.count), at: headRoom,
                    length: bytes.count, checksumTrusted: trusted))
        }
    }
}

extension SeededGenerator {
    /// A number in 0..<1.
    mutating func unit() -> Double { Double(next() >> 11) / 9_007_199_254_740_992 }
}

extension SipHash {
    init(seed: UInt64) {
        var random = Randomness.seeded(seed)
        self.init(&random)
    }
}

extension TCPSecrets {
    init(seed: UInt64) {
        var random = Randomness.seeded(seed)
        self.init(&random)
    }
}
