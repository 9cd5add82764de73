// One `-netdev passt`: the passt process and the connection to it. Who is told what when passt dies, hangs
// or comes back; starting and ending the process is PasstLauncher's, the protocol VhostUser's or Netdevs',
// the rings are Virtio's.
//
//   launching ──ready──▶ connecting ──handshake──▶ connected
//       ▲                    │ fault                   │ fault: hung passts are killed, nobody else
//       └──── restarting ◀───┴──── death is certain ◀──┘ touches guest memory before that

import Linux
import Netdevs
import PasstLauncher
import VhostUser
import Virtio

/// A passt that is kept alive.
final class PasstNetdev: Netdev {
    enum State: Equatable {
        case launching
        case connecting
        case connected(pid: Int32)
        /// The connection is over; its passt has not been seen to end yet.
        case ending(why: String)
        case restarting(attempt: Int, milliseconds: UInt64, why: String)
        /// It has given its state away and is killed; another one comes.
        case replacing
        /// Its connections live elsewhere.
        case handedOver
        case gone
    }

    /// What passes between a card and passt.
    private enum Traffic {
        case rings(RingPeer)
        case frames(FrameStream)
    }

    let name: String
    private let location: String?
    let reactor: Reactor
    let launch: PasstLaunch
    private let traffic: Traffic
    private let voice: Voice
    private let isQuiet: Bool
    private let warnings: LimitedWarnings
    let supervisor: PasstSupervisor
    var state = State.launching
    private var pid: Int32 = 0
    private var attempt = 0
    private var isStopping = false
    /// We have closed our end: what passt says of that is no news.
    var hasLeft = false
    private lazy var lookAlarm = Alarm(on: reactor) { [weak self] in self?.look() }
    /// The handshake was done once: from now on faults are mended, not fatal.
    private(set) var hasBeenConnected = false
    /// A start only remembers: the guest's state is awaited. Over a socket there is none to come.
    var isHeldForState = false { didSet { if !canMove { isHeldForState = false } } }
    var move = PasstMove()
    /// Those who want it to be connected.
    lazy var waiters = ConnectionWait(10_000_000_000, on: reactor) { [weak self] seconds in
        "passt is not connected within \(seconds) s: \(self?.info ?? "")"
    }
    /// Another program is to take its place.
    var upgrade: PasstUpgrade?
    var onEvent: ((NetdevEvent) -> Void)?

    /// How long a passt that closed its connection may take to end by itself; then it counts as hung.
    private static let dyingTime: UInt64 = 300_000_000
    /// Between two looks at a stream, and how long its passt may read nothing.
    private static let lookPause: UInt64 = 400_000_000
    private static let longestSilence: UInt64 = 2_000_000_000

    /// - Parameter location: the option as typed; nil from the monitor.
    init(_ name: String, location: String?, launch: PasstLaunch) throws(EmulationError) {
        self.name = name
        self.location = location
        self.launch = launch
        reactor = launch.tools.reactor
        voice = launch.voice
        warnings = LimitedWarnings(on: reactor, say: voice.warn)
        isQuiet = launch.options.quiet
        traffic = launch.options.vhostUser ? .rings(Self.makePeer(reactor)) : .frames(FrameStream(on: reactor))
        do throws(PasstError) {
            supervisor = try PasstSupervisor(
                launch.options, program: launch.program, files: launch.files, in: launch.directory,
                tools: launch.tools)
        } catch { throw EmulationError(location: location, sentence: "\(error)") }
        switch traffic {
        case .rings(let peer): peer.onEvent = { [weak self] in self?.peerSaid($0) }
        case .frames(let stream): stream.onEnd = { [weak self] in self?.streamEnded($0) }
        }
        supervisor.onEvent = { [weak self] in self?.passtSaid($0) }
    }

    private static func makePeer(_ reactor: Reactor) -> RingPeer {
        var options = FrontEndOptions()
        options.settlesKicksBeforeStop = true
        return RingPeer(options, on: reactor)
    }

    var door: NetdevDoor {
        switch traffic {
        case .rings(let peer): .rings(peer)
        case .frames(let stream): .frames(stream.link)
        }
    }

    /// The peer of a passt over vhost-user.
    var rings: RingPeer? { if case .rings(let peer) = traffic { peer } else { nil } }

    var isReady: Bool { hasBeenConnected || isHeldForState }

    /// On rings the card itself knows whether its back-end is alive.
    var isUp: Bool {
        guard case .frames = traffic else { return true }
        if case .connected = state { return true }
        return false
    }

    private var mode: String { if case .rings = traffic { "vhost-user" } else { "stream" } }

    var isGone: Bool { state == .gone }

    var info: String {
        switch state {
        case .launching where isHeldForState && supervisor.isIdle: "waiting for the guest's state"
        case .launching: "launching passt"
        case .connecting: "connecting to passt"
        case .connected(let pid): "\(mode),connected to pid \(pid)"
        case .ending(let why): "ending passt: \(why)"
        case .restarting(let attempt, let milliseconds, let why):
            "restarting passt (attempt \(attempt) in \(milliseconds) ms): \(why)"
        case .replacing: "replacing passt, which has given its state away"
        case .handedOver: "passt has ended: its connections live elsewhere"
        case .gone: "passt has ended"
        }
    }

    func start() { if !isHeldForState { supervisor.start() } }

    func stop() {
        isStopping = true
        hasLeft = true
        lookAlarm.set(nil)
        upgrade = nil
        endHelper()
        switch traffic {
        case .rings(let peer): peer.disconnect()
        case .frames(let stream): stream.detach()
        }
        supervisor.stop()
    }

    // MARK: passt

    private func passtSaid(_ event: PasstEvent) {
        switch event {
        case .line(let line): if !isQuiet || !(hasLeft || PasstChatter.isHarmless(line)) { say(line) }
        case .ready(let pid):
            self.pid = pid
            state = .connecting
            connect()
        case .failed(let error): failed(error)
        case .down(let error, let rest): down(error, rest)
        case .replaced: replaced()
        case .stopped: stopped()
        }
    }

    private func connect() {
        do {
            switch traffic {
            case .rings(let peer): try peer.attach(try supervisor.connect())
            case .frames(let stream):
                try stream.attach(SharedDescriptor(try supervisor.connect()))
                connected()
            }
        } catch { fault("\(error)", isClosed: false) }
    }

    private func failed(_ error: PasstError) {
        for line in error.lines { say(line) }
        state = .gone
        tell("\(error)", lastWords: error.lines)
        onEvent?(.ended)
    }

    private func down(_ error: PasstError, _ rest: UInt64) {
        for line in error.lines { say(line) }
        var why = "\(error)"
        if case .ending(let fault) = state, case .hung = error { why = fault }
        switch traffic {
        // A passt that was connected once may have written until now; from here on nobody does.
        case .rings(let peer): peer.backEndDied()
        case .frames(let stream): stream.detach()
        }
        guard hasBeenConnected else { return stopAfterFailure(why, lastWords: error.lines) }
        upgradeMet(endOfPasst: why)
        attempt = rest <= PasstLimits().firstRest ? 1 : attempt + 1
        state = .restarting(attempt: attempt, milliseconds: rest / 1_000_000, why: why)
        onEvent?(.disconnected)
        // Whoever heard that may have ended everything.
        guard !isStopping else { return }
        warnings.warn("\(name): \(why); starting passt again in \(rest / 1_000_000) ms")
    }

    private func stopAfterFailure(_ why: String, lastWords: [String] = []) {
        isStopping = true
        supervisor.stop()
        tell(why, lastWords: lastWords)
    }

    /// It never came up: whoever waits for it is told, otherwise everybody. Who waits may be the source of a guest, where
    /// nobody has seen passt's last words: two of them go along, what failed and what passt concludes from that.
    private func tell(_ why: String, lastWords: [String]) {
        guard !waiters.isEmpty else {
            onEvent?(.failed(EmulationError(location: location, sentence: why)))
            return
        }
        let words = lastWords.suffix(2).joined(separator: "; ")
        waiters.tell(EmulationError(location: location, sentence: words.isEmpty ? why : "\(why) (\(words))"))
    }

    private func replaced() {
        rings?.backEndDied()
        upgrade?.isEnding = false
        state = .launching
        onEvent?(.disconnected)
    }

    private func stopped() {
        guard !isStopping else { return gone() }
        // The guest came back before it had ended.
        if state == .launching { supervisor.start() }
    }

    private func gone() {
        state = .gone
        onEvent?(.ended)
    }

    private func say(_ line: String) { voice.write("passt[\(name)]: \(line)\n") }

    // MARK: the connection

    private func peerSaid(_ event: RingPeer.Event) {
        guard !isStopping, state != .replacing else { return }
        switch event {
        case .connected: connected()
        case .lost(let reason): fault("\(reason)", isClosed: reason.isEndOfFile)
        case .warning(let text): warnings.warn("\(name): \(text)")
        }
    }

    private func streamEnded(_ reason: StreamEnd) {
        guard !isStopping else { return }
        // One that is being killed closes its connection, too.
        if case .ending = state { return }
        fault("the connection ended: \(reason)", isClosed: reason == .closedByPeer)
    }

    private func connected() {
        state = .connected(pid: pid)
        hasBeenConnected = true
        if case .frames = traffic { lookAlarm.set(reactor.nowNanoseconds &+ Self.lookPause) }
        onEvent?(.connected)
        waiters.tell(nil)
    }

    /// Over a socket passt need not answer anything, but it always reads.
    private func look() {
        guard !isStopping, case .connected = state, case .frames(let stream) = traffic else { return }
        guard stream.silence(now: reactor.nowNanoseconds) < Self.longestSilence else {
            return fault("passt has not read what it was sent for 2 s", isClosed: false)
        }
        lookAlarm.set(reactor.nowNanoseconds &+ Self.lookPause)
    }

    /// The connection is of no use any more. A passt that closed it is most likely ending: its exit
    /// status says more than the end of the connection does.
    private func fault(_ why: String, isClosed: Bool) {
        state = .ending(why: why)
        onEvent?(.disconnected)
        guard isClosed else { return supervisor.reportHung() }
        reactor.schedule(atNanoseconds: reactor.nowNanoseconds &+ Self.dyingTime) { [weak self] in
            if let self, self.state == .ending(why: why) { self.supervisor.reportHung() }
        }
    }
}
