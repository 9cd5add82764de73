// Stream connections by every kind of address: who listens, who connects, who comes back, and the
// sentences when that cannot be.

import CLinux
import Glibc
import Testing

@testable import Linux

/// An endpoint whose events are kept.
private final class Watched {
    let endpoint: StreamEndpoint
    private(set) var sockets: [SharedDescriptor] = []
    private(set) var failures: [StreamFailure] = []

    init(_ address: StreamAddress, _ role: StreamEndpoint.Role, on reactor: Reactor) {
        endpoint = StreamEndpoint(address, role, on: reactor)
        endpoint.onEvent = { [weak self] event in
            switch event {
            case .listening: break
            case .connected(let socket): self?.sockets.append(socket)
            case .failed(let failure): self?.failures.append(failure)
            }
        }
        endpoint.start()
    }

    var state: StreamEndpoint.State { endpoint.state }
    var port: UInt16? { endpoint.localAddress?.port }

    /// The last connection is closed.
    func hangUp() {
        sockets.removeAll()
        endpoint.connectionEnded()
    }
}

private func refused(_ code: CInt = ECONNREFUSED) -> StreamFailure {
    .connect(SystemError(call: "connect", code: code))
}

private func inet(_ host: String, _ port: String, _ change: (inout InternetName) -> Void = { _ in }) -> StreamAddress {
    var name = InternetName(host: host, port: port)
    change(&name)
    return .inet(name)
}

/// Whether a byte written into one socket arrives at the other.
private func areConnected(_ a: SharedDescriptor?, _ b: SharedDescriptor?) -> Bool {
    guard let a, let b else { return false }
    var byte: UInt8 = 0x5a
    guard write(a.raw, &byte, 1) == 1, (try? waitReadable(b.raw, milliseconds: 5000)) == true else { return false }
    var found: UInt8 = 0
    return read(b.raw, &found, 1) == 1 && found == 0x5a
}

@Suite("stream endpoints")
struct StreamEndpointTests {
    private let reactor: Reactor
    init() throws { reactor = try Reactor() }

    /// Connects a client to a server and checks both ends.
    private func connects(_ server: Watched, _ client: Watched) throws -> Bool {
        try reactor.turn { !server.sockets.isEmpty && !client.sockets.isEmpty }
            && areConnected(server.sockets.last, client.sockets.last)
            && areConnected(client.sockets.last, server.sockets.last)
    }

    // MARK: addresses

    @Test("unix: the path is listened at, connected to, and removed by stop")
    func unix() throws {
        let scratch = try Scratch()
        let address = StreamAddress.unix(UnixAddress(path: scratch.path + "/s"))
        let server = Watched(address, .server, on: reactor)
        #expect(server.state == .listening && scratch.entries == ["s"])
        let client = Watched(address, .client(reconnect: 0), on: reactor)
        #expect(client.sockets.isEmpty, "not within the call")
        #expect(try connects(server, client))
        let peer = StreamEndpoint.State.connected(peer: "unix:\(scratch.path)/s")
        #expect(server.state == peer && client.state == peer)
        client.endpoint.stop()
        #expect(scratch.entries == ["s"], "a client removes nothing")
        server.endpoint.stop()
        #expect(scratch.entries == [] && server.state == .idle && reactor.watchCount == 0)
    }

    @Test("unix: what somebody else listens at by now is not removed")
    func unixOfAnother() throws {
        let scratch = try Scratch()
        let address = StreamAddress.unix(UnixAddress(path: scratch.path + "/s"))
        let server = Watched(address, .server, on: reactor)
        #expect(unlink(scratch.path + "/s") == 0)
        let other = Watched(address, .server, on: reactor)
        server.endpoint.stop()
        let client = Watched(address, .client(reconnect: 0), on: reactor)
        #expect(try connects(other, client), "\(scratch.entries)")
        other.endpoint.stop()
        #expect(scratch.entries == [])
    }

    @Test("the abstract name space, tight and filled up: two different names", arguments: [true, false])
    func abstract(isTight: Bool) throws {
        let name = "netemu-test-\(getpid())-\(isTight)"
        let address = StreamAddress.unix(UnixAddress(path: name, isAbstract: true, isTight: isTight))
        let server = Watched(address, .server, on: reactor)
        let other = Watched(
            .unix(UnixAddress(path: name, isAbstract: true, isTight: !isTight)), .client(reconnect: 0), on: reactor)
        #expect(
            other.state == .failed(.connect(SystemError(call: "connect", code: ECONNREFUSED, subject: "@\(name)"))))
        let client = Watched(address, .client(reconnect: 0), on: reactor)
        #expect(try connects(server, client))
        server.endpoint.stop()
        #expect(Watched(address, .server, on: reactor).state == .listening, "the name is free again")
    }

    @Test("TCP by number: each end knows the other's address")
    func numeric() throws {
        let server = Watched(inet("127.0.0.1", "0"), .server, on: reactor)
        let port = try #require(server.port)
        let client = Watched(inet("127.0.0.1", "\(port)"), .client(reconnect: 0), on: reactor)
        #expect(client.state == .connecting)
        #expect(try connects(server, client))
        #expect(client.state == .connected(peer: "tcp:127.0.0.1:\(port)"))
        let own = try InternetSocketAddress.local(of: try #require(client.sockets.first).raw)
        #expect(server.state == .connected(peer: "tcp:\(own)"))
    }

    @Test("TCP over IPv6: brackets around the address")
    func version6() throws {
        let server = Watched(inet("::1", "0"), .server, on: reactor)
        guard case .listening = server.state else { return }  // a machine without IPv6
        let port = try #require(server.port)
        let client = Watched(inet("::1", "\(port)"), .client(reconnect: 0), on: reactor)
        #expect(try connects(server, client))
        #expect(client.state == .connected(peer: "tcp:[::1]:\(port)"))
    }

    @Test("a name is looked up without waiting for the answer; stop forgets it")
    func localhost() throws {
        let server = Watched(inet("localhost", "0") { $0.ipv4 = true }, .server, on: reactor)
        #expect(server.state == .resolving, "a server's own name, too")
        #expect(try reactor.turn { server.state == .listening })
        let port = try #require(server.port)
        let client = Watched(inet("localhost", "\(port)") { $0.ipv4 = true }, .client(reconnect: 0), on: reactor)
        #expect(client.state == .connecting)
        #expect(try connects(server, client))
        #expect(client.state == .connected(peer: "tcp:127.0.0.1:\(port)"))
        let forgotten = Watched(inet("localhost", "\(port)"), .client(reconnect: 0), on: reactor)
        forgotten.endpoint.stop()
        for _ in 0..<5 { try reactor.turn(maxWaitNanoseconds: 10_000_000) }
        #expect(forgotten.state == .idle && forgotten.sockets.isEmpty && forgotten.failures.isEmpty)
    }

    @Test("of a name's addresses the next is tried when one refuses")
    func nextAddress() throws {
        let server = Watched(inet("127.0.0.1", "0"), .server, on: reactor)
        let port = try #require(server.port)
        // localhost may be ::1 first, where nobody listens.
        let client = Watched(inet("localhost", "\(port)"), .client(reconnect: 0), on: reactor)
        #expect(try connects(server, client))
    }

    @Test("ipv4 and ipv6 switches choose the family; both off finds nothing")
    func families() throws {
        let none = Watched(inet("localhost", "1") { ($0.ipv4, $0.ipv6) = (false, false) }, .server, on: reactor)
        #expect(try reactor.turn { !none.failures.isEmpty })
        #expect(none.failures == [.name(NameError(name: "localhost:1", reason: "ipv4=off,ipv6=off"))])
        let families: [(Bool?, Bool?, CInt?)] = [
            (nil, nil, AF_UNSPEC), (true, true, AF_UNSPEC), (true, nil, AF_INET), (true, false, AF_INET),
            (nil, false, AF_INET), (nil, true, AF_INET6), (false, true, AF_INET6), (false, nil, AF_INET6),
            (false, false, nil),
        ]
        for (ipv4, ipv6, family) in families {
            var name = InternetName(host: "", port: "0")
            (name.ipv4, name.ipv6) = (ipv4, ipv6)
            #expect(name.family == family, "ipv4 \(String(describing: ipv4)), ipv6 \(String(describing: ipv6))")
        }
        let wrong = Watched(inet("127.0.0.1", "1") { $0.ipv6 = true }, .client(reconnect: 0), on: reactor)
        #expect(try reactor.turn { !wrong.failures.isEmpty })
        guard case .name(let error)? = wrong.failures.first else { return #expect(Bool(false), "\(wrong.failures)") }
        #expect(error.name == "127.0.0.1:1")
    }

    @Test("a server takes the first free port of its range, and none beyond it")
    func range() throws {
        let first = Watched(inet("127.0.0.1", "0"), .server, on: reactor)
        let port = try #require(first.port)
        guard port < 65500 else { return }
        let second = Watched(inet("127.0.0.1", "\(port)") { $0.lastPort = port + 20 }, .server, on: reactor)
        let found = try #require(second.port)
        #expect(found > port && found <= port + 20)
        let third = Watched(inet("127.0.0.1", "\(port)") { $0.lastPort = port }, .server, on: reactor)
        guard case .failed(.listen(let error)) = third.state else { return #expect(Bool(false), "\(third.state)") }
        #expect(error.code == EADDRINUSE)
        #expect(try reactor.turn { third.failures.count == 1 })
    }

    @Test("a listening descriptor is a server's, and its file is not removed")
    func listeningDescriptor() throws {
        let scratch = try Scratch()
        let listener = try UnixSocket.listen(at: scratch.path + "/s").release()
        let server = Watched(.descriptor(listener), .server, on: reactor)
        #expect(server.state == .listening && fcntl(listener, F_GETFD) & FD_CLOEXEC != 0)
        let client = Watched(.unix(UnixAddress(path: scratch.path + "/s")), .client(reconnect: 0), on: reactor)
        #expect(try connects(server, client))
        #expect(server.state == .connected(peer: "fd:\(listener)"))
        server.endpoint.stop()
        #expect(scratch.entries == ["s"] && fcntl(listener, F_GETFD) == -1)
    }

    @Test("a connected descriptor is a client's connection, once", arguments: [0, 1] as [UInt32])
    func connectedDescriptor(pause: UInt32) throws {
        let (ours, theirs) = try UnixSocket.pair()
        let number = try ours.descriptor.duplicate().release()
        let owner = Watched(.descriptor(number), .client(reconnect: pause), on: reactor)
        #expect(try reactor.turn { !owner.sockets.isEmpty })
        #expect(owner.state == .connected(peer: "fd:\(number)") && areConnected(owner.sockets.first, theirs))
        owner.hangUp()
        for _ in 0..<5 { try reactor.turn(maxWaitNanoseconds: 5_000_000) }
        #expect(owner.state == .ended(peer: "fd:\(number)"), "the number may be somebody else's by now")
        #expect(owner.failures.isEmpty && reactor.timerCount == 0)
    }

    @Test("a descriptor of the other kind, or of no socket, is refused and stays open")
    func otherDescriptors() throws {
        let (connected, _) = try UnixSocket.pair()
        let server = Watched(.descriptor(connected.raw), .server, on: reactor)
        #expect(server.state == .failed(.listen(SystemError(call: "listen", code: EINVAL))))
        let scratch = try Scratch()
        let listener = SharedDescriptor(try UnixSocket.listen(at: scratch.path + "/s"))
        let client = Watched(.descriptor(listener.raw), .client(reconnect: 0), on: reactor)
        #expect(client.state == .failed(.connect(SystemError(call: "connect", code: EINVAL))))
        let pipe = try EventDescriptor()
        for role in [StreamEndpoint.Role.server, .client(reconnect: 0)] {
            #expect(Watched(.descriptor(pipe.raw), role, on: reactor).state == .failed(.noSocket(pipe.raw)))
            #expect(Watched(.descriptor(999), role, on: reactor).state == .failed(.noSocket(999)))
        }
        for raw in [connected.raw, listener.raw, pipe.raw] { #expect(fcntl(raw, F_GETFD) >= 0) }
    }

    @Test("nothing has no name: a client needs a host, a server listens everywhere")
    func emptyHost() throws {
        let client = Watched(inet("", "9"), .client(reconnect: 0), on: reactor)
        #expect(try reactor.turn { !client.failures.isEmpty })
        #expect(client.failures == [.name(NameError(name: ":9", reason: "Name or service not known"))])
        let server = Watched(inet("", "0"), .server, on: reactor)
        #expect(server.state == .listening && server.port != nil)
    }

    // MARK: again and again

    @Test("a server has one client at a time; the next one waits in the queue")
    func oneAtATime() throws {
        let scratch = try Scratch()
        let address = StreamAddress.unix(UnixAddress(path: scratch.path + "/s"))
        let server = Watched(address, .server, on: reactor)
        let first = Watched(address, .client(reconnect: 0), on: reactor)
        #expect(try connects(server, first))
        let second = Watched(address, .client(reconnect: 0), on: reactor)
        for _ in 0..<5 { try reactor.turn(maxWaitNanoseconds: 2_000_000) }
        #expect(server.sockets.count == 1)
        server.hangUp()
        #expect(server.state == .listening)
        #expect(try connects(server, second) && server.sockets.count == 1)
    }

    @Test(
        "a client without reconnect has had its connection; one with tries until it is stopped",
        arguments: [0, 5] as [UInt32])
    func reconnect(pause: UInt32) throws {
        let scratch = try Scratch()
        let address = StreamAddress.unix(UnixAddress(path: scratch.path + "/s"))
        let server = Watched(address, .server, on: reactor)
        let client = Watched(address, .client(reconnect: pause), on: reactor)
        #expect(try connects(server, client))
        client.hangUp()
        server.hangUp()
        guard pause > 0 else {
            #expect(client.state == .ended(peer: "unix:\(scratch.path)/s") && reactor.timerCount == 0)
            return
        }
        #expect(client.state == .waiting)
        #expect(try connects(server, client))
        server.endpoint.stop()
        client.hangUp()
        #expect(try reactor.turn { client.failures.count >= 3 })
        #expect(client.state == .waiting)
        #expect(
            client.failures.last
                == .connect(SystemError(call: "connect", code: ENOENT, subject: "\(scratch.path)/s")))
        client.endpoint.stop()
        #expect(reactor.timerCount == 0 && client.state == .idle)
    }

    @Test("a TCP client with reconnect finds a server that comes later")
    func laterServer() throws {
        let probe = Watched(inet("127.0.0.1", "0"), .server, on: reactor)
        let port = try #require(probe.port)
        probe.endpoint.stop()
        let client = Watched(inet("127.0.0.1", "\(port)"), .client(reconnect: 5), on: reactor)
        #expect(try reactor.turn { client.failures.count >= 2 })
        #expect(client.failures.first == refused())
        let server = Watched(inet("127.0.0.1", "\(port)"), .server, on: reactor)
        #expect(try connects(server, client))
    }

    @Test("an endpoint that goes takes everything along, also in the middle of an attempt")
    func goes() throws {
        let scratch = try Scratch()
        do {
            let server = Watched(.unix(UnixAddress(path: scratch.path + "/s")), .server, on: reactor)
            let client = Watched(inet("127.0.0.1", "1"), .client(reconnect: 1000), on: reactor)
            withExtendedLifetime((server, client)) {}
        }
        #expect(reactor.watchCount == 0 && reactor.timerCount == 0 && scratch.entries == [])
        try reactor.turn(maxWaitNanoseconds: 0)
    }

    // MARK: failures

    @Test("a failure is told as state at once and as event at the end of the turn")
    func failures() throws {
        let scratch = try Scratch()
        let missing = scratch.path + "/missing/s"
        let cases: [(StreamAddress, StreamEndpoint.Role, StreamFailure)] = [
            (
                .unix(UnixAddress(path: missing)), .client(reconnect: 0),
                .connect(SystemError(call: "connect", code: ENOENT, subject: missing))
            ),
            (
                .unix(UnixAddress(path: missing)), .server,
                .listen(SystemError(call: "bind", code: ENOENT, subject: missing))
            ),
            (
                inet("192.0.2.1", "9"), .server,
                .listen(SystemError(call: "bind", code: EADDRNOTAVAIL, subject: "192.0.2.1:9"))
            ),
        ]
        for (address, role, failure) in cases {
            let endpoint = Watched(address, role, on: reactor)
            #expect(endpoint.state == .failed(failure) && endpoint.failures.isEmpty)
            #expect(try reactor.turn { endpoint.failures == [failure] })
        }
        let taken = Watched(.unix(UnixAddress(path: scratch.path + "/s")), .server, on: reactor)
        let second = Watched(.unix(UnixAddress(path: scratch.path + "/s")), .server, on: reactor)
        guard case .failed(.listen(let error)) = second.state else { return #expect(Bool(false), "\(second.state)") }
        #expect(error.code == EADDRINUSE && taken.state == .listening)
        second.endpoint.stop()
        #expect(scratch.entries == ["s"], "the other's socket stays")
    }

    @Test("addresses as text: unix:PATH, tcp:HOST:PORT, fd:N, vsock:CID:PORT")
    func texts() {
        let texts: [(StreamAddress, String)] = [
            (.unix(UnixAddress(path: "/a")), "unix:/a"), (inet("h", "1"), "tcp:h:1"), (inet("::", "1"), "tcp::::1"),
            (.descriptor(7), "fd:7"), (.vsock(cid: 3, port: 4), "vsock:3:4"),
        ]
        for (address, text) in texts { #expect(address.text == text) }
    }
}
