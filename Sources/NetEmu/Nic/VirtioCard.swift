// A card as a virtio driver finds it: the register block, and the back-end of this process when frames are moved.

import Link
import Linux
import Virtio

/// A virtio-net device of a guest in guest memory.
final class VirtioCard: CardDevice {
    let device: NetDevice
    private let reactor: Reactor
    /// The device's half in this process, when frames are moved.
    private var frames: FrameBackEnd?

    private init(_ model: NetDeviceModel, memory: GuestMemory, on reactor: Reactor) throws(VirtioError) {
        self.reactor = reactor
        device = try NetDevice(model: model, memory: memory)
    }

    /// - Throws: when an eventfd cannot be made; an error without a location.
    static func make(
        _ card: CardIdentity, memory: GuestMemory, on reactor: Reactor
    ) throws(EmulationError) -> VirtioCard {
        var model = NetDeviceModel(mac: card.mac, mtu: card.settings.mtu)
        model.features &= ~card.settings.withheldFeatures
        model.receiveQueueSize = card.settings.receiveQueueSize
        model.transmitQueueSize = card.settings.transmitQueueSize
        do throws(VirtioError) { return try VirtioCard(model, memory: memory, on: reactor) } catch {
            throw EmulationError(text: "cannot make network card \(card.name): \(error)")
        }
    }

    var rings: NetDevice? { device }

    var queues: [CardQueue] {
        let counters = [frames?.receiveCounters, frames?.transmitCounters]
        return zip([("receive", 0), ("transmit", 1)] as [(String, UInt16)], counters).map { queue, counters in
            let signals = device.signals(queue: queue.1)
            return CardQueue(
                number: queue.1, direction: queue.0, kicks: signals.kicks, calls: signals.calls, frames: counters)
        }
    }

    func connect(to link: FrameLink) {
        let backEnd = FrameBackEnd(on: link, atEndOfTurn: { [unowned reactor] in reactor.atEndOfTurn($0) })
        frames = backEnd
        device.attach(backEnd)
    }

    func disconnect(_ done: @escaping () -> Void) {
        frames?.link.connect(nil, at: .card)
        device.detach(done)
    }

    func setLink(isUp: Bool) {
        frames?.link.setUp(isUp)
        device.setLink(isUp: isUp)
    }

    func suspend(_ done: @escaping () -> Void) { device.suspend(done) }
    func resume() { device.resume() }

    func divert(to port: (any FramePort)?) -> Bool {
        guard let frames else { return false }
        frames.link.connect(port ?? frames, at: .card)
        // Whoever was in its place was told of room that it waits for.
        if port == nil { frames.peerHasRoom() }
        return true
    }

    func deliver(_ frame: UnsafeRawBufferPointer) -> Bool {
        guard let frames else { return true }
        return FrameView.withOneSpan(frame) { frames.take($0) } == 1
    }
}
