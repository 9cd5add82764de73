// One network card: its device model, the interrupts that its back-end raises, its cable, what it hangs on.

import Link
import Linux
import Netdevs
import Virtio

/// A card that a driver finds.
final class NetworkCard {
    let name: String
    let device: NetDevice
    private let reactor: Reactor
    private var netdev: (any Netdev)?
    /// The device's half in this process, when frames are moved.
    private(set) var frames: FrameBackEnd?
    /// `set_link` on the card, and on what it hangs on.
    private var isOn = true
    private var isPeerOn = true

    init(_ client: NetClient, _ settings: CardSettings, memory: GuestMemory, on reactor: Reactor) throws(VirtioError) {
        name = client.name
        self.reactor = reactor
        guard case .card(_, let mac, _) = client.kind else { throw .noRegion }
        var model = NetDeviceModel(mac: mac, mtu: settings.mtu)
        model.features &= ~settings.withheldFeatures
        model.receiveQueueSize = settings.receiveQueueSize
        model.transmitQueueSize = settings.transmitQueueSize
        device = try NetDevice(model: model, memory: memory)
    }

    // MARK: what it hangs on

    func connect(to netdev: any Netdev) {
        self.netdev = netdev
        switch netdev.door {
        case .rings(let peer): peer.connect(self)
        case .frames(let link): attach(to: link)
        }
        updateLink()
    }

    /// Hangs on nothing: what the guest sends goes nowhere.
    func connectToNothing() { attach(to: FrameLink(on: reactor)) }

    private func attach(to link: FrameLink) {
        let backEnd = FrameBackEnd(on: link, atEndOfTurn: { [unowned reactor] in reactor.atEndOfTurn($0) })
        frames = backEnd
        device.attach(backEnd)
    }

    /// Lets go of the back-end; `done` when the rings are touched no more.
    func disconnect(_ done: @escaping () -> Void) {
        let former = netdev
        netdev = nil
        guard case .rings(let peer)? = former?.door else {
            frames?.link.connect(nil, at: .card)
            return device.detach(done)
        }
        peer.disconnectCard(done)
    }

    /// The back-end came up or went down.
    func netdevChanged() { updateLink() }

    // MARK: the cable

    func setLink(card isUp: Bool) {
        isOn = isUp
        updateLink()
    }

    func setLink(peer isUp: Bool) {
        isPeerOn = isUp
        updateLink()
    }

    private func updateLink() {
        let isUp = isOn && isPeerOn && netdev?.isUp != false
        frames?.link.setUp(isUp)
        device.setLink(isUp: isUp)
    }
}
