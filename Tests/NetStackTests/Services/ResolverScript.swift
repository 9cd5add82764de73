// A resolver as a machine whose servers a test plays.

import Bytes
import Link
import Testing

@testable import NetStack

private let server1 = IPAddress(10, 0, 0, 53)
private let server2 = IPAddress(10, 0, 0, 54)

/// A resolver with a clock and the query it last wanted sent.
final class ResolverScript {
    var resolver = Resolver(.seeded(1))
    var now = Instant(nanoseconds: 1_000_000_000)
    var asked: [ResolverDatagram] = []
    var streams: [ResolverStream] = []

    func start(_ name: String, servers: [IPAddress] = [server1, server2], search: [String] = []) -> QueryID {
        let id = resolver.start(
            name, servers: servers, search: search.compactMap { DNSName($0) }, now: now, isPortFree: { _ in true })
        collect()
        return id
    }

    func take(_ id: QueryID) -> Result<ResolvedName, ResolveError>? { resolver.takeResult(id) }

    func collect() {
        while let datagram = resolver.nextDatagram() { asked.append(datagram) }
        while let stream = resolver.nextStream() { streams.append(stream) }
    }

    func answer(_ records: [DNSRecord], code: UInt8 = 0, _ change: (inout DNSMessage) -> Void = { _ in }) {
        guard let last = asked.last else { return }
        var message = DNSMessage(answering: last.message, records, responseCode: code)
        change(&message)
        deliver(message, from: Endpoint(last.server, 53), port: last.port)
    }

    func deliver(_ message: DNSMessage, from source: Endpoint, port: UInt16) {
        let wire = bytes { try message.write(to: &$0) }
        wire.withUnsafeBytes { resolver.receive($0, from: source, port: port, now: now) }
        collect()
    }

    func answerStream(_ records: [DNSRecord], _ change: (inout DNSMessage) -> Void = { _ in }) {
        guard let last = streams.last else { return }
        var message = DNSMessage(answering: last.message, records)
        change(&message)
        let wire = bytes { try message.write(to: &$0) }
        wire.withUnsafeBytes { resolver.receive($0, inStreamOf: last.query, now: now) }
        collect()
    }

    func wait() throws {
        now = try #require(resolver.nextDeadline)
        resolver.advance(to: now)
        collect()
    }

    var names: [String] { asked.compactMap { $0.message.questions.first?.name.description } }
}
