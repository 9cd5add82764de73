// `-netdev stream` as the wiring sees it.

import Netdevs

extension StreamNetdev: Netdev {
    var door: NetdevDoor { .frames(link) }
    /// Nobody waits for a peer: QEMU starts without one, too.
    var isReady: Bool { true }
    var isGone: Bool { true }
    var failure: EmulationError? { nil }
}
