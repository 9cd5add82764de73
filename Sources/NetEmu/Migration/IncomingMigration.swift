// A guest that comes. Before COMMIT everything is read, checked and taken up, and nothing runs; with COMMIT it is ours, and
// starts whatever its back-ends could load.
//
//   listen ─▶ compare: the machines agree, back-ends that can be are ready ─▶ prepare: cards, guest, other back-ends
//          ─▶ load ─▶ start ─▶ what came in between

import Bytes
import Linux
import Migration

/// The destination of one move.
final class IncomingMigration {
    /// How it ended: what became of the connections, or why it did not come.
    enum End: Equatable {
        case completed([String])
        case failed(String)
    }

    private let site: MoveSite
    private let text: String
    private let moves: () -> BackEndMoves
    private lazy var backEnds = moves()
    private var connector: MigrationConnector?
    private var session: DestinationSession?
    private(set) var end: End?
    /// Where it listens, as `info migrate` shows it.
    private(set) var places: [String] = []
    private var report: [String] = []
    private var ranBefore = false
    /// The source sees other addresses than this process does.
    private var isElsewhere = false
    private var isHookCalled = false
    /// How long back-ends took, once the guest has come so far.
    private(set) var backEndTimes: [BackEndTime] = []
    private lazy var earlyAlarm = Alarm(on: site.reactor) { [weak self] in self?.accept() }
    private static let earlyPatience: UInt64 = 2_000_000_000
    /// `-S`, or `stop` and `cont` meanwhile.
    var startsGuest = true
    /// Called once.
    var onEnd: ((End) -> Void)?
    /// The guest runs here now, or stands still.
    var onArrival: (() -> Void)?
    /// It cannot listen: nothing has begun.
    var onNoConnection: ((ConnectFailure) -> Void)?

    /// - Parameters:
    ///   - uri: where from.
    ///   - text: the same, as it was typed.
    init(from uri: MigrationURI, typed text: String, _ site: MoveSite) {
        (self.site, self.text) = (site, text)
        moves = { BackEndMoves(site.network) }
        connector = MigrationConnector(uri, isIncoming: true, on: site.reactor, spawner: site.spawner) { [weak self] in
            self?.heard($0)
        }
    }

    func start() { connector?.start() }

    /// nil before anybody came.
    var status: MigrationStatus? { session?.status }
    var isOver: Bool { end != nil }

    private func heard(_ event: MigrationConnector.Event) {
        switch event {
        case .listening(let place): places.append(place)
        case .said(let line): site.voice.say("exec: \(PeerText.lines(Array(line.utf8)).joined())")
        case .failed(let failure): onNoConnection?(failure)
        case .connected(let channel):
            connector = nil
            places = []
            do throws(SystemError) { try begin(over: channel) } catch { finish(.failed("\(error)")) }
        }
    }

    private func begin(over channel: MigrationChannel) throws(SystemError) {
        let pages = site.pages
        pages.clear()
        let machine = MigrationDestination(
            site.greeting, pages: pages, answers: channel.output != nil, now: site.now)
        session = try DestinationSession(machine, over: channel, on: site.reactor) { [weak self] in self?.carryOut($0) }
    }

    // MARK: what the machine wants

    private func carryOut(_ action: MigrationDestination.Action) {
        switch action {
        case .compare(let source): compare(source)
        case .prepare(let sections): prepare(sections)
        case .load: load()
        case .start:
            site.run.arrived(isRunning: ranBefore && startsGuest)
            onArrival?()
        case .deliver(let frame):
            guard let number = site.network.cardNumber(frame.card) else { return }
            site.network.deliver(frame.bytes, toCard: number)
        case .ended(let failure): undoHook(failure) { [weak self] in self?.ended(failure) }
        }
    }

    private func refuse(_ text: String) { session?.tell { machine, now in machine.fail(text, now: now) } }

    private func ended(_ failure: MigrationFailure?) { finish(failure.map { .failed("\($0)") } ?? .completed(report)) }

    /// No guest came, and its address is to go again.
    private func undoHook(_ failure: MigrationFailure?, _ done: @escaping () -> Void) {
        guard failure != nil, isHookCalled, let hook = site.hook else { return done() }
        hook.run(.destination, .back, uri: text) { [site] problem in
            if let problem { site.voice.warn(problem) }
            done()
        }
    }

    private func compare(_ source: MigrationGreeting) {
        isElsewhere = !site.host.sharesNetwork(with: source.host)
        do throws(StateError) {
            if let text = site.profile.difference(from: try MachineProfile(source.machine)) { return refuse(text) }
            prepareEarly()
        } catch { refuse("the source's machine is not understood: \(error)") }
    }

    /// The source begins to copy when it is answered, and its guest may stand still soon after that.
    private func prepareEarly() {
        earlyAlarm.set(site.reactor.nowNanoseconds &+ Self.earlyPatience)
        let begun = site.now
        backEnds.prepareEarly(elsewhere: isElsewhere) { [weak self] error in
            self?.backEndsDone("early", since: begun)
            if let error { self?.refuse(error.text) } else { self?.accept() }
        }
    }

    /// What is not ready by now is waited for again when the state is there.
    private func accept() {
        earlyAlarm.set(nil)
        session?.tell { machine, now in machine.accept(now: now) }
    }

    private func prepare(_ sections: [MigrationSection]) {
        do throws(EmulationError) {
            try restore(sections)
            try site.network.joinCards()
        } catch { return refuse(error.text) }
        site.network.holdFrames()
        // A snapshot has no connections.
        guard isElsewhere, let hook = site.hook, session?.destination.isSnapshot == false else {
            return prepareBackEnds(sections)
        }
        isHookCalled = true
        hook.run(.destination, .load, uri: text) { [weak self] problem in
            guard let self else { return }
            if let problem { refuse(problem) } else { prepareBackEnds(sections) }
        }
    }

    private func prepareBackEnds(_ sections: [MigrationSection]) {
        let begun = site.now
        backEnds.prepare(sections) { [weak self] error in
            self?.backEndsDone("prepare", since: begun)
            if let error { return self?.refuse(error.text) ?? () }
            self?.session?.tell { machine, now in machine.prepared(now: now) }
        }
    }

    private func restore(_ sections: [MigrationSection]) throws(EmulationError) {
        guard let guest = site.guest as? any MovingGuest else { throw EmulationError(text: "this guest cannot move") }
        var left = Dictionary(uniqueKeysWithValues: sections.map { ($0.name, $0.bytes) })
        func take(_ name: String) throws(EmulationError) -> [UInt8] {
            guard let bytes = left.removeValue(forKey: name) else {
                throw EmulationError(text: "the stream has no section '\(name)'")
            }
            return bytes
        }
        let run = try take(MoveSite.runSection)
        guard run == [0] || run == [1] else { throw EmulationError(text: "section 'run' is neither 0 nor 1") }
        ranBefore = run == [1]
        for (number, entry) in site.network.cardsInOrder.enumerated() {
            try entry.card.restore(try take(MachineProfile.card(number)), now: site.now)
        }
        try guest.restore(try take(MoveSite.guestSection))
        // Connections that nobody here takes are lost, which the back-end's report cannot say.
        for (name, bytes) in left.sorted(by: { $0.key < $1.key }) {
            guard name.hasPrefix(BackEndMoves.sectionPrefix) else {
                throw EmulationError(text: "the stream has a section '\(name)', which nobody knows here")
            }
            guard !backEnds.sections.contains(name), !bytes.isEmpty else { continue }
            let text = "\(name): its connections are lost: the back-end there takes no state here"
            site.voice.warn(text)
            report.append(text)
        }
    }

    private func load() {
        let begun = site.now
        backEnds.load { [weak self] reports in
            guard let self else { return }
            backEndsDone("load", since: begun)
            report += reports.flatMap(\.lines)
            let text = Array(report.joined(separator: "\n").utf8)
            session?.tell { machine, now in machine.loaded(report: text, now: now) }
        }
    }

    private func backEndsDone(_ what: String, since begun: Instant) {
        guard !backEnds.sections.isEmpty else { return }
        backEndTimes.append(BackEndTime(what: what, time: site.now.since(begun)))
    }

    private func finish(_ end: End) {
        guard self.end == nil else { return }
        self.end = end
        onEnd?(end)
        onEnd = nil
    }

    /// The program ends.
    func stop() {
        connector?.stop()
        connector = nil
        refuse("the destination was ended")
    }
}
