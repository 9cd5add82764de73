// A node under load whose memory is followed by marks alone: at any moment, in the middle of every tool, the copy is the
// memory, byte for byte.

import Bytes
import Link
import Linux
import NetStack
import TestSupport
import Testing
import Virtio

@testable import GuestNode

/// A station whose memory somebody follows, now and then.
private final class FollowedNode: Station {
    let station: SimulatedNode
    let tracking: WriteTracking
    let mirror: MemoryMirror
    private var random: SeededGenerator
    private(set) var looks = 0

    init(_ station: SimulatedNode, seed: UInt64) throws {
        self.station = station
        random = SeededGenerator(seed: seed)
        let memory = station.heap.memory
        station.node.markWrites()
        tracking = try memory.beginTracking()
        tracking.onTake = { [node = station.node] in node.markWrites() }
        let log = try DirtyLog(pageCount: tracking.pageCount, isShared: true)
        tracking.add(log)
        station.backEnd.log = log
        mirror = MemoryMirror(of: UnsafeRawBufferPointer(memory.shared.bytes))
    }

    func turn(_ now: Instant) -> [[UInt8]] {
        let frames = station.turn(now)
        if Int.random(in: 0..<4, using: &random) == 0 { look() }
        return frames
    }

    func look() {
        looks += 1
        mirror.follow(tracking)
        let differences = mirror.differences
        if !differences.isEmpty { Issue.record("not marked: \(differences.prefix(10))") }
    }

    func arrive(_ frame: [UInt8], _ now: Instant) -> Bool { station.arrive(frame, now) }
    var nextDeadline: Instant? { station.nextDeadline }
}

struct MarkedWritesTests {
    private static let scripts = [
        "ping -c 6 -i 0.3 10.0.0.2; ping -c 2 -W 1 10.0.0.77 || echo none",
        "nc -N --sha256 --send-bytes 300000 10.0.0.2 7 > echoed; nc -N --send-bytes 9000 10.0.0.2 7; echo $?",
        "nc -u -w 2 --send-bytes 20000 --sha256 10.0.0.2 7 > datagrams; nslookup nobody.example 10.0.0.2; echo $?",
        "ramp send -n 400K 10.0.0.2 9; for n in 1 2 3 4 5; do nc -w 1 10.0.0.2 9 < in; done; nc -w 1 10.0.0.88 5",
        "ramp check -n 2000000 10.0.0.2 90 && ramp check -t 1 10.0.0.2 90 > seen; sleep 1",
    ]

    @Test("every write is marked, with loss and disorder on the wire, and rings that start anew", arguments: scripts)
    func exact(script: String) throws {
        for seed in 1...3 as ClosedRange<UInt64> {
            var settings = SimulatedNode.Settings()
            settings.memory = 4 << 20
            settings.mtu = seed == 1 ? nil : 1500
            let node = try SimulatedNode("a", mac: 1, settings: settings)
            try node.configure("10.0.0.1/24")
            node.files.contents["in"] = (0..<150_000).map { Pattern.byte(at: UInt64($0 &* 3)) }
            let peer = try SimulatedPeer("10.0.0.2/24", mac: 2)
            let helper = StreamHelper()
            peer.behaviour = { host, now in helper.step(host, now) }
            let followed = try FollowedNode(node, seed: seed)
            let simulation = Simulation(followed, peer)
            var random = SeededGenerator(seed: seed)
            simulation.hand = { _, frame in Int.random(in: 0..<40, using: &random) == 0 ? nil : frame }
            simulation.run(for: .seconds(3))
            node.node.run(script: script)
            simulation.run(for: .seconds(2))
            if seed == 3 {
                node.backEnd.die()
                simulation.run(for: .milliseconds(100))
                node.backEnd.comeBack()
            }
            simulation.run(for: .seconds(100)) { node.node.script?.exitStatus != nil }
            followed.look()
            #expect(followed.looks > 2 && followed.mirror.copiedInAll > 10)
            followed.look()
            #expect(followed.mirror.copied == 0, "nothing was written in between")
            node.heap.memory.endTracking()
        }
    }
}

/// Echoes on 7, discards on 9, counts on 90.
private final class StreamHelper {
    private var listeners: [UInt16: TCPSocketID] = [:]
    private var udp: UDPSocketID?
    private var open: [(id: TCPSocketID, port: UInt16, sent: Int)] = []
    private let ramp = (0..<2_000_000).map { RampStream.byte(at: UInt64($0)) }

    func step(_ host: Host, _ now: Instant) {
        for port in [7, 9, 90] as [UInt16] where listeners[port] == nil {
            listeners[port] = try? host.tcp.listen(on: port)
        }
        if udp == nil { udp = try? host.openUDP(port: 7, address: nil) }
        for (port, listener) in listeners.sorted(by: { $0.key < $1.key }) {
            while let id = host.tcp.accept(listener) { open.append((id, port, 0)) }
        }
        for index in open.indices { serve(index, host, now) }
        echoDatagrams(host, now)
    }

    private func serve(_ index: Int, _ host: Host, _ now: Instant) {
        let (id, port, sent) = open[index]
        guard host.tcp.status(id)?.isConnected == true else { return }
        if port == 90, sent < ramp.count {
            open[index].sent += ramp[sent...].withUnsafeBytes { host.tcp.send(id, $0, now: now).count }
            if open[index].sent == ramp.count { host.tcp.shutdownSend(id, now: now) }
        }
        var room = [UInt8](repeating: 0, count: 3000)
        while true {
            let limit = port == 7 ? min(room.count, host.tcp.status(id)?.writableBytes ?? 0) : room.count
            let count = room.withUnsafeMutableBytes {
                host.tcp.receive(id, into: UnsafeMutableRawBufferPointer(rebasing: $0[..<limit]), now: now).count
            }
            guard count > 0 else { break }
            if port == 7 { _ = room[..<count].withUnsafeBytes { host.tcp.send(id, $0, now: now) } }
        }
        if host.tcp.status(id)?.isEOF == true { host.tcp.shutdownSend(id, now: now) }
    }

    private func echoDatagrams(_ host: Host, _ now: Instant) {
        var room = [UInt8](repeating: 0, count: 2000)
        while let udp, let datagram = room.withUnsafeMutableBytes({ host.receiveUDP(udp, into: $0) }) {
            room.withUnsafeBytes {
                try? host.sendUDP(
                    udp, to: datagram.source, UnsafeRawBufferPointer(rebasing: $0[..<datagram.length]), now: now)
            }
        }
    }
}
