// A node that moves to another object over a copy of its memory, in the middle of every tool: what it prints, what its
// files and peers get is what they would have got without the moves.

import Bytes
import Link
import NetStack
import Testing
import Virtio

@testable import GuestNode

/// What a run came to.
private struct Outcome: Equatable {
    var transcript: String
    var status: Int32?
    var files: [String: [UInt8]]
    var peer: [UInt8]
}

/// Somebody who echoes on port 7, discards on 9, answers HTTP on 80 and datagrams on 7, and says a ramp on 90.
private final class Helper {
    private var listeners: [UInt16: TCPSocketID] = [:]
    private var udp: UDPSocketID?
    private var open: [(id: TCPSocketID, port: UInt16, sent: Int)] = []
    private(set) var received: [UInt8] = []
    /// Connects to port 5000, and echoes there.
    var dials = false
    private let body = (0..<60_000).map { Pattern.byte(at: UInt64($0)) }

    private let ramp = (0..<100_000).map { RampStream.byte(at: UInt64($0)) }

    private var answer: [UInt8] {
        var text = Array("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".utf8)
        for start in stride(from: 0, to: body.count, by: 7000) {
            let piece = body[start..<min(start + 7000, body.count)]
            text += Array("\(String(piece.count, radix: 16))\r\n".utf8) + piece + Array("\r\n".utf8)
        }
        return text + Array("0\r\n\r\n".utf8)
    }

    func step(_ host: Host, _ now: Instant) {
        for port in [7, 9, 80, 90] as [UInt16] where listeners[port] == nil {
            listeners[port] = try? host.tcp.listen(on: port)
        }
        if udp == nil { udp = try? host.openUDP(port: 7, address: nil) }
        for (port, listener) in listeners.sorted(by: { $0.key < $1.key }) {
            while let id = host.tcp.accept(listener) { open.append((id, port, 0)) }
        }
        if dials, now > Instant(nanoseconds: 5_000_000_000) {
            dials = false
            let id = try? host.tcp.connect(to: Endpoint(IPAddress(10, 0, 0, 1), 5000), now: now)
            if let id { open.append((id, 7, 0)) }
        }
        for index in open.indices { serve(index, host, now) }
        var room = [UInt8](repeating: 0, count: 2000)
        while let udp, let datagram = room.withUnsafeMutableBytes({ host.receiveUDP(udp, into: $0) }) {
            received += room[..<min(room.count, datagram.length)]
            room.withUnsafeBytes {
                try? host.sendUDP(
                    udp, to: datagram.source, UnsafeRawBufferPointer(rebasing: $0[..<datagram.length]), now: now)
            }
        }
    }

    private func serve(_ index: Int, _ host: Host, _ now: Instant) {
        let (id, port) = (open[index].id, open[index].port)
        guard host.tcp.status(id)?.isConnected == true else { return }
        if port >= 80 {
            let text = port == 80 ? answer : ramp
            let rest = text[open[index].sent...]
            open[index].sent += rest.withUnsafeBytes { host.tcp.send(id, $0, now: now).count }
            if open[index].sent == text.count { host.tcp.shutdownSend(id, now: now) }
        }
        while copy(id, port, host, now) {}
        if host.tcp.status(id)?.isEOF == true { host.tcp.shutdownSend(id, now: now) }
    }

    /// Takes what came, and gives it back on port 7; true when there may be more.
    private func copy(_ id: TCPSocketID, _ port: UInt16, _ host: Host, _ now: Instant) -> Bool {
        var room = [UInt8](repeating: 0, count: 3000)
        let limit = port == 7 ? min(room.count, host.tcp.status(id)?.writableBytes ?? 0) : room.count
        let count = room.withUnsafeMutableBytes {
            host.tcp.receive(id, into: UnsafeMutableRawBufferPointer(rebasing: $0[..<limit]), now: now).count
        }
        if port < 80 { received += room[..<count] }
        if port == 7 { _ = room[..<count].withUnsafeBytes { host.tcp.send(id, $0, now: now) } }
        return count > 0
    }
}

struct NodeMoveTests {
    private static let scripts = [
        "ping -c 6 -i 0.3 10.0.0.2; ping -c 2 -W 1 10.0.0.77 || echo none",
        "nc -N --sha256 --send-bytes 200000 10.0.0.2 7 > echoed && echo $?",
        "nc -N --sha256 10.0.0.2 9 < in; echo done $?",
        "curl --sha256 -o page http://10.0.0.2/; curl -s http://10.0.0.2/ > second; curl http://10.0.0.2:81/; echo $?",
        "curl -i http://10.0.0.2/",
        "nc -u -w 2 --send-bytes 20000 --sha256 10.0.0.2 7 > datagrams; echo $?",
        "nslookup nobody.example 10.0.0.2; nslookup localhost; sleep 1.5 && echo awake; sleep 0.2",
        "nc -w 1 10.0.0.88 5 || nc -v -w 2 10.0.0.2 9; ip neigh; ip -s addr; ip route",
        "nc -l --sha256 --send-bytes 100000 5000 > dialled; echo $?",
        "ramp send -n 120000 10.0.0.2 9 60000; ramp send -n 30K 10.0.0.2 7 > said; ramp send 10.0.0.2 10; echo $?",
        "ramp send -P 3 -n 3000 10.0.0.2 9 8000; ramp check -P 2 -n 8000 10.0.0.2 90 20K; echo $?",
        "ramp check 10.0.0.2 90 40K; ramp check -n 9999 10.0.0.2 90 && ramp check -t 1 10.0.0.2 90 > seen",
    ]

    @Test("a node that stands still sees no time pass, and goes on in the middle of a second")
    func standing() throws {
        let node = try SimulatedNode("a", mac: 1).node
        let start = Instant(nanoseconds: 5_000_000_000)
        func at(_ milliseconds: Int64) -> Instant { start + .milliseconds(milliseconds) }
        node.console.input("sleep 2; echo done\r")
        node.turn(now: start)
        node.standStill(at: at(500))
        node.standStill(at: at(900))
        #expect(node.own(at(100_000)) == at(500) && node.standingSince == at(500))
        node.goOn(at: at(100_500))
        node.goOn(at: at(200_000))
        #expect(node.own(at(100_500)) == at(500) && node.standingSince == nil)
        node.turn(now: at(101_999))
        #expect(!node.console.takeOutput().contains("\ndone"))
        node.turn(now: at(102_000))
        #expect(node.console.takeOutput().contains("done"))
    }

    private func run(_ script: String, cadence: Int, seed: UInt64) throws -> (Outcome, moves: Int) {
        var settings = SimulatedNode.Settings()
        settings.memory = 4 << 20
        let node = try SimulatedNode("a", mac: 1, settings: settings)
        try node.configure("10.0.0.1/24")
        node.files.contents["in"] = (0..<150_000).map { Pattern.byte(at: UInt64($0 &* 3)) }
        let moving = MovingNode(node, cadence: cadence, seed: seed)
        let peer = try SimulatedPeer("10.0.0.2/24", mac: 2)
        let helper = Helper()
        helper.dials = script.hasPrefix("nc -l")
        peer.behaviour = { host, now in helper.step(host, now) }
        let simulation = Simulation(moving, peer)
        simulation.run(for: .seconds(3))
        node.node.run(script: script)
        if moving.current !== node { _ = moving.current.node.run(script: script) }
        #expect(simulation.run(for: .seconds(200)) { moving.current.node.script?.exitStatus != nil })
        moving.take()
        let outcome = Outcome(
            transcript: moving.transcript, status: moving.current.node.script?.exitStatus,
            files: node.files.contents, peer: helper.received)
        #expect(node.files.openCount == 0 && moving.current.notices.isEmpty)
        return (outcome, moving.moves)
    }

    @Test("a tool in the middle of its work notices no move, and nobody else does", arguments: scripts)
    func tools(script: String) throws {
        let (still, _) = try run(script, cadence: 0, seed: 1)
        for (cadence, seed) in [(3, 1), (17, 2)] as [(Int, UInt64)] {
            let (moved, moves) = try run(script, cadence: cadence, seed: seed)
            #expect(moves > 0)
            #expect(withoutPrompts(moved.transcript) == withoutPrompts(still.transcript))
            #expect(moved.status == still.status && moved.files == still.files && moved.peer == still.peer)
        }
    }

    /// A console shows its prompt anew wherever it comes to.
    private func withoutPrompts(_ text: String) -> String {
        text.replacing("\r\na:~# ", with: "").replacing("a:~# ", with: "")
    }

    @Test("a thousand connections move in the middle of their streams")
    func thousand() throws {
        var settings = SimulatedNode.Settings()
        // New buffers shrink from 128 KiB to 24 KiB on the way to the thousandth: 127 MiB together.
        settings.memory = 160 << 20
        let node = try SimulatedNode("a", mac: 1, settings: settings)
        try node.configure("10.0.0.1/24")
        let moving = MovingNode(node, cadence: 0, seed: 9)
        let peer = try SimulatedPeer("10.0.0.2/24", mac: 2)
        let text = (0..<400).map { RampStream.byte(at: UInt64($0)) }
        var (listener, open, said): (TCPSocketID?, [TCPSocketID], [Int]) = (nil, [], [])
        var limit = 100
        peer.behaviour = { host, now in
            if listener == nil { listener = try? host.tcp.listen(on: 90, backlog: 1000) }
            while let listener, let id = host.tcp.accept(listener) {
                open.append(id)
                said.append(0)
            }
            for index in open.indices where said[index] < limit {
                let piece = text[said[index]..<limit]
                said[index] += piece.withUnsafeBytes { host.tcp.send(open[index], $0, now: now) }.count
            }
        }
        let simulation = Simulation(moving, peer)
        simulation.run(for: .milliseconds(10))
        node.node.run(script: "ramp check -P 1000 -n 400 10.0.0.2 90")
        for _ in 0..<3 {
            #expect(simulation.run(for: .seconds(20)) { said.count == 1000 && said.allSatisfy { $0 == limit } })
            moving.move(simulation.now)
            limit += 100
        }
        #expect(simulation.run(for: .seconds(20)) { moving.current.node.script?.exitStatus != nil })
        moving.take()
        #expect(moving.transcript.contains("received 400000 bytes in 1000 streams in "), "\(moving.transcript)")
        #expect(moving.current.node.script?.exitStatus == 0 && moving.moves == 3)
    }

    @Test("a line half typed goes on, and the lines before it are remembered")
    func console() throws {
        let node = try SimulatedNode("a", mac: 1)
        let moving = MovingNode(node, cadence: 0, seed: 1)
        let simulation = Simulation(moving)
        simulation.run(for: .milliseconds(1))
        node.node.console.input("echo first\r")
        simulation.run(for: .milliseconds(1))
        node.node.console.input("echo sec")
        simulation.run(for: .milliseconds(1))
        moving.move(simulation.now)
        simulation.run(for: .milliseconds(1))
        moving.take()
        #expect(moving.transcript.hasSuffix("a:~# echo sec"))
        moving.current.node.console.input("ond\r")
        simulation.run(for: .milliseconds(1))
        moving.current.node.console.input("\u{1b}[A\u{1b}[A\r")
        simulation.run(for: .milliseconds(1))
        moving.take()
        #expect(moving.transcript.contains("\r\nsecond\r\n"))
        #expect(moving.transcript.components(of: "\r\nfirst\r\n") == 2)
    }

    @Test("a DHCP client asks on where it was")
    func dhcp() throws {
        let moving = MovingNode(try SimulatedNode("a", mac: 1), cadence: 2, seed: 7)
        let simulation = Simulation(moving)
        var discovers = 0
        simulation.hand = { _, frame in
            discovers += frame.count > 300 ? 1 : 0
            return nil
        }
        simulation.run(for: .seconds(100))
        let still = Simulation(try SimulatedNode("a", mac: 1))
        var others = 0
        still.hand = { _, frame in
            others += frame.count > 300 ? 1 : 0
            return nil
        }
        still.run(for: .seconds(100))
        #expect(discovers == others && discovers > 3 && moving.moves > 1)
    }

    @Test("a file that the other side's door does not open is refused by its name, and what was opened is closed")
    func files() throws {
        let node = try SimulatedNode("a", mac: 1)
        try node.configure("10.0.0.1/24")
        node.files.contents["in"] = [1, 2, 3]
        let simulation = Simulation(node)
        node.node.run(script: "nc -l 5000 < in > out")
        simulation.run(for: .seconds(1))
        node.device.suspend {}
        let (card, state) = (node.device.section(now: simulation.now), node.node.section(now: simulation.now))
        node.files.closeAll()
        node.files.refused = ["out"]
        let other = try SimulatedNode("a", mac: 1, over: node.copiedMemory(), files: node.files, isComing: true)
        try other.device.restore(from: card, now: simulation.now)
        #expect(throws: StateError.impossible("file out: not opened")) {
            try other.node.restore(from: state, now: simulation.now)
        }
        #expect(node.files.openCount == 0)
        #expect(throws: FileError.self) { try NoFiles().reopen(MovedFile(path: "x", use: .read, offset: 0)) }
    }

    // MARK: what is not believed

    /// A node with much under way, and its sections.
    private func busy(_ script: String) throws -> (node: SimulatedNode, card: [UInt8], state: [UInt8], now: Instant) {
        var settings = SimulatedNode.Settings()
        (settings.memory, settings.transmitQueueSize) = (2 << 20, 16)
        let node = try SimulatedNode("a", mac: 1, settings: settings)
        try node.configure("10.0.0.1/24")
        node.files.contents["in"] = (0..<150_000).map { Pattern.byte(at: UInt64($0)) }
        let peer = try SimulatedPeer("10.0.0.2/24", mac: 2)
        let helper = Helper()
        peer.behaviour = { host, now in helper.step(host, now) }
        let simulation = Simulation(node, peer)
        simulation.run(for: .seconds(3))
        node.node.run(script: script)
        var turns = 0
        simulation.run(for: .seconds(2)) {
            turns += 1
            return turns > 40
        }
        node.node.console.input("echo \u{e9}\r")
        node.device.suspend {}
        return (
            node, node.device.section(now: simulation.now), node.node.section(now: simulation.now), simulation.now
        )
    }

    @Test("state that was cut off anywhere is refused", arguments: [0, 1, 3, 5])
    func truncations(index: Int) throws {
        let (node, card, state, now) = try busy(Self.scripts[index])
        var inner = StateEncoder()
        node.node.encode(into: &inner, now: now)
        let memory = try node.copiedMemory()
        func refuses(_ body: (SimulatedNode) throws -> Void) throws {
            node.files.closeAll()
            let other = try SimulatedNode(
                "a", mac: 1, settings: node.settings, over: memory, files: node.files, isComing: true)
            #expect(throws: StateError.self) { try body(other) }
            #expect(node.files.openCount == 0)
        }
        for length in 0..<card.count { try refuses { try $0.device.restore(from: card[..<length], now: now) } }
        for length in stride(from: 0, to: inner.bytes.count, by: 13) {
            try refuses { other in
                try other.device.restore(from: card, now: now)
                var input = StateDecoder(inner.bytes[..<length])
                try other.node.decode(from: &input, version: 1, now: now)
            }
        }
        for length in stride(from: 0, to: state.count, by: 131) {
            try refuses { other in
                try other.device.restore(from: card, now: now)
                try other.node.restore(from: state[..<length], now: now)
            }
        }
    }

    @Test("state with spoiled bytes is refused, or is a node that works", arguments: 0..<8)
    func spoiled(seed: UInt64) throws {
        let (node, card, state, start) = try busy(Self.scripts[Int(seed) % Self.scripts.count])
        let memory = try node.copiedMemory()
        var random = SeededGenerator(seed: seed)
        for _ in 0..<60 {
            var bytes = state
            bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            node.files.closeAll()
            let other = try SimulatedNode(
                "a", mac: 1, settings: node.settings, over: memory, files: node.files, isComing: true)
            try other.device.restore(from: card, now: start)
            guard (try? other.node.restore(from: bytes, now: start)) != nil else { continue }
            other.device.attach(other.backEnd)
            other.device.resume()
            var now = start
            for wait in [0, 1, 500, 30_000] as [Int64] {
                now = now + .milliseconds(wait)
                for _ in 0..<5 { _ = other.turn(now) }
                _ = other.node.console.takeOutput()
                _ = other.node.script?.takeOutput()
            }
            other.node.console.input("ping -c 1 10.0.0.2\r\u{3}")
            _ = other.turn(now)
            other.node.script?.input("\u{3}")
            _ = other.turn(now)
        }
    }
}

extension String {
    fileprivate func components(of part: String) -> Int {
        var (count, rest) = (0, self[...])
        while let range = rest.firstRange(of: part) {
            count += 1
            rest = rest[rest.index(after: range.lowerBound)...]
        }
        return count
    }
}
