// The shell around the machine: a socket, timers, eventfds, the one look into guest memory that a
// stop may need. The owner connects the socket (or accepts it: both roles are the same from here on)
// and decides when to reconnect. Nothing here blocks; no frame passes through.

import Bytes
import Glibc
import Linux
import Virtio

/// A vhost-user front-end: a network device's rings are worked on by another process.
public final class FrontEnd: RingBackEnd {
    /// News for the owner, told at the end of a turn of the reactor, never within a call.
    public var onEvent: ((FrontEndEvent) -> Void)?

    let reactor: Reactor
    var machine: FrontEndMachine
    private var stream: MessageStream?
    private var channel: BackEndChannel?
    /// The back-end's state, while it is being moved.
    var carrier: StateCarrier?
    /// Whose rings the back-end works on; set by the device that takes it.
    public weak var owner: (any RingOwner)?
    /// Of the present connection.
    private var kicks: [SharedEvent] = []
    private var watches: [WatchID] = []
    private lazy var alarm = Alarm(on: reactor) { [weak self] in self?.timeCame() }
    private var pendingStops: [([RingPosition]) -> Void] = []
    /// Where the back-end marks, and who waits for it to begin.
    var log: DirtyLog?
    var onLogged: ((VhostUserError?) -> Void)?

    /// A front-end of rings in `memory`.
    /// - Throws: when another process cannot map it.
    public convenience init(reactor: Reactor, memory: GuestMemory, options: FrontEndOptions = FrontEndOptions())
        throws(VhostUserError)
    {
        self.init(reactor: reactor, options: options)
        try use(memory)
    }

    /// A front-end that cannot start rings before it is told by `use` where they lie.
    public init(reactor: Reactor, options: FrontEndOptions = FrontEndOptions()) {
        self.reactor = reactor
        machine = FrontEndMachine(options: options)
    }

    /// The rings of the next start lie in `memory`. Call while none run: before the first start, or when a stop is done.
    /// - Throws: when another process cannot map it.
    public func use(_ memory: GuestMemory) throws(VhostUserError) {
        guard memory.isShared else { throw .memoryNotShared }
        machine.use(memory)
    }

    deinit { hangUp() }

    /// Where the protocol stands.
    public var state: FrontEndMachine.State { machine.state }
    /// What a driver may be offered; 0 without a connection.
    public var features: UInt64 { isConnected ? machine.features : 0 }
    /// What was acknowledged of VHOST_USER_F_PROTOCOL_FEATURES; empty before the handshake.
    public var protocolFeatures: ProtocolFeatures { machine.protocolFeatures }
    /// The handshake is done and the connection lives.
    public var isConnected: Bool { machine.state != .disconnected && machine.state != .handshaking }

    /// Takes a connected stream socket and begins the handshake; an earlier connection ends.
    public func attach(_ socket: consuming FileDescriptor) throws(VhostUserError) {
        disconnect()
        do throws(SystemError) {
            let descriptors = try makeDescriptors()
            stream = try MessageStream(
                socket, on: reactor, receiving: .replies, sendLimit: machine.options.sendLimit,
                onMessage: { [weak self] in self?.received($0) }, onEnd: { [weak self] in self?.ended($0) })
            machine.connected(descriptors, now: now)
        } catch {
            hangUp()
            throw .system(error)
        }
        perform()
    }

    /// Ends the connection, if there is one, with the reason `closedByOwner`.
    public func disconnect() {
        machine.fail(.closedByOwner)
        perform()
    }

    // MARK: RingBackEnd

    /// Starts the rings; `ready`, `startFailed` or `disconnected` follows.
    public func start(features: UInt64, queues: [QueueConfiguration]) {
        loseTrackWithoutLog()
        machine.start(features: features, queues: queues, now: now)
        perform()
    }

    /// Stops the rings. Without a connection the bases are the used indices, which is where the
    /// next back-end has to go on so that no queued frame is lost.
    public func stop(_ done: @escaping ([RingPosition]) -> Void) {
        guard machine.state != .disconnected else { return finish(done, with: usedIndices()) }
        pendingStops.append(done)
        machine.stop(now: now)
        perform()
    }

    /// Makes the queue's eventfd readable; the back-end sleeps on it.
    public func kicked(queue: UInt16) {
        guard Int(queue) < kicks.count else { return }
        do throws(VhostUserError) { try signal(kicks[Int(queue)]) } catch {
            machine.fail(error)
            perform()
        }
    }

    /// Enables or disables a queue pair.
    public func setEnable(pair: Int, isOn: Bool) {
        machine.setEnable(pair: pair, isOn: isOn, now: now)
        perform()
    }

    /// Lets the back-end announce a MAC address (six bytes, the first in the lowest bits) on its network side.
    public func announce(macAddress: UInt64) {
        machine.announce(macAddress: macAddress, now: now)
        perform()
    }

    // MARK: the machine's actions

    var now: Instant { Instant(nanoseconds: reactor.nowNanoseconds) }

    func perform() {
        var actions = machine.takeActions()
        while !actions.isEmpty {
            do throws(VhostUserError) {
                for action in actions { try perform(action) }
            } catch {
                // What was still to be done belonged to a connection that is over.
                machine.fail(error)
            }
            actions = machine.takeActions()
        }
        alarm.set(machine.nextDeadline?.nanoseconds)
    }

    private func perform(_ action: FrontEndAction) throws(VhostUserError) {
        switch action {
        case .send(let bytes, let attachments): try stream?.send(bytes, attachments)
        case .signal(let event): try signal(event)
        case .interrupt(let queue): reactor.atEndOfTurn { [weak self] in self?.owner?.interrupt(queue: queue) }
        case .stopped(let rings): stopped(rings)
        case .moveStateBytes(_, let descriptor): try carrier?.begin(through: descriptor)
        case .stateMoved(let outcome): stateMoved(outcome)
        case .logged(let refusal): logged(refusal)
        case .report(let event): report(event)
        case .close: hangUp()
        }
    }

    private func signal(_ event: SharedEvent) throws(VhostUserError) {
        guard event.signal() else { throw .system(SystemError(call: "io_submit", code: EIO)) }
    }

    private func report(_ event: FrontEndEvent) {
        reactor.atEndOfTurn { [weak self] in self?.onEvent?(event) }
        guard case .disconnected(let reason) = event else { return }
        loseTrackOfWrites(reason)
        guard !pendingStops.isEmpty else { return }
        var bases = usedIndices()
        for done in pendingStops {
            finish(done, with: bases)
            bases = []
        }
        pendingStops = []
    }

    private func stopped(_ rings: [StoppedRing]) {
        guard !pendingStops.isEmpty else { return }
        let done = pendingStops.removeFirst()
        finish(done, with: rings.map(base))
    }

    /// A base the back-end cannot have reached is replaced by the used index.
    private func base(of ring: StoppedRing) -> RingPosition {
        let used = machine.memory?.usedIndex(at: ring.usedRing) ?? 0
        if let base = ring.base(usedIndex: used) { return base }
        report(
            .warning(
                "the vhost-user back-end stopped ring \(ring.index) at impossible base \(ring.answer); "
                    + "going on from used index \(used)"))
        return RingPosition(used)
    }

    private func finish(_ done: @escaping ([RingPosition]) -> Void, with bases: [RingPosition]) {
        reactor.atEndOfTurn { done(bases) }
    }

    /// Of the rings that the last connection worked on.
    private func usedIndices() -> [RingPosition] {
        machine.queues.map { RingPosition(machine.memory?.usedIndex(at: $0.usedRing) ?? 0) }
    }

    private func timeCame() {
        machine.advance(to: now)
        perform()
    }

    // MARK: the socket

    private func received(_ message: ReceivedMessage) {
        machine.received(message, now: now)
        perform()
    }

    private func ended(_ end: MessageStream.End) {
        switch end {
        case .endOfFile(let position): machine.endOfFile(at: position)
        case .failed(let error): machine.fail(error)
        }
        perform()
    }

    private func hangUp() {
        stream?.close()
        stream = nil
        channel?.close()
        channel = nil
        for watch in watches { reactor.remove(watch) }
        watches = []
        kicks = []
    }

    private func makeDescriptors() throws(SystemError) -> ConnectionDescriptors {
        let rings = 0..<UInt16(truncatingIfNeeded: machine.options.ringCount)
        kicks = try rings.map { (_) throws(SystemError) in try SharedEvent() }
        let calls = try rings.map { (queue) throws(SystemError) in
            try watched { $0.owner?.interrupt(queue: queue) }
        }
        let errors = try rings.map { (queue) throws(SystemError) in
            try watched { $0.report(.ringFailed(queue: queue)) }
        }
        if machine.options.protocolFeatures.contains(.backEndRequests) {
            channel = try BackEndChannel(on: reactor) { [weak self] in self?.report(.warning($0)) }
        }
        return ConnectionDescriptors(kicks: kicks, calls: calls, errors: errors, backEndChannel: channel?.farEnd)
    }

    /// A new eventfd that the back-end signals.
    private func watched(_ handler: @escaping (FrontEnd) -> Void) throws(SystemError) -> SharedEvent {
        let event = try SharedEvent()
        watches.append(try event.watch(on: reactor) { [weak self] in if let self { handler(self) } })
        return event
    }
}
