// Another program takes the place of a passt of ours under a running guest, connections included. Nobody works on the
// card's rings meanwhile: its owner holds them.
//
//   helper ─▶ rings are held ─▶ state saved ─▶ former one killed ─▶ next one started, its helper ─▶ state loaded ─▶ done
//                                                  it does not start, or does not load  │
//                                                  former one started, its helper ─▶ state loaded ─▶ done, with why
//
// A newcomer gets the state before the card hears of it, whichever program it is, and however often it is started.

import Linux
import PasstLauncher
import VhostUser

/// A passt that is being replaced by another program.
final class PasstUpgrade {
    let former: PasstProgram
    let next: PasstProgram
    /// What the former one had.
    let state: NetdevState
    /// The former one is being killed: its end is no failure.
    var isEnding = true
    /// Why the next one was not taken: the former one comes back.
    var failure: String?
    /// Newcomers that were, or are to be, given the state.
    var arrivals = 0
    /// Called once; nil: somebody has been told already that it takes too long.
    var done: ((Result<ConnectionReport, EmulationError>) -> Void)?

    init(
        _ former: PasstProgram, to next: PasstProgram, _ state: NetdevState,
        _ done: @escaping (Result<ConnectionReport, EmulationError>) -> Void
    ) {
        (self.former, self.next, self.state, self.done) = (former, next, state, done)
    }

    /// What is told when the former one is back.
    func sentence(_ rest: String) -> String {
        "\(next.name) was not taken: \(failure ?? "it did not come up"); \(former.name) \(rest)"
    }
}

extension PasstNetdev {
    typealias UpgradeAnswer = (Result<ConnectionReport, EmulationError>) -> Void

    /// A former program that ends again and again is given the state no more.
    private static let arrivalLimit = 8
    /// The former program has so long to be back.
    private static let backPatience: UInt64 = 15_000_000_000

    /// `next` takes passt's place.
    /// - Parameters:
    ///   - guestHas: how many connections the guest has; nil: nobody knows.
    ///   - hold: lets nobody work on the rings and calls back; until `done`.
    ///   - done: the report of the program that was asked for; or why it is the former one that runs.
    func upgrade(
        to next: PasstProgram, guestHas: Int?, holding hold: @escaping (@escaping () -> Void) -> Void,
        _ done: @escaping UpgradeAnswer
    ) {
        guard case .connected = state else {
            return done(.failure(EmulationError(text: "\(name): there is no passt to upgrade: \(info)")))
        }
        prepareToSave(elsewhere: false) { [self] in
            if let refusal = refusalOfUpgrade(guestHas) {
                endHelper()
                return done(.failure(refusal))
            }
            hold { [self] in saveForUpgrade(to: next, done) }
        }
    }

    /// What would be lost is known before anything happens.
    private func refusalOfUpgrade(_ count: Int?) -> EmulationError? {
        guard case .connected = state else {
            return EmulationError(text: "\(name): there is no passt to upgrade: \(info)")
        }
        let problem = move.problem ?? launch.repairProblem
        guard count != 0, let why = problem.map({ "no repair helper (\($0))" }) ?? noState else { return nil }
        let what = count.map { $0 == 1 ? "1 connection" : "\($0) connections" } ?? "its connections"
        return EmulationError(
            text: "\(name): \(what) would be lost: \(why)",
            hints: ["passt goes on as it is. Without connections it can be upgraded"])
    }

    private var noState: String? { rings?.hasState == true ? nil : "this passt hands no connections over" }

    private func saveForUpgrade(to next: PasstProgram, _ done: @escaping UpgradeAnswer) {
        saveState { [self] result in
            switch result {
            case .failure(let error):
                endHelper()
                done(.failure(EmulationError(text: "\(name): passt did not give its state away: \(error.text)")))
            case .success(let state): replacePasst(by: next, state, done)
            }
        }
    }

    private func replacePasst(by next: PasstProgram, _ saved: NetdevState, _ done: @escaping UpgradeAnswer) {
        move.hasSaved = false
        upgrade = PasstUpgrade(supervisor.program, to: next, saved, done)
        rings?.onArrival = { [weak self] in self?.loadUpgraded($0) ?? false }
        supervisor.program = next
        if supervisor.replace() { state = .replacing }
    }

    // MARK: a newcomer

    /// A newcomer gets what the former one had before its rings start.
    private func loadUpgraded(_ goOn: @escaping () -> Void) -> Bool {
        guard let upgrade, let rings else { return false }
        upgrade.arrivals += 1
        let arrival = upgrade.arrivals
        guard arrival <= Self.arrivalLimit else {
            finish(upgrade, ConnectionReport(of: upgrade.state, loaded: .failure(.notConnected), problem: nil))
            return false
        }
        let load = { [weak self] in
            guard let self, self.upgrade === upgrade, upgrade.arrivals == arrival else { return }
            let before = ConnectionSights(of: upgrade.state)
            rings.loadState(upgrade.state.bytes) { [weak self] result in
                guard let self, self.upgrade === upgrade, upgrade.arrivals == arrival else { return }
                loaded(upgrade, result, before, goOn)
            }
        }
        guard ConnectionReport.wantsHelper(upgrade.state) else { return loadNothing(upgrade, goOn) }
        startHelper(load)
        return true
    }

    /// There were no connections: the newcomer is what it is.
    private func loadNothing(_ upgrade: PasstUpgrade, _ goOn: @escaping () -> Void) -> Bool {
        reactor.atEndOfTurn { [weak self] in
            guard let self, self.upgrade === upgrade, rings?.isConnected == true else { return }
            goOn()
            finish(upgrade, ConnectionReport(had: 0, moved: 0))
        }
        return true
    }

    private func loaded(
        _ upgrade: PasstUpgrade, _ result: Result<Bool, VhostUserError>, _ before: ConnectionSights,
        _ goOn: @escaping () -> Void
    ) {
        move.helper = nil
        let problem = move.problem ?? launch.repairProblem
        var report = ConnectionReport(of: upgrade.state, loaded: result, problem: problem)
        switch result {
        case .success(true):
            report.lookForLost(in: upgrade.state, before: before)
        case .success(false):
            if upgrade.failure == nil { return goBack("it takes no state", killing: true) }
        case .failure(let error):
            let why = problem.map { "no repair helper (\($0))" } ?? "\(error)"
            if upgrade.failure == nil { return goBack("it did not load the state: \(why)", killing: true) }
            // It died of it, and another one comes, without connections.
            guard rings?.isConnected == true else { return finish(upgrade, report) }
        }
        goOn()
        finish(upgrade, report)
    }

    // MARK: back

    /// passt has ended while another program was to take its place: the former one by itself, or the next one.
    func upgradeMet(endOfPasst why: String) {
        guard let upgrade else { return }
        guard !upgrade.isEnding else {
            upgrade.isEnding = false
            return
        }
        upgrade.arrivals += 1
        if upgrade.failure == nil { goBack(why, killing: false) }
    }

    private func goBack(_ why: String, killing isAlive: Bool) {
        guard let upgrade else { return }
        // A suggestion stands on a line of its own.
        upgrade.failure = why.split(separator: "\n").joined(separator: ". ")
        supervisor.program = upgrade.former
        if isAlive, supervisor.replace() { state = .replacing }
        reactor.schedule(atNanoseconds: reactor.nowNanoseconds &+ Self.backPatience) { [weak self] in
            self?.isLate(upgrade)
        }
    }

    /// Nobody waits any longer; what was saved is still loaded into whoever comes.
    private func isLate(_ upgrade: PasstUpgrade) {
        guard self.upgrade === upgrade, let done = upgrade.done else { return }
        upgrade.done = nil
        done(.failure(EmulationError(text: "\(name): \(upgrade.sentence("is not back yet: \(info)"))")))
    }

    private func finish(_ upgrade: PasstUpgrade, _ report: ConnectionReport) {
        rings?.onArrival = nil
        self.upgrade = nil
        let lines = BackEndReport(name: name, connections: report).lines
        let first = lines.first ?? name
        guard let done = upgrade.done else { return launch.voice.warn(lines.joined(separator: "\n")) }
        guard upgrade.failure != nil else { return done(.success(report)) }
        done(.failure(EmulationError(text: upgrade.sentence("goes on: \(first)"), hints: Array(lines.dropFirst()))))
    }
}
