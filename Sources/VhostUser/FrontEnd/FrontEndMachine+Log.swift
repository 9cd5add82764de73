// While a guest's memory is copied, its back-end marks what it writes (vhost-user specification, "Migration"; the order
// is QEMU's):
//
//   SET_LOG_BASE with a memfd ─▶ any answer ─▶ per queue pair: SET_FEATURES with LOG_ALL, SET_VRING_ADDR with F_LOG
//   back: SET_FEATURES and SET_VRING_ADDR as they were; nothing takes the memfd away
//
// A back-end that does not answer, or refuses, works on as before: whoever copies compares then. Its connection is for the
// sign of life to judge.

import Bytes
import Virtio

/// Whether the back-end marks what it writes.
enum LogState: Equatable {
    case off
    /// SET_LOG_BASE waits for its turn, or for its answer.
    case asked
    /// It has the log; whenever it works on rings it is told to use it.
    case on
}

extension FrontEndMachine {
    /// Why the back-end of this connection cannot mark what it writes; nil: it can.
    private var objectionToLog: VhostUserError? {
        switch state {
        case .disconnected, .handshaking: return .notConnected
        case .stopping: return .ringsStop
        case .ready, .starting, .running: break
        }
        guard logState == .off else { return .logIsBusy }
        let canLog = protocolFeatures.contains(.logSharedDescriptor) && offeredFeatures & VhostFeature.logAll != 0
        return canLog && !ignoresLogBase ? nil : .noLog
    }

    /// The back-end is to mark in `log`; the action `logged` follows, nil where it does.
    public mutating func beginLog(_ log: Attachment, _ region: LogRegion, now: Instant) {
        if let objectionToLog { return actions.append(.logged(objectionToLog)) }
        logState = .asked
        steps.append(
            .request(
                PendingRequest(
                    message: .setLogBase(region), attachments: [log], expectation: .answer(.logBase))))
        proceed(now)
    }

    /// Nobody wants to know any more.
    public mutating func endLog(now: Instant) {
        let wasOn = logState == .on
        logState = .off
        guard wasOn, state == .running || state == .starting else { return }
        tellOfLog()
        proceed(now)
    }

    /// SET_LOG_BASE was answered.
    mutating func learnLogBase() {
        guard logState == .asked else { return }
        guard state == .running || state == .ready else { return refuseLog(.ringsStop) }
        logState = .on
        if state == .running { tellOfLog() }
        steps.append(.milestone(.logging))
    }

    /// It was not, in time. What comes of it later means nothing.
    mutating func missLogBase(_ waiting: Outstanding, _ now: Instant) {
        outstanding = nil
        ignoresLogBase = true
        if logState == .asked { refuseLog(.timeout(waiting.request, after: waiting.limit)) }
        proceed(now)
    }

    /// What was told of the log is refused: the other rings are told that there is none.
    mutating func refuseLog(_ reason: VhostUserError) {
        guard logState != .off else { return }
        let wasOn = logState == .on
        logState = .off
        actions.append(.logged(reason))
        if wasOn, state == .running { tellOfLog() }
    }

    /// SET_FEATURES and SET_VRING_ADDR again, as `logState` is. Switched on, both are acknowledged.
    private mutating func tellOfLog() {
        for pair in 0..<options.ringCount / 2 {
            tellOfLog(.setFeatures(acknowledged(startedFeatures)))
            if logState == .on { addStatus(Self.featuresOK) }
            for queue in queues where Int(queue.index) / 2 == pair {
                if let address = try? address(of: queue) { tellOfLog(.setVringAddress(address)) }
            }
        }
    }

    private mutating func tellOfLog(_ message: Message) {
        guard logState == .on else { return tell(message) }
        tellAcknowledged(message, isRefusalTolerated: true)
        if !protocolFeatures.contains(.replyAcknowledgement) { ask(.getFeatures, for: .barrier) }
    }
}
