// The table of requests: which structure each carries, how many descriptors, how it is answered and
// which protocol feature opens it (vhost-user specification, the message types' own sections). This
// is the only place where that is written.

/// How a request is answered.
public enum ReplyRule: Equatable, Sendable {
    /// A u64, 0 for success, and only when it was asked for.
    case acknowledgement
    /// Always, with one of these structures (the first whose size fits) and at most this many descriptors.
    case own([PayloadShape], descriptors: Int)
}

/// What is known about one request of either channel.
public struct RequestRule: Equatable, Sendable {
    /// The structures it may carry; the first whose size fits is meant.
    public let payload: [PayloadShape]
    /// How many descriptors may travel with it.
    public let descriptors: ClosedRange<Int>
    /// How it is answered.
    public let reply: ReplyRule
    /// The protocol features that must be negotiated; empty when it may always be sent.
    public let gate: ProtocolFeatures

    init(
        _ payload: PayloadShape..., descriptors: ClosedRange<Int> = 0...0, reply: ReplyRule = .acknowledgement,
        gate: ProtocolFeatures = []
    ) {
        self.payload = payload
        self.descriptors = descriptors
        self.reply = reply
        self.gate = gate
    }
}

private func own(_ shapes: PayloadShape..., descriptors: Int = 0) -> ReplyRule {
    .own(shapes, descriptors: descriptors)
}

extension Request {
    /// This request's row of the table.
    public var rule: RequestRule {
        switch self {
        case .getFeatures: RequestRule(.empty, reply: own(.u64))
        case .setFeatures: RequestRule(.u64)
        case .setOwner, .resetOwner: RequestRule(.empty)
        case .setMemoryTable: RequestRule(.memoryTable, descriptors: 1...MemoryTable.maximumRegions)
        // Implementations answer with nothing, with u64 or with the whole structure; without LOG_SHMFD it is not answered.
        case .setLogBase: RequestRule(.log, .u64, descriptors: 0...1, reply: own(.empty, .u64, .log))
        case .setLogDescriptor: RequestRule(.empty, descriptors: 1...1)
        case .setVringNum, .setVringBase: RequestRule(.vringState)
        case .setVringAddress: RequestRule(.vringAddress)
        case .getVringBase: RequestRule(.vringState, reply: own(.vringState))
        case .setVringKick, .setVringCall, .setVringError: RequestRule(.vringDescriptor, descriptors: 0...1)
        case .getProtocolFeatures: RequestRule(.empty, reply: own(.u64))
        case .setProtocolFeatures: RequestRule(.u64)
        case .getQueueNum: RequestRule(.empty, reply: own(.u64), gate: .multiqueue)
        case .setVringEnable: RequestRule(.vringState)
        case .sendRARP: RequestRule(.u64, gate: .rarp)
        case .netSetMTU: RequestRule(.u64, gate: .mtu)
        case .setBackEndRequestDescriptor: RequestRule(.empty, descriptors: 1...1, gate: .backEndRequests)
        case .translation: RequestRule(.translation, reply: own(.u64))
        case .setVringEndian: RequestRule(.vringState, gate: .crossEndian)
        case .getConfiguration: RequestRule(.configuration, reply: own(.configuration, .empty), gate: .configuration)
        case .setConfiguration: RequestRule(.configuration, gate: .configuration)
        case .createCryptoSession: RequestRule(.opaque, reply: own(.opaque), gate: .cryptoSession)
        case .closeCryptoSession: RequestRule(.u64, gate: .cryptoSession)
        default: laterRule
        }
    }

    private var laterRule: RequestRule {
        switch self {
        case .postcopyAdvise: RequestRule(.empty, reply: own(.empty, descriptors: 1), gate: .pageFault)
        case .postcopyListen: RequestRule(.empty, gate: .pageFault)
        case .postcopyEnd: RequestRule(.empty, reply: own(.u64), gate: .pageFault)
        case .getInflightDescriptor:
            RequestRule(.inflight, reply: own(.inflight, descriptors: 1), gate: .inflightDescriptor)
        case .setInflightDescriptor: RequestRule(.inflight, descriptors: 1...1, gate: .inflightDescriptor)
        case .gpuSetSocket: RequestRule(.empty, descriptors: 1...1)
        case .resetDevice: RequestRule(.empty, gate: .resetDevice)
        case .vringKick: RequestRule(.vringState, gate: .inBandNotifications)
        case .getMaximumMemorySlots: RequestRule(.empty, reply: own(.u64), gate: .memorySlots)
        case .addMemoryRegion: RequestRule(.memoryRegion, descriptors: 1...1, gate: .memorySlots)
        case .removeMemoryRegion: RequestRule(.memoryRegion, descriptors: 0...1, gate: .memorySlots)
        case .setStatus: RequestRule(.u64, gate: .status)
        case .getStatus: RequestRule(.empty, reply: own(.u64), gate: .status)
        case .getSharedObject:
            RequestRule(.sharedObject, reply: own(.sharedObject, descriptors: 1), gate: .sharedObject)
        case .setDeviceStateDescriptor:
            RequestRule(
                .stateTransfer, descriptors: 1...1, reply: own(.vringDescriptor, descriptors: 1), gate: .deviceState)
        case .checkDeviceState: RequestRule(.empty, reply: own(.u64), gate: .deviceState)
        case .getSharedMemoryConfiguration: RequestRule(.empty, reply: own(.sharedMemoryConfiguration))
        default: RequestRule(.empty)
        }
    }
}

extension BackEndRequest {
    /// This request's row of the table.
    public var rule: RequestRule {
        switch self {
        case .translation: RequestRule(.translation)
        case .configurationChanged: RequestRule(.empty, gate: .configuration)
        case .vringHostNotifier: RequestRule(.vringArea, descriptors: 0...1, gate: .hostNotifier)
        case .vringCall, .vringError: RequestRule(.vringState, gate: .inBandNotifications)
        case .sharedObjectAdd, .sharedObjectRemove: RequestRule(.sharedObject, gate: .sharedObject)
        case .sharedObjectLookup: RequestRule(.sharedObject, reply: own(.u64, descriptors: 1), gate: .sharedObject)
        case .sharedMemoryMap: RequestRule(.sharedMemoryMapping, descriptors: 1...1)
        case .sharedMemoryUnmap: RequestRule(.sharedMemoryMapping)
        }
    }
}
