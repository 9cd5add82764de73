// The node and the loop: when it is turned, who is told when it has said something; that it stands still and
// begins anew. The node itself reads no clock and owns no descriptor; of its back-ends nothing is known here.

import Bytes
import GuestNode
import Linux
import Virtio

/// A node that is turned by a reactor.
final class NodeGuest: Guest {
    private let plan: NodeGuestKind
    private let site: GuestSite
    private var reactor: Reactor { site.reactor }
    private(set) var node: Node
    private var cards: [(card: VirtioCard, name: String)] = []
    /// Cards that the guest was asked to let go of.
    private var leaving: [(device: NetDevice, done: () -> Void)] = []
    private lazy var alarm = Alarm(on: reactor) { [weak self] in self?.turn() }
    private var isTurnPlanned = false
    private var isTurning = false
    private var isWanted = false
    private var isRunning = false
    /// Its script, or its console, decides when netemu ends: the command line's, or one that moved here.
    private var hasTask: Bool
    private var isResetting = false
    private var scriptFile: ScriptFile?
    private let movedFiles: Result<Folder, SystemError>?
    private var hasBooted = false
    private var lastTurn: UInt64 = 0
    /// Called when the node that leaves is silent.
    private var onSilence: (() -> Void)?
    private var hasToldEnd = false
    /// See `holdTime`.
    private var heldTime: Interval?
    private lazy var timeout = Alarm(on: reactor) { [weak self] in self?.timeIsOver() }
    var onEvent: ((GuestEvent) -> Void)?

    init(_ plan: NodeGuestKind, _ site: GuestSite) {
        self.plan = plan
        self.site = site
        hasTask = plan.hasTask
        movedFiles = plan.movedFiles.map { path in Result { () throws(SystemError) in try Folder(path) } }
        node = Self.makeNode(plan, site.memory, movedFiles)
        follow(node)
    }

    var console: (any GuestConsole)? { node.console }
    var output: (any GuestOutput)? { node.script }

    private static func makeNode(
        _ plan: NodeGuestKind, _ memory: GuestMemory, _ movedFiles: Result<Folder, SystemError>?
    ) -> Node {
        Node(
            NodeConfiguration(
                heap: GuestHeap(memory: memory), hostname: plan.hostname,
                files: HostFiles(movedFiles: try? movedFiles?.get()), randomness: .system))
    }

    private func follow(_ node: Node) {
        node.onWork = { [weak self] in self?.wantTurn() }
        node.onNotice = site.say
        node.onDetached = { [weak self] in self?.detached($0) }
    }

    // MARK: cards

    func plug(_ card: CardIdentity) throws(EmulationError) -> any CardDevice {
        let made = try VirtioCard.make(card, memory: site.memory, on: reactor)
        var number = 0
        while cards.contains(where: { $0.name == "eth\(number)" }) { number += 1 }
        cards.append((made, "eth\(number)"))
        node.attach(made.device, name: "eth\(number)")
        return made
    }

    func unplug(_ device: any CardDevice, done: @escaping () -> Void) {
        guard let card = cards.first(where: { $0.card === device })?.card else { return done() }
        leaving.append((card.device, done))
        if isRunning { letGo() }
    }

    /// A guest that runs does what it was asked for.
    private func letGo() {
        for (device, _) in leaving { node.detach(device, now: now) }
    }

    private func detached(_ device: NetDevice) {
        guard let index = leaving.firstIndex(where: { $0.device === device }) else { return }
        let done = leaving.remove(at: index).done
        cards.removeAll { $0.card.device === device }
        reactor.atEndOfTurn(done)
        if isResetting { beginAnew() }
    }

    // MARK: run state

    func resume() {
        guard !isRunning else { return }
        isRunning = true
        node.goOn(at: now)
        if let heldTime { timeLeft = heldTime }
        heldTime = nil
        if !hasBooted { boot() }
        letGo()
        wantTurn()
    }

    /// A node moves only within a turn. Its clock stands still: for it nothing takes longer because it was stopped.
    func pause(_ done: @escaping () -> Void) {
        isRunning = false
        node.standStill(at: now)
        alarm.set(nil)
        done()
    }

    private func boot() {
        hasBooted = true
        switch plan.script {
        case nil: break
        case .text(let text): run(text)
        case .file(let path): readScript(path)
        }
    }

    /// A script may come through a pipe, whose writer takes his time; it is read once, also for a guest that is reset.
    private func readScript(_ path: String) {
        let file = scriptFile ?? ScriptFile(path, on: reactor)
        scriptFile = file
        file.read { [weak self] result in
            guard let self, !self.hasToldEnd else { return }
            switch result {
            case .success(let text): self.run(text)
            case .failure(let error):
                self.onEvent?(.failed(EmulationError(location: "-guest node,script=\(path)", text: "\(error)")))
            }
        }
    }

    private func run(_ text: String) {
        node.run(script: text, limits: plan.limits).isOnTerminal = site.isTaskOnTerminal
    }

    /// A script runs, or there is none to run; false while its text is read.
    var hasBegunScript: Bool { hasBooted && (plan.script == nil || node.script != nil) }

    /// The node is one that moved here. Where it had booted, its script is the one that came along.
    func took(hasBooted: Bool) {
        self.hasBooted = hasBooted
        if hasBooted { hasTask = node.script != nil }
        node.script?.isOnTerminal = site.isTaskOnTerminal
        onEvent?(.consoleChanged)
    }

    // MARK: time

    func begin() {
        heldTime = nil
        if case .failure(let error)? = movedFiles {
            onEvent?(.failed(EmulationError(location: "-guest node,moved-files=\(error.subject)", text: error.reason)))
        }
        guard let patience = plan.timeout else { return }
        timeout.set(reactor.nowNanoseconds &+ UInt64(clamping: patience.nanoseconds))
    }

    /// What is left of the script's time; nil: it has as long as it takes.
    var timeLeft: Interval? {
        get { timeout.deadline.map { Interval(nanoseconds: Int64(clamping: $0 - min($0, reactor.nowNanoseconds))) } }
        set { timeout.set(newValue.map { reactor.nowNanoseconds &+ UInt64(clamping: $0.nanoseconds) }) }
    }

    /// What is left of the script's time, which stands still from now on until the guest goes on here: it may go elsewhere.
    func holdTime() -> Interval? {
        heldTime = heldTime ?? timeLeft
        timeLeft = nil
        return heldTime
    }

    /// Whatever the script waits for: back-ends, its own text, an address, `cont`.
    private func timeIsOver() {
        guard !hasToldEnd else { return }
        hasToldEnd = true
        node.endScript(now: now)
        site.say("the script's time is over: it was ended")
        onEvent?(.taskEnded(status: node.script?.exitStatus ?? NodeGuestKind.timedOut))
    }

    /// Every device is reset before the memory is used for something else.
    func reset() {
        guard !isResetting else { return }
        isResetting = true
        let waiting = leaving.map(\.device)
        for (card, _) in cards where !waiting.contains(where: { $0 === card.device }) {
            leaving.append((card.device, {}))
        }
        let kept = cards.filter { entry in !waiting.contains { $0 === entry.card.device } }
        afterReset = kept
        letGo()
        if leaving.isEmpty { beginAnew() }
    }

    private var afterReset: [(card: VirtioCard, name: String)] = []

    private func beginAnew() {
        guard isResetting, leaving.isEmpty else { return }
        isResetting = false
        node.markWrites()
        node.onWork = nil
        node = Self.makeNode(plan, site.memory, movedFiles)
        follow(node)
        cards = []
        for (card, name) in afterReset {
            cards.append((card, name))
            node.attach(card.device, name: name)
        }
        afterReset = []
        hasBooted = false
        hasTask = plan.hasTask
        hasToldEnd = false
        begin()
        if isRunning { boot() }
        onEvent?(.consoleChanged)
        wantTurn()
    }

    // MARK: announcing

    private lazy var announcer = Announcer(on: reactor) { [weak self] in self?.node.announce(on: $0) }

    func announce(_ parameters: AnnounceSchedule.Parameters, id: String, by devices: [any CardDevice]?) {
        let names = devices.map { devices in
            Set(cards.filter { entry in devices.contains { $0 === entry.card } }.map(\.name))
        }
        announcer.begin(parameters, id: id, cards: names)
    }

    // MARK: the end

    /// How long frames with the last RSTs may take to reach the back-end.
    private static let resetPatience: UInt64 = 100_000_000

    func end(within patience: UInt64, done: @escaping () -> Void) {
        guard isRunning, !isResetting else { return done() }
        onSilence = done
        node.leave(now: now)
        reactor.schedule(atNanoseconds: reactor.nowNanoseconds &+ patience) { [weak self] in self?.breakConnections() }
        wantTurn()
    }

    private func breakConnections() {
        guard onSilence != nil else { return }
        node.breakConnections(now: now)
        reactor.schedule(atNanoseconds: reactor.nowNanoseconds &+ Self.resetPatience) { [weak self] in self?.ended() }
        wantTurn()
    }

    private func ended() {
        guard let done = onSilence else { return }
        onSilence = nil
        done()
    }

    // MARK: turns

    var now: Instant { Instant(nanoseconds: reactor.nowNanoseconds) }

    /// Plans a turn for the end of this turn of the loop. Work that appears while the node turns waits for the
    /// next one, so that a busy node leaves room for everybody else.
    func wantTurn() {
        guard !isTurning else {
            isWanted = true
            return
        }
        guard !isTurnPlanned, isRunning, !isResetting else { return }
        isTurnPlanned = true
        reactor.atEndOfTurn { [weak self] in self?.turn() }
    }

    private func turn() {
        isTurnPlanned = false
        guard isRunning, !isResetting else { return }
        // One turn at one time: what comes in afterwards belongs to a later moment.
        guard lastTurn != reactor.nowNanoseconds else { return alarm.set(reactor.nowNanoseconds) }
        lastTurn = reactor.nowNanoseconds
        isTurning = true
        isWanted = false
        node.turn(now: now)
        tellNews()
        isTurning = false
        if node.isLeaving, node.isSilent { ended() }
        alarm.set(isWanted ? reactor.nowNanoseconds : node.nextDeadline?.nanoseconds)
    }

    private func tellNews() {
        // Whoever carries a pipe's bytes waits for room, too.
        if node.console.hasOutput || node.script?.hasOutput == true || !node.console.isInteractive { onEvent?(.output) }
        let ended = hasTask ? node.script?.exitStatus : node.console.exitStatus
        guard let status = ended, !hasToldEnd else { return }
        hasToldEnd = true
        onEvent?(.taskEnded(status: status))
    }
}

extension Session: GuestConsole {}
