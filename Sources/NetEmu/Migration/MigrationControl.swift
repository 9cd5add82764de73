// Moves of this netemu's guest: one at a time, out or in, and who has the guest then. The monitor's words and the end of
// the program ask here; how a move goes is OutgoingMigration's and IncomingMigration's.

import Bytes
import Linux
import Migration

/// What the monitor may ask of moves.
final class MigrationControl {
    private let site: MoveSite
    private let life: LifeCycle
    /// A move that is under way goes on with what is new in it.
    var settings = MigrationSettings() {
        didSet { outgoing?.change(settings) }
    }
    private var outgoing: OutgoingMigration?
    private var incoming: IncomingMigration?
    /// The back-end whose passt is being replaced.
    private var upgrading: String?
    /// `-incoming`: the guest is to come.
    private let expected: IncomingPlan?
    private var startsGuest: Bool
    /// Called when the guest is here: it may be another than before.
    var onArrival: (() -> Void)?

    /// - Parameter expected: `-incoming`; nil: the guest begins here.
    init(_ site: MoveSite, _ life: LifeCycle, expecting expected: IncomingPlan?, isStopped: Bool) {
        (self.site, self.life, self.expected) = (site, life, expected)
        startsGuest = !isStopped
        // What follows from the end of a move is carried out at the end of the turn in which it was told.
        if let hook = site.hook { life.lastDuty = { done in site.reactor.atEndOfTurn { hook.whenIdle(done) } } }
        guard expected != nil else { return }
        site.run.expectGuest()
        life.awaitGuest = { [weak self] in self?.beginToWait() }
    }

    /// A guest is on its way: what it has must stay as it is.
    var isMoving: Bool { outgoing?.isOver == false || incoming.map { !$0.isOver && $0.status != nil } ?? false }

    /// - Throws: QEMU's sentence when `word` would change what moves.
    func refuseWhileMoving(_ word: String) throws(EmulationError) {
        if isMoving { throw EmulationError(text: "\(word) not allowed while migrating") }
        guard let upgrading else { return }
        throw EmulationError(text: "\(word) not allowed while the passt of \(upgrading) is replaced")
    }

    // MARK: passt

    /// `x-passt-upgrade`: `done` with what became of the connections, or why the former passt goes on.
    func upgradePasst(
        of name: String, to path: String?, _ done: @escaping (Result<BackEndReport, EmulationError>) -> Void
    ) throws(EmulationError) {
        try refuseWhileMoving("x-passt-upgrade")
        guard site.run.state.isHere, site.run.state != .postmigrate else {
            throw EmulationError(text: "the guest is not here")
        }
        let target = try site.network.upgradable(name)
        let next = try site.network.passt(path, for: target)
        upgrading = name
        site.network.upgrade(target, to: next) { [weak self] result in
            self?.upgrading = nil
            done(result.map { BackEndReport(name: name, connections: $0) })
        }
    }

    // MARK: out

    /// `migrate`: `done` when it is over, with why it failed; nil when the guest has gone.
    /// - Parameter isWatched: somebody waits for it, to whom a terminal shows how far it is.
    func migrate(
        to text: String, isWatched: Bool = false, _ done: @escaping (String?) -> Void
    ) throws(EmulationError) {
        let uri = try Self.uri(text)
        guard uri != .later else { throw EmulationError(text: "unknown migration protocol: \(text)") }
        switch site.run.state {
        case .inmigrate: throw EmulationError(text: "Guest is waiting for an incoming migration")
        case .postmigrate: throw EmulationError(text: "Can't migrate the vm that was paused due to previous migration")
        default: break
        }
        guard outgoing?.isOver != false else { throw EmulationError(text: "There's a migration process in progress") }
        guard site.guest is any MovingGuest else { throw EmulationError(text: "this guest cannot move") }
        try refuseWhileMoving("migrate")
        let move = OutgoingMigration(to: uri, typed: text, site, settings)
        outgoing = move
        let progress = isWatched ? MoveProgress(site) { [weak move] in move?.status ?? MigrationStatus() } : nil
        move.onEnd = { [weak self] end in
            progress?.stop()
            self?.tell(end)
            done(end.failure)
        }
        move.start()
    }

    private func tell(_ end: OutgoingMigration.End) {
        guard let outgoing else { return }
        switch end {
        case .completed(let report):
            let status = outgoing.status
            let down = status.downtime?.milliseconds ?? 0
            let rest = report.isEmpty ? "" : "; \(report.joined(separator: "; "))"
            site.voice.say("the guest has moved: total \(status.total.milliseconds) ms, down \(down) ms\(rest)")
        case .uncertain(let reason):
            site.voice.say(
                "nobody knows whether the guest runs at the destination: \(reason)\nIt stands still here; cont lets it run "
                    + "here, which is right only if it does not run there")
        case .failed, .cancelled: break
        }
    }

    /// `migrate_cancel`.
    func cancel() { if outgoing?.isOver == false { _ = outgoing?.cancel() } }

    // MARK: in

    /// `migrate_incoming`.
    func receive(from text: String) throws(EmulationError) {
        guard let expected else { throw EmulationError(text: "'-incoming' was not specified on the command line") }
        let uri = try Self.uri(text)
        guard uri != .later else { throw EmulationError(text: "unknown migration protocol: \(text)") }
        guard incoming == nil, site.run.state == .inmigrate, expected.uri == .later else {
            throw EmulationError(text: "The incoming migration has already been started")
        }
        receive(from: uri, typed: text) { [weak self] sentence in
            self?.incoming = nil
            self?.site.voice.say(sentence)
        }
    }

    /// Everything is ready for the guest.
    private func beginToWait() {
        guard let expected, expected.uri != .later else { return }
        receive(from: expected.uri, typed: expected.text) { [life] in
            life.fail(EmulationError(location: expected.location, text: $0))
        }
    }

    private func receive(from uri: MigrationURI, typed text: String, orElse cannot: @escaping (String) -> Void) {
        let move = IncomingMigration(from: uri, typed: text, site)
        incoming = move
        move.startsGuest = startsGuest
        move.onNoConnection = { cannot($0.sentence) }
        move.onArrival = { [weak self] in self?.guestIsHere() }
        move.onEnd = { [weak self] in self?.arrived($0) }
        move.start()
    }

    private func guestIsHere() {
        onArrival?()
        site.guest.announce(settings.announcement, id: "", by: nil)
    }

    private func arrived(_ end: IncomingMigration.End) {
        switch end {
        case .failed(let text): life.fail(EmulationError(text: text))
        case .completed(let report): for line in report { site.voice.say(line) }
        }
    }

    private static func uri(_ text: String) throws(EmulationError) -> MigrationURI {
        do throws(MigrationURIError) { return try MigrationURI(text) } catch { throw EmulationError(text: "\(error)") }
    }

    // MARK: whose guest it is

    /// `cont`. A guest that has gone comes back: that is its user's to know.
    func letRun() throws(EmulationError) {
        switch site.run.state {
        case .finishMigrate: throw EmulationError(text: "Migration is not finalized yet")
        case .inmigrate: setStart(true)
        case .postmigrate:
            site.voice.warn("the guest has been handed over: if it runs there, too, two with one address run now")
            outgoing?.takeGuestBack { [site] losses in
                for loss in losses { site.voice.warn(loss) }
                site.run.resume()
            }
        default: site.run.resume()
        }
    }

    /// `stop`, before the guest came.
    func stop(_ done: @escaping () -> Void) {
        if site.run.state == .inmigrate { setStart(false) }
        site.run.pause(done)
    }

    private func setStart(_ isOn: Bool) {
        startsGuest = isOn
        incoming?.startsGuest = isOn
    }

    /// The program ends: a guest that has not gone yet stays, and is let run to say good-bye.
    func end() {
        if outgoing?.isOver == false, outgoing?.cancel() == true { site.run.moveFailed() }
        incoming?.stop()
    }

    // MARK: what is shown

    var info: MigrationInfo {
        var info = MigrationInfo()
        if let outgoing {
            info.status = outgoing.status
            info.backEnds = outgoing.backEndTimes
            if case .completed(let report) = outgoing.end { info.connections = report }
        } else if let incoming {
            info.isIncoming = true
            info.places = incoming.places
            info.backEnds = incoming.backEndTimes
            if let status = incoming.status { info.status = status } else { info.status.word = .setup }
            if case .completed(let report) = incoming.end { info.connections = report }
        }
        return info
    }
}

extension OutgoingMigration.End {
    /// What `migrate` is answered; nil when the guest has gone.
    fileprivate var failure: String? {
        switch self {
        case .completed: nil
        case .failed(let text), .uncertain(let text): text
        case .cancelled: "\(MigrationFailure.cancelled)"
        }
    }
}
