// Stream netdevs against each other: what `info` says of both roles, frames over unix and TCP, who comes
// back after whom.

import Glibc
import Link
import Linux
import TestSupport
import Testing

@testable import Netdevs

/// Netdevs on one reactor, each with a scripted card.
private final class NetdevScript {
    let reactor: Reactor
    private(set) var cards: [ScriptedPort] = []
    private(set) var netdevs: [StreamNetdev] = []
    private(set) var notices: [String] = []

    init() throws { reactor = try Reactor() }

    /// A netdev that has been started.
    func add(_ address: StreamAddress, _ role: StreamEndpoint.Role) -> StreamNetdev {
        let netdev = StreamNetdev(address, role, on: reactor)
        let card = ScriptedPort()
        netdev.link.connect(card, at: .card)
        netdev.onNotice = { [weak self] in self?.notices.append($0) }
        cards.append(card)
        netdevs.append(netdev)
        netdev.start()
        return netdev
    }

    func areUp(_ indices: Int...) throws -> Bool { try reactor.turn { indices.allSatisfy { netdevs[$0].isUp } } }

    /// A frame from `sender` arrives at `receiver`, once.
    func passes(_ number: Int, from sender: Int, to receiver: Int) throws -> Bool {
        let before = cards[receiver].frames.count
        guard netdevs[sender].link.send([testFrame(90, number)], from: .card) == 1 else { return false }
        return try reactor.turn { cards[receiver].frames.count > before }
            && cards[receiver].frames.dropFirst(before) == [testFrame(90, number)]
    }

    func stop() { for netdev in netdevs { netdev.stop() } }
}

func loopback(_ port: UInt16) -> StreamAddress { .inet(InternetName(host: "127.0.0.1", port: "\(port)")) }

struct StreamNetdevTests {
    @Test("over a unix socket both sides say unix:PATH, and frames pass both ways")
    func unix() throws {
        try withTemporaryDirectory { directory in
            let script = try NetdevScript()
            let path = directory.path + "/s"
            let server = script.add(.unix(UnixAddress(path: path)), .server)
            #expect(server.info == "listening" && !server.isUp)
            let client = script.add(.unix(UnixAddress(path: path)), .client(reconnect: 0))
            #expect(try script.areUp(0, 1))
            #expect(server.info == "unix:\(path)" && client.info == "unix:\(path)")
            #expect(try script.passes(1, from: 0, to: 1) && script.passes(2, from: 1, to: 0))
            script.stop()
            #expect(directory.entries == [] && script.notices == [])
        }
    }

    @Test("over TCP each side says tcp:HOST:PORT of the other, and frames pass both ways")
    func tcp() throws {
        let script = try NetdevScript()
        let port = try freePort()
        let server = script.add(loopback(port), .server)
        #expect(server.info == "listening")
        let client = script.add(loopback(port), .client(reconnect: 0))
        #expect(client.info == "connecting")
        #expect(try script.areUp(0, 1))
        #expect(client.info == "tcp:127.0.0.1:\(port)")
        #expect(server.info.hasPrefix("tcp:127.0.0.1:") && server.info != client.info)
        #expect(try script.passes(1, from: 0, to: 1) && script.passes(2, from: 1, to: 0))
        script.stop()
    }

    @Test("frames of a card that is alone are dropped and counted")
    func alone() throws {
        try withTemporaryDirectory { directory in
            let script = try NetdevScript()
            let server = script.add(.unix(UnixAddress(path: directory.path + "/s")), .server)
            #expect(server.link.send([testFrame(60)], from: .card) == 1)
            #expect(server.link.counters(.card).droppedWhileDown == 1)
            script.stop()
        }
    }

    @Test("a netdev that was not started is initializing; one that cannot connect or listen says why")
    func failures() throws {
        try withTemporaryDirectory { directory in
            let script = try NetdevScript()
            let idle = StreamNetdev(.unix(UnixAddress(path: "x")), .server, on: script.reactor)
            #expect(idle.info == "initializing")
            let missing = directory.path + "/missing"
            let client = script.add(.unix(UnixAddress(path: missing)), .client(reconnect: 0))
            #expect(client.info == "error: Failed to connect to '\(missing)': No such file or directory")
            let port = try freePort()
            let tcp = script.add(loopback(port), .client(reconnect: 0))
            #expect(try script.reactor.turn { tcp.info.hasPrefix("error") })
            #expect(tcp.info == "error: Failed to connect to '127.0.0.1:\(port)': Connection refused")
            let server = script.add(.unix(UnixAddress(path: directory.path + "/no/s")), .server)
            #expect(
                server.info == "error: Failed to bind socket to \(directory.path)/no/s: No such file or directory")
            let long = script.add(
                .unix(UnixAddress(path: directory.path + "/" + String(repeating: "a", count: 210))), .server)
            // Nobody looks at `info` before there is a reason to: what never recovers says so once.
            #expect(try script.reactor.turn { script.notices.count == 4 })
            #expect(Set(script.notices) == Set([client, tcp, server, long].map { String($0.info.dropFirst(7)) }))
            script.stop()
        }
    }

    @Test("a server takes the next client when the one before has gone")
    func nextClient() throws {
        try withTemporaryDirectory { directory in
            let script = try NetdevScript()
            let address = StreamAddress.unix(UnixAddress(path: directory.path + "/s"))
            let server = script.add(address, .server)
            let first = script.add(address, .client(reconnect: 0))
            #expect(try script.areUp(0, 1) && script.passes(1, from: 1, to: 0))
            _ = script.add(address, .client(reconnect: 0))
            #expect(try script.areUp(2), "as far as it knows")
            #expect(script.netdevs[2].link.send([testFrame(90, 3)], from: .card) == 1)
            first.stop()
            #expect(try script.reactor.turn { script.cards[0].frames.count == 2 && server.isUp })
            #expect(script.cards[0].frames.last == testFrame(90, 3), "what waited in the socket arrives")
            #expect(try script.passes(4, from: 0, to: 2))
            script.stop()
        }
    }

    @Test("a client whose only connection is over says so")
    func disconnected() throws {
        try withTemporaryDirectory { directory in
            let script = try NetdevScript()
            let path = directory.path + "/s"
            let server = script.add(.unix(UnixAddress(path: path)), .server)
            let client = script.add(.unix(UnixAddress(path: path)), .client(reconnect: 0))
            #expect(try script.areUp(0, 1))
            server.stop()
            #expect(try script.reactor.turn { !client.isUp })
            #expect(client.info == "unix:\(path),disconnected")
            #expect(
                script.notices == ["connection ended: closed by the peer; without reconnect-ms there is no other"])
            script.stop()
        }
    }

    @Test("a client with reconnect-ms waits for its server, and for the next one", arguments: [false, true])
    func reconnect(overTCP: Bool) throws {
        try withTemporaryDirectory { directory in
            let script = try NetdevScript()
            let address = overTCP ? loopback(try freePort()) : .unix(UnixAddress(path: directory.path + "/s"))
            let client = script.add(address, .client(reconnect: 10))
            for _ in 0..<5 { try script.reactor.turn(maxWaitNanoseconds: 20_000_000) }
            #expect(client.info == "connecting")
            for round in 1...3 {
                let server = script.add(address, .server)
                #expect(server.info == "listening")
                #expect(try script.areUp(0, round) && script.passes(round, from: 0, to: round))
                server.stop()
                #expect(try script.reactor.turn { !client.isUp })
                #expect(client.info == "connecting")
            }
            script.stop()
            #expect(script.reactor.watchCount == 0 && script.reactor.timerCount == 0)
        }
    }

    @Test("a peer that breaks the protocol is left with a notice, and a server takes the next")
    func oversized() throws {
        try withTemporaryDirectory { directory in
            let script = try NetdevScript()
            let path = directory.path + "/s"
            let server = script.add(.unix(UnixAddress(path: path)), .server)
            let peer = RawPeer(socket: SharedDescriptor(try UnixSocket.connect(to: path)))
            #expect(try script.reactor.turn { server.isUp })
            #expect(peer.send([0, 1, 0x10, 1]) == 4)
            #expect(try script.reactor.turn { !server.isUp })
            #expect(script.notices == ["connection ended: a frame of 69633 bytes, 69632 are allowed"])
            #expect(server.info == "listening" && peer.receive() == nil)
            _ = script.add(.unix(UnixAddress(path: path)), .client(reconnect: 0))
            #expect(try script.areUp(0, 1) && script.passes(1, from: 1, to: 0))
            script.stop()
        }
    }
}
