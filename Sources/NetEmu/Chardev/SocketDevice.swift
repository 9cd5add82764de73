// A socket as a character device: one client at a time. How connections come about is StreamEndpoint's.
// A device that a vhost-user back-end uses hands its connections over as they are.

import Glibc
import Linux
import Netdevs

/// `socket`.
final class SocketDevice: CharacterDevice {
    private let id: String
    private let plan: SocketChardevPlan
    private let reactor: Reactor
    private let endpoint: StreamEndpoint
    private let warnings: LimitedWarnings
    weak var user: (any CharacterUser)?
    private var client: SharedDescriptor?
    private var input: InputPort?
    private var output: OutputPort?
    private let voice: Voice
    private var telnet: TelnetFilter?
    private var request = RequestLine()
    /// The client types no more: it is left when all that it typed is carried out, and it has been given the answers.
    private var isLeaving = false
    private lazy var leaveAlarm = Alarm(on: reactor) { [weak self] in self?.lookAtLeaving() }
    private var lastSaid: UInt64 = 0
    /// Between two looks at a client that types no more, and how long it waits for the next word.
    private static let leavePause: UInt64 = 1_000_000_000
    private static let longestSilence: UInt64 = 10_000_000_000
    /// That attempts fail has been said, and no attempt came through since.
    private var hasToldFailure = false
    /// It was connected once: the start need not wait any more.
    private var hasBeenOpen = false
    /// Takes connections as they are; nothing is read or written here then.
    private var taker: ((SharedDescriptor) -> Void)?
    /// Called when it listens, when a client is there, or when an attempt failed.
    var onChange: (() -> Void)?

    init(_ id: String, _ plan: SocketChardevPlan, on reactor: Reactor, _ voice: Voice) {
        self.id = id
        self.plan = plan
        self.reactor = reactor
        self.voice = voice
        warnings = LimitedWarnings(on: reactor, say: voice.warn)
        endpoint = StreamEndpoint(
            plan.address, plan.isServer ? .server : .client(reconnect: plan.reconnect), on: reactor)
        endpoint.onEvent = { [weak self] in self?.endpointSaid($0) }
    }

    var isOpen: Bool { client != nil }
    var hasRoom: Bool { output?.hasRoom ?? true }

    /// The start of the guest waits for the first connection.
    var isAwaited: Bool {
        guard !hasBeenOpen, failure == nil else { return false }
        return plan.isServer ? plan.waits : plan.reconnect == 0
    }

    var isServer: Bool { plan.isServer }

    /// It listens; a client is connected, has failed, or will try again.
    var isSettled: Bool {
        switch endpoint.state {
        case .idle, .resolving: false
        case .connecting: plan.reconnect > 0
        case .listening, .waiting, .connected, .failed, .ended: true
        }
    }

    /// Why there will be no connection.
    var failure: String? {
        if case .failed(let failure) = endpoint.state { failure.sentence(at: plan.address) } else { nil }
    }

    /// As QEMU: `disconnected:` until somebody is there, then both ends where they have names.
    var filename: String {
        let ending = plan.isServer ? ",server=on" : ""
        guard let client else { return "disconnected:\(place)\(ending)" }
        guard let local = try? InternetSocketAddress.local(of: client.raw),
            let remote = try? InternetSocketAddress.remote(of: client.raw)
        else { return "\(place)\(ending)" }
        return "\(scheme):\(local)\(ending) <-> \(remote)"
    }

    private var scheme: String { plan.isTelnet ? "telnet" : "tcp" }

    /// Where it listens or connects: what was asked for, or found.
    private var place: String {
        if let own = endpoint.localAddress { return "\(scheme):\(own.host):\(own.port)" }
        switch plan.address {
        case .inet(let name): return "\(scheme):\(name.text)"
        case .unix(let unix) where unix.isAbstract:
            return "unix:\(unix.path),abstract=on\(unix.isTight ? ",tight=on" : "")"
        case .unix, .descriptor, .vsock: return plan.address.text
        }
    }

    /// Listens or connects; the user is told of clients from here on.
    func start() { endpoint.start() }

    /// Gives every connection to `taker` from now on; it is over when `connectionEnded` is called.
    func handOver(_ taker: @escaping (SharedDescriptor) -> Void) {
        self.taker = taker
        if let client { taker(client) }
    }

    /// There may be another connection after one that ended.
    var canComeBack: Bool { plan.isServer || plan.reconnect > 0 }

    /// The connection that was handed over is over.
    /// - Parameter wasOfUse: false when it never was what the start waits for.
    func connectionEnded(wasOfUse: Bool = true) {
        client = nil
        if !wasOfUse { hasBeenOpen = false }
        endpoint.connectionEnded()
    }

    func write(_ bytes: some Collection<UInt8>) {
        lastSaid = reactor.nowNanoseconds
        guard plan.isTelnet else {
            output?.write(bytes)
            return
        }
        output?.write(TelnetFilter.escaped(bytes))
    }

    func pauseInput(_ isPaused: Bool) { input?.isPaused = isPaused }

    func stop() {
        output?.flush(milliseconds: 500)
        hangUp()
        endpoint.stop()
    }

    func leave() -> Farewell? {
        defer {
            hangUp()
            endpoint.stop()
        }
        guard let client, let output, output.pending > 0 else { return nil }
        // What it owes goes on; `hangUp` closes the rest.
        self.output = nil
        return Farewell(output, on: reactor, keeping: client)
    }

    private func endpointSaid(_ event: StreamEndpoint.Event) {
        switch event {
        case .listening: break
        case .connected(let socket):
            hasToldFailure = false
            serve(socket)
        case .failed(let failure): tell(failure)
        }
        onChange?()
    }

    /// A client that tries again and again says once why. One that does not is an error of whoever made it.
    private func tell(_ failure: StreamFailure) {
        guard endpoint.state == .waiting, !hasToldFailure else { return }
        hasToldFailure = true
        voice.say("Unable to connect character device \(id): \(failure.sentence(at: plan.address))")
    }

    private func serve(_ socket: SharedDescriptor) {
        client = socket
        hasBeenOpen = true
        if plan.hasNoDelay { InternetSocket.setNoDelay(socket.raw) }
        if let taker { return taker(socket) }
        let output = OutputPort(socket.raw, on: reactor)
        output.onRoom = { [weak self] in self?.roomCame() }
        self.output = output
        let input = InputPort(
            socket.raw, on: reactor, onBytes: { [weak self] in self?.received($0) },
            onEnd: { [weak self] in self?.inputEnded($0) })
        self.input = input
        request = RequestLine()
        telnet = plan.isTelnet ? TelnetFilter() : nil
        if plan.isTelnet { output.write(TelnetFilter.greeting) }
        input.start()
        user?.opened()
    }

    private func received(_ bytes: [UInt8]) {
        let typed = telnet?.receive(bytes) ?? bytes
        guard !typed.isEmpty else { return }
        guard !plan.isServer || !request.isRequest(typed) else { return refuseRequest() }
        user?.received(typed)
    }

    /// Nothing of a request is a command.
    private func refuseRequest() {
        warnings.warn("chardev '\(id)': an HTTP request came instead of a user; the connection is closed")
        hangUp()
    }

    private func roomCame() {
        user?.roomCame()
        leaveIfDone()
    }

    private func inputEnded(_ error: SystemError?) {
        if let error { warnings.warn("chardev '\(id)': input ends here: \(error)") }
        isLeaving = true
        lastSaid = reactor.nowNanoseconds
        leaveAlarm.set(reactor.nowNanoseconds &+ Self.leavePause)
        leaveIfDone()
    }

    func userCameToRest() { leaveIfDone() }

    private func leaveIfDone() {
        guard isLeaving, user?.isAtRest ?? true, output?.pending ?? 0 == 0 else { return }
        hangUp()
    }

    /// A client that has gone altogether, or for whom nothing happens any more, keeps no other one out.
    private func lookAtLeaving() {
        guard isLeaving else { return }
        let now = reactor.nowNanoseconds
        guard !isGone, now &- lastSaid < Self.longestSilence else { return hangUp() }
        leaveAlarm.set(now &+ Self.leavePause)
    }

    /// Nobody reads there any more; of a TCP client that is known only once it has refused something.
    private var isGone: Bool {
        guard let client, output?.isBroken == false else { return true }
        var state = pollfd(fd: client.raw, events: 0, revents: 0)
        return poll(&state, 1, 0) > 0
    }

    private func hangUp() {
        guard client != nil, taker == nil else { return }
        isLeaving = false
        leaveAlarm.set(nil)
        input?.close()
        output?.close()
        (input, output, client) = (nil, nil, nil)
        user?.closed()
        endpoint.connectionEnded()
    }
}
