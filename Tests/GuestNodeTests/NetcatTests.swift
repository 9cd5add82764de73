// nc between two nodes on real rings, and nc against peers that behave otherwise.

import Bytes
import NetStack
import Testing
import Virtio

@testable import GuestNode

@Suite("nc")
struct NetcatTests {
    @Test("a file goes through a connection and arrives whole, with the same digest at both ends")
    func file() throws {
        let two = try Two()
        let bytes = (0..<300_000).map { Pattern.byte(at: UInt64($0)) }
        two.b.files.contents["in"] = bytes
        #expect(two.run("nc -l --sha256 5000 > out", "nc --sha256 10.0.0.1 5000 < in"))
        #expect(two.a.files.contents["out"] == bytes)
        #expect(two.statuses == [0, 0])
        var digest = Digest()
        bytes.withUnsafeBytes { digest.update($0) }
        let empty = "0 bytes sha256 " + Digest().text
        let (first, second) = two.outputs()
        #expect(first == "sent \(empty)\nreceived 300000 bytes sha256 \(digest.text)\n")
        #expect(second == "sent 300000 bytes sha256 \(digest.text)\nreceived \(empty)\n")
        #expect(two.a.files.openCount == 0 && two.b.files.openCount == 0)
    }

    @Test("both ends send at the same time, and a lossy wire changes nothing")
    func bothWays() throws {
        let two = try Two()
        var frames = 0
        two.simulation.hand = { _, frame in
            frames += 1
            return frames % 97 == 0 ? nil : frame
        }
        #expect(
            two.run(
                "nc -l --send-bytes 200000 --sha256 5000 > /dev/null",
                "nc --send-bytes 300000 --sha256 10.0.0.1 5000 > /dev/null"))
        #expect(two.statuses == [0, 0])
        let (first, second) = two.outputs()
        func digest(_ text: String, _ verb: String) -> Substring? {
            text.split(separator: "\n").first { $0.hasPrefix(verb) }?.split(separator: " ").last
        }
        #expect(first.contains("sent 200000 bytes") && first.contains("received 300000 bytes"))
        #expect(digest(first, "sent") == digest(second, "received"))
        #expect(digest(first, "received") == digest(second, "sent"))
        #expect(two.simulation.lost > 0)
    }

    @Test("jumbo frames carry a transfer when the NIC allows them")
    func jumbo() throws {
        let two = try Two(settings: .init(mtu: 65520))
        var largest = 0
        two.simulation.hand = { _, frame in
            largest = max(largest, frame.count)
            return frame
        }
        #expect(two.run("nc -l 5000 > out", "nc --send-bytes 2M 10.0.0.1 5000"))
        #expect(two.a.files.contents["out"]?.count == 2 << 20)
        #expect(largest > 60_000)
    }

    @Test("received bytes go to the console without a file, typed lines go to the peer")
    func console() throws {
        let two = try Two()
        let listener = two.a.node.run(script: "nc -lv 5000")
        two.simulation.run(for: .milliseconds(10))
        two.b.node.console.input("nc -v 10.0.0.1 5000\r")
        two.simulation.run(for: .milliseconds(10))
        two.b.node.console.input("hello\rworld\r")
        two.simulation.run(for: .milliseconds(10))
        #expect(listener.takeOutput().hasSuffix("Connection received on 10.0.0.2 \(port(of: two.b))\nhello\nworld\n"))
        two.b.node.console.input("\u{04}")
        #expect(two.simulation.run(for: .seconds(10)) { listener.exitStatus != nil })
        two.simulation.run(for: .seconds(1))
        #expect(two.b.node.console.takeOutput().contains("Connection to 10.0.0.1 5000 port [tcp] succeeded!\r\n"))
        two.b.node.console.input("echo $?\r")
        two.simulation.run(for: .seconds(1))
        #expect(two.b.node.console.takeOutput() == "echo $?\r\n0\r\nb:~# ")
    }

    /// The port of the node's one connection.
    private func port(of node: SimulatedNode) -> UInt16 {
        node.node.host.tcp.table().first { $0.remote.port == 5000 }?.local.port ?? 0
    }

    @Test("nobody who listens is a refusal, nobody at all is a timeout")
    func refusal() throws {
        let two = try Two()
        let session = two.b.node.run(script: "nc 10.0.0.1 5000")
        two.simulation.run(for: .seconds(5)) { session.exitStatus != nil }
        #expect(session.takeOutput() == "nc: connect to 10.0.0.1 port 5000 (tcp) failed: Connection refused\n")
        #expect(session.exitStatus == 1)
        two.simulation.hand = { _, _ in nil }
        let before = two.simulation.now
        let other = two.b.node.run(script: "nc -w 2 10.0.0.1 5000")
        two.simulation.run(for: .seconds(60)) { other.exitStatus != nil }
        #expect(other.takeOutput().hasSuffix("failed: Connection timed out\n"))
        #expect(two.simulation.now.since(before) == .seconds(2))
    }

    @Test("a file that cannot be written ends the transfer with status 1, and the peer hears of it")
    func fullDisk() throws {
        let two = try Two()
        two.a.files.full = ["out"]
        #expect(two.run("nc -l 5000 > out", "nc --send-bytes 1M 10.0.0.1 5000"))
        let (first, second) = two.outputs()
        #expect(first == "nc: out: No space left on device\n")
        #expect(second == "nc: Connection reset by peer\n")
        #expect(two.statuses == [1, 1])
    }

    /// A peer that takes one connection, closes its side at once, and then does with it what a test wants.
    private func halfClosed(
        _ script: String, then act: @escaping (Host, TCPSocketID, Instant) -> Void
    ) throws -> (SimulatedNode, Simulation, Session) {
        let node = try SimulatedNode("node", mac: 1)
        try node.configure("10.0.0.1/24")
        let peer = try SimulatedPeer("10.0.0.2/24", mac: 2)
        let listener = try peer.host.tcp.listen(on: 5000)
        var socket: TCPSocketID?
        peer.behaviour = { host, now in
            if let id = host.tcp.accept(listener) {
                socket = id
                host.tcp.shutdownSend(id, now: now)
            }
            if let socket { act(host, socket, now) }
        }
        let simulation = Simulation(node, peer)
        return (node, simulation, node.node.run(script: script))
    }

    /// Reads everything there is; returns the number of bytes.
    private func discard(_ host: Host, _ id: TCPSocketID, _ now: Instant) -> Int {
        var total = 0
        while case .moved(let count) = host.tcp.withReceiveSpan(id, now: now, { $0.count }) { total += count }
        return total
    }

    @Test("nc is done when the peer has acknowledged everything, not when it was queued")
    func delivered() throws {
        var received = 0
        let (_, simulation, session) = try halfClosed("nc -N --send-bytes 200000 10.0.0.2 5000") { host, id, now in
            // A slow reader: what it has not taken is in its buffer or in the node's.
            if now.nanoseconds > 3_000_000_000 { received += discard(host, id, now) }
        }
        simulation.run(for: .milliseconds(1900))
        #expect(session.exitStatus == nil, "the peer has read nothing yet")
        simulation.run(for: .seconds(20)) { session.exitStatus != nil }
        #expect(session.exitStatus == 0)
        #expect(received == 200_000)
    }

    @Test("a peer that resets before everything is acknowledged makes nc fail")
    func resetAfterHalfClose() throws {
        let (_, simulation, session) = try halfClosed("nc -N --send-bytes 200000 10.0.0.2 5000") { host, id, now in
            if now.nanoseconds > 3_000_000_000 { host.tcp.abort(id, now: now) }
        }
        simulation.run(for: .seconds(20)) { session.exitStatus != nil }
        #expect(session.exitStatus == 1)
        #expect(session.takeOutput().hasPrefix("nc: Connection reset by peer"))
    }

    @Test("a node that ends closes its connections; a peer that does not close as well is reset")
    func leave() throws {
        let two = try Two()
        let listener = two.a.node.run(script: "nc -l 5000")
        two.simulation.run(for: .milliseconds(10))
        let client = two.b.node.run(script: "nc 10.0.0.1 5000")
        two.simulation.run(for: .milliseconds(50))
        #expect(listener.exitStatus == nil && client.exitStatus == nil)
        // The listener's side closes in turn: nothing is left to be reset.
        two.b.node.leave(now: two.simulation.now)
        #expect(!two.b.node.isSilent)
        #expect(two.simulation.run(for: .seconds(1)) { two.b.node.isSilent })
        #expect(listener.exitStatus == 0)
    }

    @Test("a node that must not wait any longer resets what is open")
    func breakConnections() throws {
        let node = try SimulatedNode("node", mac: 1)
        try node.configure("10.0.0.1/24")
        let peer = try SimulatedPeer("10.0.0.2/24", mac: 2)
        let listener = try peer.host.tcp.listen(on: 5000)
        var error: TCPError?
        var socket: TCPSocketID?
        peer.behaviour = { host, _ in
            socket = socket ?? host.tcp.accept(listener)
            error = socket.flatMap { host.tcp.status($0)?.error }
        }
        let simulation = Simulation(node, peer)
        node.node.run(script: "nc 10.0.0.2 5000")
        simulation.run(for: .milliseconds(50))
        node.node.leave(now: simulation.now)
        #expect(!simulation.run(for: .seconds(5)) { node.node.isSilent })
        #expect(error == nil)
        node.node.breakConnections(now: simulation.now)
        #expect(simulation.run(for: .milliseconds(10)) { node.node.isSilent })
        #expect(simulation.run(for: .milliseconds(10)) { error != nil })
        #expect(error == .connectionReset)
    }

    @Test("silence ends a connection after -w")
    func idle() throws {
        let two = try Two()
        #expect(two.run("nc -l -w 3 5000", "nc -w 10 10.0.0.1 5000"))
        #expect(two.outputs().0 == "nc: no data for 3000 ms\n")
    }

    @Test("Ctrl-C in each state gives the sockets back")
    func interrupt() throws {
        for script in ["nc -l 5000", "nc 10.0.0.2 5000", "nc 10.0.0.99 5000", "nc -u 10.0.0.2 5000", "nc -lu 5000"] {
            let two = try Two()
            let peer = two.b.node.run(script: "nc -l 5000")
            let session = two.a.node.run(script: script)
            two.simulation.run(for: .milliseconds(50))
            #expect(session.exitStatus == nil)
            session.input("\u{03}")
            two.simulation.run(for: .seconds(1)) { session.exitStatus != nil }
            #expect(session.exitStatus == 130, "\(script)")
            peer.input("\u{03}")
            two.simulation.run(for: .seconds(200))
            #expect(two.a.node.host.tcp.table().isEmpty, "\(script)")
            #expect(two.a.node.host.udpTable().isEmpty, "\(script)")
        }
    }

    @Test("-k serves one connection after the other, 200 of them")
    func keep() throws {
        let node = try SimulatedNode("node", mac: 1)
        try node.configure("10.0.0.1/24")
        let peer = try SimulatedPeer("10.0.0.2/24", mac: 2)
        let simulation = Simulation(node, peer)
        let session = node.node.run(script: "nc -lk 5000 > out")
        simulation.run(for: .milliseconds(10))
        var sockets: [TCPSocketID?] = []
        peer.behaviour = { host, now in
            if sockets.isEmpty {
                let server = Endpoint(IPAddress(10, 0, 0, 1), 5000)
                sockets = (0..<200).map { _ in try? host.tcp.connect(to: server, now: now) }
            }
            for (index, id) in sockets.enumerated() {
                guard let id, host.tcp.status(id)?.isConnected == true else { continue }
                _ = Array("\(index)\n".utf8).withUnsafeBytes { host.tcp.send(id, $0, now: now) }
                host.tcp.shutdownSend(id, now: now)
                host.tcp.release(id, now: now)
            }
        }
        simulation.run(for: .seconds(20))
        #expect(sockets.count == 200)
        let lines = node.files.text("out")?.split(separator: "\n").compactMap { Int($0) } ?? []
        #expect(Set(lines) == Set(0..<200))
        session.input("\u{03}")
        simulation.run(for: .seconds(1)) { session.exitStatus != nil }
        #expect(session.exitStatus == 130)
    }

    @Test("datagrams go both ways; a closed port is a refusal")
    func datagrams() throws {
        let two = try Two()
        two.b.files.contents["in"] = Array("a question".utf8)
        #expect(two.run("nc -lu -w 1 --sha256 5000 > out", "nc -u -w 1 --sha256 10.0.0.1 5000 < in"))
        #expect(two.a.files.text("out") == "a question")
        #expect(two.outputs().1.contains("sent 10 bytes"))
        #expect(two.statuses == [0, 0])
        let session = two.b.node.run(script: "nc -u 10.0.0.1 5001 < in")
        two.simulation.run(for: .seconds(5)) { session.exitStatus != nil }
        #expect(session.takeOutput() == "nc: Connection refused\n")
        #expect(session.exitStatus == 1)
    }

    @Test("a small node still carries a transfer", arguments: [2, 4, 8])
    func smallMemory(mebibytes: Int) throws {
        let two = try Two(settings: .init(memory: mebibytes << 20))
        #expect(two.run("nc -l 5000 > out", "nc --send-bytes 500000 10.0.0.1 5000"))
        #expect(two.a.files.contents["out"]?.count == 500_000)
        #expect(two.a.notices == [])
    }

    @Test(
        "wrong arguments are told",
        arguments: [
            ("nc", "nc: missing HOST and PORT\n"), ("nc h", "nc: missing PORT\n"), ("nc h x", "nc: port 'x': 1…65535"),
            ("nc -l", "nc: missing PORT\n"), ("nc -l h 5", "nc: address 'h': an IPv4 address"),
            ("nc -k h 5", "nc: -k '': it goes with -l"), ("nc --send-bytes x h 5", "nc: --send-bytes 'x'"),
            ("nc -l -p 5 6 7", "nc: unexpected '7'"), ("nc a b c", "nc: unexpected 'c'"),
            ("nc -q h 5", "nc: unknown option -q"),
        ])
    func usage(script: String, message: String) throws {
        let node = try SimulatedNode("node", mac: 1)
        try node.configure("10.0.0.1/24")
        let session = node.node.run(script: script)
        Simulation(node).run(for: .seconds(6)) { session.exitStatus != nil }
        #expect(session.takeOutput().hasPrefix(message))
        #expect(session.exitStatus == 2)
    }
}
