// A virtio-net driver on a real passt: guest memory, a device, its driver, a vhost-user front-end, and a small host
// on top that gets its address by DHCP over the rings.
//
//   passt --vhost-user --socket /tmp/p.socket
//   swift run example-driver-on-passt /tmp/p.socket

import Bytes
import Glibc
import Link
import Linux
import NetStack
import VhostUser
import Virtio

/// The host's socket buffers lie in guest memory, too.
final class Buffers: BufferSource {
    let heap: GuestHeap
    init(_ heap: GuestHeap) { self.heap = heap }
    func lend(_ bytes: Int) -> UnsafeMutableRawBufferPointer? { heap.allocate(bytes) }
    func giveBack(_ span: UnsafeMutableRawBufferPointer) { try? heap.free(span) }
}

final class Guest {
    let reactor: Reactor
    private let device: NetDevice
    private let driver: NetDriver
    private let frontEnd: FrontEnd
    private let host: Host
    private let eth0: InterfaceID
    private var isTurnPlanned = false
    private lazy var alarm = Alarm(on: reactor) { [unowned self] in turn() }

    init(_ path: String) throws {
        reactor = try Reactor()
        let heap = GuestHeap(memory: try GuestMemory(size: 64 << 20))
        let mac = MACAddress(0x52, 0x54, 0, 0x12, 0x34, 0x56)
        device = try NetDevice(model: NetDeviceModel(mac: mac), memory: heap.memory)
        driver = NetDriver(device, heap: heap)
        host = Host(hostname: "example", randomness: .system, buffers: Buffers(heap))
        eth0 = host.addInterface(InterfaceConfiguration(name: "eth0", mac: mac, maximumMTU: driver.maximumMTU))
        frontEnd = try FrontEnd(reactor: reactor, memory: heap.memory)
        driver.onWork = { [unowned self] in plan() }
        driver.onEvent = { [unowned self] event in
            if case .link(let isUp) = event {
                host.setLink(eth0, isUp: isUp, now: now)
            } else {
                print("driver: \(event)")
            }
        }
        frontEnd.onEvent = { [unowned self] event in
            print("front-end: \(event)")
            if case .connected = event { device.attach(frontEnd) }
            if case .disconnected = event { reactor.stop() }
        }
        try frontEnd.attach(UnixSocket.connect(to: path))
    }

    private var now: Instant { Instant(nanoseconds: reactor.nowNanoseconds) }

    private func plan() {
        guard !isTurnPlanned else { return }
        isTurnPlanned = true
        reactor.atEndOfTurn { [unowned self] in turn() }
    }

    private func turn() {
        isTurnPlanned = false
        driver.follow()
        driver.receive { frames in
            host.receive(frames, on: eth0, now: now)
            return frames.count
        }
        host.advance(to: now)
        while driver.transmit({ host.transmit(into: $0, on: eth0, now: now) }) {}
        if let address = host.interfaces().last?.addresses.first {
            print("address: \(address)")
            reactor.stop()
        }
        if driver.rearm() { plan() }
        alarm.set(host.nextDeadline?.nanoseconds)
    }
}

guard CommandLine.arguments.count == 2 else {
    print("usage: example-driver-on-passt SOCKET")
    exit(2)
}
let guest = try Guest(CommandLine.arguments[1])
try guest.reactor.run()
