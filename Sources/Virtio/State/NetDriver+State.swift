// The driver on its way to another process: rings and buffers stay where they are in guest memory, which moves by itself;
// what is private to the driver goes along. The device is restored first, on the same memory; the heap has lent nothing
// yet.

import Link

extension NetDriver {
    /// Where the driver stands, what it knows of the link, its rings. Read, the driver must be new. One that is leaving is
    /// not written: its device touches nothing any more.
    public func code<S: StateScribe>(_ scribe: inout S) throws(S.Failure) {
        guard !scribe.isReading || state == .absent && rings == nil else {
            throw scribe.impossible("a driver that is in use")
        }
        try codeStanding(&scribe)
        var hasRings = rings != nil
        try scribe.flag(&hasRings)
        guard hasRings else { return try scribe.require(state != .running, "a driver without rings") }
        if scribe.isReading { rings = try claimRings(&scribe) } else { try writePlaces(&scribe) }
        try rings?.receive.code(&scribe)
        try rings?.transmit.code(&scribe)
        try scribe.require(state != .running || isAsDeviceSays, "rings of a driver")
    }

    private func codeStanding<S: StateScribe>(_ scribe: inout S) throws(S.Failure) {
        let all: [NetDriverState] = [.absent, .resetting, .running, .failed]
        var place = UInt8(truncatingIfNeeded: all.firstIndex(of: state) ?? 0)
        try scribe.integer(&place, upTo: 3, "state of a driver")
        state = scribe.isReading ? all[Int(place)] : state
        try scribe.integer(&features)
        try scribe.flag(&isLinkUp)
        try scribe.flag(&isConfigurationPending)
        try scribe.flag(&isResetComplete)
        try scribe.flag(&isTransmitBlocked)
        try scribe.flag(&isReceiveRefused)
        guard scribe.isReading else { return }
        let isReady = device.status.contains(.driverOK)
        try scribe.require(state != .running || isReady && features == device.driverFeatures, "state of a driver")
        // A reset that was under way is over: a device that stands still touches no ring.
        try scribe.require(state != .resetting || device.status.isEmpty, "a reset of a driver")
        if state == .resetting { isResetComplete = true }
    }

    private func writePlaces<S: StateScribe>(_ scribe: inout S) throws(S.Failure) {
        guard var plan = rings?.plan, var receive = rings?.receive.place, var transmit = rings?.transmit.place else {
            return
        }
        try plan.code(&scribe)
        try receive.code(&scribe)
        try transmit.code(&scribe)
    }

    private func claimRings<S: StateScribe>(_ scribe: inout S) throws(S.Failure) -> NetDriverRings {
        var plan = NetRingPlan(receiveSize: 1, transmitSize: 1, bufferSize: 0, slotSize: 0, maximumMTU: 0)
        var (receive, transmit) = (NetQueuePlace(ring: 0, buffers: 0), NetQueuePlace(ring: 0, buffers: 0))
        try plan.code(&scribe)
        try receive.code(&scribe)
        try transmit.code(&scribe)
        try scribe.require(plan.maximumMTU == maximumMTU, "largest MTU: \(plan.maximumMTU) there, \(maximumMTU) here")
        do throws(VirtioError) {
            return try NetDriverRings(plan, heap: heap, features: features, at: (receive, transmit))
        } catch { throw scribe.impossible("rings of a driver: \(error)") }
    }

    /// The device's registers name these rings.
    private var isAsDeviceSays: Bool {
        let pair = QueuePair.first
        guard let receive = device.registers(pair.receive), let transmit = device.registers(pair.transmit),
            receive.isEnabled, transmit.isEnabled
        else { return false }
        return receive.addresses == rings?.receive.addresses && receive.size == rings?.receive.size
            && transmit.addresses == rings?.transmit.addresses && transmit.size == rings?.transmit.size
    }
}

extension NetRingPlan {
    init(receiveSize: UInt16, transmitSize: UInt16, bufferSize: Int, slotSize: Int, maximumMTU: Int) {
        (self.receiveSize, self.transmitSize) = (receiveSize, transmitSize)
        (self.bufferSize, self.slotSize, self.maximumMTU) = (bufferSize, slotSize, maximumMTU)
    }

    fileprivate mutating func code<S: StateScribe>(_ scribe: inout S) throws(S.Failure) {
        try scribe.integer(&receiveSize)
        try scribe.integer(&transmitSize)
        let isLegal = RingLayout.isLegal(size: receiveSize) && RingLayout.isLegal(size: transmitSize)
        try scribe.require(isLegal, "size of a queue")
        try scribe.count(&bufferSize, in: 0...1 << 24, "size of a buffer")
        try scribe.count(&slotSize, in: 0...1 << 24, "size of a slot")
        try scribe.count(&maximumMTU, in: 68...65_535, "largest MTU")
    }
}

extension NetQueuePlace {
    fileprivate mutating func code<S: StateScribe>(_ scribe: inout S) throws(S.Failure) {
        try scribe.integer(&ring)
        try scribe.integer(&buffers)
    }
}

extension NetReceiveQueue {
    /// Which buffers are with the device, and those that it gave back and nobody has looked at.
    fileprivate mutating func code<S: StateScribe>(_ scribe: inout S) throws(S.Failure) {
        var known = 0
        for index in 0..<Int(queue.size) {
            var isOut = queue.isOutstanding(index)
            try scribe.flag(&isOut)
            if scribe.isReading, isOut { queue.restoreOutstanding(index) }
            known += isOut ? 1 : 0
        }
        var waiting = count - next
        try scribe.count(&waiting, in: 0...Int(queue.size) - known, "used buffers")
        var tokens: Set<UInt32> = []
        for index in 0..<waiting {
            var chain = scribe.isReading ? UsedChain(token: 0, length: 0) : used[next + index]
            try scribe.integer(&chain.token, upTo: UInt32(queue.size) - 1, "a used buffer")
            try scribe.integer(&chain.length, upTo: bufferBytes, "length of a used buffer")
            guard scribe.isReading else { continue }
            let isFree = !queue.isOutstanding(Int(chain.token)) && tokens.insert(chain.token).inserted
            try scribe.require(isFree, "a used buffer")
            used[index] = chain
        }
        if scribe.isReading { (next, count) = (0, waiting) }
        try scribe.integer(&dropped)
        try queue.code(&scribe)
        try scribe.require(queue.fault != nil || known + waiting == Int(queue.size), "buffers of a ring")
    }
}

extension NetTransmitQueue {
    /// What is with the device, and in which order it was sent.
    fileprivate mutating func code<S: StateScribe>(_ scribe: inout S) throws(S.Failure) {
        let longest = UInt32(truncatingIfNeeded: NetHeader.size + frameBytes)
        for index in 0..<Int(queue.size) {
            try scribe.integer(&sent[index].length, upTo: longest, "length of a frame")
            let isFrame = sent[index].length == 0 || sent[index].length > UInt32(NetHeader.size)
            try scribe.require(isFrame, "length of a frame")
            guard sent[index].length > 0 else { continue }
            try scribe.integer(&sent[index].serial)
            if scribe.isReading { queue.restoreOutstanding(index) }
        }
        try scribe.integer(&serial)
        try scribe.count(&head, in: 0...Int(queue.size) - 1, "next slot")
        try scribe.integer(&dropped)
        try queue.code(&scribe)
    }
}

extension SplitDriverQueue {
    fileprivate func isOutstanding(_ index: Int) -> Bool { shadow[index].count != 0 }

    /// The buffer of that index, of a ring of fixed buffers, is with the device.
    fileprivate mutating func restoreOutstanding(_ index: Int) {
        shadow[index].count = 1
        outstanding &+= 1
        freeDescriptors &-= 1
    }

    /// Where both sides stand; what is outstanding is known already.
    fileprivate mutating func code<S: StateScribe>(_ scribe: inout S) throws(S.Failure) {
        try scribe.integer(&nextAvail)
        try scribe.integer(&published)
        try scribe.integer(&nextUsed)
        try scribe.optional(&kicks.decidedAt)
        try scribe.integer(&clampedLengths)
        try RingFault.code(&fault, &scribe)
        let isWhole = nextAvail &- nextUsed == outstanding && published &- nextUsed <= outstanding
        try scribe.require(isWhole, "positions in a ring")
    }
}

extension RingFault {
    /// A byte that says which, and three numbers.
    fileprivate static func code<S: StateScribe>(_ fault: inout RingFault?, _ scribe: inout S) throws(S.Failure) {
        var (kind, numbers) = fault?.numbers ?? (0, [0, 0, 0])
        try scribe.integer(&kind, upTo: 10, "fault of a ring")
        for index in 0..<3 { try scribe.integer(&numbers[index]) }
        if scribe.isReading { fault = RingFault(kind, numbers) }
    }

    private var numbers: (UInt8, [UInt64]) {
        switch self {
        case .availIndex(let a, let b, let c): (1, [UInt64(a), UInt64(b), UInt64(c)])
        case .usedIndex(let a, let b, let c): (2, [UInt64(a), UInt64(b), UInt64(c)])
        case .head(let a, let b): (3, [UInt64(a), UInt64(b), 0])
        case .notOutstanding(let a): (4, [UInt64(a), 0, 0])
        case .missingBuffers(let a): (5, [UInt64(a), 0, 0])
        case .next(let a, let b): (6, [UInt64(a), UInt64(b), 0])
        case .chainTooLong(let a): (7, [UInt64(a), 0, 0])
        case .illegalIndirect(let a): (8, [UInt64(a), 0, 0])
        case .indirectLength(let a): (9, [UInt64(a), 0, 0])
        case .indirectUnmapped(let a, let b): (10, [a, UInt64(b), 0])
        }
    }

    private init?(_ kind: UInt8, _ numbers: [UInt64]) {
        let short = numbers.map { UInt16(truncatingIfNeeded: $0) }
        let middle = numbers.map { UInt32(truncatingIfNeeded: $0) }
        switch kind {
        case 1: self = .availIndex(short[0], next: short[1], size: short[2])
        case 2: self = .usedIndex(short[0], next: short[1], outstanding: short[2])
        case 3: self = .head(middle[0], size: short[1])
        case 4: self = .notOutstanding(head: short[0])
        case 5: self = .missingBuffers(given: short[0])
        case 6: self = .next(short[0], limit: middle[1])
        case 7: self = .chainTooLong(limit: middle[0])
        case 8: self = .illegalIndirect(flags: short[0])
        case 9: self = .indirectLength(middle[0])
        case 10: self = .indirectUnmapped(address: numbers[0], length: middle[1])
        default: return nil
        }
    }
}
