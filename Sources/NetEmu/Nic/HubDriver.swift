// Who plays the guest of a back-end on rings that hangs on a hub (docs/decisions/0020): a driver with memory of its own,
// which is all that the back-end's process is shown. Frames pass a link, as with any back-end on a hub.
//
//   hub ── port ── link ── NetDriverPort ── NetDevice ── rings in a memfd ── vhost-user ──▶ back-end

import Link
import Linux
import Netdevs
import Virtio

/// A driver between a hub and a back-end on rings.
final class HubDriver {
    /// The hub's port is at its card end.
    let link: FrameLink
    /// The client that is the hub's port.
    let hubPort: ClientID
    private let peer: RingPeer
    private let device: NetDevice
    private let port: NetDriverPort
    private let name: String
    private let warnings: LimitedWarnings
    private let reactor: Reactor
    private let alarm: Alarm
    /// The driver has its rings running, or not any more.
    var onLink: (() -> Void)?

    /// Bytes of the driver's memory; what is not used is not there.
    private static let memorySize = 64 << 20
    /// Between a broken ring and the next attempt.
    private static let rest: UInt64 = 1_000_000_000

    /// Nobody asks it for its address: frames are other people's. Who leaves checksums to a driver that trusts it
    /// (GUEST_CSUM; passt leaves out those of TCP) would send to the hub's other ports what they cannot take.
    private static var model: NetDeviceModel {
        var model = NetDeviceModel(mac: MACAddress(2, 0, 0, 0, 0, 1))
        model.features &= ~NetFeature.guestChecksum
        return model
    }

    /// Where it is made.
    struct Site {
        let name: String
        let hubPort: ClientID
        let reactor: Reactor
        let voice: Voice
    }

    /// - Throws: errors without a location.
    init(_ peer: RingPeer, _ site: Site) throws(EmulationError) {
        let reactor = site.reactor
        self.reactor = reactor
        self.peer = peer
        name = site.name
        hubPort = site.hubPort
        warnings = LimitedWarnings(on: reactor, say: site.voice.warn)
        link = FrameLink(on: reactor)
        let driver: NetDriver
        do throws(VirtioError) {
            let memory = try GuestMemory(size: Self.memorySize, name: "hub-driver")
            device = try NetDevice(model: Self.model, memory: memory)
            driver = NetDriver(device, heap: GuestHeap(memory: memory))
        } catch { throw EmulationError(text: "cannot make a driver for \(site.name): \(error)") }
        let port = NetDriverPort(driver, on: link, at: .netdev) { [unowned reactor] in reactor.atEndOfTurn($0) }
        self.port = port
        alarm = Alarm(on: reactor) { port.restart() }
        link.setUp(false)
        port.onEvent = { [weak self] in self?.driverSaid($0) }
        try peer.connect(device)
    }

    /// Frames pass, as far as the driver knows.
    var isUp: Bool { port.driver.isLinkUp }

    /// Nobody works on its rings from then on, until `release`.
    func hold(_ done: @escaping () -> Void) { device.suspend(done) }
    func release() { device.resume() }

    private func driverSaid(_ event: NetDriverEvent) {
        switch event {
        case .link: onLink?()
        case .failed(let fault):
            warnings.warn("\(name): \(fault); trying again in 1 s")
            alarm.set(reactor.nowNanoseconds &+ Self.rest)
        case .resetting, .gone: break
        }
    }

    /// Leaves the link; lives on until nobody works on its rings.
    func close() {
        alarm.set(nil)
        onLink = nil
        port.onEvent = { if $0 == .gone { self.gone() } }
        port.close()
    }

    private func gone() {
        port.onEvent = nil
        peer.disconnect(device) {}
    }
}
