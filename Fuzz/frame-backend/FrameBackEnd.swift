// Feeds a card of this process with an arbitrary driver: bytes anywhere in its memory, descriptors and avail
// entries that are nearly right, kicks, resets, suspends, while frames come from the link and the port there
// refuses as the input says. Each input byte is an operation; some take more bytes. Whatever happens, nothing
// traps, every turn comes to rest, and a card that is reset with clean rings passes a frame each way.

import FuzzMain
import Link
import Virtio

@_cdecl("fuzz_frame_backend_main")
public func main(_ count: CInt, _ words: FuzzWords?) -> CInt {
    fuzzMain(count, words) { FrameBackEndFuzzer().run($0) }
}

/// The link's other end: takes what it has room for and counts it.
final class FuzzPort: FramePort {
    var room = Int.max
    var frames = 0

    func take(_ lent: UnsafeBufferPointer<FrameView>) -> Int {
        let count = min(room, lent.count)
        for frame in lent[..<count] {
            let bytes = frame.segments.reduce(0) { $0 + $1.count }
            guard bytes == frame.length, bytes >= 14 else { fatalError("a frame of \(bytes) bytes: \(frame.length)") }
        }
        frames += count
        if room != .max { room -= count }
        return count
    }

    func peerHasRoom() {}
}

/// What was put off to the end of the turn.
final class FuzzTurn {
    var work: [() -> Void] = []

    func run() {
        for _ in 0..<1000 where !work.isEmpty {
            let now = work
            work = []
            for action in now { action() }
        }
        guard work.isEmpty else { fatalError("the turn does not come to rest") }
    }
}

final class FrameBackEndFuzzer {
    /// Guest memory: the receive ring at 0x1000, the transmit ring at 0x2000, tables and buffers behind.
    static let bytes = 0x10000
    static let size: UInt16 = 8

    /// Made once; each run finds it empty.
    private static let shared = try? GuestMemory(size: bytes)

    private let memory: GuestMemory
    private let turn = FuzzTurn()
    private let link: FrameLink
    private let port = FuzzPort()
    private let backEnd: FrameBackEnd
    private let device: NetDevice
    private var rest = Slice(base: UnsafeBufferPointer<UInt8>(start: nil, count: 0), bounds: 0..<0)

    init() {
        let turn = turn
        link = FrameLink(atEndOfTurn: { turn.work.append($0) })
        backEnd = FrameBackEnd(on: link, atEndOfTurn: { turn.work.append($0) })
        link.connect(port, at: .netdev)
        var model = NetDeviceModel(mac: MACAddress(0x52, 0x54, 0, 0, 0, 1))
        (model.receiveQueueSize, model.transmitQueueSize) = (Self.size, Self.size)
        guard let memory = Self.shared, let device = try? NetDevice(model: model, memory: memory)
        else { fatalError("no memory") }
        (self.memory, self.device) = (memory, device)
        memory.span(at: 0, count: Self.bytes).map { _ = $0.initializeMemory(as: UInt8.self, repeating: 0) }
        device.attach(backEnd)
    }

    func run(_ input: UnsafeBufferPointer<UInt8>) {
        rest = input[...]
        start(next())
        while let operation = rest.popFirst() {
            perform(operation & 15, Int(operation >> 4))
            turn.run()
        }
        checkMended()
    }

    private func perform(_ operation: UInt8, _ argument: Int) {
        let queue = UInt16(argument & 1)
        switch operation {
        case 0, 1: describe(queue, argument >> 1)
        case 2, 3: offer(queue, argument >> 1)
        case 4: device.notify(queue: queue)
        case 5, 6: deliver(argument * 40 + Int(next()))
        case 7:
            port.room = argument == 15 ? .max : argument
            link.hasRoom(.netdev)
        case 8: write(Int(next()) << 8 | Int(next()), count: argument)
        case 9: device.suspend {}
        case 10: device.resume()
        case 11: device.writeStatus([])
        case 12: start(next())
        case 13: write((queue == 0 ? 0x1000 : 0x2000) + Int(next()), count: argument >> 1)
        case 14: link.setUp(argument & 1 == 0)
        default: device.writeStatus(DeviceStatus(rawValue: next()))
        }
    }

    // MARK: the driver

    private func next() -> UInt8 { rest.popFirst() ?? 0 }

    private func addresses(_ queue: UInt16) -> RingAddresses {
        RingAddresses(contiguousAt: queue == 0 ? 0x1000 : 0x2000, size: Self.size)
    }

    private func start(_ flags: UInt8) {
        device.writeStatus([])
        device.writeStatus([.acknowledge, .driver])
        device.driverFeatures =
            NetFeature.version1 | (flags & 1 != 0 ? NetFeature.mergeableBuffers : 0)
            | (flags & 2 != 0 ? NetFeature.eventIndex : 0) | (flags & 4 != 0 ? NetFeature.indirectDescriptors : 0)
        device.writeStatus([.acknowledge, .driver, .featuresOK])
        for queue in 0..<2 as Range<UInt16> {
            device.queueSelect = queue
            device.queueAddresses = addresses(queue)
            device.queueEnable = true
        }
        device.writeStatus([.acknowledge, .driver, .featuresOK, .driverOK])
    }

    private func write(_ address: Int, count: Int) {
        for offset in 0..<count { store(UInt64(address + offset), next()) }
    }

    private func store<T: FixedWidthInteger>(_ address: UInt64, _ value: T) {
        memory.span(at: address, count: MemoryLayout<T>.size)?.storeBytes(of: value, as: T.self)
    }

    /// A descriptor whose address mostly lies in memory; with bit 3 of the flags it is one of a table at 0x3000.
    private func describe(_ queue: UInt16, _ index: Int) {
        let (page, low, length, flags, following) = (next(), next(), next(), next(), next())
        let table = flags & 8 == 0 ? addresses(queue).descriptorTable : 0x3000
        let place = table + UInt64(index) * 16
        store(place, UInt64(page) << 8 | UInt64(low))
        store(place + 8, UInt32(length) << (flags & 0x80 != 0 ? 24 : flags & 0x40 != 0 ? 8 : 0))
        store(place + 12, UInt16(flags & 7))
        store(place + 14, UInt16(following & 15))
    }

    private func offer(_ queue: UInt16, _ head: Int) {
        let ring = addresses(queue).availRing
        guard let index = memory.span(at: ring + 2, count: 2)?.load(as: UInt16.self) else { return }
        store(ring + 4 + 2 * UInt64(index % Self.size), UInt16(head))
        store(ring + 2, index &+ 1)
        device.notify(queue: queue)
    }

    // MARK: the link

    @discardableResult
    private func deliver(_ length: Int) -> Int {
        [UInt8](repeating: 7, count: max(14, length)).withUnsafeBytes {
            FrameView.withOneSpan($0) { link.send($0, from: .netdev) }
        }
    }

    /// Reset, with clean rings, the card works.
    private func checkMended() {
        device.resume()
        link.setUp(true)
        port.room = .max
        link.hasRoom(.netdev)
        device.writeStatus([])
        turn.run()
        guard device.status.isEmpty else { fatalError("the reset is not complete: \(device.status)") }
        memory.span(at: 0x1000, count: 0x2000)?.copyBytes(from: [UInt8](repeating: 0, count: 0x2000))
        start(1)
        for queue in 0..<2 as Range<UInt16> {
            let place = addresses(queue).descriptorTable
            store(place, UInt64(0x8000))
            store(place + 8, UInt32(72))
            store(place + 12, UInt16(queue == 0 ? 2 : 0))
        }
        memory.span(at: 0x8000, count: 72)?.copyBytes(from: [UInt8](repeating: 0, count: 72))
        let before = port.frames
        offer(1, 0)
        turn.run()
        guard port.frames == before + 1 else { fatalError("no frame from the driver") }
        offer(0, 0)
        turn.run()
        guard deliver(60) == 1, !device.status.contains(.needsReset), backEnd.receiveCounters.frames > 0 else {
            fatalError("no frame to the driver")
        }
    }
}
