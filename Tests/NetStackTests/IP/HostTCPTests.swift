// TCP through whole hosts: frames, ARP, routes and loopback around the machine that TCP/ tests alone.

import Bytes
import Link
import Testing

@testable import NetStack

/// One connection with a pattern running from `source` to `sink`.
private struct Transfer {
    let client: Host
    let server: Host
    let listener: TCPSocketID
    let connection: TCPSocketID
    var accepted: TCPSocketID?
    var sent = 0
    var received = 0
    var isIntact = true
    let total: Int

    init(from client: Host, to server: Host, at address: IPAddress, total: Int, now: Instant) throws {
        self.client = client
        self.server = server
        self.total = total
        listener = try server.tcp.listen(on: 80, address: nil, backlog: 4)
        connection = try client.tcp.connect(to: TCPEndpoint(address, 80), from: nil, now: now)
    }

    private static func pattern(_ index: Int) -> UInt8 { UInt8(truncatingIfNeeded: index &* 31 &+ index >> 8) }

    /// What both tools do in a turn; true at the end of the stream.
    mutating func step(_ now: Instant) -> Bool {
        var chunk = [UInt8](repeating: 0, count: 8192)
        // CLOSE in SYN-SENT would delete the connection (RFC 9293, 3.10.4).
        let isConnected = client.tcp.status(connection)?.isConnected == true
        while isConnected, sent < total {
            let count = min(chunk.count, total - sent)
            for index in 0..<count { chunk[index] = Self.pattern(sent + index) }
            let taken = chunk.withUnsafeBytes {
                client.tcp.send(connection, UnsafeRawBufferPointer(rebasing: $0[0..<count]), now: now).count
            }
            sent += taken
            if sent == total { client.tcp.shutdownSend(connection, now: now) }
            if taken == 0 { break }
        }
        accepted = accepted ?? server.tcp.accept(listener)
        guard let accepted else { return false }
        while true {
            let count = chunk.withUnsafeMutableBytes { server.tcp.receive(accepted, into: $0, now: now).count }
            if count == 0 { break }
            for index in 0..<count where chunk[index] != Self.pattern(received + index) { isIntact = false }
            received += count
        }
        return server.tcp.status(accepted)?.isEOF == true
    }
}

@Suite struct HostTCPTests {
    @Test(
        "a stream between two hosts, whatever the wire does",
        arguments: [
            (WireFaults(), 1500), (WireFaults(), 65520),
            (WireFaults(loss: 0.02, duplication: 0.02, reordering: 0.1), 1500),
        ])
    func stream(faults: WireFaults, mtu: Int) throws {
        let pair = Pair(faults, seed: 3, mtu: mtu)
        var transfer = try Transfer(
            from: pair.a.host, to: pair.b.host, at: addressB, total: 500_000, now: pair.wire.now)
        let isDone = pair.wire.run(for: .seconds(120)) { transfer.step(pair.wire.now) }
        #expect(isDone)
        #expect(transfer.received == 500_000 && transfer.isIntact)
        let counters = pair.b.counters
        #expect(counters.receiveDrops == 0)
        if faults.loss == 0 { #expect(pair.a.host.interfaces()[1].counters.transmitDrops == 0) }
    }

    @Test("the SYN waits for ARP: a connection over a good wire needs no retransmission")
    func firstSegment() throws {
        let pair = Pair()
        let start = pair.wire.now
        var transfer = try Transfer(from: pair.a.host, to: pair.b.host, at: addressB, total: 1, now: start)
        #expect(pair.wire.run(for: .milliseconds(5)) { transfer.step(pair.wire.now) })
        let syns = pair.wire.sent.filter { ip($0)?.payload[13] == 2 }
        #expect(syns.count == 1)
    }

    @Test("tools of one node talk to each other, by every address of it", arguments: [addressA, .loopback])
    func loopback(address: IPAddress) throws {
        let station = Station("a", macA, "10.0.0.1/24")
        var now = Instant(nanoseconds: 1000)
        var transfer = try Transfer(from: station.host, to: station.host, at: address, total: 3_000_000, now: now)
        var turns = 0
        while !transfer.step(now), turns < 100_000 {
            station.host.advance(to: now)
            turns += 1
            // As a node: sleep until the host says so.
            guard let deadline = station.host.nextDeadline else { break }
            now = max(now, deadline)
        }
        #expect(transfer.received == 3_000_000 && transfer.isIntact)
        #expect(now.since(Instant(nanoseconds: 1000)) < .milliseconds(100), "nothing had to wait for a timer")
        #expect(station.counters.transmitted == 0)
    }

    @Test("what is sent to oneself after advance makes the next turn due at once")
    func dueAtOnce() throws {
        let station = Station("a", macA, "10.0.0.1/24")
        let now = Instant(nanoseconds: 1000)
        station.host.advance(to: now)
        #expect(station.host.nextDeadline == nil)
        _ = try station.host.tcp.connect(to: TCPEndpoint(.loopback, 9), from: nil, now: now)
        #expect(station.host.nextDeadline == now)
    }

    @Test("what waits for a link that is down does not make turns due")
    func linkDown() throws {
        let pair = Pair()
        let connection = try pair.a.host.tcp.connect(to: TCPEndpoint(addressB, 81), from: nil, now: pair.wire.now)
        pair.wire.run(for: .microseconds(120))
        // The SYN has arrived and its RST waits; the link goes before it can leave.
        let syn = try #require(pair.wire.sent.last { ip($0)?.header.proto == .tcp })
        pair.b.host.receive(syn, on: pair.b.eth, now: pair.wire.now)
        pair.b.host.setLink(pair.b.eth, isUp: false, now: pair.wire.now)
        pair.b.host.advance(to: pair.wire.now)
        #expect(pair.b.host.nextDeadline.map { $0 > pair.wire.now } ?? true)
        pair.b.host.setLink(pair.b.eth, isUp: true, now: pair.wire.now)
        pair.wire.run(for: .milliseconds(5))
        #expect(pair.a.host.tcp.status(connection)?.error == .connectionRefused)
    }

    @Test("nobody listens: refused over the wire and on the node itself")
    func refused() throws {
        let pair = Pair()
        for address in [addressB, addressA, .loopback] {
            let connection = try pair.a.host.tcp.connect(to: TCPEndpoint(address, 81), from: nil, now: pair.wire.now)
            pair.wire.run(for: .milliseconds(5))
            #expect(pair.a.host.tcp.status(connection)?.error == .connectionRefused)
        }
    }

    @Test("a SYN that the door refuses by ICMP ends the connect with the host's own word for it")
    func doorRefusesByICMP() throws {
        final class Refuser: TCPDoor {
            func admission(of id: TCPSocketID, from remote: Endpoint, to local: Endpoint) -> TCPAdmission {
                .refuse(.unreachable(code: 3))
            }
            func ended(_ id: TCPSocketID, _ error: TCPError?) {}
        }
        let door = Refuser()
        let pair = Pair()
        pair.b.host.tcp.door = door
        let connection = try pair.a.host.tcp.connect(to: TCPEndpoint(addressB, 81), from: nil, now: pair.wire.now)
        pair.wire.run(for: .milliseconds(500))
        #expect(pair.a.host.tcp.status(connection)?.error == .unreachable)
    }

    @Test("a connection to nobody hears from ARP after three seconds, not after minutes")
    func nobody() throws {
        let pair = Pair()
        let connection = try pair.a.host.tcp.connect(
            to: TCPEndpoint(IPAddress(10, 0, 0, 99), 80), from: nil, now: pair.wire.now)
        pair.wire.run(for: .seconds(4))
        #expect(pair.a.host.tcp.status(connection)?.error == .unreachable)
    }

    @Test("an interface that goes takes its connections with it")
    func addressLost() throws {
        let pair = Pair()
        var transfer = try Transfer(
            from: pair.a.host, to: pair.b.host, at: addressB, total: 1, now: pair.wire.now)
        pair.wire.run(for: .milliseconds(5)) { transfer.step(pair.wire.now) }
        let other = try pair.a.host.tcp.connect(to: TCPEndpoint(addressB, 80), from: nil, now: pair.wire.now)
        pair.wire.run(for: .milliseconds(5))
        #expect(pair.a.host.tcp.status(other)?.isConnected == true)
        pair.a.host.removeInterface(pair.a.eth, now: pair.wire.now)
        #expect(pair.a.host.tcp.status(other)?.error == .addressLost)
    }

    @Test("memory of sockets comes back when the host goes")
    func memory() throws {
        let buffers: HeapBuffers
        do {
            let station = Station("a", macA, "10.0.0.1/24")
            buffers = station.buffers
            let now = Instant(nanoseconds: 1000)
            _ = try station.host.openUDP(port: 7)
            var transfer = try Transfer(from: station.host, to: station.host, at: .loopback, total: 100, now: now)
            for _ in 0..<10 {
                station.host.advance(to: now)
                _ = transfer.step(now)
            }
            #expect(buffers.lent > 1)
        }
        #expect(buffers.lent == 0)
    }
}
