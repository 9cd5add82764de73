// The life of a supervised passt. Pure: time, the child's news and the pid file come in, actions go out.
//
//   idle -start-> starting -pid file-> running -death-> resting -time-> starting ...
//                    | 5 s, no pid file    | hung
//                    v                     v
//                  killing  <--------------+      -death-> resting (failed, if it never was ready)
//   running -replace-> replacing -death-> starting
//   any -stop-> stopping -death-> idle            (SIGTERM, after 1 s SIGKILL)
//
// A death before the first readiness is final; every later one is followed by a restart.

import Linux

/// Times of supervision, in nanoseconds.
public struct PasstLimits: Equatable, Sendable {
    /// From the start to a pid file with content.
    public var ready: UInt64 = 5_000_000_000
    /// The rest before the first restart; it doubles up to `longestRest`.
    public var firstRest: UInt64 = 100_000_000
    /// The longest pause before another start; each is twice the one before.
    public var longestRest: UInt64 = 5_000_000_000
    /// After so long a run the rest starts anew from `firstRest`.
    public var healthy: UInt64 = 10_000_000_000
    /// So long a passt may be stopped by a signal.
    public var suspended: UInt64 = 1_000_000_000
    /// From SIGTERM to SIGKILL.
    public var stop: UInt64 = 1_000_000_000

    /// What netemu uses.
    public init() {}
}

/// What the owner hears.
public enum PasstEvent: Equatable, Sendable {
    /// It listens: connect now.
    case ready(pid: Int32)
    /// A line of its output, to be shown as `passt[ID]: …`.
    case line(String)
    /// It never was ready and will not be started again.
    case failed(PasstError)
    /// It is gone, and reaped; it will be started again after a rest of so many nanoseconds.
    case down(PasstError, restartsIn: UInt64)
    /// It ended because of `replace`, and is reaped; another one is being started.
    case replaced
    /// It ended because of `stop`.
    case stopped
}

/// The machine.
struct PasstMachine {
    enum State: Equatable {
        case idle
        case starting(deadline: UInt64)
        case running(since: UInt64)
        /// SIGKILL is sent; waiting for the death.
        case killing(PasstError)
        /// SIGKILL is sent; another one is started at once when it is dead.
        case replacing
        case resting(until: UInt64)
        case stopping(deadline: UInt64, isKilled: Bool)
        case failed
    }

    enum Action: Equatable {
        /// Remove the socket, repair socket and pid file of a predecessor, then start.
        case spawn
        case signal(Int32)
        case report(PasstEvent)
    }

    static let lineLimit = 20
    private static let kill: Int32 = 9
    private static let terminate: Int32 = 15

    let limits: PasstLimits
    var path: String
    private(set) var state = State.idle
    /// The child's, from its start to its end.
    private(set) var pid: Int32?
    private var hasBeenReady = false
    /// Since when it is known to be stopped.
    private var stoppedSince: UInt64?
    private var rest: UInt64
    private var held: [String] = []
    private var isUsage = false
    private var actions: [Action] = []

    init(path: String, limits: PasstLimits) {
        self.path = path
        self.limits = limits
        rest = limits.firstRest
    }

    var nextDeadline: UInt64? {
        switch state {
        case .starting(let deadline), .resting(let deadline), .stopping(let deadline, false): deadline
        default: nil
        }
    }

    mutating func takeActions() -> [Action] {
        defer { actions = [] }
        return actions
    }

    mutating func start(now: UInt64) {
        guard state == .idle || state == .failed else { return }
        spawn(now)
    }

    mutating func started(pid: Int32) { self.pid = pid }

    /// The pid file has content: passt is ready when it is a number with its newline.
    mutating func pidFile(_ bytes: [UInt8], now: UInt64) {
        guard case .starting = state, let written = Self.number(bytes) else { return }
        state = .running(since: now)
        hasBeenReady = true
        pid = pid ?? written
        actions.append(.report(.ready(pid: written)))
        for line in held { actions.append(.report(.line(line))) }
        held = []
    }

    /// Held while it starts, so that a failure is told with its last lines, once.
    mutating func line(_ text: String) {
        switch state {
        case .starting, .killing:
            // The sentence before a usage text says what is wrong; the text itself is a hundred lines.
            if text.hasPrefix("Usage: ") { isUsage = true }
            guard !isUsage else { return }
            held.append(text)
            if held.count > Self.lineLimit { held.removeFirst() }
        default: actions.append(.report(.line(text)))
        }
    }

    /// It could not be started at all.
    mutating func startFailed(_ error: PasstError, now: UInt64) { over(error, now) }

    mutating func ended(_ end: ProcessEnd, now: UInt64) {
        switch state {
        case .starting: over(isTooOld ? .tooOld(path: path) : .ended(end, lines: held), now)
        case .running(let since):
            if now &- since >= limits.healthy { rest = limits.firstRest }
            over(.ended(end, lines: []), now)
        case .killing(.notReady(let seconds, _)): over(.notReady(seconds: seconds, lines: held), now)
        case .killing(let error): over(end == .signalled(Self.kill) ? error : .ended(end, lines: held), now)
        case .replacing:
            actions.append(.report(.replaced))
            spawn(now)
        case .stopping: settle(.idle, .stopped)
        case .idle, .resting, .failed: break
        }
    }

    /// The front-end's request deadline passed. A hung passt still writes guest memory: it must be dead
    /// before another one is attached.
    mutating func reportHung(now: UInt64) { give(up: .hung, now) }

    /// Another one is to take its place. False when there is none that runs.
    mutating func replace() -> Bool {
        guard case .running = state else { return false }
        state = .replacing
        actions.append(.signal(Self.kill))
        return true
    }

    /// Somebody looked whether a signal has stopped it.
    mutating func looked(isStopped: Bool, now: UInt64) {
        guard case .running = state, isStopped else {
            stoppedSince = nil
            return
        }
        let since = stoppedSince ?? now
        stoppedSince = since
        if now &- since >= limits.suspended { give(up: .suspended, now) }
    }

    private mutating func give(up reason: PasstError, _ now: UInt64) {
        guard case .running(let since) = state else { return }
        if now &- since >= limits.healthy { rest = limits.firstRest }
        state = .killing(reason)
        actions.append(.signal(Self.kill))
    }

    mutating func stop(now: UInt64) {
        switch state {
        case .starting, .running:
            state = .stopping(deadline: now &+ limits.stop, isKilled: false)
            actions.append(.signal(Self.terminate))
        case .killing, .replacing: state = .stopping(deadline: now, isKilled: true)
        case .resting, .idle, .failed: settle(.idle, .stopped)
        case .stopping: break
        }
    }

    mutating func advance(to now: UInt64) {
        guard let deadline = nextDeadline, now >= deadline else { return }
        switch state {
        case .starting:
            state = .killing(.notReady(seconds: Int(limits.ready / 1_000_000_000), lines: []))
            actions.append(.signal(Self.kill))
        case .resting: spawn(now)
        case .stopping:
            state = .stopping(deadline: deadline, isKilled: true)
            actions.append(.signal(Self.kill))
        default: break
        }
    }

    // MARK: parts

    private mutating func spawn(_ now: UInt64) {
        state = .starting(deadline: now &+ limits.ready)
        stoppedSince = nil
        held = []
        isUsage = false
        pid = nil
        actions.append(.spawn)
    }

    private mutating func over(_ error: PasstError, _ now: UInt64) {
        if case .stopping = state { return settle(.idle, .stopped) }
        guard hasBeenReady else { return settle(.failed, .failed(error)) }
        settle(.resting(until: now &+ rest), .down(error, restartsIn: rest))
        rest = min(rest &* 2, limits.longestRest)
    }

    private mutating func settle(_ next: State, _ event: PasstEvent) {
        state = next
        pid = nil
        held = []
        actions.append(.report(event))
    }

    /// passts before vhost-user answer it with getopt's words and their usage.
    private var isTooOld: Bool {
        held.contains { $0.contains("option") && $0.contains("vhost-user") && $0.contains("unrecognized") }
    }

    /// A decimal pid and a newline, nothing else.
    static func number(_ bytes: [UInt8]) -> Int32? {
        guard bytes.last == 0x0a, let number = Int32(String(decoding: bytes.dropLast(), as: UTF8.self)), number > 0
        else { return nil }
        return number
    }
}
