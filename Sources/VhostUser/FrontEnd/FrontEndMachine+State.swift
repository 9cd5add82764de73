// A back-end's state moves (vhost-user specification, "Migrating back-end state"; the order is QEMU's):
//
//   SET_DEVICE_STATE_FD with one end of a pipe ─▶ the answer says which descriptor is used ─▶ bytes to their end
//     ─▶ CHECK_DEVICE_STATE ─▶ 0, or why not ─▶ of one that was loaded: GET_FEATURES, so that the back-end has come to the
//     end of its turn. passt closes then, behind its 0, the connections that it could not put up.
//
// While bytes move nothing else is sent, not even a question for a sign of life: a back-end may work on its state
// alone. Before features, memory and rings are told it can be loaded, too.

import Bytes
import Linux

/// What became of a state that was to be moved.
public enum StateOutcome: Equatable, Sendable {
    /// All of it was moved.
    case moved
    /// The back-end knows no state.
    case hasNone
    /// It was not moved, or not all of it.
    case failed(VhostUserError)
}

/// The one state that is being moved.
struct StateMove {
    enum Phase {
        /// SET_DEVICE_STATE_FD waits for its turn, or for its answer.
        case asked
        /// Bytes pass through the descriptor.
        case moving
        /// CHECK_DEVICE_STATE waits for its answer.
        case checking
    }

    let direction: StateTransfer
    let deadline: Instant
    var phase = Phase.asked
    /// All bytes that this side had to write were taken.
    var isWhole = true
}

extension FrontEndMachine {
    /// Moves the back-end's state through a pipe of which the back-end gets `end`. Rings must not run.
    /// - Returns: why nothing is moved; nil when it is under way: the action `stateMoved` follows.
    public mutating func move(
        _ direction: StateTransfer, through end: Attachment, now: Instant
    ) -> StateOutcome? {
        if let refusal = refusalOfMove { return refusal }
        stateMove = StateMove(direction: direction, deadline: now + options.stateDeadline)
        steps.append(
            .request(
                PendingRequest(
                    message: .setDeviceStateDescriptor(direction), attachments: [end],
                    expectation: .answer(.stateDescriptor))))
        steps.append(.milestone(.stateDescriptorKnown))
        proceed(now)
        return nil
    }

    /// Why no state can be moved now.
    private var refusalOfMove: StateOutcome? {
        switch state {
        case .disconnected, .handshaking: return .failed(.notConnected)
        case .starting, .running: return .failed(.ringsRun)
        case .ready, .stopping: break
        }
        guard stateMove == nil else { return .failed(.stateIsMoving) }
        return protocolFeatures.contains(.deviceState) ? nil : .hasNone
    }

    /// The bytes are at their end: the back-end has closed its end, or was given everything.
    /// - Parameters:
    ///   - isWhole: false when the back-end did not take all of it.
    ///   - now: this turn's time.
    public mutating func stateBytesEnded(isWhole: Bool, now: Instant) {
        guard stateMove?.phase == .moving else { return }
        stateMove?.phase = .checking
        stateMove?.isWhole = isWhole
        steps.insert(
            .request(PendingRequest(message: .checkDeviceState, expectation: .answer(.stateCheck))), at: 0)
        proceed(now)
    }

    /// SET_DEVICE_STATE_FD was answered: bits 0–7 an error, bit 8 set when the back-end uses the end that it was given.
    mutating func learnStateDescriptor(_ answer: VringDescriptor, _ descriptors: [SharedDescriptor]) {
        guard let move = stateMove else { return }
        guard answer.index == 0 else {
            return endMove(.failed(.stateRefused(move.direction, value: UInt64(answer.index))))
        }
        guard answer.hasDescriptor else { return actions.append(.moveStateBytes(move.direction, through: nil)) }
        guard let descriptor = descriptors.first else { return fail(.noStateDescriptor) }
        actions.append(.moveStateBytes(move.direction, through: descriptor))
    }

    /// CHECK_DEVICE_STATE was answered.
    mutating func learnStateCheck(_ value: UInt64) {
        guard let move = stateMove else { return }
        guard value == 0 else { return endMove(.failed(.stateRefused(move.direction, value: value))) }
        guard move.isWhole else { return endMove(.failed(.stateCut)) }
        guard move.direction == .load else { return endMove(.moved) }
        let barrier = PendingRequest(message: .getFeatures, expectation: .answer(.barrier))
        steps.insert(contentsOf: [.request(barrier), .milestone(.stateLoaded)], at: 0)
    }

    mutating func endMove(_ outcome: StateOutcome) {
        guard stateMove != nil else { return }
        stateMove = nil
        actions.append(.stateMoved(outcome))
    }
}
