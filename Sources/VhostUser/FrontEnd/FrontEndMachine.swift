// The front-end of one connection as a machine without sockets and clocks (vhost-user specification,
// "Communication"; the order of messages is QEMU's). One request waits for its answer at a time; what
// is to be sent next stands in a queue of steps.
//
//   disconnected ── connected ──▶ handshaking ──▶ ready ── start ──▶ starting ──▶ running
//        ▲                                          ▲                                │ stop
//        └── end of file, wrong answer, silence     └────────── stopping ◀───────────┘
//
// Handshake is in FrontEndMachine+Handshake, start and stop in FrontEndMachine+Rings, the back-end's state in
// FrontEndMachine+State, answers in FrontEndMachine+Replies. Nothing here touches guest memory.

import Bytes
import Linux
import Virtio

/// The front-end's side of the protocol. Feed it, then take its actions and its next deadline.
public struct FrontEndMachine {
    /// `ready` after the handshake, `running` once the back-end works on the rings.
    public enum State: Equatable, Sendable { case disconnected, handshaking, ready, starting, running, stopping }

    /// Steps that may wait; an owner that asks for more is ahead of a back-end that does not answer.
    static let maximumSteps = 1024

    /// Where the protocol stands.
    public internal(set) var state: State = .disconnected
    /// What the back-end offered, as it came; 0 until it is known.
    public internal(set) var offeredFeatures: UInt64 = 0
    /// What was acknowledged.
    public internal(set) var protocolFeatures: ProtocolFeatures = []
    /// What the owner decided.
    public let options: FrontEndOptions

    /// Where rings lie; nil before the first is known.
    private(set) var memory: GuestMemory?
    var descriptors: ConnectionDescriptors?
    var steps: [Step] = []
    var outstanding: Outstanding?
    var actions: [FrontEndAction] = []
    /// Rings that the back-end works on, or worked on when the connection ended.
    var queues: [QueueConfiguration] = []
    var answeredBases: [UInt16: UInt32] = [:]
    var enabledPairs: Set<Int> = [0]
    /// What the back-end's memory slots hold: they are filled once per connection and memory.
    var slots: GuestMemory?
    /// As many as the back-end has.
    var slotLimit: UInt64 = 0
    var lastAnswer = Instant(nanoseconds: 0)
    /// The back-end's state, while it is being moved.
    var stateMove: StateMove?
    /// Whether the back-end marks what it writes.
    var logState = LogState.off
    /// It left SET_LOG_BASE unanswered: its answer may still come.
    var ignoresLogBase = false
    /// What the driver negotiated at the last start.
    var startedFeatures: UInt64 = 0

    /// Nothing is connected yet. `memory` is described to the back-end with the first start.
    public init(options: FrontEndOptions = FrontEndOptions(), memory: GuestMemory? = nil) {
        self.options = options
        self.memory = memory
    }

    /// The rings of the next start lie in `memory`.
    public mutating func use(_ memory: GuestMemory) { self.memory = memory }

    /// Features a driver may be offered; empty until the handshake told.
    public var features: UInt64 {
        offeredFeatures & NetFeature.ownedByBackEnd & (options.features | VhostFeature.version1)
    }

    var hasProtocolFeatures: Bool { offeredFeatures & VhostFeature.protocolFeatures != 0 }

    /// When `advance` wants to be called; nil when nothing is awaited.
    public var nextDeadline: Instant? {
        guard let move = stateMove else { return outstanding?.deadline ?? healthDeadline }
        return outstanding.map { min($0.deadline, move.deadline) } ?? move.deadline
    }

    /// What is to be done now; the list is empty afterwards.
    public mutating func takeActions() -> [FrontEndAction] {
        defer { actions.removeAll(keepingCapacity: true) }
        return actions
    }

    // MARK: inputs

    /// The socket is connected. Forgets all of an earlier connection.
    public mutating func connected(_ descriptors: ConnectionDescriptors, now: Instant) {
        forgetConnection()
        queues = []
        self.descriptors = descriptors
        state = .handshaking
        lastAnswer = now
        beginHandshake(pair: 0)
        proceed(now)
    }

    /// Time passed.
    public mutating func advance(to now: Instant) {
        if let move = stateMove, move.deadline <= now {
            return fail(.stateTimeout(move.direction, after: options.stateDeadline))
        }
        if let outstanding {
            guard outstanding.deadline <= now else { return }
            if outstanding.expectation == .answer(.logBase) { return missLogBase(outstanding, now) }
            return fail(.timeout(outstanding.request, after: outstanding.limit))
        }
        guard stateMove == nil else { return }
        guard let due = healthDeadline, due <= now else { return }
        ask(.getFeatures, for: .signOfLife)
        proceed(now)
    }

    /// The stream ended where the receiver stands.
    public mutating func endOfFile(at position: MessageReceiver.Position) {
        switch position {
        case .betweenMessages:
            fail(outstanding.map { .shortHeader(read: 0, request: $0.request) } ?? .endOfFile)
        case .inHeader(let read): fail(.shortHeader(read: read, request: outstanding?.request))
        case .inPayload(let read, let size): fail(.shortPayload(read: read, of: size))
        }
    }

    /// Ends the connection for a reason that only the shell or the owner knows.
    public mutating func fail(_ reason: VhostUserError) {
        guard state != .disconnected else { return }
        endMove(.failed(reason))
        forgetConnection()
        actions.append(.close)
        actions.append(.report(.disconnected(reason: reason)))
    }

    // MARK: the queue of steps

    /// Sends until an answer must be waited for.
    mutating func proceed(_ now: Instant) {
        guard steps.count <= FrontEndMachine.maximumSteps else { return fail(.sendQueueFull(bytes: steps.count)) }
        while outstanding == nil, stateMove?.phase != .moving, !steps.isEmpty {
            switch steps.removeFirst() {
            case .milestone(let milestone): reach(milestone)
            case .request(let request): send(request, now)
            }
        }
    }

    private mutating func send(_ request: PendingRequest, _ now: Instant) {
        if let kick = request.kick { actions.append(.signal(kick)) }
        actions.append(.send(request.message.encoded(), request.attachments))
        guard request.expectation != .nothing else { return }
        let limit =
            switch request.expectation {
            case .answer(.signOfLife): options.healthDeadline
            // The back-end may still be at work on its state; the deadline of the whole comes first.
            case .answer(.stateCheck): options.stateDeadline
            case .answer(.logBase): options.logDeadline
            default: options.requestDeadline
            }
        outstanding = Outstanding(
            request: request.message.request, expectation: request.expectation, deadline: now + limit, limit: limit)
    }

    private mutating func forgetConnection() {
        state = .disconnected
        steps.removeAll()
        outstanding = nil
        descriptors = nil
        offeredFeatures = 0
        protocolFeatures = []
        answeredBases.removeAll()
        slots = nil
        stateMove = nil
        if logState != .off { actions.append(.logged(.notConnected)) }
        (logState, ignoresLogBase) = (.off, false)
    }

    private var healthDeadline: Instant? {
        guard let interval = options.healthInterval, state == .ready || state == .running, steps.isEmpty else {
            return nil
        }
        return lastAnswer + interval
    }
}
