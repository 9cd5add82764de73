// A vhost-user front-end and the device that it serves. Who is behind the socket, and what is to be done when
// that one dies, is the owner's; here is what the device is told.

import Linux
import VhostUser
import Virtio

/// The side of a back-end that works on rings.
final class RingPeer {
    enum Event {
        /// The handshake is done.
        case connected
        /// The connection is of no use any more, for this reason.
        case lost(VhostUserError)
        /// Something worth a line.
        case warning(String)
    }

    private let frontEnd: FrontEnd
    private weak var device: NetDevice?
    /// A device that left, while its rings may still be touched.
    private var leaving: NetDevice?
    /// Who comes after it, or after one that is about to leave.
    private var next: NetDevice?
    /// The handshake was done once.
    private var hasBeenConnected = false
    var onEvent: ((Event) -> Void)?
    /// The handshake is done and the device has not heard of it: what is asked of the back-end now comes before its rings
    /// start. When the answer is true, it hears of it by the call that is given.
    var onArrival: ((_ goOn: @escaping () -> Void) -> Bool)?

    init(_ options: FrontEndOptions = FrontEndOptions(), on reactor: Reactor) {
        frontEnd = FrontEnd(reactor: reactor, options: options)
        frontEnd.onEvent = { [weak self] in self?.frontEndSaid($0) }
    }

    var isConnected: Bool { frontEnd.isConnected }

    /// Begins the handshake on a connected socket.
    func attach(_ socket: consuming FileDescriptor) throws(VhostUserError) { try frontEnd.attach(socket) }

    /// Ends the connection; the back-end may still be at work on the rings until it has seen that.
    func disconnect() { frontEnd.disconnect() }

    /// The back-end is gone for certain: from here on nobody touches the rings.
    func backEndDied() {
        frontEnd.disconnect()
        device?.backEndDied()
    }

    /// The back-end has a state that can be moved.
    var hasState: Bool { frontEnd.hasState }

    /// The back-end's state, while its rings stand still; nil when it has none.
    func saveState(_ done: @escaping (Result<[UInt8]?, VhostUserError>) -> Void) { frontEnd.saveState(done) }

    /// Gives the back-end a state before its rings start; false when it takes none.
    func loadState(_ state: [UInt8], _ done: @escaping (Result<Bool, VhostUserError>) -> Void) {
        frontEnd.loadState(state, done)
    }

    /// What the back-end writes to the device's memory is marked from now on, or that memory's tracking knows that it is
    /// not; `done` then.
    func beginLog(_ done: @escaping () -> Void) { frontEnd.beginLog(done) }

    /// Nobody wants to know any more.
    func endLog() { frontEnd.endLog() }

    // MARK: the device

    /// `device` is served from now on, or as soon as the rings of a former one are touched no more.
    /// - Throws: when the back-end cannot map its memory.
    func connect(_ device: NetDevice) throws(EmulationError) {
        guard device.memory.isShared else { throw EmulationError(text: "\(VhostUserError.memoryNotShared)") }
        guard leaving == nil, self.device == nil else {
            next = device
            return
        }
        do throws(VhostUserError) { try frontEnd.use(device.memory) } catch {
            throw EmulationError(text: "\(error)")
        }
        self.device = device
        if hasBeenConnected { device.attach(frontEnd) }
    }

    /// `device` leaves; `done` when its rings are touched no more. Whoever came in its place is not meant.
    func disconnect(_ device: NetDevice, _ done: @escaping () -> Void) {
        if next === device { next = nil }
        guard self.device === device else { return done() }
        self.device = nil
        leaving = device
        device.detach { [weak self] in
            self?.hasLeft()
            done()
        }
    }

    private func hasLeft() {
        leaving = nil
        guard let next else { return }
        self.next = nil
        // It was looked at when it came.
        try? connect(next)
    }

    private func frontEndSaid(_ event: FrontEndEvent) {
        switch event {
        case .connected(let features): connected(features)
        case .ready: break
        case .startFailed(let error): onEvent?(.lost(error))
        case .disconnected(.closedByOwner): break
        case .disconnected(let reason): onEvent?(.lost(reason))
        case .ringFailed(let queue): onEvent?(.warning("the back-end reports an error of queue \(queue)"))
        case .warning(let text): onEvent?(.warning(text))
        }
    }

    private func connected(_ features: UInt64) {
        let waits = onArrival? { [weak self] in self?.arrived(features) } ?? false
        if !waits { arrived(features) }
    }

    private func arrived(_ features: UInt64) {
        if hasBeenConnected {
            device?.backEndReturned(features: features)
        } else {
            device?.attach(frontEnd)
        }
        hasBeenConnected = true
        onEvent?(.connected)
    }
}

extension VhostUserError {
    /// The back-end closed its end.
    var isEndOfFile: Bool {
        switch self {
        case .endOfFile, .shortHeader(read: 0, request: _): true
        case .system(let error): error.code == 104 || error.code == 32
        default: false
        }
    }
}
