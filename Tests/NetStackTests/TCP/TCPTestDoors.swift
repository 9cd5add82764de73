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
    /// Memory with names: spans lie in it, never twice at the same place.
    private var ram: UnsafeMutableRawBufferPointer?
    private var end = 0
    private var taken: [Int: Int] = [:]

    deinit { ram?.deallocate() }

    func lend(_ bytes: Int) -> UnsafeMutableRawBufferPointer? {
        guard lent + bytes <= limit else { return nil }
        lent += bytes
        spans += 1
        guard let ram else { return .allocate(byteCount: bytes, alignment: 16) }
        guard bytes <= ram.count - end else { return nil }
        defer { end += bytes }
        taken[end] = bytes
        return UnsafeMutableRawBufferPointer(rebasing: ram[end..<end + bytes])
    }

    func giveBack(_ span: UnsafeMutableRawBufferPointer) {
        lent -= span.count
        spans -= 1
        if let name = name(of: span) { taken[Int(name)] = nil } else { span.deallocate() }
    }

    // MARK: names

    /// From now on spans lie in one piece of memory that moves by itself.
    func useRAM(_ bytes: Int = 64 << 20) { ram = .allocate(byteCount: bytes, alignment: 4096) }

    func name(of span: UnsafeMutableRawBufferPointer) -> UInt64? {
        guard let start = ram?.baseAddress, let base = span.baseAddress, base >= start, base < start + (ram?.count ?? 0)
        else { return nil }
        return UInt64(base - start)
    }

    func lend(named name: UInt64, bytes: Int) -> UnsafeMutableRawBufferPointer? {
        guard let ram, name < UInt64(ram.count), bytes <= ram.count - Int(name), taken[Int(name)] == nil else {
            return nil
        }
        taken[Int(name)] = bytes
        end = max(end, Int(name) + bytes)
        lent += bytes
        spans += 1
        return UnsafeMutableRawBufferPointer(rebasing: ram[Int(name)..<Int(name) + bytes])
    }

    /// Memory on the other side of a move: RAM has the same content, nothing is lent.
    func copied() -> CountedMemory {
        let copy = CountedMemory()
        copy.limit = limit
        guard let ram else { return copy }
        copy.useRAM(ram.count)
        copy.ram?.copyMemory(from: UnsafeRawBufferPointer(ram))
        copy.end = end
        return copy
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
    var memory = CountedMemory()
    let routes: OneRoute
    var tcp: TCPLayer
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
