// Answers: each is checked against the one request that waits, then handed to what it was asked for.
// A wrong answer ends the connection: nothing after it could be trusted.

import Bytes
import Linux

extension FrontEndMachine {
    /// A message came on the main channel, where only answers may come.
    public mutating func received(_ message: ReceivedMessage, now: Instant) {
        guard state != .disconnected else { return }
        if ignoresLogBase, message.header.request == Request.setLogBase.rawValue { return }
        guard let waiting = outstanding, waiting.request.rawValue == message.header.request else {
            return fail(.unexpectedReply(expected: outstanding?.request, received: message.header.request))
        }
        lastAnswer = now
        do throws(MessageError) {
            let reply = try Reply(parsing: message, to: waiting.request, as: waiting.expectation.shapes)
            outstanding = nil
            accept(reply.payload, message.descriptors, for: waiting)
        } catch {
            if case .payloadSize(_, let size) = error { return fail(.badSize(waiting.request, size: size)) }
            return fail(.message(error))
        }
        proceed(now)
    }

    private mutating func accept(_ payload: Payload, _ descriptors: [SharedDescriptor], for waiting: Outstanding) {
        switch (waiting.expectation, payload) {
        case (.acknowledgement(let isTolerated), .u64(let value)):
            if value != 0 { refused(waiting.request, value, isTolerated: isTolerated) }
        case (.answer(.base(let queue)), .vringState(let state)):
            guard state.index == UInt32(queue) else {
                return fail(.wrongRing(expected: queue, received: state.index))
            }
            answeredBases[queue] = state.num
        case (.answer, .vringDescriptor(let answer)): learnStateDescriptor(answer, descriptors)
        case (.answer(.logBase), _): learnLogBase()
        case (.answer(let purpose), .u64(let value)): learn(value, for: purpose)
        default: break
        }
    }

    private mutating func learn(_ value: UInt64, for purpose: Purpose) {
        switch purpose {
        case .features(let pair): learnFeatures(value, pair: pair)
        case .protocolFeatures(let pair): learnProtocolFeatures(value, pair: pair)
        case .queueCount: requireQueues(value)
        case .memorySlots: requireMemorySlots(value)
        case .status(let bits): add(bits, to: UInt8(truncatingIfNeeded: value))
        case .stateCheck: learnStateCheck(value)
        case .barrier, .signOfLife, .base, .stateDescriptor, .logBase: break
        }
    }

    /// SET_STATUS follows GET_STATUS at once, before anything that was queued earlier, and only when it changes something.
    private mutating func add(_ bits: UInt8, to status: UInt8) {
        guard status & bits != bits else { return }
        steps.insert(.request(PendingRequest(message: .setStatus(status | bits))), at: 0)
    }

    private mutating func refused(_ request: Request, _ value: UInt64, isTolerated: Bool) {
        guard isTolerated else { return fail(.refused(request, value: value)) }
        // Asked with an acknowledgement only to switch the log on.
        if request == .setFeatures || request == .setVringAddress {
            return refuseLog(.refused(request, value: value))
        }
        actions.append(.report(.warning("the vhost-user back-end refused \(request) with \(value)")))
    }
}

extension Expectation {
    fileprivate var shapes: [PayloadShape] {
        if case .answer(let purpose) = self { purpose.shapes } else { [.u64] }
    }
}
