// A back-end as the wiring sees it: what it says of itself, what a card connects to, how it starts and ends.

import Link
import VhostUser

/// What a card connects to.
enum NetdevDoor {
    /// Another process works on the card's rings.
    case rings(RingPeer)
    /// Frames pass a link of which the back-end is one end.
    case frames(FrameLink)
}

/// What a back-end tells of itself; what the event says is so when it is told.
enum NetdevEvent: Equatable {
    /// Its peer is there, for the first time or again.
    case connected
    /// Its peer has gone.
    case disconnected
    /// It never came up, for this reason, and never will.
    case failed(EmulationError)
    /// It has ended and holds nothing.
    case ended
}

/// A back-end that runs.
protocol Netdev: AnyObject {
    /// QEMU's words behind `type=…,`.
    var info: String { get }
    var door: NetdevDoor { get }
    /// Frames pass, as far as the back-end knows: a card that hangs on it has a carrier.
    var isUp: Bool { get }
    /// The start need not wait for it any more.
    var isReady: Bool { get }
    /// It has ended and holds nothing.
    var isGone: Bool { get }
    /// Frames that it has dropped itself, by reason.
    var drops: [(reason: String, frames: UInt64)] { get }
    /// The id of the character device that it gives back when it ends.
    var chardev: String? { get }
    /// It has connections of the guest in itself, and no way to hand them over.
    var keepsConnections: Bool { get }
    var onEvent: ((NetdevEvent) -> Void)? { get set }

    func start()
    /// Ends it for good; `isGone` follows.
    func stop()
}

extension Netdev {
    var keepsConnections: Bool { false }
    var chardev: String? { nil }
    var drops: [(reason: String, frames: UInt64)] { [] }
}
