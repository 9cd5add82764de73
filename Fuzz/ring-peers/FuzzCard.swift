// The card of this process and the far end of its link; switched off, its rings are worked on by nobody. And the
// eventfds of a connection, in the hands of whoever holds the other end.

import Glibc
import Link
import Linux
import Virtio

final class FuzzCard: FramePort {
    let memory: GuestMemory
    let device: NetDevice
    private let link: FrameLink
    private let backEnd: FrameBackEnd
    private final class Turn { var work: [() -> Void] = [] }
    private let put = Turn()
    /// Whether the device of this process works on the rings.
    var isOn: Bool
    private(set) var frames = 0

    init?(_ memory: GuestMemory, isOn: Bool) {
        var model = NetDeviceModel(mac: MACAddress(0x52, 0x54, 0, 0, 0, 1))
        (model.receiveQueueSize, model.transmitQueueSize) = (RingPeersFuzzer.size, RingPeersFuzzer.size)
        guard let device = try? NetDevice(model: model, memory: memory) else { return nil }
        let put = put
        link = FrameLink(atEndOfTurn: { put.work.append($0) })
        backEnd = FrameBackEnd(on: link, atEndOfTurn: { put.work.append($0) })
        (self.memory, self.device, self.isOn) = (memory, device, isOn)
        link.connect(self, at: .netdev)
        device.attach(backEnd)
    }

    func start(_ features: UInt64, _ queues: [RingAddresses]) {
        device.writeStatus([])
        device.writeStatus([.acknowledge, .driver])
        device.driverFeatures = features
        device.writeStatus([.acknowledge, .driver, .featuresOK])
        for (index, addresses) in queues.enumerated() {
            device.queueSelect = UInt16(index)
            device.queueAddresses = addresses
            device.queueEnable = true
        }
        guard isOn else { return }
        device.writeStatus([.acknowledge, .driver, .featuresOK, .driverOK])
    }

    /// Sends frames to the driver, then lets the device work until it rests.
    func turn(deliver count: Int) {
        let bytes = [UInt8](repeating: 7, count: 60 + 40 * (count & 7))
        for _ in 0..<count where isOn { deliver(bytes) }
        for _ in 0..<1000 where !put.work.isEmpty {
            let work = put.work
            put.work = []
            for action in work { action() }
        }
        guard put.work.isEmpty else { fatalError("the turn does not come to rest") }
    }

    private func deliver(_ bytes: [UInt8]) {
        _ = bytes.withUnsafeBytes { FrameView.withOneSpan($0) { link.send($0, from: .netdev) } }
    }

    func take(_ lent: UnsafeBufferPointer<FrameView>) -> Int {
        frames += lent.count
        return lent.count
    }

    func peerHasRoom() {}

    // MARK: guest memory

    func load<T: FixedWidthInteger>(_ address: UInt64) -> T {
        memory.span(at: address, count: MemoryLayout<T>.size)?.loadUnaligned(as: T.self) ?? 0
    }

    func store<T: FixedWidthInteger>(_ address: UInt64, _ value: T) {
        memory.span(at: address, count: MemoryLayout<T>.size)?.storeBytes(of: value, as: T.self)
    }
}

/// A kick and a call, made once: what one input did to them is what the next one finds.
final class FuzzEvents {
    nonisolated(unsafe) static let shared = try? FuzzEvents()

    private let reactor: Reactor
    private let kick: SharedEvent
    private let call: SharedEvent
    private var calls = 0

    init() throws(SystemError) {
        (reactor, kick, call) = (try Reactor(), try SharedEvent(), try SharedEvent())
        _ = try call.watch(on: reactor) { [weak self] in self?.calls += 1 }
    }

    /// Ours: 0 and 1. The other holder's: the rest; he waits for nobody, or the run would be his fault.
    func perform(_ argument: Int) {
        let event = argument & 8 == 0 ? kick : call
        switch argument & 7 {
        case 0: guard kick.signal() else { fatalError("nobody was woken") }
        case 1:
            do { try reactor.turn(maxWaitNanoseconds: 0) } catch { fatalError("\(error)") }
        case 2: _ = fcntl(event.raw, F_SETFL, 0)
        case 3: _ = fcntl(event.raw, F_SETFL, O_NONBLOCK)
        case 4: change(event, to: 1)
        case 5: change(event, to: .max - 1)
        case 6: _ = event.signal()
        default: empty(event)
        }
    }

    private func change(_ event: SharedEvent, to count: UInt64) {
        empty(event)
        var count = count
        _ = write(event.raw, &count, 8)
    }

    private func empty(_ event: SharedEvent) {
        var waiting = pollfd(fd: event.raw, events: Int16(POLLIN), revents: 0)
        guard poll(&waiting, 1, 0) == 1, waiting.revents & Int16(POLLIN) != 0 else { return }
        var count: UInt64 = 0
        _ = read(event.raw, &count, 8)
    }
}
