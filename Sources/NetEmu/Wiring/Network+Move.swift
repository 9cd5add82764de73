// The network of a guest that goes to another netemu, or comes from one: which cards it has, in its order, and what they
// hang on.

import Migration
import Virtio

extension Network {
    /// Cards as the guest counts them.
    var cardsInOrder: [(client: NetClient, card: NetworkCard)] {
        topology.clients.compactMap { client in cards[client.id].map { (client, $0) } }
    }

    /// Before anything is made: the guest is to come. Cards are made, and hang on nothing until `joinCards`; back-ends
    /// that keep connections wait for theirs.
    func expectGuest() {
        isExpecting = true
        suspendCards {}
    }

    /// The number of the card that a stream calls so; nil: there is none.
    func cardNumber(_ section: String) -> Int? {
        cardsInOrder.indices.first { MachineProfile.card($0) == section }
    }

    /// What a card hangs on keeps connections of the guest that can move.
    func movingNetdev(of client: NetClient) -> (name: String, netdev: any MovingNetdev)? {
        guard let peer = client.peer.flatMap({ topology[$0] }) else { return nil }
        return (netdevs[peer.id] as? any MovingNetdev).flatMap { $0.canMove ? (peer.name, $0) : nil }
    }

    /// The state of every card is there: they hang on what the command line says from now on, and stand still.
    func joinCards() throws(EmulationError) {
        guard isExpecting else { return }
        isExpecting = false
        for (client, card) in cardsInOrder { try connect(card, client) }
    }

    /// Names of back-ends that keep connections which stay behind.
    var stayingBehind: [String] {
        topology.clients.filter { netdevs[$0.id]?.keepsConnections == true }.map(\.name)
    }

    // MARK: memory on the way

    private var ringPeers: [RingPeer] {
        netdevs.values.compactMap { if case .rings(let peer) = $0.door { peer } else { nil } }
    }

    /// Back-ends that work on rings mark what they write from now on, where their memory is tracked; `done` when that
    /// memory's tracking knows of each whether it does.
    func beginLogs(_ done: @escaping () -> Void) {
        let peers = ringPeers
        var left = peers.count
        guard left > 0 else { return done() }
        for peer in peers {
            peer.beginLog {
                left -= 1
                if left == 0 { done() }
            }
        }
    }

    /// Nobody wants to know any more.
    func endLogs() { for peer in ringPeers { peer.endLog() } }

    // MARK: frames on the way

    /// What comes for cards on frames goes along with the guest, by the card's number; the guest stands still.
    func forwardFrames(_ forward: @escaping (_ card: Int, [UInt8]) -> Void) {
        inboxes = cardsInOrder.enumerated().compactMap { number, entry in
            CardInbox(entry.card.device, use: .forward { forward(number, $0) }, on: site.reactor)
        }
    }

    /// Senders keep what they have until the guest runs here.
    func holdFrames() {
        inboxes = cardsInOrder.compactMap { CardInbox($0.card.device, use: .refuse, on: site.reactor) }
    }

    /// The guest runs elsewhere: nobody waits for it here.
    func dropFrames() { for inbox in inboxes { inbox.use = .drop } }

    /// A frame that came for a card elsewhere, or before: the card gets it before any other.
    func deliver(_ frame: [UInt8], toCard number: Int) {
        let cards = cardsInOrder
        guard cards.indices.contains(number) else { return }
        inboxes.first { $0.card === cards[number].card.device }?.deliver(frame)
    }
}
