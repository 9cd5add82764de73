// How a stream connection comes about, again and again: a server takes one client at a time and the next
// when that one has gone; a client connects once, or tries again after a while. Shared by everything that
// talks over a stream socket; what is said on it is the owner's. Events come at the end of a turn, never
// within a call.
//
//   server: idle ─▶ listening ⇄ connected          client: idle ─▶ connecting ⇄ connected
//                                                            ▲         │ failed
//                                                            └ waiting ◀┘  (reconnect) or failed

import CLinux
import Glibc

/// A connection-to-be, and its successors.
public final class StreamEndpoint {
    public enum Role: Equatable, Sendable {
        case server
        /// Milliseconds until another attempt; 0 makes none.
        case client(reconnect: UInt32)
    }

    public enum State: Equatable, Sendable {
        case idle, listening, connecting
        /// An attempt failed; another follows.
        case waiting
        /// `peer`: as `StreamAddress.text`, of the other end where that has a name.
        case connected(peer: String)
        /// For good, and why.
        case failed(String)
        /// A client's only connection is over.
        case ended(peer: String)
    }

    public enum Event {
        /// The connection is the receiver's until it calls `connectionEnded`.
        case connected(SharedDescriptor)
        /// An attempt failed, in a sentence.
        case failed(String)
    }

    private static let shortPause: UInt64 = 20_000_000
    public let address: StreamAddress
    public let role: Role
    private let reactor: Reactor
    public private(set) var state = State.idle
    public var onEvent: ((Event) -> Void)?

    private var listener: SharedDescriptor?
    private var watch: WatchID?
    private var attempt: SharedDescriptor?
    private var candidates: [InternetSocketAddress] = []
    private var lookup: PendingLookup?
    private var retry: TimerID?

    public init(_ address: StreamAddress, _ role: Role, on reactor: Reactor) {
        self.address = address
        self.role = role
        self.reactor = reactor
    }

    deinit { stop() }

    /// The port that a server was given, when it asked for any.
    public var localPort: UInt16? { listener.flatMap { try? InternetSocketAddress.local(of: $0.raw).port } }

    /// Listens, or begins to connect. A server that cannot listen has failed when this returns; so has a client of a
    /// unix socket that cannot connect.
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
            if let watch { reactor.change(watch, to: .readable) }
            if listener == nil { state = .ended(peer: peer) }
        case .client: if let pause { waitAndRetry(pause) } else { state = .ended(peer: peer) }
        }
    }

    /// Ends everything; a socket that was made in the file system is removed.
    public func stop() {
        forgetAttempt()
        if let retry { reactor.cancel(retry) }
        retry = nil
        if let watch { reactor.remove(watch) }
        watch = nil
        if listener != nil, case .unix(let unix) = address, !unix.isAbstract { unlink(unix.path) }
        listener = nil
        state = .idle
        onEvent = nil
    }

    // MARK: server

    private func listen() {
        do throws(SystemError) {
            if case .descriptor(let number) = address { return try takeOver(number) }
            let socket = SharedDescriptor(try makeListener())
            listener = socket
            watch = try reactor.watch(socket.raw, for: .readable) { [weak self] _ in self?.accept() }
            state = .listening
        } catch {
            fail(Self.words(for: error, at: address, isListening: true))
        }
    }

    private func makeListener() throws(SystemError) -> FileDescriptor {
        switch address {
        case .unix(let unix):
            return unix.isAbstract
                ? try UnixSocket.listen(atAbstract: unix.path, isTight: unix.isTight)
                : try UnixSocket.listen(at: unix.path)
        case .inet(let name):
            switch NameLookup.wait(for: name, isPassive: true) {
            case .success(let found): return try InternetSocket.listen(at: found, name)
            case .failure(let error): throw SystemError(call: "\(error)", code: 0)
            }
        case .vsock(let cid, let port): return try InternetSocket.listen(cid: cid, port: port)
        case .descriptor(let number): return FileDescriptor(owning: number)
        }
    }

    private func accept() {
        guard state == .listening, let listener else { return }
        do throws(SystemError) {
            let socket = SharedDescriptor(try UnixSocket.accept(listener.descriptor))
            if let watch { reactor.change(watch, to: []) }
            connected(socket)
        } catch {
            // A client that has gone again, or no descriptor to spare: looked at again later, not in a circle.
            guard error.code != EAGAIN, error.code != EINTR, let watch else { return }
            reactor.change(watch, to: [])
            reactor.schedule(atNanoseconds: reactor.nowNanoseconds &+ Self.shortPause) { [weak self] in
                guard let self, self.state == .listening, let watch = self.watch else { return }
                self.reactor.change(watch, to: .readable)
            }
        }
    }

    // MARK: descriptors

    /// A descriptor is a listening socket for a server, or a connected one.
    private func takeOver(_ number: CInt) throws(SystemError) {
        var isListening: CInt = 0
        var size = socklen_t(MemoryLayout<CInt>.size)
        guard getsockopt(number, SOL_SOCKET, SO_ACCEPTCONN, &isListening, &size) == 0 else {
            throw SystemError(call: "getsockopt", code: errno, subject: "descriptor \(number)")
        }
        let owned = SharedDescriptor(FileDescriptor(owning: number))
        _ = ne_set_cloexec(number, 1)
        _ = ne_set_nonblocking(number, 1)
        guard isListening != 0 else { return connected(owned) }
        guard role == .server else {
            throw SystemError(call: "connect", code: EISCONN, subject: "descriptor \(number)")
        }
        listener = owned
        watch = try reactor.watch(number, for: .readable) { [weak self] _ in self?.accept() }
        state = .listening
    }

    // MARK: client

    private func connect() {
        state = .connecting
        do throws(SystemError) {
            switch address {
            case .unix(let unix):
                let socket =
                    unix.isAbstract
                    ? try UnixSocket.connect(toAbstract: unix.path, isTight: unix.isTight)
                    : try UnixSocket.connect(to: unix.path)
                connected(SharedDescriptor(socket))
            case .descriptor(let number): try takeOver(number)
            case .vsock(let cid, let port): try follow(SharedDescriptor(InternetSocket.connect(cid: cid, port: port)))
            case .inet(let name): try lookUp(name)
            }
        } catch {
            // A unix listener whose backlog is full will take us later.
            guard error.code != EAGAIN else { return retry(after: Self.shortPause) }
            attemptFailed(Self.words(for: error, at: address, isListening: false))
        }
    }

    private func retry(after pause: UInt64) {
        retry = reactor.schedule(atNanoseconds: reactor.nowNanoseconds &+ pause) { [weak self] in
            guard let self, self.state == .waiting || self.state == .connecting else { return }
            self.connect()
        }
    }

    private func lookUp(_ name: InternetName) throws(SystemError) {
        if let known = NameLookup.numeric(name, isPassive: false) { return tryCandidates(known, name) }
        lookup = try PendingLookup(name, on: reactor) { [weak self] outcome in
            self?.lookup = nil
            switch outcome {
            case .success(let found): self?.tryCandidates(found, name)
            case .failure(let error): self?.attemptFailed("\(error)")
            }
        }
    }

    private func tryCandidates(_ found: [InternetSocketAddress], _ name: InternetName) {
        candidates = found
        var failure = SystemError(call: "connect", code: EADDRNOTAVAIL)
        while !candidates.isEmpty {
            do throws(SystemError) {
                return try follow(SharedDescriptor(InternetSocket.connect(to: candidates.removeFirst(), name)))
            } catch { failure = error }
        }
        attemptFailed(Self.words(for: failure, at: address, isListening: false))
    }

    /// Waits for a connection that was begun.
    private func follow(_ socket: SharedDescriptor) throws(SystemError) {
        attempt = socket
        watch = try reactor.watch(socket.raw, for: .writable) { [weak self] _ in self?.attemptEnded() }
    }

    private func attemptEnded() {
        guard let socket = attempt else { return }
        forgetAttempt()
        guard let code = InternetSocket.connectionError(of: socket.raw) else { return connected(socket) }
        if case .inet(let name) = address, !candidates.isEmpty { return tryCandidates(candidates, name) }
        attemptFailed(Self.words(for: SystemError(call: "connect", code: code), at: address, isListening: false))
    }

    private func forgetAttempt() {
        lookup?.cancel()
        lookup = nil
        guard attempt != nil else { return }
        if let watch { reactor.remove(watch) }
        watch = nil
        attempt = nil
    }

    /// Milliseconds until another attempt; nil when there is none. A descriptor is good for one connection: later its
    /// number may be somebody else's.
    private var pause: UInt32? {
        guard case .client(let pause) = role, pause > 0 else { return nil }
        if case .descriptor = address { return nil }
        return pause
    }

    private func attemptFailed(_ text: String) {
        guard let pause else { return fail(text) }
        waitAndRetry(pause)
        tell(.failed(text))
    }

    private func waitAndRetry(_ milliseconds: UInt32) {
        state = .waiting
        retry(after: UInt64(milliseconds) &* 1_000_000)
    }

    // MARK: outcomes

    private func fail(_ text: String) {
        state = .failed(text)
        tell(.failed(text))
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

    /// QEMU's sentences.
    static func words(for error: SystemError, at address: StreamAddress, isListening: Bool) -> String {
        guard error.code != 0 else { return error.call }
        guard isListening else { return "Failed to connect to '\(address.subject)': \(error.reason)" }
        if case .inet = address, error.call == "bind" || error.call == "listen" {
            return "Failed to find an available port: \(error.reason)"
        }
        return "Failed to bind socket to \(address.subject): \(error.reason)"
    }
}
