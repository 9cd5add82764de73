// The end that gets the guest, as a machine: no clock, no descriptor.
//
//   greeting ─▶ comparing ─▶ receiving ─▶ preparing ─▶ prepared ─▶ loading ─▶ started ─▶ completed
//      │            │            │            │            │  COMMIT
//      └────────────┴────────────┴────────────┴────────────┘
//                         ▼ anything wrong, or the end of the connection
//                      failed: nothing was loaded, nothing ever starts
//
// With COMMIT the guest always starts: what the owner cannot load it reports. In a snapshot COMMIT is in the stream
// before anybody has checked: the owner's check comes first there, too, and one that fails starts nothing.
// Ends: +Input.swift (what comes, and time), +Report.swift (status).

import Bytes
import Linux

/// The receiving end of a migration.
public final class MigrationDestination {
    /// How far it got.
    public enum Phase: Equatable, Sendable {
        /// Nothing came; the owner compares the machines; memory and state come.
        case greeting, comparing, receiving
        /// The owner checks what came; PREPARED is said; the owner loads; the guest runs.
        case preparing, prepared, loading, started
        /// Over.
        case completed, failed
    }

    /// What the owner is to do.
    public enum Action: Equatable, Sendable {
        /// Compare the machines, then call `accept` or `refuse`.
        case compare(MigrationGreeting)
        /// Check and parse everything and have back-ends ready, without starting anything; then call `prepared`, or `fail`.
        case prepare([MigrationSection])
        /// The guest is ours: load, then call `loaded`.
        case load
        /// Let the guest run, whatever could be loaded.
        case start
        /// A frame that arrived in between: the guest gets it before others.
        case deliver(ArrivedFrame)
        /// It is over; nil: the guest runs here.
        case ended(MigrationFailure?)
    }

    let greeting: MigrationGreeting
    let pages: any PageSink
    let patience: MigrationPatience
    let writer = FrameWriter()
    let reader = FrameReader(expectSource: true)

    /// How far it got.
    public internal(set) var phase = Phase.greeting
    /// COMMIT came from somebody who waits for no answer.
    public internal(set) var isSnapshot = false
    var actions: [Action] = []
    var failure: MigrationFailure?
    var phaseBegan: Instant
    var lastInput: Instant
    var isInputOver = false
    var isMute: Bool

    var sections: [MigrationSection] = []
    /// Bytes that the last section still lacks.
    var missing = 0
    var sectionBytes = 0
    var held: [ArrivedFrame] = []
    var heldBytes = 0

    var began: Instant
    var commitTime: Instant?
    var startTime: Instant?
    var counters = PageCounters()
    var rounds = 0
    var dirty: UInt64 = 0
    var arrivedCount = 0
    var arrivedDropped = 0

    /// - Parameters:
    ///   - greeting: what this end says of itself and of its machine.
    ///   - pages: its memory, all zeros.
    ///   - answers: the connection has a way back; a file has none.
    ///   - patience: how long it waits for whom.
    ///   - now: when the connection came.
    public init(
        _ greeting: MigrationGreeting, pages: any PageSink, answers: Bool = true,
        patience: MigrationPatience = MigrationPatience(), now: Instant
    ) {
        self.greeting = greeting
        self.pages = pages
        self.patience = patience
        isMute = !answers
        (phaseBegan, lastInput, began) = (now, now, now)
        say { $0.append(raw: Preamble(isFromSource: false).bytes) }
    }

    /// It is over, one way or the other; what is left in `output` says so to the other end.
    public var isOver: Bool { phase == .completed || phase == .failed }

    /// COMMIT came: the guest is ours, whatever happens.
    public var ownsGuest: Bool { [.loading, .started, .completed].contains(phase) }

    /// What to do, in order; each is told once.
    public func takeActions() -> [Action] {
        defer { actions.removeAll() }
        return actions
    }

    /// Bytes for the descriptor; valid until the next call.
    public var output: UnsafeRawBufferPointer { writer.pending }

    /// The descriptor took so many bytes of `output`.
    public func wrote(_ count: Int, now: Instant) {
        writer.wrote(count)
        finishIfDone(now)
    }

    /// Nobody reads the way back any more. That alone is no failure: what comes decides.
    public func outputFailed(now: Instant) {
        writer.discard()
        isMute = true
        finishIfDone(now)
    }

    func say(_ body: (FrameWriter) -> Void) { if !isMute { body(writer) } }

    func enter(_ next: Phase, _ now: Instant) {
        phase = next
        phaseBegan = now
    }

    // MARK: the owner's answers

    /// The machines agree. What `reply` says of this end goes to the source.
    public func accept(now: Instant) {
        guard phase == .comparing else { return }
        guard let body = greeting.encoded else { return fail(.tooLarge("the description of the machine"), now) }
        say { $0.append(.reply, body) }
        enter(.receiving, now)
        lastInput = now
        process(now)
    }

    /// Everything is checked and ready.
    public func prepared(now: Instant) {
        guard phase == .preparing else { return }
        if isSnapshot { return beginLoading(now) }
        say { $0.append(.prepared, []) }
        enter(.prepared, now)
        process(now)
    }

    /// The guest is as whole as it will be.
    /// - Parameters:
    ///   - report: for people at the other end, such as what was lost; at most 64 KiB.
    ///   - now: this turn's time.
    public func loaded(report: [UInt8] = [], now: Instant) {
        guard phase == .loading else { return }
        startTime = now
        actions.append(.start)
        for frame in held { actions.append(.deliver(frame)) }
        held = []
        say { $0.append(.started, Array(report.prefix(MigrationLimits.greeting))) }
        enter(.started, now)
        finishIfDone(now)
    }

    /// The owner cannot take the guest. Once COMMIT has come it starts all the same, and the text is the report.
    public func fail(_ text: String, now: Instant) {
        if ownsGuest { loaded(report: Array(text.utf8), now: now) } else { fail(.owner(text), now) }
    }

    func beginLoading(_ now: Instant) {
        commitTime = now
        enter(.loading, now)
        actions.append(.load)
    }

    /// Nothing is loaded, and the source is told why.
    func fail(_ reason: MigrationFailure, _ now: Instant) {
        guard !isOver, !ownsGuest else { return }
        failure = reason
        (sections, held) = ([], [])
        say { $0.append(.destinationFailure, reason.body) }
        enter(.failed, now)
        actions.append(.ended(reason))
    }

    /// The guest runs, and nothing more is to come or to go.
    func finishIfDone(_ now: Instant) {
        guard phase == .started, isInputOver || isSnapshot, writer.pending.isEmpty else { return }
        enter(.completed, now)
        actions.append(.ended(nil))
    }
}
