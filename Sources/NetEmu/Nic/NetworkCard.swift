// One network card: who it is, its cable, what it hangs on. What a guest works of it is its CardDevice.

import Link
import Linux
import Netdevs

/// A card of a guest.
final class NetworkCard {
    let name: String
    let device: any CardDevice
    private let reactor: Reactor
    private var netdev: (any Netdev)?
    /// The link of a card that hangs on nothing.
    private(set) var looseEnd: FrameLink?
    /// `set_link` on the card, and on what it hangs on.
    var isOn = true
    var isPeerOn = true

    init(_ identity: CardIdentity, _ device: any CardDevice, on reactor: Reactor) {
        name = identity.name
        self.device = device
        self.reactor = reactor
    }

    // MARK: what it hangs on

    /// - Throws: when the back-end wants rings and the guest has none; an error without a location.
    func connect(to netdev: any Netdev) throws(EmulationError) {
        switch netdev.door {
        case .rings(let peer):
            guard let rings = device.rings else {
                throw EmulationError(
                    text: "\(name): the back-end works on a card's rings, and the guest has none",
                    hints: ["Choose a back-end for frames (passt without vhost-user=on, stream), or -guest node"])
            }
            try peer.connect(rings)
        case .frames(let link): device.connect(to: link)
        }
        self.netdev = netdev
        updateLink()
    }

    /// Hangs on nothing: what the guest sends goes nowhere.
    func connectToNothing() {
        let link = FrameLink(on: reactor)
        device.connect(to: link)
        looseEnd = link
    }

    /// Lets go of the back-end; `done` when the rings are touched no more.
    func disconnect(_ done: @escaping () -> Void) {
        let former = netdev
        netdev = nil
        guard case .rings(let peer)? = former?.door, let rings = device.rings else { return device.disconnect(done) }
        peer.disconnect(rings, done)
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

    func updateLink() { device.setLink(isUp: isOn && isPeerOn && netdev?.isUp != false) }
}
