// The virtio-net driver of one NIC (VIRTIO 1.3, 3.1.1, 5.1.5): starts the device, moves frames
// between its rings and the host's interface, follows the link, and starts anew when the device
// asks for it. Interrupts only leave a note; the work is done in the node's turn.

import Bytes
import Link
import NetStack
import Virtio

/// A NIC of the node.
final class NodeInterface: NetDeviceDriver {
    /// Where the driver stands.
    enum State: Equatable {
        /// The device is not there yet: its back-end has not told what it can do.
        case absent
        /// A reset was asked for; rings may still be touched.
        case resetting
        case running
        /// Given up until the deadline, then tried again.
        case failed(retry: Instant)
        /// Detached; a last reset is under way.
        case leaving
        case gone
    }

    let name: String
    let device: NetDevice
    let id: InterfaceID
    private let host: Host
    private let heap: GuestHeap
    private let plannedMTU: Int
    private(set) var state = State.absent
    /// The features the driver runs with.
    private(set) var features: UInt64 = 0
    private var rings: DriverRings?
    private var isConfigurationPending = true
    private var isResetComplete = false
    private var isLinkUp = false
    private var isTransmitBlocked = false
    private var lastTurn = Instant(nanoseconds: 0)
    private var lastReset: Instant?
    /// Tells the node's owner that there is work.
    var onWork: (() -> Void)?
    /// Told when the last reset is complete, also while the node stands still.
    var onGone: ((NodeInterface) -> Void)?
    /// Tells what went wrong, in a sentence.
    var onNotice: ((String) -> Void)?

    /// Bits this driver knows what to do with.
    static let wanted: UInt64 =
        NetFeature.version1 | NetFeature.mac | NetFeature.status | NetFeature.mtu | NetFeature.mergeableBuffers
        | NetFeature.guestChecksum | NetFeature.eventIndex | NetFeature.indirectDescriptors

    init(_ device: NetDevice, name: String, host: Host, heap: GuestHeap) {
        self.device = device
        self.name = name
        self.host = host
        self.heap = heap
        let plan = RingPlan(Self.facts(device, heap, features: 0))
        plannedMTU = plan.maximumMTU
        let mtu = device.configuration.mtu.map(Int.init) ?? 1500
        id = host.addInterface(
            InterfaceConfiguration(
                name: name, mac: device.configuration.mac, mtu: min(mtu, plan.maximumMTU), maximumMTU: plan.maximumMTU,
                dhcp: true))
        device.driver = self
    }

    private static func facts(_ device: NetDevice, _ heap: GuestHeap, features: UInt64) -> RingPlan.Facts {
        device.queueSelect = QueuePair.first.receive
        let receiveLimit = device.queueSize
        device.queueSelect = QueuePair.first.transmit
        return RingPlan.Facts(
            receiveLimit: max(2, receiveLimit), transmitLimit: max(2, device.queueSize),
            mtu: device.configuration.mtu, isMergeable: features & NetFeature.mergeableBuffers != 0,
            budget: Int(min(heap.capacity / 8, 16 << 20)) + (1 << 17))
    }

    // MARK: interrupts: notes for the next turn

    func queueInterrupt(_ queue: UInt16) { onWork?() }

    func configurationInterrupt() {
        isConfigurationPending = true
        onWork?()
    }

    func resetComplete() {
        guard state != .leaving else { return finishLeaving() }
        isResetComplete = true
        onWork?()
    }

    func restartBase(queue: UInt16) -> RingPosition? {
        guard state == .running, rings != nil else { return nil }
        if queue == QueuePair.first.receive {
            // What the dead back-end had delivered is received before its successor starts.
            for _ in 0..<8 where !receiveBatch(lastTurn) { break }
            return rings?.receive.restartBase()
        }
        _ = rings?.transmit.transmit(limit: 0) { _ in 0 }
        return rings?.transmit.restartBase()
    }

    // MARK: the turn

    /// When the driver wants a turn although nothing happens.
    var nextDeadline: Instant? {
        if case .failed(let retry) = state { return retry }
        return nil
    }

    /// Follows resets, link and configuration.
    func follow(now: Instant) {
        lastTurn = now
        if isResetComplete {
            isResetComplete = false
            afterReset(now)
        }
        if case .failed(let retry) = state, now >= retry { reset(now) }
        guard isConfigurationPending, state != .leaving, state != .gone else { return }
        isConfigurationPending = false
        _ = device.readInterruptStatus()
        switch state {
        case .absent: if device.isPresent { reset(now) }
        case .running where device.status.contains(.needsReset): reset(now)
        default: break
        }
        followLink(now)
    }

    private func followLink(_ now: Instant) {
        let isUp = state == .running && (features & NetFeature.status == 0 || device.configuration.isLinkUp)
        guard isUp != isLinkUp else { return }
        isLinkUp = isUp
        host.setLink(id, isUp: isUp, now: now)
    }

    /// Gives received frames to the host, a bounded number of them; `rearm` tells when there are more.
    func receive(now: Instant) {
        if state == .running { _ = receiveBatch(now) }
    }

    private func receiveBatch(_ now: Instant) -> Bool {
        let (host, id) = (host, id)
        guard let turn = rings?.receive.receive({ host.receive($0, on: id, now: now) }) else { return false }
        if turn.needsKick { device.notify(queue: QueuePair.first.receive) }
        guard turn.frames > 0 || turn.hasMore else { return false }
        // Until `rearm` the device need not call: the node looks again before it sleeps.
        rings?.receive.suppressCalls()
        return true
    }

    /// Lets the host fill free slots; true when it filled all that were lent.
    func transmit(now: Instant) -> Bool {
        guard state == .running else { return false }
        let (host, id) = (host, id)
        var lent = 0
        let result = rings?.transmit.transmit { slots in
            lent = slots.count
            return host.transmit(into: slots, on: id, now: now)
        }
        guard let turn = result else { return false }
        if turn.needsKick { device.notify(queue: QueuePair.first.transmit) }
        let isFull = lent == turn.frames
        if isTransmitBlocked, !isFull { rings?.transmit.suppressCalls() }
        isTransmitBlocked = isFull
        return lent > 0 && isFull
    }

    /// The back-end has taken every frame that was sent, or there is none that could.
    var isDrained: Bool { state != .running || !isLinkUp || rings?.transmit.outstanding ?? 0 == 0 }

    /// Before sleeping: calls are wanted again. True when there is work already.
    func rearm(now: Instant) -> Bool {
        guard state == .running, rings != nil else { return false }
        if let fault = rings?.receive.fault ?? rings?.transmit.fault {
            fail("\(name): the back-end broke a ring: \(fault)", now)
            return true
        }
        let received = rings?.receive.rearm() ?? false
        let isBlocked = isTransmitBlocked
        let sent = isBlocked ? rings?.transmit.rearm() ?? false : false
        return received || sent
    }

    /// Takes the NIC away from the host; the device is reset before its memory is used again.
    func detach(now: Instant) {
        host.removeInterface(id, now: now)
        state = .leaving
        device.writeStatus([])
        if device.status.isEmpty { finishLeaving() }
    }

    private func finishLeaving() {
        guard state == .leaving else { return }
        rings = nil
        state = .gone
        if device.driver === self { device.driver = nil }
        onGone?(self)
    }

    // MARK: start (VIRTIO 1.3, 3.1.1)

    private func reset(_ now: Instant) {
        state = .resetting
        lastReset = now
        followLink(now)
        device.writeStatus([])
        if device.status.isEmpty { afterReset(now) }
    }

    private func afterReset(_ now: Instant) {
        guard state == .resetting, device.status.isEmpty else { return }
        isResetComplete = false
        isTransmitBlocked = false
        start(now)
        isConfigurationPending = true
    }

    private func start(_ now: Instant) {
        guard device.isPresent else {
            state = .absent
            return
        }
        device.writeStatus(.acknowledge)
        device.writeStatus([.acknowledge, .driver])
        features = device.deviceFeatures & Self.wanted
        device.driverFeatures = features
        device.writeStatus([.acknowledge, .driver, .featuresOK])
        guard device.status.contains(.featuresOK) else {
            return fail("\(name): the device refuses features 0x\(String(features, radix: 16))", now)
        }
        do throws(VirtioError) {
            try startQueues()
        } catch {
            return fail("\(name): \(error)", now)
        }
        device.writeStatus([.acknowledge, .driver, .featuresOK, .driverOK])
        state = .running
        device.notify(queue: QueuePair.first.receive)
        device.notify(queue: QueuePair.first.transmit)
    }

    /// Rings of the same shape are posted anew, with the frames that the device had not given back; others are made.
    private func startQueues() throws(VirtioError) {
        let plan = RingPlan(Self.facts(device, heap, features: features))
        if rings?.plan == plan {
            rings?.receive.restart(features: features)
            rings?.transmit.restart(features: features)
        } else {
            rings = nil
            rings = try DriverRings(plan, heap: heap, features: features)
        }
        guard let receive = rings?.receive.addresses, let transmit = rings?.transmit.addresses else { return }
        enable(queue: QueuePair.first.receive, size: plan.receiveSize, at: receive)
        enable(queue: QueuePair.first.transmit, size: plan.transmitSize, at: transmit)
    }

    private func enable(queue: UInt16, size: UInt16, at addresses: RingAddresses) {
        device.queueSelect = queue
        device.queueSize = size
        device.queueAddresses = addresses
        device.queueEnable = true
    }

    /// Says what is wrong, and starts anew a second after the last start.
    private func fail(_ reason: String, _ now: Instant) {
        onNotice?(reason)
        device.writeStatus(device.status.union(.failed))
        let earliest = (lastReset ?? now) + .seconds(1)
        state = .failed(retry: max(earliest, now))
        followLink(now)
    }
}
