// `-netdev vhost-user`: a back-end that somebody else starts, behind a socket character device in either
// role. When it goes, the card loses its carrier and keeps its frames; whoever connects next goes on with
// the same rings.

import Linux
import VhostUser
import Virtio

/// A vhost-user back-end behind a character device.
final class VhostUserNetdev: Netdev {
    struct Place {
        /// The id of the character device.
        let chardev: String
        /// The option as typed; nil from the monitor.
        let location: String?
        let voice: Voice
    }

    let place: Place
    private let device: SocketDevice
    let peer: RingPeer
    let reactor: Reactor
    /// Whoever is at the socket can bring them about as often as it likes.
    let warnings: LimitedWarnings
    private(set) var isConnected = false
    /// Nothing is held: whoever is at the socket was started by somebody else, and is connected to at once, as by QEMU.
    var isHeldForState = false
    var move = VhostUserMove()
    /// Those who want a back-end to be connected.
    lazy var waiters = ConnectionWait(10_000_000_000, on: reactor) { [place] seconds in
        "no back-end is connected at \(place.chardev) within \(seconds) s"
    }
    private var hasBeenConnected = false
    private(set) var isGone = false
    var onEvent: ((NetdevEvent) -> Void)?

    init(_ place: Place, _ device: SocketDevice, on reactor: Reactor) {
        self.place = place
        self.device = device
        self.reactor = reactor
        warnings = LimitedWarnings(on: reactor, say: place.voice.warn)
        peer = RingPeer(on: reactor)
        peer.onEvent = { [weak self] in self?.peerSaid($0) }
        peer.onArrival = { [weak self] in self?.loadKept($0) ?? false }
    }

    var chardev: String? { place.chardev }
    var door: NetdevDoor { .rings(peer) }
    let isUp = true

    /// QEMU's words, and the truth when nobody is there.
    var info: String { "vhost-user0 to \(place.chardev)" + (isConnected ? "" : ",disconnected") }

    /// A server that does not wait is ready at once; everybody else when the handshake is done.
    var isReady: Bool { hasBeenConnected || !device.isAwaited && !device.isOpen }

    func start() { device.handOver { [weak self] in self?.attach($0) } }

    func stop() {
        peer.disconnect()
        device.connectionEnded()
        isGone = true
    }

    private func attach(_ socket: SharedDescriptor) {
        guard !isGone else { return }
        do {
            try peer.attach(try socket.descriptor.duplicate())
        } catch { lost("\(error)") }
    }

    private func peerSaid(_ event: RingPeer.Event) {
        guard !isGone else { return }
        switch event {
        case .connected:
            isConnected = true
            hasBeenConnected = true
            onEvent?(.connected)
            waiters.tell(nil)
        case .lost(let reason): lost("\(reason)", hint: hint(reason))
        case .warning(let text): warnings.warn("\(place.chardev): \(text)")
        }
    }

    /// What stands at the other end of a connection that never became one of vhost-user.
    private func hint(_ reason: VhostUserError) -> String? {
        guard !hasBeenConnected else { return nil }
        switch reason {
        case .message:
            return "That is no vhost-user: a passt without --vhost-user? Start it with --vhost-user, "
                + "or reach it as it is by -netdev stream"
        case .endOfFile, .shortHeader, .system: return "If that is a passt, start it with --vhost-user"
        default: return nil
        }
    }

    private func lost(_ reason: String, hint: String? = nil) {
        isConnected = false
        peer.backEndDied()
        device.connectionEnded(wasOfUse: hasBeenConnected)
        if hasBeenConnected || device.canComeBack {
            onEvent?(.disconnected)
            // Whoever heard that may have ended everything.
            guard !isGone else { return }
            warnings.warn("vhost-user on \(place.chardev): \(reason)" + (hint.map { "\n\($0)" } ?? ""))
        } else {
            let text = "vhost-user on \(place.chardev): \(reason)"
            onEvent?(.failed(EmulationError(location: place.location, text: text, hints: hint.map { [$0] } ?? [])))
        }
    }
}
