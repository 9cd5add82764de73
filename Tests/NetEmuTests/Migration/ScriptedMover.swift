// A back-end on frames that hands connections over as a test says.

import Link
import Linux
import TestSupport

@testable import NetEmu

/// `mover`: its state is what `state` says; it does everything at once, or when the test says so.
final class ScriptedMover: MovingNetdev {
    let door: NetdevDoor
    private let port = ScriptedPort()
    let info = ""
    let isUp = true
    private(set) var isReady = false
    let isGone = true
    var onEvent: ((NetdevEvent) -> Void)?
    var isHeldForState = false
    let canMove = true
    private(set) var log: [String] = []
    var expectedLosses: [String] = []
    var state = NetdevState(bytes: [4, 5])
    /// Why it gives or takes nothing.
    var saveError: String?
    var prepareError: String?
    var earlyError: String?
    /// It takes its time: `catchUp` answers.
    var isSlow = false
    private var late: [() -> Void] = []

    init(_ site: NetdevSite) {
        let link = FrameLink(atEndOfTurn: { [unowned reactor = site.reactor] in reactor.atEndOfTurn($0) })
        link.connect(port, at: .netdev)
        door = .frames(link)
    }

    func start() {
        log.append(isHeldForState ? "held" : "start")
        isReady = true
        onEvent?(.connected)
    }

    func stop() { log.append("stop") }

    private func answer(_ word: String, _ action: @escaping () -> Void) {
        log.append(word)
        if isSlow { late.append(action) } else { action() }
    }

    func catchUp() {
        let now = late
        late = []
        for action in now { action() }
    }

    func prepareToSave(elsewhere: Bool, _ done: @escaping () -> Void) {
        answer(elsewhere ? "helper for elsewhere" : "helper", done)
    }

    func saveState(_ done: @escaping (Result<NetdevState, EmulationError>) -> Void) {
        answer("save") { [self] in done(saveError.map { .failure(EmulationError(text: $0)) } ?? .success(state)) }
    }

    func takeBack(_ state: NetdevState, _ done: @escaping (EmulationError?) -> Void) {
        answer("back \(state.bytes)") { done(nil) }
    }

    func forgetState() { log.append("forget") }

    func prepareEarly(elsewhere: Bool, _ done: @escaping (EmulationError?) -> Void) {
        answer(elsewhere ? "early for elsewhere" : "early") { [self] in
            done(earlyError.map { EmulationError(text: $0) })
        }
    }

    func prepareState(_ state: NetdevState, _ done: @escaping (EmulationError?) -> Void) {
        answer("prepare \(state.bytes)") { [self] in done(prepareError.map { EmulationError(text: $0) }) }
    }

    func loadState(_ done: @escaping (ConnectionReport) -> Void) {
        answer("load") { done(ConnectionReport(had: 3, moved: 2, lost: ["10.0.0.1:1 to 10.0.0.2:2: no room"])) }
    }
}

/// `-netdev mover`.
struct ScriptedMoverKind: NetdevKind {
    static let name = "mover"
    static let keys = KeyTable(title: name, rows: [])
    init(_ list: KeyValueList) {}
    func make(_ site: NetdevSite) throws(EmulationError) -> any Netdev { ScriptedMover(site) }
}
