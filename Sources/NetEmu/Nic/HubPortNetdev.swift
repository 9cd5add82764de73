// A port of a hub as a back-end: what hangs on it is a card, or another back-end.

import Link
import Linux
import Netdevs

/// `-netdev hubport`, and the ports of the hub that `-net` makes.
final class HubPortNetdev: Netdev {
    private let hub: Hub
    private let port: HubPort
    private let link: FrameLink
    var onEvent: ((NetdevEvent) -> Void)?
    private(set) var isGone = false

    /// - Parameter link: of the back-end that hangs on the port; nil for a card that is to come.
    init(_ hub: Hub, behind link: FrameLink?, on reactor: Reactor) {
        self.hub = hub
        let own = link ?? FrameLink(on: reactor)
        self.link = own
        port = hub.addPort(on: own, at: link == nil ? .netdev : .card)
    }

    /// The hub that it is of stands above it.
    let info = ""
    var door: NetdevDoor { .frames(link) }
    /// What came while too much waited for this port's link, and what came back to the hub through a ring of hubs.
    var drops: [(reason: String, frames: UInt64)] { [("slow", port.dropped), ("looped", hub.looped)] }
    let isUp = true
    let isReady = true

    func start() {}

    func stop() {
        hub.remove(port)
        isGone = true
    }
}
