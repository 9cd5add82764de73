// The device door: a back-end comes, dies, returns; the link goes up and down; the driver is called.
// How a back-end goes on with the rings of its predecessor: where the driver's outstanding chains begin
// (used.idx), so that a frame may be sent twice but none is lost; and when that cannot be, NEEDS_RESET.
// Nothing is consumed or dropped while there is no back-end.
//
//   idle ── DRIVER_OK, back-end alive ──▶ running ── reset, suspend, detach ──▶ stopping ── bases ──▶ idle
//     ▲                                      │ died                                │ died
//     └──────────────────────────────────────┴──────────────────────────────────────┘

extension NetDevice {
    // MARK: who is behind

    /// Puts `backEnd` behind the device. When it is connected already this is its arrival, too. A former one is
    /// stopped first.
    public func attach(_ backEnd: any RingBackEnd) {
        guard self.backEnd != nil else { return install(backEnd) }
        detach { [self] in install(backEnd) }
    }

    private func install(_ backEnd: any RingBackEnd) {
        self.backEnd = backEnd
        backEnd.owner = self
        if backEnd.isConnected { backEndReturned(features: backEnd.features) }
    }

    /// Takes the back-end away; the link goes down. `done` is called when guest memory is no longer touched.
    public func detach(_ done: @escaping () -> Void = {}) {
        stopWork { [self] in
            if backEnd?.owner === self { backEnd?.owner = nil }
            backEnd = nil
            isBackEndAlive = false
            updateLink()
            done()
        }
    }

    /// The back-end is gone for certain: it does not touch guest memory any more. A stop that it was asked for is
    /// complete. The back-end stays attached and may return; until then frames wait in the rings. A second call changes
    /// nothing.
    public func backEndDied() {
        isBackEndAlive = false
        isOrphaned = true
        let wasStopping = work == .stopping
        work = .idle
        stopSerial += 1
        for index in queues.indices where queues[index].isEnabled { queues[index].base = usedPosition(index) }
        if wasStopping { finishStop() }
        updateLink()
    }

    /// The back-end, or its successor, is connected and offers `features`. Goes on where the driver's outstanding
    /// chains begin, or asks the driver for a reset.
    public func backEndReturned(features: UInt64) {
        let offeredBefore = deviceFeatures
        isBackEndAlive = true
        backEndFeatures = features
        if statusRegister.contains(.featuresOK) {
            adopt()
        } else if deviceFeatures != offeredBefore {
            interruptForConfiguration()
        }
        updateLink()
    }

    /// The driver has negotiated already: the newcomer must be able to do that (VIRTIO 1.3, 2.1.2).
    private func adopt() {
        guard negotiated & NetFeature.ownedByBackEnd & ~backEndFeatures == 0 else { return requireReset() }
        guard statusRegister.contains(.driverOK), !statusRegister.contains(.needsReset), !isResetting else { return }
        guard work == .idle, !isSuspended else { return }
        for index in queues.indices where queues[index].isEnabled {
            guard let base = restartBase(index) else { return requireReset() }
            queues[index].base = base
        }
        isOrphaned = false
        startIfReady()
        for index in queues.indices where queues[index].isEnabled { driver?.queueInterrupt(UInt16(index)) }
    }

    private func restartBase(_ index: Int) -> RingPosition? {
        guard let driver else { return usedPosition(index) }
        return driver.restartBase(queue: UInt16(index))
    }

    // MARK: starting and stopping

    /// Starts the back-end when the driver is ready, it is alive, and nothing stands in the way.
    func startIfReady() {
        guard statusRegister.contains(.driverOK), statusRegister.isDisjoint(with: [.needsReset, .failed]),
            work == .idle, isBackEndAlive, !isSuspended, !isResetting, let backEnd
        else { return }
        let enabled = queues.indices.filter { queues[$0].isEnabled }
        guard !enabled.isEmpty else { return }
        work = .running
        backEnd.start(
            features: negotiated & NetFeature.ownedByBackEnd,
            queues: enabled.map { index in
                let queue = queues[index]
                return QueueConfiguration(
                    index: UInt16(index), size: queue.size, addresses: queue.addresses, base: queue.base)
            })
    }

    /// Stops the back-end if it works, then calls `done`: within the call when it does not.
    func stopWork(_ done: @escaping () -> Void) {
        switch work {
        case .idle: return done()
        case .stopping: stopWaiters.append(done)
        case .running:
            guard let backEnd else { return done() }
            work = .stopping
            stopWaiters.append(done)
            stopSerial += 1
            let serial = stopSerial
            backEnd.stop { [weak self] bases in self?.stopped(serial, bases: bases) }
        }
    }

    private func stopped(_ serial: Int, bases: [RingPosition]) {
        guard serial == stopSerial, work == .stopping else { return }
        let enabled = queues.indices.filter { queues[$0].isEnabled }
        for (position, index) in enabled.enumerated() {
            queues[index].base = plausible(position < bases.count ? bases[position] : nil, index)
        }
        work = .idle
        finishStop()
    }

    /// A base between the used and the avail index; used.idx when the answer cannot be (RF-10).
    private func plausible(_ base: RingPosition?, _ index: Int) -> RingPosition {
        let used = usedPosition(index)
        guard let base, base.index &- used.index <= queues[index].size else { return used }
        return base
    }

    private func finishStop() {
        let waiters = stopWaiters
        stopWaiters = []
        for waiter in waiters { waiter() }
        // Resumed while it stopped.
        startIfReady()
    }

    private func usedPosition(_ index: Int) -> RingPosition {
        let state = QueueState(size: queues[index].size, addresses: queues[index].addresses)
        return RingPosition((try? RingMemory(state, in: memory))?.usedIndexAcquire() ?? 0)
    }

    /// Stops work on the rings, as for `stop` or a migration; `done` when guest memory is no longer touched.
    public func suspend(_ done: @escaping () -> Void) {
        isSuspended = true
        stopWork(done)
    }

    /// Goes on after `suspend`, where the back-end said that it stopped.
    public func resume() {
        isSuspended = false
        if isOrphaned, isBackEndAlive { adopt() } else { startIfReady() }
    }

    // MARK: link and interrupts

    /// The cable as `set_link` left it, and a back-end that is alive.
    public var isLinkUp: Bool { isCableIn && isBackEndAlive }

    /// `set_link`: the cable is pulled or put in.
    public func setLink(isUp: Bool) {
        isCableIn = isUp
        updateLink()
    }

    private func updateLink() {
        guard isLinkUp != reportedLink else { return }
        reportedLink = isLinkUp
        interruptForConfiguration()
    }

    /// The driver is asked for a reset (VIRTIO 1.3, 2.1.2).
    public func ringBroke() { requireReset() }

    /// How often the driver kicked `queue`, and was called for it.
    public func signals(queue: UInt16) -> (kicks: UInt64, calls: UInt64) {
        registers(queue).map { ($0.kicks, $0.calls) } ?? (0, 0)
    }

    private func requireReset() {
        guard !isResetting, !statusRegister.contains(.needsReset) else { return }
        statusRegister.insert(.needsReset)
        interruptForConfiguration()
    }

    private func interruptForConfiguration() {
        configurationGeneration &+= 1
        interrupts.insert(.configuration)
        driver?.configurationInterrupt()
    }

    /// The back-end used buffers of `queue`: the driver is told, after DRIVER_OK.
    public func interrupt(queue: UInt16) {
        guard Int(queue) < queues.count, statusRegister.contains(.driverOK) else { return }
        queues[Int(queue)].calls &+= 1
        interrupts.insert(.queue)
        driver?.queueInterrupt(queue)
    }
}
