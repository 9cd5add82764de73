// Answers that are too long for a datagram: connections to name servers, beside datagrams that come late.

import Bytes
import Link
import Testing

@testable import NetStack

private let server1 = IPAddress(10, 0, 0, 53)
private let server2 = IPAddress(10, 0, 0, 54)

private func name(_ text: String) throws -> DNSName { try #require(DNSName(text)) }

@Suite("answers of name servers by TCP") struct ResolverStreamTests {
    @Test("a truncated answer is asked for by TCP; without one there the next server is asked")
    func truncated() throws {
        let script = ResolverScript()
        let record = DNSRecord(try name("a.b"), timeToLive: 1, .address(wireA))
        var id = script.start("a.b", servers: [server1, server2])
        script.answer([]) { $0.isTruncated = true }
        #expect(script.streams.map(\.server) == [server1])
        script.answerStream([record])
        #expect(try script.take(id)?.get().addresses == [addressA])
        id = script.start("a.b", servers: [server1, server2])
        script.answer([]) { $0.isTruncated = true }
        script.resolver.streamFailed(id, now: script.now)
        script.collect()
        #expect(script.asked.last?.server == server2)
        script.answer([record])
        #expect(try script.take(id)?.get().server == server2)
        id = script.start("a.b", servers: [server1])
        script.answer([]) { $0.isTruncated = true }
        script.answerStream([record]) { $0.isTruncated = true }
        #expect(throws: ResolveError.truncated(server: server1)) { try script.take(id)?.get() }
        id = script.start("a.b", servers: [server1])
        script.answer([]) { $0.isTruncated = true }
        try script.wait()
        #expect(!script.resolver.isStreaming(id), "a connection that says nothing is given up")
    }

    @Test(
        "while a connection is asked, a late good datagram of another server is the answer; what is not good is nothing"
    )
    func lateDatagram() throws {
        let script = ResolverScript()
        let record = DNSRecord(try name("a.b"), timeToLive: 1, .address(wireA))
        let id = script.start("a.b")
        let first = try #require(script.asked.last)
        // The first server is slow, the second's answer is too long, and slow as a stream.
        try script.wait()
        script.answer([record]) { $0.isTruncated = true }
        #expect(script.streams.map(\.server) == [server2] && script.resolver.isStreaming(id))
        let second = try #require(script.asked.last)
        func tell(_ question: ResolverDatagram, _ records: [DNSRecord], code: UInt8 = 0, isCut: Bool = false) {
            var message = DNSMessage(answering: question.message, records, responseCode: code)
            message.isTruncated = isCut
            script.deliver(message, from: Endpoint(question.server, 53), port: question.port)
        }
        for code in [2, 3, 5] as [UInt8] { tell(first, [], code: code) }
        tell(first, [])
        tell(first, [DNSRecord(try name("a.b"), timeToLive: 1, .alias(try name("c.b")))])
        tell(first, [record], isCut: true)
        tell(second, [record], isCut: true)
        #expect(script.take(id) == nil && script.resolver.isStreaming(id))
        #expect(script.streams.count == 1 && script.asked.count == 2)
        tell(first, [record])
        #expect(try script.take(id)?.get().server == server1)
        #expect(!script.resolver.isStreaming(id) && script.resolver.nextDeadline == nil)
        script.answerStream([record])
        #expect(script.take(id) == nil)
    }

    @Test(
        "of a stream and a datagram the one that comes first is the answer; a failed stream leaves the query as it was")
    func streamFirst() throws {
        let script = ResolverScript()
        let record = DNSRecord(try name("a.b"), timeToLive: 1, .address(wireA))
        var id = script.start("a.b")
        try script.wait()
        script.answer([]) { $0.isTruncated = true }
        script.answerStream([record])
        #expect(try script.take(id)?.get().server == server2)
        id = script.start("a.b", servers: [server1, server2, IPAddress(10, 0, 0, 55)])
        let first = try #require(script.asked.last)
        try script.wait()
        script.answer([]) { $0.isTruncated = true }
        script.resolver.streamFailed(id, now: script.now)
        script.collect()
        script.deliver(
            DNSMessage(answering: first.message, [record], responseCode: 0), from: Endpoint(server1, 53),
            port: first.port)
        #expect(try script.take(id)?.get().server == server1)
    }

    @Test("an answer too long for a datagram comes through a connection, in pieces")
    func longAnswer() throws {
        let pair = Pair()
        let server = pair.b.host
        let socket = try server.openUDP(port: 53)
        let listener = try server.tcp.listen(on: 53)
        let id = pair.a.host.resolve("many.test", server: addressB, now: pair.wire.now)
        var (stream, question, answer, isAnswered) = (TCPSocketID?.none, [UInt8](), [UInt8](), false)
        var result: Result<ResolvedName, ResolveError>?
        pair.wire.run(for: .seconds(10)) {
            if let (datagram, data) = server.readUDP(socket),
                let query = data.withUnsafeBytes({ try? DNSMessage($0) })
            {
                var short = DNSMessage(answering: query, [])
                short.isTruncated = true
                try? server.send(
                    socket, bytes { try short.write(to: &$0) }, to: datagram.source, now: pair.wire.now)
            }
            stream = stream ?? server.tcp.accept(listener)
            if let stream {
                var room = [UInt8](repeating: 0, count: 600)
                let count = room.withUnsafeMutableBytes {
                    server.tcp.receive(stream, into: $0, now: pair.wire.now).count
                }
                question += room[..<count]
                if !isAnswered, answer.isEmpty, question.count > 2,
                    let query = question.dropFirst(2).withUnsafeBytes({ try? DNSMessage($0) })
                {
                    let records = (0..<500).map { number in
                        let address = IPv4Address(10, 1, UInt8(number / 250), UInt8(number % 250))
                        return DNSRecord(query.questions[0].name, timeToLive: 1, .address(address))
                    }
                    let message = bytes { try DNSMessage(answering: query, records).write(to: &$0) }
                    answer = [UInt8(message.count >> 8), UInt8(message.count & 255)] + message
                }
                // A little at a time: lengths and records are cut anywhere.
                let sent = answer.prefix(701).withUnsafeBytes { server.tcp.send(stream, $0, now: pair.wire.now).count }
                answer = Array(answer.dropFirst(sent))
                isAnswered = isAnswered || sent > 0
            }
            result = result ?? pair.a.host.takeResolution(id)
            return result != nil
        }
        #expect(try result?.get().addresses.count == 500)
        pair.wire.run(for: .milliseconds(100))
        #expect(pair.a.host.nameStreams.isEmpty)
    }
}
