// A network in simulated time: nodes on real rings and bare hosts, joined by a wire with a delay and
// a hand that may drop or change frames. Nothing here reads a clock.

import Bytes
import Link
import NetStack
import Testing
import Virtio

@testable import GuestNode

/// Something at an end of the wire.
protocol Station: AnyObject {
    /// Does what is due; returns the frames that leave.
    func turn(_ now: Instant) -> [[UInt8]]
    /// False: no room; the frame is lost.
    func arrive(_ frame: [UInt8], _ now: Instant) -> Bool
    var nextDeadline: Instant? { get }
}

/// A node with one NIC over a fake back-end.
final class SimulatedNode: Station {
    let node: Node
    let device: NetDevice
    let backEnd: FakeBackEnd
    let files: MemoryFiles
    let heap: GuestHeap
    let id: InterfaceID
    var notices: [String] = []
    private var wantsTurn = true
    private(set) var turns = 0
    let settings: Settings
    private let mac: UInt8

    struct Settings {
        var features = FakeBackEnd.everything
        var mtu: UInt16?
        var memory = 64 << 20
        var transmitQueueSize: UInt16 = 256
    }

    /// - Parameter isComing: nothing is behind the device yet: it and the node are to take up what others were.
    init(
        _ name: String, mac: UInt8, settings: Settings = Settings(), over memory: GuestMemory? = nil,
        files: MemoryFiles = MemoryFiles(), isComing: Bool = false
    ) throws {
        let memory = try memory ?? GuestMemory(size: settings.memory)
        (self.settings, self.mac, self.files) = (settings, mac, files)
        heap = GuestHeap(memory: memory)
        var model = NetDeviceModel(mac: MACAddress(0x52, 0x54, 0, 0, 0, mac), mtu: settings.mtu)
        model.transmitQueueSize = settings.transmitQueueSize
        device = try NetDevice(model: model, memory: memory)
        backEnd = FakeBackEnd(device, features: settings.features)
        node = Node(NodeConfiguration(heap: heap, hostname: name, files: files, seed: UInt64(mac)))
        if !isComing { device.attach(backEnd) }
        id = node.attach(device, name: "eth0")
        node.onWork = { [weak self] in self?.wantsTurn = true }
        node.onNotice = { [weak self] in self?.notices.append($0) }
    }

    func configure(_ prefix: String, gateway: String? = nil, nameServers: [String] = []) throws {
        try node.host.configure(
            id, address: #require(IPPrefix(prefix)), gateway: gateway.flatMap { IPAddress($0) },
            nameServers: nameServers.compactMap { IPAddress($0) }, now: Instant(nanoseconds: 0))
    }

    func copiedMemory() throws -> GuestMemory {
        let (memory, count) = (heap.memory, Int(heap.memory.size))
        let copy = try GuestMemory(size: count)
        let all = try #require(memory.span(at: 0, count: count))
        try #require(copy.span(at: 0, count: count)).copyMemory(from: UnsafeRawBufferPointer(all))
        return copy
    }

    /// Stands still, and goes on as another one over a copy of the memory, on a clock that shows `later`.
    func moved(now: Instant, to later: Instant) throws -> SimulatedNode {
        device.suspend {}
        let (card, state) = (device.section(now: now), node.section(now: now))
        files.closeAll()
        let copy = try copiedMemory()
        device.detach()
        let other = try SimulatedNode(
            node.host.hostname, mac: mac, settings: settings, over: copy, files: files, isComing: true)
        try other.device.restore(from: card, now: later)
        try other.node.restore(from: state, now: later)
        #expect(other.device.section(now: later) == card)
        #expect(other.node.section(now: later) == state)
        other.notices = notices
        other.device.attach(other.backEnd)
        other.device.resume()
        return other
    }

    func turn(_ now: Instant) -> [[UInt8]] {
        guard wantsTurn || node.nextDeadline.map({ $0 <= now }) ?? false else { return backEnd.takeFrames() }
        wantsTurn = false
        turns += 1
        node.turn(now: now)
        return backEnd.takeFrames()
    }

    func arrive(_ frame: [UInt8], _ now: Instant) -> Bool { backEnd.deliver(frame) }

    var nextDeadline: Instant? { wantsTurn ? Instant(nanoseconds: 0) : node.nextDeadline }
}

/// Socket buffers of a bare host, from the heap of the process.
final class HeapBuffers: BufferSource {
    func lend(_ bytes: Int) -> UnsafeMutableRawBufferPointer? { .allocate(byteCount: bytes, alignment: 64) }
    func giveBack(_ span: UnsafeMutableRawBufferPointer) { span.deallocate() }
}

/// A host without a node: the peer that tests script.
final class SimulatedPeer: Station {
    let host: Host
    let id: InterfaceID
    /// Called in every turn, between receiving and sending.
    var behaviour: ((Host, Instant) -> Void)?

    init(_ address: String, mac: UInt8, mtu: Int = 1500) throws {
        host = Host(hostname: "peer", seed: UInt64(mac) + 1000, buffers: HeapBuffers())
        id = host.addInterface(
            InterfaceConfiguration(name: "eth0", mac: MACAddress(0x52, 0x54, 0, 0, 1, mac), mtu: mtu, dhcp: false))
        host.setLink(id, isUp: true, now: Instant(nanoseconds: 0))
        try host.configure(id, address: #require(IPPrefix(address)), now: Instant(nanoseconds: 0))
    }

    func turn(_ now: Instant) -> [[UInt8]] {
        host.advance(to: now)
        behaviour?(host, now)
        host.advance(to: now)
        var frames: [[UInt8]] = []
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 65536, alignment: 64)
        defer { room.deallocate() }
        while frames.count < 256 {
            var slot = TransmitSlot(room: room)
            let count = withUnsafeMutablePointer(to: &slot) {
                host.transmit(into: UnsafeMutableBufferPointer(start: $0, count: 1), on: id, now: now)
            }
            if count == 0 { break }
            frames.append(Array(room[..<slot.length]))
        }
        return frames
    }

    func arrive(_ frame: [UInt8], _ now: Instant) -> Bool {
        frame.withUnsafeBytes { FrameView.withOneSpan($0) { host.receive($0, on: id, now: now) } }
        return true
    }

    var nextDeadline: Instant? { host.nextDeadline }
}

/// Stations on one wire, and the clock.
final class Simulation {
    private(set) var now = Instant(nanoseconds: 1_000_000_000)
    let stations: [any Station]
    var delay = Interval.microseconds(100)
    /// Sees each frame with its sender's index; nil drops it.
    var hand: ((Int, [UInt8]) -> [UInt8]?)?
    private(set) var carried = 0
    private(set) var lost = 0
    private var flying: [(at: Instant, to: Int, frame: [UInt8])] = []

    init(_ stations: any Station...) { self.stations = stations }

    /// Runs until `done`, or until `limit` of simulated time is over; whether `done` was reached.
    @discardableResult
    func run(for limit: Interval = .seconds(60), until done: () -> Bool = { false }) -> Bool {
        let end = now + limit
        var idleTurns = 0
        while true {
            land()
            for (index, station) in stations.enumerated() { send(station.turn(now), from: index) }
            if done() { return true }
            let deadlines = stations.compactMap(\.nextDeadline) + flying.first.map { [$0.at] }.map { $0 }.orEmpty
            guard let next = deadlines.min(), next <= end else {
                now = end
                return done()
            }
            idleTurns = next <= now ? idleTurns + 1 : 0
            // A station that always wants a turn at once is a busy loop.
            guard idleTurns < 200_000 else { return false }
            now = max(now, next)
        }
    }

    private func send(_ frames: [[UInt8]], from sender: Int) {
        for frame in frames {
            guard let frame = hand.map({ $0(sender, frame) }) ?? frame else {
                lost += 1
                continue
            }
            for index in stations.indices where index != sender {
                flying.append((now + delay, index, frame))
            }
        }
    }

    private func land() {
        var landed = 0
        while landed < flying.count, flying[landed].at <= now {
            let (_, station, frame) = flying[landed]
            if stations[station].arrive(frame, now) { carried += 1 } else { lost += 1 }
            landed += 1
        }
        flying.removeFirst(landed)
    }
}

extension Optional where Wrapped: RangeReplaceableCollection {
    fileprivate var orEmpty: Wrapped { self ?? Wrapped() }
}
