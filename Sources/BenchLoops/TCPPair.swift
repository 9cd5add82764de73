// TCP's data path: bytes through two layers back to back, without IP, rings or a kernel between them.

import Bytes
import Link
import NetStack

/// Socket buffers from the heap.
private final class HeapBuffers: BufferSource {
    func lend(_ bytes: Int) -> UnsafeMutableRawBufferPointer? { .allocate(byteCount: bytes, alignment: 64) }
    func giveBack(_ span: UnsafeMutableRawBufferPointer) { span.deallocate() }
}

/// One interface with everything behind it.
private final class BackToBack: PathSource {
    let address: IPAddress
    let mtu: Int
    init(_ address: IPAddress, mtu: Int) {
        self.address = address
        self.mtu = mtu
    }
    func path(to destination: IPAddress, from source: IPAddress?) -> TransportPath? {
        TransportPath(source: address, interface: InterfaceID(rawValue: 1), mtu: mtu)
    }
    func isLocal(_ other: IPAddress) -> Bool { other == address }
}

/// Two layers and room for a batch of segments between them.
package final class TCPPair {
    static let batch = 64
    let a: TCPLayer
    let b: TCPLayer
    private let routes: (BackToBack, BackToBack)
    private let mtu: Int
    private let trusted: Bool
    private let room: UnsafeMutableRawBufferPointer
    private var now = Instant(nanoseconds: 1_000_000_000)
    package private(set) var segments = 0

    package init(mtu: Int, trusted: Bool, timestamps: Bool) {
        self.mtu = mtu
        self.trusted = trusted
        var configuration = TCPConfiguration()
        configuration.usesTimestamps = timestamps
        routes = (BackToBack(IPAddress(10, 0, 0, 1), mtu: mtu), BackToBack(IPAddress(10, 0, 0, 2), mtu: mtu))
        a = TCPLayer(seed: 1, buffers: HeapBuffers(), configuration: configuration)
        b = TCPLayer(seed: 2, buffers: HeapBuffers(), configuration: configuration)
        room = .allocate(byteCount: Self.batch * 65_536, alignment: 4096)
        a.paths = routes.0
        b.paths = routes.1
    }

    deinit { room.deallocate() }

    /// Moves `total` bytes from a to b; returns how many arrived.
    package func move(_ total: Int) -> Int {
        guard let listener = try? b.listen(on: 80),
            let id = try? a.connect(to: Endpoint(routes.1.address, 80), now: now)
        else { return 0 }
        var server: TCPSocketID?
        var sent = 0
        var received = 0
        var idle = 0
        while received < total, idle < 1000 {
            while sent < total {
                let filled = a.withSendSpan(id, now: now) { min($0.count, total - sent) }.count
                if filled == 0 { break }
                sent += filled
            }
            let moved = carry(from: a, routes.0.address, to: b, routes.1.address)
            server = server ?? b.accept(listener)
            if let server { received += drain(server) }
            idle = moved + carry(from: b, routes.1.address, to: a, routes.0.address) > 0 ? 0 : idle + 1
            now = now + .microseconds(20)
            a.advance(to: now)
            b.advance(to: now)
        }
        return received
    }

    private func drain(_ id: TCPSocketID) -> Int {
        var count = 0
        while true {
            let taken = b.withReceiveSpan(id, now: now) { $0.count }.count
            if taken == 0 { return count }
            count += taken
        }
    }

    private func carry(from: TCPLayer, _ source: IPAddress, to: TCPLayer, _ destination: IPAddress) -> Int {
        var lengths = InlineArray<64, Int>(repeating: 0)
        var count = 0
        while count < Self.batch {
            let slot = UnsafeMutableRawBufferPointer(rebasing: room[count * 65_536..<count * 65_536 + mtu])
            guard let placed = from.transmit(into: slot, on: InterfaceID(rawValue: 1), now: now) else { break }
            lengths[count] = placed.offset + placed.length
            count += 1
        }
        for i in 0..<count {
            var span = UnsafeRawBufferPointer(rebasing: room[i * 65_536..<i * 65_536 + lengths[i]])
            withUnsafePointer(to: &span) { span in
                let frame = FrameView(segments: UnsafeBufferPointer(start: span, count: 1), length: lengths[i])
                let head = destination.family.headerSize
                let view = SegmentView(
                    from: source, to: destination, frame: frame, at: head, length: lengths[i] - head,
                    checksumTrusted: trusted)
                to.receive(view, now: now)
            }
        }
        segments += count
        return count
    }
}

extension TCPPair {
    static let gates = [
        Gate(name: "tcp-1500", unit: "segment of MTU 1500") { segments(of: 16 << 20, mtu: 1500) },
        Gate(name: "tcp-65520", unit: "segment of MTU 65520") { segments(of: 64 << 20, mtu: 65_520) },
    ]

    private static func segments(of total: Int, mtu: Int) -> Int {
        let pair = TCPPair(mtu: mtu, trusted: true, timestamps: true)
        return pair.move(total) == total ? pair.segments : 0
    }
}
