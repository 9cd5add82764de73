// A back-end that somebody else started hands its connections over. Its helper is somebody else's, too, and so is a
// fresh back-end when the guest goes on here after all: its state is kept, and loaded into the next one that connects.

import Glibc
import Linux
import PasstLauncher
import VhostUser

/// What is kept of a back-end while its guest moves.
struct VhostUserMove {
    /// It has given its state away.
    var hasSaved = false
    /// What is to be loaded.
    var state = NetdevState()
    /// What nobody has loaded: the next back-end gets it.
    var kept = NetdevState()
    /// Back-ends that came while something was kept.
    var arrivals = 0
}

extension VhostUserNetdev: MovingNetdev {
    /// How often, and with which pause, a back-end is asked to load a state.
    private static let attempts = 20
    private static let attemptPause: UInt64 = 250_000_000
    /// What passt answers when no helper is connected to it.
    private static let noHelper = UInt64(EAGAIN)
    private static let advice =
        "Start passt anew at that socket, and a fresh netemu-repair or passt-repair beside it: what the old one gave "
        + "away is kept, and loaded into the next one that connects"

    var canMove: Bool { true }

    private var title: String { "vhost-user on \(place.chardev)" }

    var expectedLosses: [String] {
        ["\(title): whether connections will be lost cannot be known: its repair helper is started by hand"]
    }

    func prepareToSave(elsewhere: Bool, _ done: @escaping () -> Void) { done() }

    func saveState(_ done: @escaping (Result<NetdevState, EmulationError>) -> Void) {
        guard isConnected else {
            return done(.failure(EmulationError(text: "nobody is connected at \(place.chardev)")))
        }
        peer.saveState { [self] result in
            switch result {
            case .success(let bytes):
                move.hasSaved = true
                done(.success(best(NetdevState(bytes: bytes ?? []))))
            case .failure(let error): done(.failure(EmulationError(text: "\(error)")))
            }
        }
    }

    /// What is kept from an earlier attempt has more than a back-end that lost everything in it.
    private func best(_ state: NetdevState) -> NetdevState {
        let hasNothing = (try? PasstState(state.bytes).flows.isEmpty) ?? state.bytes.isEmpty
        return hasNothing && !move.kept.bytes.isEmpty ? move.kept : state
    }

    func takeBack(_ state: NetdevState, _ done: @escaping (EmulationError?) -> Void) {
        guard move.hasSaved else { return done(nil) }
        move.hasSaved = false
        move.kept = ConnectionReport.wantsHelper(state) ? state : NetdevState()
        let what = move.kept.bytes.isEmpty ? "its forwards refuse" : "its connections are lost"
        let why = "a back-end that has given its state away does not take it back"
        done(EmulationError(text: "\(what): \(why). \(Self.advice)"))
    }

    func forgetState() { move.kept = NetdevState() }

    func prepareEarly(elsewhere: Bool, _ done: @escaping (EmulationError?) -> Void) { done(nil) }

    func prepareState(_ state: NetdevState, _ done: @escaping (EmulationError?) -> Void) {
        move.state = state
        guard !isConnected, !state.bytes.isEmpty else { return done(nil) }
        waiters.add(done)
    }

    func loadState(_ done: @escaping (ConnectionReport) -> Void) {
        let state = move.state
        move.state = NetdevState()
        guard !state.bytes.isEmpty else { return done(ConnectionReport(had: 0, moved: 0)) }
        load(state, attempts: Self.attempts, done)
    }

    /// Its helper may be started a moment too late here, too: the guest waits for it, for it is all that can save its
    /// connections.
    private func load(_ state: NetdevState, attempts: Int, _ done: @escaping (ConnectionReport) -> Void) {
        peer.loadState(state.bytes) { [self] result in
            if case .failure(.stateRefused(.load, let value)) = result, attempts > 1,
                Int64(bitPattern: value).magnitude == Self.noHelper
            {
                return inAMoment { [self] in load(state, attempts: attempts - 1, done) }
            }
            var report = ConnectionReport(of: state, loaded: result, problem: nil)
            // It may be in another network namespace: nobody here can look.
            if case .success(true) = result { report.moved = nil }
            done(report)
        }
    }

    /// Before the rings of a newcomer start: what an earlier one gave away. Its helper may be started a moment after it,
    /// so that it is asked again for a while; a guest whose rings ran meanwhile would be told that nobody knows it.
    func loadKept(_ goOn: @escaping () -> Void) -> Bool {
        guard !move.kept.bytes.isEmpty, move.state.bytes.isEmpty else { return false }
        move.arrivals += 1
        loadKept(attempts: Self.attempts, of: move.arrivals, goOn)
        return true
    }

    private func loadKept(attempts: Int, of arrival: Int, _ goOn: @escaping () -> Void) {
        peer.loadState(move.kept.bytes) { [weak self] result in
            // Of one that has gone nothing is to be said: the next one is asked anew.
            guard let self, peer.isConnected, move.arrivals == arrival else { return }
            guard case .failure = result, attempts > 1 else { return keptIsLoaded(result, goOn) }
            inAMoment { [weak self] in
                guard let self, peer.isConnected, move.arrivals == arrival else { return }
                loadKept(attempts: attempts - 1, of: arrival, goOn)
            }
        }
    }

    private func inAMoment(_ body: @escaping () -> Void) {
        reactor.schedule(atNanoseconds: reactor.nowNanoseconds &+ Self.attemptPause, body)
    }

    private func keptIsLoaded(_ result: Result<Bool, VhostUserError>, _ goOn: () -> Void) {
        move.kept = NetdevState()
        switch result {
        case .success(true): warnings.warn("\(title): what the former back-end gave away is loaded")
        case .success(false): warnings.warn("\(title): this back-end takes no state: connections are lost")
        case .failure(let error): warnings.warn("\(title): connections are lost: \(error)\n\(Self.advice)")
        }
        goOn()
    }
}
