// How a stream connection comes about, again and again: a server takes one client at a time and the next
// when that one has gone; a client connects once, or tries again after a while. Shared by everything that
// talks over a stream socket; what is said on it is the owner's. Events come at the end of a turn, never
// within a call.
//
//   server: idle ─▶ listening ⇄ connected          client: idle ─▶ connecting ⇄ connected
//              ▲                                             ▲         │ failed
//              └ resolving, when its name is no number       └ waiting ◀┘  (reconnect) or failed

import CLinux
import Glibc

/// A connection-to-be, and its successors.
public final class StreamEndpoint {
    /// Who calls whom.
    public enum Role: Equatable, Sendable {
        /// Takes one client at a time.
        case server
        /// Milliseconds until another attempt; 0 makes none.
        case client(reconnect: UInt32)
    }

    /// Where it stands; `stop` leads back to `idle`.
    public enum State: Equatable, Sendable {
        /// Not started; a server's own name is looked up; waits for a client; an attempt is under way.
        case idle, resolving, listening, connecting
        /// An attempt failed; another follows.
        case waiting
        /// `peer`: as `StreamAddress.text`, of the other end where that has a name.
        case connected(peer: String)
        /// For good, and why.
        case failed(StreamFailure)
        /// A client's only connection is over.
        case ended(peer: String)
    }

    /// News for the owner, at the end of a turn.
    public enum Event {
        /// A server listens.
        case listening
        /// The connection is the receiver's until it calls `connectionEnded`.
        case connected(SharedDescriptor)
        /// An attempt failed.
        case failed(StreamFailure)
    }

    private static let shortPause: UInt64 = 20_000_000
    /// Where it listens or connects.
    public let address: StreamAddress
    /// Who calls whom.
    public let role: Role
    private let reactor: Reactor
    /// Where it stands.
    public private(set) var state = State.idle
    /// Called with news until `stop`.
    public var onEvent: ((Event) -> Void)?

    private var acceptor: Acceptor?
    /// The name in the file system that a server made.
    private var place: PlacedFile?
    private var attempt: ConnectionAttempt?
    private var lookup: PendingLookup?
    private var retry: TimerID?

    /// Nothing happens before `start`.
    public init(_ address: StreamAddress, _ role: Role, on reactor: Reactor) {
        self.address = address
        self.role = role
        self.reactor = reactor
    }

    deinit { stop() }

    /// Where a server listens, when that is an address of the internet.
    public var localAddress: InternetSocketAddress? {
        acceptor.flatMap { try? InternetSocketAddress.local(of: $0.listener.raw) }
    }

    /// Listens, or begins to connect. A server whose name need not be looked up listens or has failed when this
    /// returns; a client of a unix socket is connected or has failed.
    public func start() {
        guard state == .idle else { return }
        if role == .server { listen() } else { connect() }
    }

    /// The connection is over: the next one may come.
    public func connectionEnded() {
        guard case .connected(let peer) = state else { return }
        switch role {
        case .server:
            state = .listening
            acceptor?.isPaused = false
        case .client: if let pause { waitAndRetry(pause) } else { state = .ended(peer: peer) }
        }
    }

    /// Ends everything; a socket that was made in the file system is removed, if it still lies there.
    public func stop() {
        attempt?.giveUp()
        attempt = nil
        lookup?.cancel()
        lookup = nil
        if let retry { reactor.cancel(retry) }
        retry = nil
        acceptor?.stop()
        // Before the socket is closed: what is bound to an open one is no other file.
        place?.remove()
        (acceptor, place) = (nil, nil)
        state = .idle
        onEvent = nil
    }

    // MARK: server

    private func listen() {
        switch address {
        case .unix(let unix):
            guard !unix.isAbstract else {
                return listen { () throws(SystemError) in
                    try UnixSocket.listen(atAbstract: unix.path, isTight: unix.isTight)
                }
            }
            listen { () throws(SystemError) in
                let socket = try UnixSocket.listen(at: unix.path)
                place = PlacedFile(unix.path)
                return socket
            }
        case .vsock(let cid, let port):
            listen { () throws(SystemError) in try InternetSocket.listen(cid: cid, port: port) }
        case .inet(let name): lookUp(name)
        case .descriptor(let number): takeOver(number)
        }
    }

    private func lookUp(_ name: InternetName) {
        if let known = NameLookup.numeric(name, isPassive: true) { return listen(at: known, name) }
        state = .resolving
        do throws(SystemError) {
            lookup = try PendingLookup(name, isPassive: true, on: reactor) { [weak self] outcome in
                self?.lookup = nil
                switch outcome {
                case .success(let found): self?.listen(at: found, name)
                case .failure(let error): self?.fail(.name(error))
                }
            }
        } catch { fail(.listen(error)) }
    }

    private func listen(at found: [InternetSocketAddress], _ name: InternetName) {
        listen { () throws(SystemError) in try InternetSocket.listen(at: found, name) }
    }

    private func listen(_ make: () throws(SystemError) -> FileDescriptor) {
        do throws(SystemError) { try serve(SharedDescriptor(try make())) } catch {
            place?.remove()
            place = nil
            fail(.listen(error))
        }
    }

    private func serve(_ socket: SharedDescriptor) throws(SystemError) {
        acceptor = try Acceptor(socket, on: reactor)
        acceptor?.onConnection = { [weak self] in self?.accepted($0) }
        state = .listening
        tell(.listening)
    }

    private func accepted(_ socket: SharedDescriptor) {
        acceptor?.isPaused = true
        connected(socket)
    }

    // MARK: descriptors

    /// A server takes over a listening socket, a client a connected one; what is of no use stays open.
    private func takeOver(_ number: CInt) {
        var listens: CInt = 0
        var size = socklen_t(MemoryLayout<CInt>.size)
        guard getsockopt(number, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 else {
            return fail(.noSocket(number))
        }
        guard role != .server || listens != 0 else { return fail(.listen(SystemError(call: "listen", code: EINVAL))) }
        guard role == .server || listens == 0 else { return fail(.connect(SystemError(call: "connect", code: EINVAL))) }
        let owned = SharedDescriptor(FileDescriptor(owning: number))
        _ = ne_set_cloexec(number, 1)
        _ = ne_set_nonblocking(number, 1)
        guard role == .server else { return connected(owned) }
        do throws(SystemError) { try serve(owned) } catch { fail(.listen(error)) }
    }

    // MARK: client

    private func connect() {
        state = .connecting
        if case .descriptor(let number) = address { return takeOver(number) }
        let attempt = ConnectionAttempt(address, on: reactor) { [weak self] in self?.attemptEnded($0) }
        self.attempt = attempt
        attempt.start()
    }

    private func attemptEnded(_ outcome: ConnectionAttempt.Outcome) {
        attempt = nil
        switch outcome {
        case .success(let socket): connected(socket)
        // A unix listener whose backlog is full will take us later.
        case .failure(.connect(let error)) where error.code == EAGAIN: retry(after: Self.shortPause)
        case .failure(let failure):
            guard let pause else { return fail(failure) }
            waitAndRetry(pause)
            tell(.failed(failure))
        }
    }

    /// Milliseconds until another attempt; nil when there is none. A descriptor is good for one connection: later its
    /// number may be somebody else's.
    private var pause: UInt32? {
        guard case .client(let pause) = role, pause > 0 else { return nil }
        if case .descriptor = address { return nil }
        return pause
    }

    private func waitAndRetry(_ milliseconds: UInt32) {
        state = .waiting
        retry(after: UInt64(milliseconds) &* 1_000_000)
    }

    private func retry(after pause: UInt64) {
        retry = reactor.schedule(atNanoseconds: reactor.nowNanoseconds &+ pause) { [weak self] in
            guard let self, self.state == .waiting || self.state == .connecting else { return }
            self.connect()
        }
    }

    // MARK: outcomes

    private func fail(_ failure: StreamFailure) {
        state = .failed(failure)
        tell(.failed(failure))
    }

    private func connected(_ socket: SharedDescriptor) {
        state = .connected(peer: peerText(socket.raw))
        tell(.connected(socket))
    }

    private func peerText(_ socket: CInt) -> String {
        guard case .inet = address, let remote = try? InternetSocketAddress.remote(of: socket) else {
            return address.text
        }
        return "tcp:\(remote)"
    }

    private func tell(_ event: Event) { reactor.atEndOfTurn { [weak self] in self?.onEvent?(event) } }
}
