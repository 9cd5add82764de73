// Starting and stopping rings, and what an owner may ask in between (vhost-user specification, "Ring
// states", "Starting and stopping rings"). The order within `start` is QEMU's.

import Bytes
import Virtio

extension FrontEndMachine {
    /// Status bits of VIRTIO 1.3, 2.1.
    static let featuresOK: UInt8 = 8
    private static let driverOK: UInt8 = 1 | 2 | 4

    /// Starts `queues` with what the driver negotiated. Allowed once the handshake is done, and while a
    /// stop is under way.
    public mutating func start(features negotiated: UInt64, queues: [QueueConfiguration], now: Instant) {
        guard state == .ready || state == .stopping else { return refuseStart(.notConnected) }
        if let reason = objection(to: memory) { return refuseStart(reason) }
        do throws(VhostUserError) {
            let addresses = try queues.map { (queue) throws(VhostUserError) in try address(of: queue) }
            appendStart(features: negotiated, rings: Array(zip(queues, addresses)))
        } catch {
            return refuseStart(error)
        }
        self.queues = queues
        startedFeatures = negotiated
        state = .starting
        proceed(now)
    }

    /// Stops all rings; the action `stopped` follows, at once when none runs.
    public mutating func stop(now: Instant) {
        guard state == .running || state == .starting else { return stopNothing() }
        state = .stopping
        answeredBases.removeAll()
        if options.settlesKicksBeforeStop { ask(.getFeatures, for: .barrier) }
        for queue in queues { ask(.getVringBase(index: UInt32(queue.index)), for: .base(queue: queue.index)) }
        if protocolFeatures.contains(.status) { tell(.setStatus(0)) }
        steps.append(.milestone(.stopped(queues)))
        proceed(now)
    }

    private mutating func stopNothing() {
        if state == .stopping { steps.append(.milestone(.stopped([]))) } else { actions.append(.stopped([])) }
    }

    /// The driver reset the device, or is about to be started: its rings are enabled as after a reset.
    public mutating func reset(now: Instant) {
        guard state == .ready || state == .stopping else { return }
        if protocolFeatures.contains(.resetDevice) { tell(.resetDevice) }
        for pair in 0..<options.ringCount / 2 { enable(pair: pair) }
        proceed(now)
    }

    /// Enables or disables a queue pair, now and at later starts. Pair 0 is enabled from the beginning.
    public mutating func setEnable(pair: Int, isOn: Bool, now: Instant) {
        guard pair >= 0, pair * 2 < options.ringCount else { return }
        if isOn { enabledPairs.insert(pair) } else { enabledPairs.remove(pair) }
        guard state != .disconnected, state != .handshaking else { return }
        enable(pair: pair)
        proceed(now)
    }

    /// Announces a MAC address on the back-end's network side (SEND_RARP).
    public mutating func announce(macAddress: UInt64, now: Instant) {
        guard state != .disconnected, state != .handshaking else { return }
        guard protocolFeatures.contains(.rarp) else {
            actions.append(.report(.warning("Vhost user backend fails to broadcast fake RARP")))
            return
        }
        tell(.sendRARP(macAddress))
        proceed(now)
    }

    /// A milestone was reached: nothing before it waits any more.
    mutating func reach(_ milestone: Milestone) {
        switch milestone {
        case .handshakeDone:
            state = .ready
            actions.append(.report(.connected(features: features)))
        case .started:
            guard state == .starting else { return }
            state = .running
            // What the last back-end used without a call is found now.
            for queue in queues { actions.append(.interrupt(queue: queue.index)) }
            actions.append(.report(.ready))
        case .stateDescriptorKnown: stateMove?.phase = .moving
        case .stateLoaded: endMove(.moved)
        case .logging: if logState == .on { actions.append(.logged(nil)) }
        case .stopped(let stopped):
            let rings = stopped.map {
                StoppedRing(index: $0.index, size: $0.size, usedRing: $0.usedRing, answer: answeredBases[$0.index] ?? 0)
            }
            if state == .stopping {
                state = .ready
                queues = []
            }
            actions.append(.stopped(rings))
        }
    }

    // MARK: the parts of a start

    private mutating func appendStart(features: UInt64, rings: [(QueueConfiguration, VringAddress)]) {
        if let mtu = options.mtu, protocolFeatures.contains(.mtu), features & VhostFeature.mtu != 0 {
            tellAcknowledged(.setMTU(mtu))
        }
        for pair in enabledPairs.sorted() where pair * 2 < options.ringCount { enable(pair: pair) }
        for pair in 0..<options.ringCount / 2 {
            tell(.setFeatures(acknowledged(features)))
            addStatus(FrontEndMachine.featuresOK)
            if pair == 0 { describeMemory() }
            for (queue, address) in rings where Int(queue.index) / 2 == pair { set(queue, address) }
        }
        addStatus(FrontEndMachine.driverOK)
        steps.append(.milestone(.started))
    }

    /// What SET_FEATURES carries: bits the back-end offered and owns, VERSION_1, and bit 30 when it exists.
    func acknowledged(_ features: UInt64) -> UInt64 {
        let own = features & offeredFeatures & options.features
        let log = logState == .on ? VhostFeature.logAll : 0
        return own | log | VhostFeature.version1 | offeredFeatures & VhostFeature.protocolFeatures
    }

    mutating func addStatus(_ bits: UInt8) {
        if protocolFeatures.contains(.status) { ask(.getStatus, for: .status(adding: bits)) }
    }

    private mutating func describeMemory() {
        guard let memory else { return }
        let regions = Self.descriptions(of: memory)
        if protocolFeatures.contains(.memorySlots) {
            guard slots !== memory else { return }
            for (region, _) in slots.map(Self.descriptions) ?? [] { tellAcknowledged(.removeMemoryRegion(region)) }
            slots = memory
            for (region, file) in regions { tellAcknowledged(.addMemoryRegion(region), attaching: [file]) }
        } else if let table = try? MemoryTable(regions.map(\.0)) {
            tellAcknowledged(.setMemoryTable(table), attaching: regions.map(\.1))
        }
    }

    private static func descriptions(of memory: GuestMemory) -> [(MemoryRegionDescription, Attachment)] {
        memory.regions.compactMap { region in
            (try? MemoryRegionDescription(region)).map { ($0, Attachment(memory.files[region.file])) }
        }
    }

    private mutating func set(_ queue: QueueConfiguration, _ address: VringAddress) {
        let index = UInt8(truncatingIfNeeded: queue.index)
        tell(.setVringNum(index: UInt32(queue.index), size: UInt32(queue.size)))
        tell(.setVringBase(index: UInt32(queue.index), base: UInt32(queue.base.index)))
        tell(.setVringAddress(address))
        guard let descriptors, Int(index) < descriptors.kicks.count, Int(index) < descriptors.calls.count else {
            return
        }
        let kick = descriptors.kicks[Int(index)]
        tellAcknowledged(.setVringKick(index: index), attaching: [Attachment(kick)], kick: kick)
        tellAcknowledged(.setVringCall(index: index), attaching: [Attachment(descriptors.calls[Int(index)])])
    }

    /// Without protocol features SET_VRING_ENABLE does not exist; without acknowledgements a GET_FEATURES
    /// behind it tells when it took effect. A refusal is tolerated, as QEMU does.
    private mutating func enable(pair: Int) {
        guard hasProtocolFeatures else { return }
        for ring in QueuePair(UInt16(truncatingIfNeeded: pair)).queues.map(Int.init) {
            let isOn = enabledPairs.contains(pair)
            tellAcknowledged(
                .setVringEnable(index: UInt32(truncatingIfNeeded: ring), isOn: isOn), isRefusalTolerated: true)
            if !protocolFeatures.contains(.replyAcknowledgement) { ask(.getFeatures, for: .barrier) }
        }
    }

    private mutating func refuseStart(_ error: VhostUserError) { actions.append(.report(.startFailed(error))) }

    /// The user addresses of a queue's areas.
    func address(of queue: QueueConfiguration) throws(VhostUserError) -> VringAddress {
        guard Int(queue.index) < options.ringCount else { throw .noSuchQueue(queue.index, count: options.ringCount) }
        func user(_ address: UInt64) throws(VhostUserError) -> UInt64 {
            guard let user = memory?.userAddress(of: address) else {
                throw .ringOutsideMemory(queue: queue.index, address: address)
            }
            return user
        }
        return VringAddress(
            index: UInt32(queue.index), isLogged: logState == .on,
            areas: (try user(queue.descriptorTable), try user(queue.availRing), try user(queue.usedRing)),
            logAddress: queue.usedRing)
    }
}

extension MemoryRegionDescription {
    /// The description of a region of guest memory; the user address is not a pointer of this process.
    public init(_ region: MemoryRegion) throws(MessageError) {
        try self.init(
            guestPhysical: region.guestPhysical, size: region.size, userAddress: region.userAddress,
            fileOffset: region.fileOffset)
    }
}
