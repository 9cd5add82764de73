// One attempt to connect to a stream socket: the name is looked up, its addresses are tried one after the other,
// nothing waits. Whether there is another attempt is the owner's matter.

import Glibc

/// An attempt to connect. Dropping it gives it up.
final class ConnectionAttempt {
    typealias Outcome = Result<SharedDescriptor, StreamFailure>

    private let address: StreamAddress
    private let reactor: Reactor
    private let done: (Outcome) -> Void
    private var lookup: PendingLookup?
    private var candidates: [InternetSocketAddress] = []
    private var socket: SharedDescriptor?
    private var watch: WatchID?

    /// - Parameters:
    ///   - address: anything but a descriptor.
    ///   - done: called once, within `start` or in a later turn.
    init(_ address: StreamAddress, on reactor: Reactor, done: @escaping (Outcome) -> Void) {
        self.address = address
        self.reactor = reactor
        self.done = done
    }

    deinit { giveUp() }

    func start() {
        do throws(SystemError) {
            switch address {
            case .unix(let unix):
                let socket =
                    unix.isAbstract
                    ? try UnixSocket.connect(toAbstract: unix.path, isTight: unix.isTight)
                    : try UnixSocket.connect(to: unix.path)
                done(.success(SharedDescriptor(socket)))
            case .vsock(let cid, let port): try follow(SharedDescriptor(InternetSocket.connect(cid: cid, port: port)))
            case .inet(let name): try lookUp(name)
            case .descriptor(let number): done(.failure(.noSocket(number)))
            }
        } catch { done(.failure(.connect(error))) }
    }

    func giveUp() {
        lookup?.cancel()
        lookup = nil
        if let watch { reactor.remove(watch) }
        watch = nil
        socket = nil
    }

    private func lookUp(_ name: InternetName) throws(SystemError) {
        if let known = NameLookup.numeric(name, isPassive: false) {
            candidates = known
            return tryCandidates(name)
        }
        lookup = try PendingLookup(name, isPassive: false, on: reactor) { [weak self] in self?.found($0, name) }
    }

    private func found(_ outcome: NameLookup.Outcome, _ name: InternetName) {
        lookup = nil
        switch outcome {
        case .success(let addresses):
            candidates = addresses
            tryCandidates(name)
        case .failure(let error): done(.failure(.name(error)))
        }
    }

    private func tryCandidates(_ name: InternetName) {
        var failure = SystemError(call: "connect", code: EADDRNOTAVAIL)
        while !candidates.isEmpty {
            do throws(SystemError) {
                return try follow(SharedDescriptor(InternetSocket.connect(to: candidates.removeFirst(), name)))
            } catch { failure = error }
        }
        done(.failure(.connect(failure)))
    }

    /// Waits for a connection that was begun.
    private func follow(_ socket: SharedDescriptor) throws(SystemError) {
        watch = try reactor.watch(socket.raw, for: .writable) { [weak self] _ in self?.ended() }
        self.socket = socket
    }

    private func ended() {
        guard let socket else { return }
        giveUp()
        guard let code = InternetSocket.connectionError(of: socket.raw) else { return done(.success(socket)) }
        if case .inet(let name) = address, !candidates.isEmpty { return tryCandidates(name) }
        done(.failure(.connect(SystemError(call: "connect", code: code))))
    }
}
