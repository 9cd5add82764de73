// The virtio-net driver of one device (VIRTIO 1.3, 3.1.1, 5.1.5): starts it, moves frames between its rings
// and whoever owns the driver, follows the link, and starts anew when the device asks for it. Interrupts only
// leave a note; the work is done in the owner's turn. No clock: when to try again after a fault is the owner's
// to say. What a frame contains is not looked at.
//
//   absent ── follow ──▶ resetting ──▶ running ── NEEDS_RESET ──▶ resetting
//                            │            │ a broken ring
//                            └─▶ failed ◀─┘        failed ── restart ──▶ resetting
//   any ── detach ──▶ leaving ──▶ gone

import Link

/// A driver of a network device. Lives on the device's thread.
///
/// A turn of its owner, whenever `onWork` was called or the owner has something to send:
///
///     driver.follow()                                   // resets, link, configuration
///     while driver.receive({ use($0) }).hasMore {}      // frames in
///     while driver.transmit({ fill($0) }) {}            // frames out
///     if driver.rearm() { turn again }                  // calls are wanted from here on
///
/// Order of life: make the device, make the driver, set its `onEvent` and `onWork`, attach the back-end
/// (``NetDevice`` says how), turn. A driver that comes after the back-end finds the device present in its first turn;
/// one that comes before is told by `onWork`. `detach` ends it; keep it until `gone` was told.
public final class NetDriver: NetDeviceDriver {
    /// The device that is driven; the driver holds it.
    public let device: NetDevice
    let heap: GuestHeap
    /// Bytes of the largest IP packet of a frame that a transmit slot holds, whatever is learnt later.
    public let maximumMTU: Int
    /// Where the driver stands. Changes in `follow`, `rearm`, `restart`, `detach`, and when a last reset completes.
    public internal(set) var state = NetDriverState.absent
    /// The features the driver runs with; 0 before its first start.
    public internal(set) var features: UInt64 = 0
    /// Frames can pass, as last told by `link`.
    public internal(set) var isLinkUp = false
    var rings: NetDriverRings?
    var isConfigurationPending = true
    var isResetComplete = false
    var isTransmitBlocked = false
    var isReceiveRefused = false

    /// Called when a turn is wanted: an interrupt, or a reset that is complete. It may be called many times before the
    /// turn, also within calls into the device.
    public var onWork: (() -> Void)?
    /// Called with news, within `follow`, `rearm`, `restart` or `detach`; `gone` also when the device completes its reset.
    public var onEvent: ((NetDriverEvent) -> Void)?

    /// Bits this driver knows what to do with.
    public static let wanted: UInt64 =
        NetFeature.version1 | NetFeature.mac | NetFeature.status | NetFeature.mtu | NetFeature.mergeableBuffers
        | NetFeature.guestChecksum | NetFeature.eventIndex | NetFeature.indirectDescriptors

    /// Takes the device's driver door.
    /// - Parameters:
    ///   - device: whose driver it becomes.
    ///   - heap: lends guest RAM of `device.memory` for the rings: about 4 MiB of receive buffers and 16 MiB of slots
    ///     where there is much, an eighth of the heap each where there is little.
    public init(_ device: NetDevice, heap: GuestHeap) {
        self.device = device
        self.heap = heap
        maximumMTU = NetRingPlan(Self.facts(device, heap, features: 0)).maximumMTU
        device.driver = self
    }

    private static func facts(_ device: NetDevice, _ heap: GuestHeap, features: UInt64) -> NetRingPlan.Facts {
        device.queueSelect = QueuePair.first.receive
        let receiveLimit = device.queueSize
        device.queueSelect = QueuePair.first.transmit
        return NetRingPlan.Facts(
            receiveLimit: max(2, receiveLimit), transmitLimit: max(2, device.queueSize),
            mtu: device.configuration.mtu, isMergeable: features & NetFeature.mergeableBuffers != 0,
            budget: Int(min(heap.capacity / 8, 16 << 20)) + (1 << 17))
    }

    // MARK: interrupts: notes for the next turn

    /// Asks for a turn.
    public func queueInterrupt(_ queue: UInt16) { onWork?() }

    /// Asks for a turn in which link and status are looked at.
    public func configurationInterrupt() {
        isConfigurationPending = true
        onWork?()
    }

    /// Asks for a turn in which the device is started; ends a driver that is leaving.
    public func resetComplete() {
        guard state != .leaving else { return finishLeaving() }
        isResetComplete = true
        onWork?()
    }

    /// Nothing of the dead back-end mixes with its successor: whole frames wait for the next `receive`, one of which it
    /// delivered a part only is dropped.
    public func restartBase(queue: UInt16) -> RingPosition? {
        guard state == .running, rings != nil else { return nil }
        return queue == QueuePair.first.receive ? rings?.receive.restartBase() : rings?.transmit.restartBase()
    }

    // MARK: the turn

    /// Follows resets, link and configuration.
    public func follow() {
        if isResetComplete {
            isResetComplete = false
            afterReset()
        }
        guard isConfigurationPending, state != .leaving, state != .gone else { return }
        isConfigurationPending = false
        _ = device.readInterruptStatus()
        switch state {
        case .absent: if device.isPresent { reset() }
        case .running where device.status.contains(.needsReset): reset()
        default: break
        }
        followLink()
    }

    private func followLink() {
        let isUp = state == .running && (features & NetFeature.status == 0 || device.configuration.isLinkUp)
        guard isUp != isLinkUp else { return }
        isLinkUp = isUp
        onEvent?(.link(isUp: isUp))
    }

    /// Lends frames that arrived to `body`, in batches and a bounded number of them; `body` returns how many it took.
    /// The others stay in their buffers and are lent again by the next call. The lend ends when `body` returns.
    @discardableResult
    public func receive(_ body: (UnsafeBufferPointer<FrameView>) -> Int) -> NetQueueReport {
        guard state == .running, let turn = rings?.receive.offer(body) else { return NetQueueReport() }
        if turn.needsKick { device.notify(queue: QueuePair.first.receive) }
        isReceiveRefused = turn.isRefused
        // Until `rearm` the device need not call: the owner looks again before it sleeps.
        if turn.frames > 0 || turn.hasMore || turn.isRefused { rings?.receive.suppressCalls() }
        return turn
    }

    /// Lends free slots to `fill`, which returns how many of them it filled, counted from the first; those are sent. True
    /// when it filled all that were lent: there may be more to lend, call again. The lend ends when `fill` returns.
    @discardableResult
    public func transmit(_ fill: (UnsafeMutableBufferPointer<TransmitSlot>) -> Int) -> Bool {
        guard state == .running else { return false }
        var lent = 0
        let result = rings?.transmit.transmit { slots in
            lent = slots.count
            return fill(slots)
        }
        guard let turn = result else { return false }
        if turn.needsKick { device.notify(queue: QueuePair.first.transmit) }
        let isFull = lent == turn.frames
        if isTransmitBlocked, !isFull { rings?.transmit.suppressCalls() }
        isTransmitBlocked = isFull
        return lent > 0 && isFull
    }

    /// What the device takes from this driver; `plain` with a largest frame of Ethernet header, one 802.1Q tag and
    /// `maximumMTU` bytes while it does not run.
    public var capabilities: LinkCapabilities {
        LinkCapabilities(
            features: state == .running ? features : 0, .toDevice, largestFrame: 18 + maximumMTU)
    }

    /// The back-end has taken every frame that was sent, or there is none that could.
    public var isDrained: Bool { state != .running || !isLinkUp || rings?.transmit.outstanding ?? 0 == 0 }

    /// Takes back what was sent; how many slots are free. 0 while the driver does not run.
    public func room() -> Int {
        guard state == .running else { return 0 }
        let free = rings?.transmit.room() ?? 0
        if isTransmitBlocked, free > 0 {
            rings?.transmit.suppressCalls()
            isTransmitBlocked = false
        }
        return free
    }

    /// Before sleeping: calls are wanted again, for slots only when none was free, for frames only when none was refused.
    /// True when there is work already: `receive`, and `transmit` or `room`, then rearm again. A broken ring is found here.
    public func rearm() -> Bool {
        guard state == .running, rings != nil else { return false }
        if let fault = rings?.receive.fault ?? rings?.transmit.fault {
            fail(.ring(fault))
            return true
        }
        let received = isReceiveRefused ? false : rings?.receive.rearm() ?? false
        let isBlocked = isTransmitBlocked
        let sent = isBlocked ? rings?.transmit.rearm() ?? false : false
        return received || sent
    }

    /// Tries again after `failed`. Somebody who breaks rings breaks them again: leave a pause in between.
    public func restart() {
        if state == .failed { reset() }
    }

    /// Ends the driver: the device is reset before the rings' memory is used again. `gone` is told then, within the call
    /// when the device's back-end does not work.
    public func detach() {
        guard state != .leaving, state != .gone else { return }
        state = .leaving
        device.writeStatus([])
        if device.status.isEmpty { finishLeaving() }
    }

    private func finishLeaving() {
        guard state == .leaving else { return }
        rings = nil
        state = .gone
        if device.driver === self { device.driver = nil }
        onEvent?(.gone)
    }

    // MARK: start (VIRTIO 1.3, 3.1.1)

    private func reset() {
        state = .resetting
        onEvent?(.resetting)
        followLink()
        device.writeStatus([])
        if device.status.isEmpty { afterReset() }
    }

    private func afterReset() {
        guard state == .resetting, device.status.isEmpty else { return }
        isResetComplete = false
        isTransmitBlocked = false
        isReceiveRefused = false
        start()
        isConfigurationPending = true
    }

    private func start() {
        guard device.isPresent else {
            state = .absent
            return
        }
        device.writeStatus(.acknowledge)
        device.writeStatus([.acknowledge, .driver])
        features = device.deviceFeatures & Self.wanted
        device.driverFeatures = features
        device.writeStatus([.acknowledge, .driver, .featuresOK])
        guard device.status.contains(.featuresOK) else { return fail(.featuresRefused(features)) }
        do throws(VirtioError) { try startQueues() } catch { return fail(.rings(error)) }
        device.writeStatus([.acknowledge, .driver, .featuresOK, .driverOK])
        state = .running
        device.notify(queue: QueuePair.first.receive)
        device.notify(queue: QueuePair.first.transmit)
    }

    /// Rings of the same shape are posted anew, with the frames that the device had not given back; others are made.
    private func startQueues() throws(VirtioError) {
        let plan = NetRingPlan(Self.facts(device, heap, features: features))
        if rings?.plan == plan {
            rings?.receive.restart(features: features)
            rings?.transmit.restart(features: features)
        } else {
            rings = nil
            rings = try NetDriverRings(plan, heap: heap, features: features)
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

    private func fail(_ fault: NetDriverFault) {
        onEvent?(.failed(fault))
        device.writeStatus(device.status.union(.failed))
        state = .failed
        followLink()
    }
}
