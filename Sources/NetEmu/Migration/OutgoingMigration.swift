// A guest that leaves. The machine of the Migration room says when what is due; here it is done: guest, cards and
// back-ends stand still, write themselves down, and go on when the guest stays after all.
//
//   connect ─▶ rounds ─▶ stopGuest: helpers are up, the guest stands still, frames for its cards go along
//                        save: back-ends, then cards and guest
//                        ended: completed (postmigrate) · kept (back-ends take back, the guest goes on) · uncertain

import Bytes
import Linux
import Migration

/// The source of one move.
final class OutgoingMigration {
    /// How it ended.
    enum End: Equatable {
        /// The guest has gone. What the destination reports of its connections.
        case completed([String])
        case failed(String)
        case cancelled
        /// It may run there; it stands still here.
        case uncertain(String)
    }

    private let site: MoveSite
    private var settings: MigrationSettings
    private let text: String
    private let moves: BackEndMoves
    private var connector: MigrationConnector?
    private var session: SourceSession?
    private var last = MigrationStatus()
    private(set) var end: End?
    private let began: Instant
    /// Back-ends are ready to save; the guest waits for that.
    private var isPrepared = false
    private var isStopDue = false
    private var isCatching = false
    private let writes: GuestWrites
    /// The destination sees other addresses than this process does.
    private var isElsewhere = false
    private var isHookCalled = false
    /// How long back-ends took to save.
    private(set) var backEndTimes: [BackEndTime] = []
    /// Called once.
    var onEnd: ((End) -> Void)?

    /// - Parameters:
    ///   - uri: where to.
    ///   - text: the same, as it was typed.
    init(to uri: MigrationURI, typed text: String, _ site: MoveSite, _ settings: MigrationSettings) {
        (self.site, self.settings, self.text) = (site, settings, text)
        moves = BackEndMoves(site.network)
        writes = GuestWrites(site)
        began = site.now
        last.word = .setup
        connector = MigrationConnector(uri, isIncoming: false, on: site.reactor, spawner: site.spawner) { [weak self] in
            self?.heard($0)
        }
    }

    func start() { connector?.start() }

    var status: MigrationStatus {
        var status = session?.status ?? last
        if session == nil, end == nil { status.total = site.now.since(began) }
        if case .cancelled = end { status.word = .cancelled }
        return status
    }

    var isOver: Bool { end != nil }

    private func heard(_ event: MigrationConnector.Event) {
        switch event {
        case .listening: break
        case .said(let line): site.voice.say("exec: \(PeerText.lines(Array(line.utf8)).joined())")
        case .failed(let failure): finish(.failed(failure.sentence))
        case .connected(let channel):
            connector = nil
            do throws(SystemError) { try begin(over: channel) } catch { finish(.failed("\(error)")) }
        }
    }

    private func begin(over channel: MigrationChannel) throws(SystemError) {
        writes.begin()
        let machine = MigrationSource(
            site.greeting, pages: site.pages, mode: channel.mode, parameters: settings.parameters)
        let session = try SourceSession(machine, over: channel, on: site.reactor) { [weak self] in self?.carryOut($0) }
        self.session = session
        writes.beginLogs { session.start() }
    }

    // MARK: what the machine wants

    private func carryOut(_ action: MigrationSource.Action) {
        switch action {
        case .answered(let destination):
            isElsewhere = !site.host.sharesNetwork(with: destination.host)
            prepare()
        case .stopGuest:
            // A snapshot asks no back-end for its state.
            if session?.source.isSnapshot == true { isPrepared = true }
            if isPrepared { stopGuest() } else { isStopDue = true }
        case .save: save()
        case .ended(let outcome): ended(outcome)
        }
    }

    /// Parameters were set while it is under way.
    func change(_ settings: MigrationSettings) {
        guard !isOver, settings != self.settings else { return }
        self.settings = settings
        session?.tell { source, now in source.change(settings.parameters, now: now) }
    }

    /// Whether there is a helper that may help is known when one has been tried.
    private func prepare() { moves.prepareToSave(elsewhere: isElsewhere) { [weak self] in self?.prepared() } }

    private func prepared() {
        guard !isOver else { return }
        let losses =
            site.network.stayingBehind.map {
                "\($0): the connections that it has stay behind"
            } + moves.expectedLosses
        guard losses.isEmpty || !settings.requiresConnections else {
            let text = "x-require-connections is on, and connections would be lost: \(losses.joined(separator: "; "))"
            session?.tell { source, now in source.fail(text, now: now) }
            return
        }
        for loss in losses { site.voice.warn(loss) }
        if isElsewhere, site.hook == nil, !moves.sections.isEmpty {
            site.voice.warn(
                "the destination is on another host or in another network namespace: connections live on only where their "
                    + "address is, which -migrate-hook could move")
        }
        isPrepared = true
        guard isStopDue else { return }
        session?.tell { source, now in source.guestStops(now: now) }
        stopGuest()
    }

    private func stopGuest() {
        isStopDue = false
        writes.warnOfGap()
        site.run.haltForMove { [weak self] in
            guard let self, !isOver, let session else { return }
            isCatching = true
            site.network.forwardFrames { [weak session] card, bytes in
                session?.tell { source, _ in
                    source.arrived(ArrivedFrame(card: MachineProfile.card(card), bytes: bytes))
                }
            }
            session.tell { source, now in source.guestStopped(now: now) }
        }
    }

    private func save() {
        guard session?.source.isSnapshot == false else { return saved(.success([])) }
        let begun = site.now
        moves.save { [weak self] result in
            self?.backEndsSaved(since: begun)
            guard let self, case .success = result, isElsewhere, !isOver, let hook = site.hook else {
                return self?.saved(result) ?? ()
            }
            isHookCalled = true
            hook.run(.source, .saved, uri: text) { [weak self] problem in
                self?.saved(problem.map { .failure(EmulationError(text: $0)) } ?? result)
            }
        }
    }

    private func backEndsSaved(since begun: Instant) {
        if !moves.sections.isEmpty { backEndTimes = [BackEndTime(what: "save", time: site.now.since(begun))] }
    }

    /// What the hook did is undone before anything is put up here again.
    private func undoHook(_ done: @escaping () -> Void) {
        guard isHookCalled, let hook = site.hook else { return done() }
        isHookCalled = false
        hook.run(.source, .back, uri: text) { [site] problem in
            if let problem { site.voice.warn(problem) }
            done()
        }
    }

    private func saved(_ result: Result<[MigrationSection], EmulationError>) {
        guard let session, let guest = site.guest as? any MovingGuest else { return }
        switch result {
        case .failure(let error): session.tell { source, now in source.fail(error.text, now: now) }
        case .success(let backEnds):
            let run = MigrationSection(name: MoveSite.runSection, bytes: [site.run.ranBeforeMove ? 1 : 0])
            let cards = site.network.cardsInOrder.enumerated().map { number, entry in
                MigrationSection(name: MachineProfile.card(number), bytes: entry.card.save(now: site.now))
            }
            let node = MigrationSection(name: MoveSite.guestSection, bytes: guest.save())
            session.tell { source, now in source.saved([run] + cards + [node] + backEnds, now: now) }
        }
    }

    // MARK: the end

    /// The user does not want it any more; false when it is too late for that.
    func cancel() -> Bool {
        guard let session else {
            connector?.stop()
            connector = nil
            finish(.cancelled)
            return true
        }
        var isCancelled = false
        session.tell { source, now in isCancelled = source.cancel(now: now) }
        return isCancelled
    }

    private func ended(_ outcome: SourceOutcome) {
        writes.end()
        switch outcome {
        case .completed(let report):
            moves.forget()
            site.network.dropFrames()
            site.run.moved()
            finish(.completed(PeerText.lines(report)))
        case .kept(let reason, _, let arrived):
            takeGuestBack { [self] losses in
                for loss in losses { site.voice.warn(loss) }
                goOn(arrived)
                finish(reason == .cancelled ? .cancelled : .failed("\(reason)"))
            }
        case .uncertain(let reason, let arrived):
            put(arrived)
            site.run.moved()
            finish(.uncertain("\(reason)"))
        }
    }

    private func goOn(_ arrived: [ArrivedFrame]) {
        put(arrived)
        for inbox in site.network.inboxes { inbox.use = .refuse }
        site.run.moveFailed()
    }

    private func put(_ arrived: [ArrivedFrame]) {
        for frame in arrived {
            guard let number = site.network.cardNumber(frame.card) else { continue }
            site.network.deliver(frame.bytes, toCard: number)
        }
    }

    private func finish(_ end: End) {
        guard self.end == nil else { return }
        writes.end()
        last = session?.status ?? last
        if case .failed(let text) = end {
            last.word = .failed
            if last.failure == nil { last.failure = .owner(text) }
        }
        if session == nil { last.total = site.now.since(began) }
        self.end = end
        onEnd?(end)
        onEnd = nil
    }

    /// Somebody wants the guest back that has gone: back-ends begin again, with what they had if nobody loaded it.
    /// `done` with what is not as before.
    func takeGuestBack(_ done: @escaping ([String]) -> Void) { undoHook { [moves] in moves.takeBack(done) } }
}
