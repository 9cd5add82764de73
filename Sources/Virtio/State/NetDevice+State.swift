// The register block on its way to another process or computer. The back-end stands still (`suspend`), so that guest
// memory and the positions of the queues say everything about the rings; a back-end in this process has no other state.
// On the other side the device is new, of the same model, with nothing behind it and suspended: its driver is restored,
// a back-end attached, then `resume` starts it where the former one stopped.

import Link

extension NetDevice {
    /// What the model is, the registers, the queues with where a back-end goes on, the cable and the link as the driver was
    /// told of it, interrupts that nobody has looked at. Read, the device must be new and its model the same: a property
    /// that differs is named with both values.
    public func code<S: StateScribe>(_ scribe: inout S) throws(S.Failure) {
        let isNew = statusRegister.isEmpty && backEnd == nil && !isResetting
        guard !scribe.isReading || isNew else { throw scribe.impossible("a device that is in use") }
        try codeModel(&scribe)
        try codeRegisters(&scribe)
        for index in queues.indices { try queues[index].code(&scribe, memory) }
        try scribe.flag(&isCableIn)
        try scribe.flag(&reportedLink)
        try scribe.flag(&isOrphaned)
        if scribe.isReading { isSuspended = true }
    }

    private func codeModel<S: StateScribe>(_ scribe: inout S) throws(S.Failure) {
        var there = model.mac.rawValue
        try scribe.integer(&there)
        let mac = MACAddress(rawValue: there)
        try scribe.require(there == model.mac.rawValue, "MAC address: \(mac) there, \(model.mac) here")
        try scribe.agree(on: "MTU", model.mtu ?? 0)
        try scribe.agree(on: "receive queue size", model.receiveQueueSize)
        try scribe.agree(on: "transmit queue size", model.transmitQueueSize)
        var features = model.features
        try scribe.integer(&features)
        try scribe.require(
            features == model.features,
            "features: 0x\(String(features, radix: 16)) there, 0x\(String(model.features, radix: 16)) here")
    }

    private func codeRegisters<S: StateScribe>(_ scribe: inout S) throws(S.Failure) {
        var (status, interrupt) = (statusRegister.rawValue, interrupts.rawValue)
        try scribe.integer(&backEndFeatures)
        try scribe.integer(&status)
        try scribe.integer(&negotiated)
        try scribe.integer(&interrupt, upTo: 3, "interrupt status")
        try scribe.integer(&configurationGeneration)
        try scribe.integer(&queueSelect)
        statusRegister = DeviceStatus(rawValue: status)
        interrupts = InterruptStatus(rawValue: interrupt)
        let all: DeviceStatus = [.acknowledge, .driver, .driverOK, .featuresOK, .needsReset, .failed]
        try scribe.require(statusRegister.isSubset(of: all), "device status")
        guard statusRegister.contains(.featuresOK) else {
            return try scribe.require(!statusRegister.contains(.driverOK), "device status")
        }
        let isChoice =
            negotiated & NetFeature.version1 != 0 && negotiated & ~NetFeature.known == 0
            && NetFeature.orphan(in: negotiated) == nil
        try scribe.require(isChoice, "negotiated features")
    }
}

extension QueueRegisters {
    /// How often it was kicked and called starts anew.
    fileprivate mutating func code<S: StateScribe>(_ scribe: inout S, _ memory: GuestMemory) throws(S.Failure) {
        try scribe.integer(&size, upTo: maximumSize, "size of a queue")
        try scribe.integer(&addresses.descriptorTable)
        try scribe.integer(&addresses.availRing)
        try scribe.integer(&addresses.usedRing)
        try scribe.flag(&isEnabled)
        try scribe.integer(&base.index)
        guard scribe.isReading, isEnabled else {
            return try scribe.require(RingLayout.isLegal(size: size), "size of a queue")
        }
        let state = QueueState(size: size, addresses: addresses)
        guard (try? RingMemory(state, in: memory)) != nil else { throw scribe.impossible("place of a queue") }
    }
}
