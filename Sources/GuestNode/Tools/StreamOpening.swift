// A TCP connection that a tool is still getting: a name that is looked up and a handshake, or somebody who calls.

import Bytes
import NetStack

/// A connection under way, to a host or from whoever calls.
struct StreamOpening: Sendable {
    enum State: Equatable, Sendable {
        case starting
        case resolving(QueryID)
        case connecting(TCPSocketID)
        case listening(TCPSocketID)
        case over
    }

    /// What a step came to.
    enum Progress: Equatable {
        case waiting
        case open(TCPSocketID)
        /// Why not, in a sentence.
        case failed(String)
    }

    /// nil: whoever calls at the port.
    var host: String?
    var port: UInt16
    var state = State.starting

    mutating func step(_ host: Host, now: Instant) -> Progress {
        switch state {
        case .starting: return start(host, now)
        case .resolving(let query):
            guard let result = host.takeResolution(query) else { return .waiting }
            guard case .success(let name) = result, let address = name.addresses.first else {
                return fail("\(self.host ?? ""): \(result.pingFailure)")
            }
            return connect(to: address, host, now)
        case .connecting(let socket):
            let status = host.tcp.status(socket)
            if status?.isConnected == true { return succeed(socket) }
            guard status == nil || status?.error != nil else { return .waiting }
            host.tcp.release(socket, now: now)
            return failConnect(status?.error ?? .connectionAborted)
        case .listening(let listener):
            guard let socket = host.tcp.accept(listener) else { return .waiting }
            host.tcp.release(listener, now: now)
            return succeed(socket)
        case .over: return fail("not connected")
        }
    }

    /// Gives back what is under way.
    mutating func cancel(_ host: Host, now: Instant) {
        switch state {
        case .resolving(let query): host.cancelResolve(query)
        case .connecting(let socket), .listening(let socket): host.tcp.release(socket, now: now)
        case .starting, .over: break
        }
        state = .over
    }

    private mutating func start(_ host: Host, _ now: Instant) -> Progress {
        if let name = self.host {
            state = .resolving(host.resolve(name, now: now))
            return step(host, now: now)
        }
        do throws(TCPError) {
            state = .listening(try host.tcp.listen(on: port, address: nil, backlog: 1))
            return .waiting
        } catch { return fail("listen on port \(port): \(error.reason)") }
    }

    private mutating func connect(to address: IPAddress, _ host: Host, _ now: Instant) -> Progress {
        do throws(TCPError) {
            state = .connecting(try host.tcp.connect(to: TCPEndpoint(address, port), now: now))
            return .waiting
        } catch { return failConnect(error) }
    }

    private mutating func succeed(_ socket: TCPSocketID) -> Progress {
        state = .over
        return .open(socket)
    }

    private mutating func failConnect(_ error: TCPError) -> Progress {
        fail("connect to \(host ?? "") port \(port) (tcp) failed: \(error.reason)")
    }

    private mutating func fail(_ reason: String) -> Progress {
        state = .over
        return .failed(reason)
    }
}
