// A node with one card, and a port that a test plays at the other end of its link.

import Link
import Linux
import TestSupport
import Testing
import Virtio

@testable import NetEmu

/// A node with a card on a link whose other end keeps the frames.
final class CardStand {
    let reactor: Reactor
    let guest: any Guest
    let card: any CardDevice
    let port = ScriptedPort()
    let link: FrameLink

    /// - Parameter room: frames that the port takes before it is blocked.
    init(room: Int = .max) throws {
        port.room = room
        reactor = try Reactor()
        let kind = try GuestOption.plan(try KeyValueList(parsing: "node", implied: "type"))
        guest = kind.makeGuest(GuestSite(memory: try GuestMemory(size: 16 << 20), reactor: reactor, say: { _ in }))
        var topology = Topology()
        let id = try topology.add(
            CardPlan(origin: .device, id: "d0", model: CardModel(named: "virtio")), random: { 0 })
        let client = try #require(id.flatMap { topology[$0] })
        card = try guest.plug(try #require(CardIdentity(client, CardSettings())))
        link = FrameLink(atEndOfTurn: { [unowned reactor] in reactor.atEndOfTurn($0) })
        link.connect(port, at: .netdev)
        card.connect(to: link)
        card.setLink(isUp: true)
        guest.begin()
        guest.resume()
    }
}
