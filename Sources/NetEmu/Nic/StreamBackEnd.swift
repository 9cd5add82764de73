// `-netdev stream` as the wiring sees it.

import Netdevs

/// A stream back-end of the network. Nobody waits for its peer: QEMU starts without one, too.
final class StreamBackEnd: Netdev {
    private let netdev: StreamNetdev
    let isReady = true
    private(set) var isGone = false
    var onEvent: ((NetdevEvent) -> Void)?

    init(_ netdev: StreamNetdev) {
        self.netdev = netdev
        netdev.onLink = { [weak self] isUp in self?.onEvent?(isUp ? .connected : .disconnected) }
    }

    var info: String { netdev.info }
    var door: NetdevDoor { .frames(netdev.link) }
    var isUp: Bool { netdev.isUp }

    func start() { netdev.start() }

    /// Nothing of it is left when this returns.
    func stop() {
        netdev.stop()
        isGone = true
    }
}
