// A passt of ours hands its connections over: a helper that switches TCP_REPAIR for it, its state out and in, and a
// fresh passt when the guest goes on here after all. A passt that has saved its state is of no more use: its forwards
// refuse for good, and what it had is alive in its state only.
//
//   source        prepareToSave ─▶ saveState ─┬▶ forgetState: passt ends
//                                             └▶ takeBack: killed, a fresh one, its helper, the state loaded
//   destination   prepareEarly: one that listens nowhere is started, its helper, while the guest still runs elsewhere
//                 prepareState: started if it was held, its helper ─▶ loadState

import Linux
import PasstLauncher
import VhostUser

/// What is needed beside a passt while its guest moves.
struct PasstMove {
    /// A helper that is connected, or on its way.
    var helper: RepairRun?
    /// Why there is none.
    var problem: String?
    /// What is to be loaded.
    var state = NetdevState()
    /// passt has given its state away.
    var hasSaved = false
}

extension PasstNetdev: MovingNetdev {
    /// Connections whose ends stand in one sentence.
    private static let shownLosses = 5

    var canMove: Bool { rings != nil }
    var keepsConnections: Bool { rings == nil }

    var expectedLosses: [String] {
        guard canMove, let problem = move.problem ?? launch.repairProblem else { return [] }
        return ["\(name): its connections will be lost: no repair helper (\(problem))"]
    }

    // MARK: the source

    func prepareToSave(elsewhere: Bool, _ done: @escaping () -> Void) {
        guard canMove, hasBeenConnected, state != .gone, state != .handedOver else { return done() }
        // One that is being started again is there in a moment, and the guest runs meanwhile.
        waitForPasst { [self] _ in
            guard case .connected = state else { return done() }
            startHelper(stays: elsewhere, done)
        }
    }

    func saveState(_ done: @escaping (Result<NetdevState, EmulationError>) -> Void) {
        guard let rings, case .connected = state else {
            return done(.failure(EmulationError(text: "there is no passt: \(info)")))
        }
        renewHelper { [self] in
            rings.saveState { [self] result in
                // It has ended with the conversation, or ends when it has seen the connections elsewhere, or with netemu.
                if move.helper?.stays != true { move.helper = nil }
                switch result {
                case .success(let bytes):
                    move.hasSaved = true
                    done(.success(NetdevState(bytes: bytes ?? [])))
                case .failure(let error): done(.failure(EmulationError(text: "\(error)")))
                }
            }
        }
    }

    func takeBack(_ state: NetdevState, _ done: @escaping (EmulationError?) -> Void) {
        let wasHandedOver = self.state == .handedOver
        guard move.hasSaved || wasHandedOver else {
            endHelper()
            return done(nil)
        }
        let problem = move.problem ?? launch.repairProblem
        endHelper()
        move.hasSaved = false
        move.state = state
        replacePasst()
        waitForPasst { [self] error in
            if let error { return done(error) }
            if wasHandedOver, state.bytes.isEmpty {
                return done(EmulationError(text: "the guest's connections are not here any more"))
            }
            if let problem {
                return done(EmulationError(text: "its connections are lost: no repair helper (\(problem))"))
            }
            startHelper { [self] in loadState { [self] in done(loss($0)) } }
        }
    }

    func forgetState() {
        guard let rings, move.hasSaved else { return }
        let helper = move.helper
        move = PasstMove()
        move.helper = helper
        state = .handedOver
        hasLeft = true
        rings.backEndDied()
        supervisor.stop()
    }

    /// Kills what there is, and sees to it that another one comes.
    private func replacePasst() {
        hasLeft = false
        if case .connected = state, supervisor.replace() {
            state = .replacing
        } else if state == .handedOver {
            state = .launching
            // One that is still ending is started again when it has ended.
            if supervisor.isIdle { supervisor.start() }
        }
    }

    private func loss(_ report: ConnectionReport) -> EmulationError? {
        guard !report.lost.isEmpty else { return nil }
        let ends = report.lost.prefix(Self.shownLosses).joined(separator: "; ")
        let others = report.lost.count > Self.shownLosses ? "; …" : ""
        return EmulationError(text: "\(report.lost.count) connections are lost: \(ends)\(others)")
    }

    // MARK: the destination

    /// One that listens nowhere can run beside the source's. Elsewhere the address may have to come first.
    func prepareEarly(elsewhere: Bool, _ done: @escaping (EmulationError?) -> Void) {
        guard canMove, !elsewhere, launch.options.contendsForNothing else { return done(nil) }
        getReady(helped: true, done)
    }

    func prepareState(_ state: NetdevState, _ done: @escaping (EmulationError?) -> Void) {
        move.state = state
        getReady(helped: ConnectionReport.wantsHelper(state), done)
    }

    private func getReady(helped: Bool, _ done: @escaping (EmulationError?) -> Void) {
        if supervisor.isIdle { supervisor.start() }
        waitForPasst { [self] error in
            guard error == nil, helped else { return done(error) }
            startHelper { done(nil) }
        }
    }

    func loadState(_ done: @escaping (ConnectionReport) -> Void) {
        let state = move.state
        move.state = NetdevState()
        // One that came early is of no use to a state without connections, and would not be ended by it.
        if !ConnectionReport.wantsHelper(state) { endHelper() }
        guard let rings, !state.bytes.isEmpty else { return done(ConnectionReport(had: 0, moved: 0)) }
        renewHelper { [self] in
            let before = ConnectionSights(of: state)
            rings.loadState(state.bytes) { [self] result in
                move.helper = nil
                var report = ConnectionReport(of: state, loaded: result, problem: move.problem ?? launch.repairProblem)
                report.lookForLost(in: state, before: before)
                done(report)
            }
        }
    }

    // MARK: parts

    /// - Parameters:
    ///   - stays: what it let go stays silent until it is ended.
    ///   - done: called when it is connected, or will not be.
    func startHelper(stays: Bool = false, _ done: @escaping () -> Void) {
        if let helper = move.helper, helper.isConnected, helper.stays == stays { return done() }
        endHelper()
        move.problem = nil
        guard let program = launch.repair else { return done() }
        let helper = RepairRun(
            program, files: launch.files, in: launch.directory, tools: launch.tools, stays: stays)
        move.helper = helper
        helper.start { [self] problem in
            move.problem = problem
            done()
        }
    }

    /// One that has died since it was connected is replaced: without one passt loses its connections in silence.
    private func renewHelper(_ done: @escaping () -> Void) {
        guard let helper = move.helper, !helper.isConnected, move.problem == nil else { return done() }
        startHelper(stays: helper.stays, done)
    }

    func endHelper() {
        move.helper?.end()
        move.helper = nil
    }

    private func waitForPasst(_ done: @escaping (EmulationError?) -> Void) {
        if case .connected = state { return done(nil) }
        waiters.add(done)
    }
}
