// A row of the table of faults: where the stream stands, what goes wrong then, and what the rules of
// docs/migration-format.md give for it.

import Bytes
import TestSupport

/// An end of the move.
enum Side: String, CaseIterable, Sendable { case source, destination }

/// Where the stream stands when something goes wrong.
enum FaultPoint: Hashable, Sendable, CustomStringConvertible {
    /// Connected, nothing was said.
    case connected
    /// The source's greeting has come; the destination's has.
    case greeted, answered
    /// Pages have come; a round is over.
    case round, roundOver
    /// The guest stands still, its state is saved; some of it has come.
    case stopped, sections
    /// PREPARE has come; PREPARED is said.
    case preparing, prepared
    /// COMMIT is said; it has come; STARTED has come.
    case committing, committed, started
    /// Behind a message of one direction, behind so many bytes, so many bytes behind the first section's beginning.
    case message(MoveRelay.Way, Int)
    case bytes(MoveRelay.Way, Int)
    case intoSections(Int)

    static let phases: [FaultPoint] = [
        .connected, .greeted, .answered, .round, .roundOver, .stopped, .sections, .preparing, .prepared, .committing,
        .committed, .started,
    ]

    var place: MoveRelay.Place {
        switch self {
        case .connected: .bytes(.there, 0)
        case .greeted: .behind(kind: 1, number: 1)
        case .answered: .behind(kind: 129, number: 1)
        case .round: .behind(kind: 2, number: 1)
        case .roundOver: .behind(kind: 4, number: 1)
        case .stopped: .before(kind: 5)
        case .sections: .behind(kind: 6, number: 2)
        case .preparing: .behind(kind: 8, number: 1)
        case .prepared: .before(kind: 130)
        case .committing: .before(kind: 9)
        case .committed: .behind(kind: 9, number: 1)
        case .started: .behind(kind: 131, number: 1)
        case .message(let way, let number): .message(way, number)
        case .bytes(let way, let count): .bytes(way, count)
        case .intoSections(let count): .intoSections(count)
        }
    }

    var description: String {
        switch self {
        case .message(let way, let number): "message \(number) \(way)"
        case .bytes(let way, let count): "byte \(count) \(way)"
        case .intoSections(let count): "byte \(count) of the sections"
        case .connected: "connected"
        case .greeted: "greeted"
        case .answered: "answered"
        case .round: "round"
        case .roundOver: "round over"
        case .stopped: "stopped"
        case .sections: "sections"
        case .preparing: "preparing"
        case .prepared: "prepared"
        case .committing: "committing"
        case .committed: "committed"
        case .started: "started"
        }
    }
}

/// What goes wrong.
enum Fault: Hashable, Sendable, CustomStringConvertible {
    /// The connection is cut.
    case cut
    /// Nothing passes any more.
    case silence
    /// SIGKILL.
    case kill(Side)
    /// SIGSTOP, and SIGCONT half a second later; or not before the other side has given up.
    case stop(Side)
    case stopLong(Side)
    /// `quit` in the monitor; Ctrl-C.
    case quit(Side)
    case interrupt(Side)
    /// `migrate` again, and by somebody else to the same place: nothing is wrong.
    case again
    /// Its passt, or its netemu-repair, is killed.
    case killPasst(Side)
    case killHelper(Side)

    var description: String {
        switch self {
        case .cut: "the connection is cut"
        case .silence: "nothing passes any more"
        case .kill(let side): "SIGKILL to the \(side.rawValue)"
        case .stop(let side): "the \(side.rawValue) is stopped for a moment"
        case .stopLong(let side): "the \(side.rawValue) is stopped for longer than anybody waits"
        case .quit(let side): "quit at the \(side.rawValue)"
        case .interrupt(let side): "Ctrl-C at the \(side.rawValue)"
        case .again: "migrate again"
        case .killPasst(let side): "the \(side.rawValue)'s passt is killed"
        case .killHelper(let side): "the \(side.rawValue)'s netemu-repair is killed"
        }
    }

    /// Somebody waits for a deadline of up to 45 s.
    var isSlow: Bool {
        switch self {
        case .silence, .stopLong: true
        default: false
        }
    }

    /// Rows of one kind are as good as each other for a choice of them.
    var kind: String {
        switch self {
        case .quit: "quit"
        case .interrupt: "interrupt"
        default: description
        }
    }
}

/// What the guest's card hangs on.
enum FaultBackEnd: String, Sendable { case stream, passt }

/// One row.
struct FaultRow: Sendable, CustomStringConvertible {
    let backEnd: FaultBackEnd
    let point: FaultPoint
    let fault: Fault

    var description: String { "\(backEnd.rawValue), \(point): \(fault)" }
}

/// How an end may be found at last.
enum FaultEnd: Hashable, Sendable {
    /// The guest runs here.
    case runs
    /// `postmigrate`: it has moved, or nobody knows.
    case moved, uncertain
    case exited(Int32)
    case killed
}

/// What a row may come to.
struct FaultOutcome: Hashable, Sendable {
    var source: FaultEnd
    var destination: FaultEnd
}

/// What the rules give.
struct FaultRule {
    /// How far PREPARE, PREPARED, COMMIT and STARTED came.
    enum Progress: Int, Comparable {
        case before, preparing, committing, committed, started
        static func < (one: Progress, other: Progress) -> Bool { one.rawValue < other.rawValue }
    }

    var outcomes: Set<FaultOutcome>
    /// The guest's connection goes on where it runs at last.
    var keepsStream = true

    init(_ outcomes: [(FaultEnd, FaultEnd)], keepsStream: Bool = true) {
        self.outcomes = Set(outcomes.map { FaultOutcome(source: $0.0, destination: $0.1) })
        self.keepsStream = keepsStream
    }

    static func progress(_ news: MoveRelay.News) -> Progress {
        if news.passed[1].contains(131) { return .started }
        if news.passed[0].contains(9) { return .committed }
        if news.passed[1].contains(130) { return .committing }
        return news.passed[0].contains(8) ? .preparing : .before
    }

    /// - Parameter progress: when it went wrong.
    init(_ fault: Fault, at progress: Progress) {
        switch fault {
        case .cut, .silence: self = Self.connectionLost(progress)
        case .kill(.source): self = .init([(.killed, progress < .committing ? .exited(1) : .runs)])
        case .quit(.source), .interrupt(.source):
            self = .init([(.exited(0), progress < .committing ? .exited(1) : .runs)])
        case .kill(.destination): self = Self.destinationLost(progress, .killed)
        case .quit(.destination), .interrupt(.destination): self = Self.destinationLost(progress, .exited(0))
        case .stop, .again: self = .init([(.moved, .runs)])
        case .stopLong(let side): self = Self.longStop(of: side, progress)
        // Whoever has the guest has it; what was to be moved is gone.
        case .killPasst: self = .init([(.runs, .exited(1)), (.moved, .runs)], keepsStream: false)
        case .killHelper: self = .init([(.moved, .runs)])
        }
    }

    private static func connectionLost(_ progress: Progress) -> FaultRule {
        switch progress {
        case .before, .preparing: .init([(.runs, .exited(1))])
        // It may not have had the time to say COMMIT.
        case .committing: .init([(.uncertain, .exited(1)), (.runs, .exited(1))])
        case .committed: .init([(.uncertain, .runs)])
        case .started: .init([(.moved, .runs)])
        }
    }

    private static func destinationLost(_ progress: Progress, _ end: FaultEnd) -> FaultRule {
        switch progress {
        case .before: .init([(.runs, end)])
        // PREPARED may be on its way, and be answered by COMMIT.
        case .preparing: .init([(.runs, end), (.uncertain, end)])
        case .committing: .init([(.uncertain, end)])
        // STARTED may be on its way. The guest is gone with it.
        case .committed: .init([(.uncertain, end), (.moved, end)], keepsStream: false)
        case .started: .init([(.moved, end)], keepsStream: false)
        }
    }

    private static func longStop(of side: Side, _ progress: Progress) -> FaultRule {
        switch (side, progress) {
        case (_, .before), (.source, .preparing): .init([(.runs, .exited(1))])
        case (.destination, .preparing): .init([(.runs, .exited(1)), (.uncertain, .runs)])
        case (.destination, .committing): .init([(.uncertain, .runs)])
        case (.destination, .committed): .init([(.uncertain, .runs), (.moved, .runs)])
        default: .init([(.moved, .runs)])
        }
    }
}
