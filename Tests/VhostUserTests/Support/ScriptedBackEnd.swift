// A back-end that answers as it is told: which features it has, and at which message it goes wrong
// in which way. It works on bytes, so it serves the machine's tests and, behind a socket, the shell's.

import Linux

@testable import VhostUser

/// What goes wrong instead of the right answer.
enum Fault: Sendable {
    /// No answer, ever.
    case silence
    /// A u64 that is not 0.
    case refusal(UInt64)
    /// The u64 of an answer.
    case value(UInt64)
    /// These bytes and nothing else.
    case bytes([UInt8])
    /// The right answer, cut after so many bytes; then the connection ends.
    case cut(Int)
    /// The right answer, and then something nobody asked for.
    case extra
}

struct ScriptedBackEnd {
    var features: UInt64
    var protocolFeatures: UInt64
    var queuePairs: UInt64 = 1
    var memorySlots: UInt64 = 509
    var status: UInt64 = 0
    /// What GET_VRING_BASE answers, by ring.
    var bases: [UInt32: UInt32] = [:]
    /// What goes wrong at a request, from its n-th time on (0 is the first).
    var faults: [Request: (from: Int, fault: Fault)] = [:]
    /// Ends the connection instead of handling the n-th message of the connection.
    var endsAtMessage: Int?

    private(set) var log: [Message] = []
    private(set) var isOver = false
    private var isAcknowledging = false

    /// All that a general purpose back-end offers to a network front-end.
    static let everything = ScriptedBackEnd(features: 0x1_7442_9983, protocolFeatures: 0x9_803f, queuePairs: 4)
    /// passt.
    static let passt = ScriptedBackEnd(features: 0x1_4400_8002, protocolFeatures: 0x8_000e)
    /// A back-end from before protocol features.
    static let old = ScriptedBackEnd(features: 0x1_3002_8003, protocolFeatures: 0)

    init(features: UInt64, protocolFeatures: UInt64, queuePairs: UInt64 = 1) {
        self.features = features
        self.protocolFeatures = protocolFeatures
        self.queuePairs = queuePairs
    }

    mutating func reconnect() {
        log = []
        isOver = false
        isAcknowledging = false
        status = 0
    }

    /// Handles one request; the bytes to send back, if any.
    mutating func handle(_ message: Message) -> [UInt8] {
        if endsAtMessage == log.count { isOver = true }
        guard !isOver else { return [] }
        let count = log.count { $0.request == message.request }
        log.append(message)
        let right = answer(message)
        guard let (from, fault) = faults[message.request], count >= from else { return right }
        switch fault {
        case .silence: return []
        case .refusal(let value): return right.isEmpty ? [] : Reply(to: message.request, .u64(value)).encoded()
        case .value(let value): return Reply(to: message.request, .u64(value)).encoded()
        case .bytes(let bytes): return bytes
        case .cut(let length):
            isOver = true
            return Array(right.prefix(length))
        case .extra: return right + Reply(to: message.request, .u64(0)).encoded()
        }
    }

    private mutating func answer(_ message: Message) -> [UInt8] {
        switch (message.request, message.payload) {
        case (.getFeatures, _): return own(message, features)
        case (.getProtocolFeatures, _): return own(message, protocolFeatures)
        case (.setProtocolFeatures, .u64(let bits)): isAcknowledging = bits & 8 != 0
        case (.getQueueNum, _): return own(message, queuePairs)
        case (.getMaximumMemorySlots, _): return own(message, memorySlots)
        case (.getStatus, _): return own(message, status)
        case (.setStatus, .u64(let bits)): status = bits
        case (.getVringBase, .vringState(let ring)):
            let state = VringState(index: ring.index, num: bases[ring.index] ?? 0)
            return Reply(to: message.request, .vringState(state)).encoded()
        case (.setDeviceStateDescriptor, _): return own(message, 0x100)
        case (.setLogBase, .log(let region)): return own(message, region.size)
        case (.checkDeviceState, _): return own(message, 0)
        default: break
        }
        return message.needsReply && isAcknowledging ? own(message, 0) : []
    }

    private func own(_ message: Message, _ value: UInt64) -> [UInt8] {
        Reply(to: message.request, .u64(value)).encoded()
    }
}
