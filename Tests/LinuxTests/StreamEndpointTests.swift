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
    private(set) var failures: [String] = []

    init(_ address: StreamAddress, _ role: StreamEndpoint.Role, on reactor: Reactor) {
        endpoint = StreamEndpoint(address, role, on: reactor)
        endpoint.onEvent = { [weak self] event in
            switch event {
            case .connected(let socket): self?.sockets.append(socket)
            case .failed(let text): self?.failures.append(text)
            }
        }
        endpoint.start()
    }

    var state: StreamEndpoint.State { endpoint.state }

    /// The last connection is closed.
    func hangUp() {
        sockets.removeAll()
        endpoint.connectionEnded()
    }
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

    @Test("the abstract name space, tight and filled up: two different names", arguments: [true, false])
    func abstract(isTight: Bool) throws {
        let name = "netemu-test-\(getpid())-\(isTight)"
        let address = StreamAddress.unix(UnixAddress(path: name, isAbstract: true, isTight: isTight))
        let server = Watched(address, .server, on: reactor)
        let other = Watched(
            .unix(UnixAddress(path: name, isAbstract: true, isTight: !isTight)), .client(reconnect: 0), on: reactor)
        #expect(other.state == .failed("Failed to connect to '\(name)': Connection refused"))
        let client = Watched(address, .client(reconnect: 0), on: reactor)
        #expect(try connects(server, client))
        server.endpoint.stop()
        #expect(Watched(address, .server, on: reactor).state == .listening, "the name is free again")
    }

    @Test("TCP by number: each end knows the other's address")
    func numeric() throws {
        let server = Watched(inet("127.0.0.1", "0"), .server, on: reactor)
        let port = try #require(server.endpoint.localPort)
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
        let port = try #require(server.endpoint.localPort)
        let client = Watched(inet("::1", "\(port)"), .client(reconnect: 0), on: reactor)
        #expect(try connects(server, client))
        #expect(client.state == .connected(peer: "tcp:[::1]:\(port)"))
    }

    @Test("a name is looked up without waiting for the answer; stop forgets it")
    func localhost() throws {
        let server = Watched(inet("localhost", "0") { $0.ipv4 = true }, .server, on: reactor)
        let port = try #require(server.endpoint.localPort)
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
        let port = try #require(server.endpoint.localPort)
        // localhost may be ::1 first, where nobody listens.
        let client = Watched(inet("localhost", "\(port)"), .client(reconnect: 0), on: reactor)
        #expect(try connects(server, client))
    }

    @Test("ipv4 and ipv6 switches choose the family; both off finds nothing")
    func families() throws {
        let none = Watched(inet("localhost", "1") { ($0.ipv4, $0.ipv6) = (false, false) }, .server, on: reactor)
        #expect(none.state == .failed("address resolution failed for localhost:1: ipv4=off,ipv6=off"))
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
        #expect(wrong.failures.first?.hasPrefix("address resolution failed for 127.0.0.1:1: ") == true)
    }

    @Test("a server takes the first free port of its range, and none beyond it")
    func range() throws {
        let first = Watched(inet("127.0.0.1", "0"), .server, on: reactor)
        let port = try #require(first.endpoint.localPort)
        guard port < 65500 else { return }
        let second = Watched(inet("127.0.0.1", "\(port)") { $0.lastPort = port + 20 }, .server, on: reactor)
        let found = try #require(second.endpoint.localPort)
        #expect(found > port && found <= port + 20)
        let third = Watched(inet("127.0.0.1", "\(port)") { $0.lastPort = port }, .server, on: reactor)
        #expect(third.state == .failed("Failed to find an available port: Address already in use"))
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

    @Test("a connected descriptor is a connection for either role, once", arguments: [0, 1, 2])
    func connectedDescriptor(which: Int) throws {
        let (ours, theirs) = try UnixSocket.pair()
        let number = try ours.descriptor.duplicate().release()
        let role = [StreamEndpoint.Role.server, .client(reconnect: 0), .client(reconnect: 1)][which]
        let owner = Watched(.descriptor(number), role, on: reactor)
        #expect(try reactor.turn { !owner.sockets.isEmpty })
        #expect(owner.state == .connected(peer: "fd:\(number)") && areConnected(owner.sockets.first, theirs))
        owner.hangUp()
        for _ in 0..<5 { try reactor.turn(maxWaitNanoseconds: 5_000_000) }
        #expect(owner.state == .ended(peer: "fd:\(number)"), "the number may be somebody else's by now")
        #expect(owner.failures.isEmpty && reactor.timerCount == 0)
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
        #expect(client.failures.last == "Failed to connect to '\(scratch.path)/s': No such file or directory")
        client.endpoint.stop()
        #expect(reactor.timerCount == 0 && client.state == .idle)
    }

    @Test("a TCP client with reconnect finds a server that comes later")
    func laterServer() throws {
        let probe = Watched(inet("127.0.0.1", "0"), .server, on: reactor)
        let port = try #require(probe.endpoint.localPort)
        probe.endpoint.stop()
        let client = Watched(inet("127.0.0.1", "\(port)"), .client(reconnect: 5), on: reactor)
        #expect(try reactor.turn { client.failures.count >= 2 })
        #expect(client.failures.first == "Failed to connect to '127.0.0.1:\(port)': Connection refused")
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

    // MARK: sentences

    @Test("failures are told in QEMU's sentences, as state and as event")
    func sentences() throws {
        let scratch = try Scratch()
        let missing = scratch.path + "/missing/s"
        let cases: [(StreamAddress, StreamEndpoint.Role, String)] = [
            (
                .unix(UnixAddress(path: missing)), .client(reconnect: 0),
                "Failed to connect to '\(missing)': No such file or directory"
            ),
            (
                .unix(UnixAddress(path: missing)), .server,
                "Failed to bind socket to \(missing): No such file or directory"
            ),
            (.descriptor(999), .client(reconnect: 0), "Failed to connect to 'descriptor 999': Bad file descriptor"),
            (.descriptor(999), .server, "Failed to bind socket to descriptor 999: Bad file descriptor"),
            (
                inet("127.0.0.1", "no-such-service"), .server,
                "address resolution failed for 127.0.0.1:no-such-service: Servname not supported for ai_socktype"
            ),
            (inet("192.0.2.1", "9"), .server, "Failed to find an available port: Cannot assign requested address"),
        ]
        for (address, role, sentence) in cases {
            let endpoint = Watched(address, role, on: reactor)
            #expect(endpoint.state == .failed(sentence) && endpoint.failures.isEmpty)
            #expect(try reactor.turn { endpoint.failures == [sentence] })
        }
        let taken = Watched(.unix(UnixAddress(path: scratch.path + "/s")), .server, on: reactor)
        let second = Watched(.unix(UnixAddress(path: scratch.path + "/s")), .server, on: reactor)
        #expect(
            second.state == .failed("Failed to bind socket to \(scratch.path)/s: Address already in use")
                && taken.state == .listening)
        second.endpoint.stop()
        #expect(scratch.entries == ["s"], "the other's socket stays")
    }

    @Test("words: what failed, of which address")
    func words() {
        let refused = SystemError(call: "connect", code: ECONNREFUSED)
        let inUse = SystemError(call: "bind", code: EADDRINUSE)
        let looked = SystemError(call: "address resolution failed for x:1: y", code: 0)
        func words(_ error: SystemError, _ address: StreamAddress, _ isListening: Bool) -> String {
            StreamEndpoint.words(for: error, at: address, isListening: isListening)
        }
        #expect(words(refused, inet("::1", "80"), false) == "Failed to connect to '[::1]:80': Connection refused")
        #expect(words(refused, .vsock(cid: 2, port: 9), false) == "Failed to connect to '2:9': Connection refused")
        #expect(words(inUse, .vsock(cid: 2, port: 9), true) == "Failed to bind socket to 2:9: Address already in use")
        #expect(words(inUse, inet("h", "1"), true) == "Failed to find an available port: Address already in use")
        let socket = SystemError(call: "socket", code: EMFILE)
        #expect(words(socket, inet("h", "1"), true) == "Failed to bind socket to h:1: Too many open files")
        #expect(words(looked, inet("x", "1"), false) == "address resolution failed for x:1: y")
    }

    @Test("addresses as text: unix:PATH, tcp:HOST:PORT, fd:N, vsock:CID:PORT")
    func texts() {
        let texts: [(StreamAddress, String)] = [
            (.unix(UnixAddress(path: "/a")), "unix:/a"), (inet("h", "1"), "tcp:h:1"), (inet("::", "1"), "tcp:[::]:1"),
            (.descriptor(7), "fd:7"), (.vsock(cid: 3, port: 4), "vsock:3:4"),
        ]
        for (address, text) in texts { #expect(address.text == text) }
    }
}
