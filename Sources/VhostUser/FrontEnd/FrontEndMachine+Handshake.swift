// From a fresh connection to `ready`: features, protocol features, the per-device requests once, the
// early CALL and ERR descriptors of each ring. Later queue pairs repeat only the part that QEMU repeats.

import Bytes
import Linux
import Virtio

extension FrontEndMachine {
    mutating func beginHandshake(pair: Int) { ask(.getFeatures, for: .features(pair: pair)) }

    /// GET_FEATURES was answered for the first time for `pair`.
    mutating func learnFeatures(_ offered: UInt64, pair: Int) {
        guard offered & VhostFeature.version1 != 0 else { return fail(.legacyBackEnd(features: offered)) }
        offeredFeatures = pair == 0 ? offered : offeredFeatures & offered
        if hasProtocolFeatures {
            ask(.getProtocolFeatures, for: .protocolFeatures(pair: pair))
        } else {
            guard requireQueues(1) else { return }
            finishHandshake(pair: pair)
        }
    }

    mutating func learnProtocolFeatures(_ offered: UInt64, pair: Int) {
        if pair == 0 { protocolFeatures = acceptable(ProtocolFeatures(rawValue: offered)) }
        tell(.setProtocolFeatures(protocolFeatures))
        if pair == 0 {
            if protocolFeatures.contains(.multiqueue) {
                ask(.getQueueNum, for: .queueCount)
            } else if !requireQueues(1) {
                return
            }
            if protocolFeatures.contains(.memorySlots) {
                ask(.getMaximumMemorySlots, for: .memorySlots)
            } else if let reason = objection(to: memory) {
                return fail(reason)
            }
            if protocolFeatures.contains(.backEndRequests), let channel = descriptors?.backEndChannel {
                tellAcknowledged(.setBackEndRequestDescriptor, attaching: [Attachment(channel)])
            }
        }
        finishHandshake(pair: pair)
    }

    /// Ends the connection when the back-end has fewer queue pairs than the options ask for.
    @discardableResult
    mutating func requireQueues(_ supported: UInt64) -> Bool {
        if UInt64(options.ringCount / 2) <= supported { return true }
        fail(.tooFewQueues(supported: supported))
        return false
    }

    mutating func requireMemorySlots(_ supported: UInt64) {
        slotLimit = supported
        if let reason = objection(to: memory) { fail(reason) }
    }

    /// Why the back-end cannot be told of all of `memory`.
    func objection(to memory: GuestMemory?) -> VhostUserError? {
        let count = memory?.regions.count ?? 0
        guard protocolFeatures.contains(.memorySlots) else {
            return count > MemoryTable.maximumRegions ? .tooManyMemoryRegions(count: count) : nil
        }
        return slotLimit < UInt64(count) ? .tooFewMemorySlots(supported: slotLimit, needed: count) : nil
    }

    /// Offered bits that this front-end knows, wants and can serve on this connection.
    private func acceptable(_ offered: ProtocolFeatures) -> ProtocolFeatures {
        var accepted = offered.intersection(options.protocolFeatures).intersection(.frontEnd)
        if descriptors?.backEndChannel == nil { accepted.remove(.backEndRequests) }
        return accepted
    }

    private mutating func finishHandshake(pair: Int) {
        if pair == 0 { tell(.setOwner) }
        ask(.getFeatures, for: .barrier)
        for ring in QueuePair(UInt16(truncatingIfNeeded: pair)).queues.map(Int.init) {
            guard let index = UInt8(exactly: ring), let descriptors, ring < descriptors.calls.count,
                ring < descriptors.errors.count
            else { continue }
            tellAcknowledged(.setVringCall(index: index), attaching: [Attachment(descriptors.calls[ring])])
            tellAcknowledged(.setVringError(index: index), attaching: [Attachment(descriptors.errors[ring])])
        }
        if (pair + 1) * 2 < options.ringCount {
            beginHandshake(pair: pair + 1)
        } else {
            steps.append(.milestone(.handshakeDone))
        }
    }

    // MARK: the three ways to put a request into the queue

    /// A request that nobody answers.
    mutating func tell(_ message: Message, attaching attachments: [Attachment] = []) {
        steps.append(.request(PendingRequest(message: message, attachments: attachments)))
    }

    /// A request with an answer of its own.
    mutating func ask(_ message: Message, for purpose: Purpose) {
        steps.append(.request(PendingRequest(message: message, expectation: .answer(purpose))))
    }

    /// A request that is acknowledged when both sides can.
    mutating func tellAcknowledged(
        _ message: Message, attaching attachments: [Attachment] = [], isRefusalTolerated: Bool = false,
        kick: SharedEvent? = nil
    ) {
        let canAcknowledge = protocolFeatures.contains(.replyAcknowledgement)
        steps.append(
            .request(
                PendingRequest(
                    message: message.needingReply(canAcknowledge), attachments: attachments,
                    expectation: canAcknowledge ? .acknowledgement(isRefusalTolerated: isRefusalTolerated) : .nothing,
                    kick: kick)))
    }
}
