// What a card is, and what of it a guest works. Which device that is, is the guest's affair: a driver wants rings,
// a tap would give and take frames.

import Link
import Virtio

/// What a card is, whoever drives it.
struct CardIdentity {
    let name: String
    let mac: MACAddress
    let settings: CardSettings

    /// The card that `client` is; nil when it is none.
    init?(_ client: NetClient, _ settings: CardSettings) {
        guard case .card(_, let mac, _) = client.kind else { return nil }
        name = client.name
        self.mac = mac
        self.settings = settings
    }
}

/// The part of a card that a guest works. Made by the guest, joined to a back-end by the card.
protocol CardDevice: AnyObject {
    /// The device whose rings another process may work on; nil when the guest has frames only.
    var rings: NetDevice? { get }
    /// What the queues have moved, for `info stats`.
    var queues: [CardQueue] { get }

    /// Frames pass `link` from now on.
    func connect(to link: FrameLink)
    /// Lets go of what it hangs on; `done` when nothing of the card is touched any more.
    func disconnect(_ done: @escaping () -> Void)
    /// The carrier, as the guest sees it.
    func setLink(isUp: Bool)
    /// Moves nothing from now on; `done` when that is so.
    func suspend(_ done: @escaping () -> Void)
    func resume()

    /// Frames that come for the card go to `port` from now on; nil: to the card again. Says whether frames pass here at all:
    /// another process may work on its rings.
    func divert(to port: (any FramePort)?) -> Bool
    /// Gives the card a frame that came for it before; false: it has no room now.
    func deliver(_ frame: UnsafeRawBufferPointer) -> Bool
}

/// What one queue of a card has moved and signalled.
struct CardQueue {
    let number: UInt16
    let direction: String
    let kicks: UInt64
    let calls: UInt64
    /// nil when another process works on the rings.
    let frames: QueueCounters?
}
