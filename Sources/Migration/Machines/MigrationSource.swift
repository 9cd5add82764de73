// The end that has the guest, as a machine: no clock, no descriptor. Who owns the guest is decided here:
//
//   greeting ─▶ rounds ─▶ stopping ─▶ saving ─▶ sections ─▶ preparing ─▶ committing ─▶ committed ─▶ completed
//      │          │           │          │          │            │            │             │ anything but STARTED
//      └──────────┴───────────┴──────────┴──────────┴────────────┴────────────┘             ▼
//                             ▼ any failure                                             uncertain: stays paused
//                          failed: the guest goes on here
//
// COMMIT is sent when the descriptor has taken its last byte: before that the destination cannot have it whole, and what
// is left of it is thrown away when something fails. A snapshot has nobody who answers: greeting, memory, sections and
// COMMIT go in one direction.
// Ends: +Output.swift (what goes out), +Input.swift (what comes, and time), +Report.swift (status).

import Bytes
import Linux

/// The sending end of a migration.
public final class MigrationSource {
    /// Who is at the other end.
    public enum Mode: Equatable, Sendable {
        /// Somebody who answers.
        case answered
        /// A file, or somebody who only listens.
        case snapshot
        /// Somebody who answers within this time, or else a snapshot is made.
        case either(within: Interval)
    }

    /// How far it got.
    public enum Phase: Equatable, Sendable {
        /// Not started; waits for the reply; copies while the guest runs.
        case idle, greeting, rounds
        /// The guest is to stand still; its state is asked for; the rest goes out.
        case stopping, saving, sections
        /// The destination checks; COMMIT goes out; STARTED is waited for.
        case preparing, committing, committed
        /// Over: see `SourceOutcome`.
        case completed, failed, uncertain
    }

    /// What the owner is to do.
    public enum Action: Equatable, Sendable {
        /// The destination said this of itself: refuse with `fail`, or go on.
        case answered(MigrationGreeting)
        /// Let guest and back-ends stand still, then call `guestStopped`.
        case stopGuest
        /// Write everything down, then call `saved`.
        case save
        /// It is over.
        case ended(SourceOutcome)
    }

    let greeting: MigrationGreeting
    let pages: any PageSource
    var parameters: MigrationParameters
    let patience: MigrationPatience
    let writer = FrameWriter()
    let reader = FrameReader(expectSource: false)

    /// How far it got.
    public internal(set) var phase = Phase.idle
    /// Nobody answers: nothing that comes is read.
    public internal(set) var isSnapshot: Bool
    /// Nil when `mode` is not to wait and see.
    let silentAfter: Interval?
    var actions: [Action] = []
    var milestones = Milestones()
    var phaseBegan = Instant(nanoseconds: 0)
    var lastProgress = Instant(nanoseconds: 0)
    var failure: MigrationFailure?
    var isCancelled = false

    var sender: PageSender?
    var pace: Pace
    var pacedUntil: Instant?
    var iterations = 0
    var lastDirty = 0
    var dirtyRate: UInt64 = 0
    var roundBegan = Instant(nanoseconds: 0)
    /// From where on the bandwidth is measured: the first round, or its last change.
    var measuredFrom: (bytes: UInt64, time: Instant)?
    var bytesAtStop: UInt64?

    var sections: [MigrationSection] = []
    var sectionIndex = 0
    /// Bytes of the current section in frames; nil: its head is not.
    var sectionOffset: Int?
    /// The position in the stream behind COMMIT.
    var commitEnd: UInt64?

    /// What came for the guest's cards, `arrivedSent` of it in frames.
    var arrived: [ArrivedFrame] = []
    var arrivedSent = 0
    var arrivedBytes = 0
    var arrivedDropped = 0

    /// - Parameters:
    ///   - greeting: what this end says of itself and of the machine.
    ///   - pages: its memory, whose writers mark what they write from now on.
    ///   - mode: who is at the other end.
    ///   - parameters: how fast, and until when, memory is copied.
    ///   - patience: how long it waits for whom.
    public init(
        _ greeting: MigrationGreeting, pages: any PageSource, mode: Mode = .answered,
        parameters: MigrationParameters = MigrationParameters(), patience: MigrationPatience = MigrationPatience()
    ) {
        self.greeting = greeting
        self.pages = pages
        self.parameters = parameters
        self.patience = patience
        isSnapshot = mode == .snapshot
        if case .either(let time) = mode { silentAfter = time } else { silentAfter = nil }
        pace = Pace(rate: parameters.maxBandwidth, now: Instant(nanoseconds: 0))
    }

    /// It is over, one way or the other; what is left in `output` says so to the other end.
    public var isOver: Bool { [.completed, .failed, .uncertain].contains(phase) }

    /// What to do, in order; each is told once.
    public func takeActions() -> [Action] {
        defer { actions.removeAll() }
        return actions
    }

    /// Begins: call once.
    public func start(now: Instant) {
        guard phase == .idle else { return }
        milestones.start = now
        (lastProgress, roundBegan) = (now, now)
        guard let body = greeting.encoded else { return fail(.tooLarge("the description of the machine"), now) }
        writer.append(raw: Preamble(isFromSource: true).bytes)
        writer.append(.greeting, body)
        enter(.greeting, now)
        if isSnapshot { beginRounds(now) }
    }

    /// How fast, and until when, memory is copied from now on.
    public func change(_ parameters: MigrationParameters, now: Instant) {
        let isOtherPace = parameters.maxBandwidth != self.parameters.maxBandwidth
        self.parameters = parameters
        guard isOtherPace, phase == .rounds else { return }
        setPace(now)
    }

    /// The order to stop is carried out only now: until now the guest ran, and what it waited for is no downtime.
    public func guestStops(now: Instant) {
        if phase == .stopping { milestones.stopAsked = now }
    }

    /// Guest and back-ends stand still: nobody writes memory but the owner, who marks it.
    public func guestStopped(now: Instant) {
        guard phase == .stopping else { return }
        milestones.stopped = now
        sender?.takeDirty()
        if parameters.checksMarks { sender?.checkMarks() }
        iterations += 1
        enter(.saving, now)
        actions.append(.save)
    }

    /// All state, by the names that the destination knows. What the owner wrote to memory meanwhile is marked.
    public func saved(_ sections: [MigrationSection], now: Instant) {
        guard phase == .saving else { return }
        for section in sections where section.bytes.count > MigrationLimits.section || !section.hasName {
            return fail(.tooLarge("the state of '\(section.name)'"), now)
        }
        let bytes = sections.reduce(0) { $0 + $1.bytes.count }
        guard sections.count <= MigrationLimits.sections, bytes <= MigrationLimits.allSections else {
            return fail(.tooLarge("the state"), now)
        }
        self.sections = sections
        milestones.saved = now
        sender?.takeDirty()
        enter(.sections, now)
    }

    /// A frame came for a card of the guest that stands still. False: it is not kept (too many, or it is too long).
    @discardableResult
    public func arrived(_ frame: ArrivedFrame) -> Bool {
        let size = frame.bytes.count + MigrationLimits.arrivedOverhead
        guard bytesAtStop != nil, !isOver, frame.bytes.count <= MigrationLimits.arrivedFrame,
            (1...MigrationLimits.name).contains(frame.card.utf8.count),
            arrivedBytes + size <= MigrationLimits.arrivedFrames
        else {
            arrivedDropped += 1
            return false
        }
        arrivedBytes += size
        arrived.append(frame)
        return true
    }

    /// The user does not want it any more. False: it is too late, COMMIT is sent.
    @discardableResult
    public func cancel(now: Instant) -> Bool {
        guard !isOver, phase != .committed else { return false }
        fail(.cancelled, now)
        return true
    }

    /// The owner cannot go on; before COMMIT is sent the guest goes on here.
    public func fail(_ text: String, now: Instant) { fail(.owner(text), now) }

    /// The connection's descriptor failed.
    public func connectionFailed(_ error: SystemError, now: Instant) { fail(.system(error), now) }

    func enter(_ next: Phase, _ now: Instant) {
        phase = next
        phaseBegan = now
    }

    /// The one place where it is decided who has the guest after a failure.
    func fail(_ reason: MigrationFailure, _ now: Instant) {
        guard !isOver else { return }
        failure = reason
        milestones.end = now
        guard phase != .committed else {
            enter(.uncertain, now)
            return actions.append(.ended(.uncertain(reason, arrived: arrived)))
        }
        if commitEnd != nil {
            writer.discard()
        } else if phase != .idle {
            writer.append(.sourceFailure, reason.body)
        }
        isCancelled = reason == .cancelled
        enter(.failed, now)
        actions.append(.ended(.kept(reason, wasStopped: bytesAtStop != nil, arrived: arrived)))
    }

    func complete(_ report: [UInt8], _ now: Instant) {
        if isSnapshot { dropLateArrivals() }
        milestones.end = now
        enter(.completed, now)
        actions.append(.ended(.completed(report: report)))
    }

    /// What came when a snapshot's COMMIT was on its way is in no snapshot.
    private func dropLateArrivals() {
        arrivedDropped += arrived.count - arrivedSent
        arrived.removeSubrange(arrivedSent...)
    }
}

/// How a migration ended for its source.
public enum SourceOutcome: Equatable, Sendable {
    /// The guest runs at the destination, or lies whole in a snapshot; here it stays paused. The destination's report.
    case completed(report: [UInt8])
    /// The guest goes on here. One that was to stop is resumed, and is given first what arrived meanwhile.
    case kept(MigrationFailure, wasStopped: Bool, arrived: [ArrivedFrame])
    /// COMMIT was sent and STARTED did not come: the guest may run at the destination, and stays paused here.
    case uncertain(MigrationFailure, arrived: [ArrivedFrame])
}
