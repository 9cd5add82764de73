// A NIC of the node: the driver of a device on one side, an interface of the host on the other. Here are the
// node's time and policy (when a driver that failed tries again); how a device is driven is Virtio's.

import Bytes
import Link
import NetStack
import Virtio

/// A NIC of the node.
final class NodeInterface {
    let name: String
    /// As the host calls it; another one after a move.
    var id: InterfaceID
    let host: Host
    let driver: NetDriver
    /// When a driver that failed is started again.
    var retry: Instant?
    var lastTurn = Instant(nanoseconds: 0)
    var lastReset: Instant?
    /// Tells the node's owner that there is work.
    var onWork: (() -> Void)? {
        get { driver.onWork }
        set { driver.onWork = newValue }
    }
    /// Told when the last reset is complete, also while the node stands still.
    var onGone: ((NodeInterface) -> Void)?
    /// Tells what went wrong, in a sentence.
    var onNotice: ((String) -> Void)?

    var device: NetDevice { driver.device }

    init(_ device: NetDevice, name: String, host: Host, heap: GuestHeap) {
        self.name = name
        self.host = host
        driver = NetDriver(device, heap: heap)
        let mtu = device.configuration.mtu.map(Int.init) ?? 1500
        id = host.addInterface(
            InterfaceConfiguration(
                name: name, mac: device.configuration.mac, mtu: min(mtu, driver.maximumMTU),
                maximumMTU: driver.maximumMTU, dhcp: true))
        driver.onEvent = { [unowned self] in driverSaid($0) }
    }

    private func driverSaid(_ event: NetDriverEvent) {
        switch event {
        case .resetting:
            lastReset = lastTurn
            retry = nil
        case .link(let isUp): host.setLink(id, isUp: isUp, now: lastTurn)
        case .failed(let fault):
            onNotice?("\(name): \(fault)")
            // A second after the last start: a back-end that breaks its rings again and again costs no more.
            retry = max((lastReset ?? lastTurn) + .seconds(1), lastTurn)
        case .gone: onGone?(self)
        }
    }

    // MARK: the turn

    /// When the driver wants a turn although nothing happens.
    var nextDeadline: Instant? { retry }

    /// Follows resets, link and configuration.
    func follow(now: Instant) {
        lastTurn = now
        if let retry, now >= retry { driver.restart() }
        driver.follow()
    }

    /// Gives received frames to the host, a bounded number of them; `rearm` tells when there are more.
    func receive(now: Instant) {
        let (host, id) = (host, id)
        driver.receive { frames in
            host.receive(frames, on: id, now: now)
            return frames.count
        }
    }

    /// Lets the host fill free slots; true when it filled all that were lent.
    func transmit(now: Instant) -> Bool {
        let (host, id) = (host, id)
        return driver.transmit { host.transmit(into: $0, on: id, now: now) }
    }

    /// The back-end has taken every frame that was sent, or there is none that could.
    var isDrained: Bool { driver.isDrained }

    /// Before sleeping: calls are wanted again. True when there is work already.
    func rearm(now: Instant) -> Bool {
        lastTurn = now
        return driver.rearm()
    }

    /// Takes the NIC away from the host; the device is reset before its memory is used again.
    func detach(now: Instant) {
        lastTurn = now
        retry = nil
        host.removeInterface(id, now: now)
        driver.detach()
    }
}
