// The resolver as a machine against scripted servers, and through a host.

import Bytes
import Link
import Testing

@testable import NetStack

private let server1 = IPAddress(10, 0, 0, 53)
private let server2 = IPAddress(10, 0, 0, 54)

private func name(_ text: String) throws -> DNSName { try #require(DNSName(text)) }

@Suite struct ResolverTests {
    @Test("a name with an address")
    func found() throws {
        let script = ResolverScript()
        let id = script.start("www.example")
        #expect(script.take(id) == nil)
        script.answer([DNSRecord(try name("WWW.example"), timeToLive: 1, .address(wireA))])
        let found = try script.take(id)?.get()
        #expect(
            found
                == ResolvedName(
                    canonicalName: "www.example", queriedName: "www.example", addresses: [addressA], server: server1))
        #expect(script.take(id) == nil)
        #expect(script.resolver.nextDeadline == nil)
    }

    @Test("literal addresses and localhost need no server", arguments: ["10.0.0.1", "127.0.0.1", "LocalHost"])
    func literal(text: String) throws {
        let script = ResolverScript()
        let id = script.start(text, servers: [])
        let found = try script.take(id)?.get()
        #expect(found?.addresses == [IPAddress(text) ?? .loopback])
        #expect(script.asked.isEmpty)
    }

    @Test("a silent server is followed by the next; after three rounds the query has failed")
    func failOver() throws {
        let script = ResolverScript()
        let start = script.now
        let id = script.start("a.b")
        for _ in 0..<6 { try script.wait() }
        #expect(script.asked.map(\.server) == [server1, server2, server1, server2, server1, server2])
        #expect(script.now.since(start) == .seconds(14))
        #expect(throws: ResolveError.timedOut("a.b")) { try script.take(id)?.get() }
        #expect(Set(script.asked.map(\.message.id)).count > 1, "every try has an identifier of its own")
    }

    @Test("a server that refuses, or is unreachable, is left at once; all refusing is the end")
    func refusal() throws {
        let script = ResolverScript()
        var id = script.start("a.b")
        script.answer([], code: 2)
        #expect(script.asked.last?.server == server2)
        script.answer([DNSRecord(try name("a.b"), timeToLive: 1, .address(wireB))])
        #expect(try script.take(id)?.get().server == server2)
        id = script.start("a.b")
        let port = try #require(script.asked.last?.port)
        script.resolver.pathFailed(port: port, to: Endpoint(server1, 53), now: script.now)
        script.collect()
        #expect(script.asked.last?.server == server2)
        // Anybody can say that a server is unreachable: it is asked once more.
        script.answer([], code: 5)
        #expect(script.asked.last?.server == server1 && script.take(id) == nil)
        script.answer([], code: 2)
        #expect(throws: ResolveError.refused(code: 2, server: server1)) {
            try script.take(id)?.get()
        }
    }

    @Test("one that refuses does not end the query while another is only slow; when that one refuses, too, it is over")
    func slowAndRefusing() throws {
        let script = ResolverScript()
        var id = script.start("a.b")
        try script.wait()
        script.answer([], code: 5)
        #expect(script.take(id) == nil)
        #expect(script.asked.map(\.server) == [server1, server2, server1])
        script.answer([DNSRecord(try name("a.b"), timeToLive: 1, .address(wireB))])
        #expect(try script.take(id)?.get().server == server1)
        // The slow one's refusal comes late, and counts.
        id = script.start("a.b")
        let slow = try #require(script.asked.last)
        try script.wait()
        script.deliver(
            DNSMessage(answering: slow.message, [], responseCode: 2), from: Endpoint(server1, 53), port: slow.port)
        #expect(script.take(id) == nil)
        script.answer([], code: 5)
        #expect(throws: ResolveError.refused(code: 5, server: server2)) { try script.take(id)?.get() }
        // Three of them, of which one never says a word: three rounds, and what was said is told.
        script.asked = []
        let third = IPAddress(10, 0, 0, 55)
        id = script.start("a.b", servers: [server1, server2, third])
        for _ in 0..<3 {
            script.answer([], code: 5)
            script.answer([], code: 2)
            #expect(script.take(id) == nil)
            try script.wait()
        }
        #expect(script.asked.count == 9)
        #expect(throws: ResolveError.refused(code: 2, server: server2)) { try script.take(id)?.get() }
    }

    @Test("the search list: short names with it first, dotted ones as they are first, absolute ones never")
    func search() throws {
        let script = ResolverScript()
        let short = script.start("host", search: ["one.test", "two.test"])
        for _ in 0..<3 { script.answer([], code: 3) }
        #expect(script.names == ["host.one.test", "host.two.test", "host"])
        #expect(throws: ResolveError.notFound("host")) { try script.take(short)?.get() }
        script.asked = []
        let dotted = script.start("a.b", search: ["one.test"])
        script.answer([], code: 3)
        script.answer([DNSRecord(try name("a.b.one.test"), timeToLive: 1, .address(wireA))])
        #expect(script.names == ["a.b", "a.b.one.test"])
        #expect(try script.take(dotted)?.get().queriedName == "a.b.one.test")
        script.asked = []
        let absolute = script.start("a.b.", search: ["one.test"])
        script.answer([], code: 3)
        #expect(script.names == ["a.b"])
        #expect(throws: ResolveError.notFound("a.b.")) { try script.take(absolute)?.get() }
    }

    @Test("a name without an address is told apart from no name")
    func noAddress() throws {
        let script = ResolverScript()
        let id = script.start("host", search: ["one.test"])
        script.answer([])
        script.answer([], code: 3)
        #expect(throws: ResolveError.noAddress("host")) { try script.take(id)?.get() }
    }

    @Test("aliases are followed in the answer, asked for when they lead out of it, and end")
    func aliases() throws {
        let script = ResolverScript()
        let id = script.start("a.test")
        script.answer([
            DNSRecord(try name("b.test"), timeToLive: 1, .alias(try name("c.test"))),
            DNSRecord(try name("a.test"), timeToLive: 1, .alias(try name("b.test"))),
        ])
        #expect(script.names == ["a.test", "c.test"])
        script.answer([DNSRecord(try name("c.test"), timeToLive: 1, .address(wireA))])
        #expect(try script.take(id)?.get().canonicalName == "c.test")
        let loop = script.start("a.test")
        script.answer([
            DNSRecord(try name("a.test"), timeToLive: 1, .alias(try name("b.test"))),
            DNSRecord(try name("b.test"), timeToLive: 1, .alias(try name("a.test"))),
        ])
        #expect(throws: ResolveError.aliasLoop("a.test")) { try script.take(loop)?.get() }
        let endless = script.start("x0.test")
        for index in 0...Resolver.aliasLimit {
            script.answer([
                DNSRecord(try name("x\(index).test"), timeToLive: 1, .alias(try name("x\(index + 1).test")))
            ])
        }
        #expect(throws: ResolveError.aliasLoop("x0.test")) { try script.take(endless)?.get() }
    }

    @Test("an ICMP error counts only about a server that was asked, and ends no query")
    func softErrors() throws {
        let script = ResolverScript()
        let record = DNSRecord(try name("a.b"), timeToLive: 1, .address(wireB))
        var id = script.start("a.b")
        let port = try #require(script.asked.last?.port)
        script.resolver.pathFailed(port: port, to: Endpoint(IPAddress(10, 9, 9, 9), 53), now: script.now)
        script.resolver.pathFailed(port: port, to: Endpoint(server1, 54), now: script.now)
        script.collect()
        #expect(script.asked.count == 1)
        // A forged one makes the next server be asked; the answer of the first still counts.
        let first = try #require(script.asked.last)
        script.resolver.pathFailed(port: port, to: Endpoint(server1, 53), now: script.now)
        script.collect()
        #expect(script.asked.map(\.server) == [server1, server2])
        script.deliver(
            DNSMessage(answering: first.message, [record]), from: Endpoint(server1, 53), port: port)
        #expect(try script.take(id)?.get().server == server1)
        id = script.start("a.b", servers: [server1])
        for _ in 0..<10 {
            let port = try #require(script.asked.last?.port)
            script.resolver.pathFailed(port: port, to: Endpoint(server1, 53), now: script.now)
            script.collect()
        }
        #expect(script.take(id) == nil)
        script.answer([record])
        #expect(try script.take(id)?.get().addresses == [addressB])
    }

    @Test("a late refusal of a server that was left is no news")
    func lateRefusal() throws {
        let script = ResolverScript()
        let id = script.start("a.b")
        let first = try #require(script.asked.last)
        try script.wait()
        script.deliver(
            DNSMessage(answering: first.message, [], responseCode: 2), from: Endpoint(server1, 53), port: first.port)
        #expect(script.asked.count == 2)
        script.answer([DNSRecord(try name("a.b"), timeToLive: 1, .address(wireA))])
        #expect(try script.take(id)?.get().server == server2)
    }

    @Test("a chain of aliases may be as long as glibc keeps")
    func longChain() throws {
        let script = ResolverScript()
        let id = script.start("x0.test")
        var records = try (0..<Resolver.aliasLimit).map { index in
            DNSRecord(try name("x\(index).test"), timeToLive: 1, .alias(try name("x\(index + 1).test")))
        }
        records.append(DNSRecord(try name("x\(Resolver.aliasLimit).test"), timeToLive: 1, .address(wireA)))
        script.answer(records)
        #expect(try script.take(id)?.get().addresses == [addressA])
        #expect("\(ResolveError.aliasLoop("a"))".contains("more than 48 in a row"))
    }

    @Test("answers of others are not heard: server, port, identifier, question, direction")
    func foreign() throws {
        let script = ResolverScript()
        let id = script.start("a.b")
        let asked = try #require(script.asked.last)
        let records = [DNSRecord(try name("a.b"), timeToLive: 1, .address(wireB))]
        let good = DNSMessage(answering: asked.message, records)
        script.deliver(good, from: Endpoint(server2, 53), port: asked.port)
        script.deliver(good, from: Endpoint(server1, 5353), port: asked.port)
        script.deliver(good, from: Endpoint(server1, 53), port: asked.port ^ 1)
        script.answer(records) { $0.id ^= 1 }
        script.answer(records) { $0.isResponse = false }
        let other = DNSQuestion(try name("c.d"), .a)
        script.answer(records) { $0.questions = [other] }
        script.answer(records) { $0.questions = [] }
        #expect(script.take(id) == nil)
        script.answer(records)
        #expect(try script.take(id)?.get().addresses == [addressB])
    }

    @Test("what cannot be asked is refused at once", arguments: ["", "a..b", "bad name"])
    func badNames(text: String) {
        let script = ResolverScript()
        let id = script.start(text)
        #expect(throws: ResolveError.badName(text)) { try script.take(id)?.get() }
    }

    @Test("no servers, and too many queries")
    func limits() throws {
        let script = ResolverScript()
        let none = script.start("a.b", servers: [])
        #expect(throws: ResolveError.noServers) { try script.take(none)?.get() }
        for _ in 0..<Resolver.queryLimit { _ = script.start("a.b") }
        let last = script.start("a.b")
        #expect(throws: ResolveError.tooManyQueries(limit: Resolver.queryLimit)) {
            try script.take(last)?.get()
        }
        #expect(Set(script.asked.map(\.port)).count == Resolver.queryLimit)
    }

    @Test("a host asks the server of its lease, with the lease's search list")
    func host() throws {
        let wire = HostWire()
        let station = Station("node", macA, nil)
        let dhcp = ScriptedDHCPServer()
        dhcp.grant.nameServers = [IPv4Address(10, 0, 0, 3), dhcp.server]
        dhcp.grant.searchList = [try name("lan")]
        wire.attach(WireEnd(station.host, station.eth))
        wire.attach(dhcp.end)
        var asked: [String] = []
        wire.attach(
            WireEnd(script: { frame, _ in
                guard let query = udp(frame), query.destination.port == 53,
                    let message = query.data.withUnsafeBytes({ try? DNSMessage($0) })
                else { return [] }
                asked.append("\(message.questions[0].name)@\(query.destination.address)")
                // The first server is dead: its port is closed.
                if query.destination.address == IPAddress(10, 0, 0, 3) {
                    let quote = Array(frame[14..<42])
                    let header = IPv4Header(
                        from: query.destination.address, to: query.source.address, .icmp, payloadLength: 0)
                    return [
                        ipFrame(
                            to: macA, from: dhcp.mac, header, icmpPayload(.unreachable(code: 3, nextHopMTU: 0), quote))
                    ]
                }
                let record = DNSRecord(message.questions[0].name, timeToLive: 1, .address(wireB))
                let data = bytes { try DNSMessage(answering: message, [record]).write(to: &$0) }
                return [udpFrame(to: macA, from: dhcp.mac, query.destination, query.source, data)]
            }))
        station.host.setLink(station.eth, isUp: true, now: wire.now)
        wire.run(for: .seconds(1))
        let start = wire.now
        let id = station.host.resolve("nas", now: wire.now)
        var result: Result<ResolvedName, ResolveError>?
        wire.run(for: .seconds(5)) {
            result = result ?? station.host.takeResolution(id)
            return result != nil
        }
        #expect(try result?.get().addresses == [addressB])
        #expect(asked == ["nas.lan@10.0.0.3", "nas.lan@10.0.0.254"])
        #expect(wire.now.since(start) < .milliseconds(5), "the closed port was noticed, not waited for")
    }

    @Test("a host without a route to its server fails at once")
    func unroutable() throws {
        let station = Station("node", macA, "10.0.0.1/24")
        let now = Instant(nanoseconds: 1)
        let id = station.host.resolve("a.b", server: IPAddress(8, 8, 8, 8), now: now)
        #expect(throws: ResolveError.timedOut("a.b")) { try station.host.takeResolution(id)?.get() }
    }
}
