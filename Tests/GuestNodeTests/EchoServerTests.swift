// echod between nodes on real rings: what comes goes back, to each who sent it, in the middle of a move, too.

import Bytes
import NetStack
import Testing

@testable import GuestNode

/// Many connections to port 7 of 10.0.0.1, each with a stream of its own.
private final class Callers {
    let peer: SimulatedPeer
    private let length: Int
    private var streams: [(id: TCPSocketID, sent: Int, back: Int)] = []
    private(set) var wrong = 0

    init(_ count: Int, length: Int) throws {
        peer = try SimulatedPeer("10.0.0.2/24", mac: 2)
        self.length = length
        peer.behaviour = { [unowned self] host, now in step(host, now, count) }
    }

    var whole: Int { streams.count { $0.back == length } }

    private func byte(_ stream: Int, _ offset: Int) -> UInt8 { Pattern.byte(at: UInt64(stream * 1_000_003 + offset)) }

    private func step(_ host: Host, _ now: Instant, _ count: Int) {
        while streams.count < count {
            let server = Endpoint(IPAddress(10, 0, 0, 1), 7)
            guard let id = try? host.tcp.connect(to: server, now: now) else { return }
            streams.append((id, 0, 0))
        }
        var room = [UInt8](repeating: 0, count: 1 << 16)
        for (index, stream) in streams.enumerated() where host.tcp.status(stream.id)?.isConnected == true {
            let piece = (stream.sent..<min(length, stream.sent + 3000)).map { byte(index, $0) }
            streams[index].sent += piece.withUnsafeBytes { host.tcp.send(stream.id, $0, now: now).count }
            let heard = room.withUnsafeMutableBytes { host.tcp.receive(stream.id, into: $0, now: now).count }
            for at in 0..<heard where room[at] != byte(index, stream.back + at) { wrong += 1 }
            streams[index].back += heard
        }
    }
}

@Suite("echod")
struct EchoServerTests {
    @Test("a stream comes back whole, and its end, too; then the next one")
    func stream() throws {
        let two = try Two()
        let server = two.a.node.run(script: "echod 7")
        two.simulation.run(for: .milliseconds(10))
        for _ in 0..<2 {
            let client = two.b.node.run(script: "nc -N --sha256 --send-bytes 300000 10.0.0.1 7 > back")
            #expect(two.simulation.run(for: .seconds(60)) { client.exitStatus != nil })
            #expect(client.exitStatus == 0)
            #expect(two.b.files.contents["back"] == (0..<300_000).map { Pattern.byte(at: UInt64($0)) })
        }
        #expect(server.exitStatus == nil)
        server.input("\u{03}")
        two.simulation.run(for: .seconds(1)) { server.exitStatus != nil }
        #expect(server.exitStatus == 130)
        two.simulation.run(for: .seconds(200))
        #expect(two.a.node.host.tcp.table().isEmpty)
    }

    @Test("a hundred at once each get their own back, while the node moves")
    func many() throws {
        let node = try SimulatedNode("a", mac: 1)
        try node.configure("10.0.0.1/24")
        let traveller = Traveller(node)
        let callers = try Callers(100, length: 20_000)
        let simulation = Simulation(traveller, callers.peer)
        node.node.run(script: "echod 7")
        var moves = 0
        for round in 1...5 where callers.whole < 100 {
            simulation.run(for: .milliseconds(3))
            try traveller.move(simulation.now, to: UInt64(round) * 1_000_000_007)
            moves += 1
        }
        #expect(simulation.run(for: .seconds(60)) { callers.whole == 100 }, "\(callers.whole)")
        #expect(callers.wrong == 0 && moves > 1)
    }

    @Test("a port that is taken, and wrong arguments, are told")
    func usage() throws {
        let node = try SimulatedNode("node", mac: 1)
        try node.configure("10.0.0.1/24")
        _ = try node.node.host.tcp.listen(on: 7)
        let simulation = Simulation(node)
        for (script, message, status) in [
            ("echod 7", "echod: listen on port 7: Address already in use\n", 1),
            ("echod", "echod: missing PORT\n", 2), ("echod x", "echod: port 'x': 1…65535", 2),
            ("echod 8 9", "echod: unexpected '9'", 2),
        ] as [(String, String, Int32)] {
            let session = node.node.run(script: script)
            simulation.run(for: .seconds(6)) { session.exitStatus != nil }
            #expect(session.takeOutput().hasPrefix(message))
            #expect(session.exitStatus == status)
        }
    }
}
