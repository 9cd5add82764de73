// A socket as a character device: one client at a time. How connections come about is StreamEndpoint's.
// A device that a vhost-user back-end uses hands its connections over as they are.

import Linux

/// `socket`.
final class SocketDevice: CharacterDevice {
    private let plan: SocketChardevPlan
    private let reactor: Reactor
    private let endpoint: StreamEndpoint
    weak var user: (any CharacterUser)?
    private var client: SharedDescriptor?
    private var input: InputPort?
    private var output: OutputPort?
    private var telnet: TelnetFilter?
    /// The client types no more: it is left when it has been given all that was said until then.
    private var isLeaving = false
    /// It was connected once: the start need not wait any more.
    private var hasBeenOpen = false
    /// Takes connections as they are; nothing is read or written here then.
    private var taker: ((SharedDescriptor) -> Void)?
    /// Called when a client is there, or an attempt failed for good.
    var onChange: (() -> Void)?

    init(_ plan: SocketChardevPlan, on reactor: Reactor) {
        self.plan = plan
        self.reactor = reactor
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

    /// Why there will be no connection.
    var failure: String? { if case .failed(let text) = endpoint.state { text } else { nil } }

    /// As QEMU: `disconnected:` until somebody is there, then both ends where they have names.
    var filename: String {
        let ending = plan.isServer ? ",server=on" : ""
        let scheme = plan.isTelnet ? "telnet:" : nil
        guard let client else { return "disconnected:\(address(scheme))\(ending)" }
        guard case .inet = plan.address, let local = try? InternetSocketAddress.local(of: client.raw),
            let remote = try? InternetSocketAddress.remote(of: client.raw)
        else { return "\(address(scheme))\(ending)" }
        return "\(scheme ?? "tcp:")\(local)\(ending) <-> \(remote)"
    }

    private func address(_ scheme: String?) -> String {
        guard let scheme, case .inet(let name) = plan.address else { return plan.address.text }
        return scheme + name.text
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
        guard !isLeaving else { return }
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

    private func endpointSaid(_ event: StreamEndpoint.Event) {
        if case .connected(let socket) = event { serve(socket) }
        onChange?()
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
            onEnd: { [weak self] in self?.inputEnded() })
        self.input = input
        telnet = plan.isTelnet ? TelnetFilter() : nil
        if plan.isTelnet { output.write(TelnetFilter.greeting) }
        input.start()
        user?.opened()
    }

    private func received(_ bytes: [UInt8]) {
        guard telnet != nil else {
            user?.received(bytes)
            return
        }
        let typed = telnet?.receive(bytes) ?? []
        if !typed.isEmpty { user?.received(typed) }
    }

    private func roomCame() {
        guard isLeaving else {
            user?.roomCame()
            return
        }
        if output?.pending == 0 { hangUp() }
    }

    private func inputEnded() {
        isLeaving = true
        if output?.pending ?? 0 == 0 { hangUp() }
    }

    private func hangUp() {
        guard client != nil, taker == nil else { return }
        isLeaving = false
        input?.close()
        output?.close()
        (input, output, client) = (nil, nil, nil)
        user?.closed()
        endpoint.connectionEnded()
    }
}
