// nslookup against a scripted name server.

import Bytes
import NetStack
import Testing

@testable import GuestNode

/// A name server that answers every question in one way.
private final class NameServer {
    enum Manner {
        case address(IPv4Address)
        case code(UInt8)
        case silence
    }

    var manner: Manner
    private var socket: UDPSocketID?
    private(set) var questions = 0

    init(_ manner: Manner) { self.manner = manner }

    func step(_ host: Host, _ now: Instant) {
        if socket == nil { socket = try? host.openUDP(port: 53) }
        guard let socket else { return }
        var room = [UInt8](repeating: 0, count: 512)
        while let query = room.withUnsafeMutableBytes({ host.receiveUDP(socket, into: $0) }) {
            questions += 1
            let bytes = Array(room[..<min(512, query.length)])
            guard let answer = answer(bytes) else { continue }
            answer.withUnsafeBytes { try? host.sendUDP(socket, to: query.source, $0, now: now) }
        }
    }

    private func answer(_ query: [UInt8]) -> [UInt8]? {
        // Header: id, QR RD RA | rcode, one question, ANCOUNT (RFC 1035, 4.1.1); the question as it came.
        func head(_ code: UInt8, _ answers: UInt8) -> [UInt8] {
            Array(query[0..<2]) + [0x81, 0x80 | code, 0, 1, 0, answers, 0, 0, 0, 0]
        }
        let name = query[12...].firstIndex(of: 0) ?? query.endIndex - 5
        let question = Array(query[12...min(name + 4, query.count - 1)])
        switch manner {
        case .silence: return nil
        case .code(let code): return head(code, 0) + question
        case .address(let address):
            // Pointer to the question's name, A, IN, TTL 60, 4 bytes.
            let bytes = (0..<4).map { UInt8(truncatingIfNeeded: address.rawValue >> UInt32(24 - 8 * $0)) }
            return head(0, 1) + question + [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4] + bytes
        }
    }
}

@Suite("nslookup")
struct NslookupTests {
    private func run(_ manner: NameServer.Manner, _ script: String) throws -> (output: String, status: Int32?) {
        let pair = try Pair()
        let server = NameServer(manner)
        pair.peer.behaviour = { host, now in server.step(host, now) }
        return pair.run(script)
    }

    @Test("an answer is shown with the server that gave it")
    func answer() throws {
        let expected = """
            Server:\t\t10.0.0.2
            Address:\t10.0.0.2#53

            Non-authoritative answer:
            Name:\thost.example
            Address: 192.0.2.7


            """
        #expect(try run(.address(IPv4Address(192, 0, 2, 7)), "nslookup host.example") == (expected, 0))
        #expect(try run(.address(IPv4Address(192, 0, 2, 7)), "nslookup host.example 10.0.0.2") == (expected, 0))
    }

    @Test("each failure has its words and status 1")
    func failures() throws {
        let missing = try run(.code(3), "nslookup nosuch.example")
        #expect(missing == ("** server can't find nosuch.example: NXDOMAIN\n", 1))
        let refused = try run(.code(5), "nslookup h.example")
        #expect(refused.output.hasSuffix("** server can't find h.example: REFUSED\n"))
        #expect(refused.status == 1)
        let failed = try run(.code(2), "nslookup h.example")
        #expect(failed.output.hasSuffix("** server can't find h.example: SERVFAIL\n"))
        #expect(
            try run(.silence, "nslookup h.example") == (";; connection timed out; no servers could be reached\n", 1))
    }

    @Test("names resolve for ping and nc, too")
    func others() throws {
        let (output, status) = try run(.address(IPv4Address(10, 0, 0, 2)), "ping -c 1 peer.example")
        #expect(output.hasPrefix("PING peer.example (10.0.0.2) 56(84) bytes of data.\n64 bytes from 10.0.0.2"))
        #expect(status == 0)
        #expect(try run(.code(3), "ping -c 1 no.example") == ("ping: no.example: Name or service not known\n", 2))
        #expect(try run(.code(2), "nc no.example 7") == ("nc: no.example: Temporary failure in name resolution\n", 1))
    }

    @Test("Ctrl-C while a server is silent")
    func interrupt() throws {
        let pair = try Pair()
        let server = NameServer(.silence)
        pair.peer.behaviour = { host, now in server.step(host, now) }
        for script in ["nslookup h.example", "ping h.example", "curl h.example", "nc h.example 7"] {
            let session = pair.node.node.run(script: script)
            pair.simulation.run(for: .milliseconds(200))
            session.input("\u{03}")
            pair.simulation.run(for: .seconds(1)) { session.exitStatus != nil }
            #expect(session.exitStatus == 130, "\(script)")
        }
    }

    @Test("wrong arguments are told")
    func usage() throws {
        let pair = try Pair()
        #expect(pair.run("nslookup").output.hasPrefix("nslookup: missing NAME\n"))
        #expect(pair.run("nslookup a b").output.hasPrefix("nslookup: SERVER 'b': an IPv4 address is accepted\n"))
        #expect(pair.run("nslookup a 1.2.3.4 c").status == 2)
    }
}
