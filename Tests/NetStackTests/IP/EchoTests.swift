// Echo both ways between two hosts on a simulated wire, and to the node itself.

import Bytes
import Link
import Testing

@testable import NetStack

@Suite struct EchoTests {
    @Test("the first echo to an unknown neighbour is not lost: it waits for ARP")
    func firstEcho() throws {
        let pair = Pair()
        let echo = try pair.a.host.openEcho(to: addressB)
        try pair.a.host.sendEcho(echo, sequence: 1, payload: 1000, now: pair.wire.now)
        pair.wire.run(for: .milliseconds(10))
        let events = pair.a.host.echoEvents(echo)
        #expect(
            events == [
                .reply(
                    EchoReply(
                        sequence: 1, from: addressB, bytes: 1008, ttl: 64, roundTrip: .microseconds(200),
                        isIntact: true, isDuplicate: false))
            ])
    }

    @Test("an echo longer than the MTU leaves in fragments, and is answered in fragments", arguments: [3000, 65_507])
    func fragments(payload: Int) throws {
        let pair = Pair()
        let echo = try pair.a.host.openEcho(to: addressB)
        try pair.a.host.sendEcho(echo, sequence: 1, payload: payload, now: pair.wire.now)
        pair.wire.run(for: .milliseconds(20))
        guard case .reply(let reply)? = pair.a.host.echoEvents(echo).first else {
            Issue.record("no reply")
            return
        }
        #expect(reply.bytes == payload + 8 && reply.isIntact)
        let packets = pair.wire.sent.compactMap { ip($0)?.header }.filter { $0.proto == .icmp }
        #expect(packets.count == 2 * ((payload + 8 + 1479) / 1480))
        #expect(packets.allSatisfy { $0.totalLength <= 1500 && $0.isFragment && !$0.dontFragment })
        #expect(Set(packets.map(\.identification)).count == 2, "a number for each packet")
    }

    @Test("a fragmented echo to an unknown neighbour waits for ARP as a whole")
    func fragmentsWait() throws {
        let wire = HostWire()
        let (a, b) = (Station("a", macA, "10.0.0.1/24"), Station("b", macB, "10.0.0.2/24", seed: 9))
        for station in [a, b] {
            wire.attach(WireEnd(station.host, station.eth))
            station.host.setLink(station.eth, isUp: true, now: wire.now)
        }
        let echo = try a.host.openEcho(to: addressB)
        try a.host.sendEcho(echo, sequence: 1, payload: 65_507, now: wire.now)
        wire.run(for: .milliseconds(50))
        #expect(a.host.echoEvents(echo).count == 1)
    }

    @Test("own addresses and all of 127/8 answer without a wire", arguments: ["10.0.0.1", "127.0.0.1", "127.8.9.10"])
    func loopback(text: String) throws {
        let station = Station("a", macA, "10.0.0.1/24")
        let address = try #require(IPAddress(text))
        let now = Instant(nanoseconds: 5)
        let echo = try station.host.openEcho(to: address)
        try station.host.sendEcho(echo, sequence: 3, payload: 60_000, now: now)
        station.host.advance(to: now)
        #expect(station.host.nextDeadline == now, "tools are to be asked again at once")
        let reply = EchoReply(
            sequence: 3, from: address, bytes: 60_008, ttl: 64, roundTrip: .zero, isIntact: true, isDuplicate: false)
        #expect(station.host.echoEvents(echo) == [.reply(reply)])
        station.host.advance(to: now)
        #expect(station.host.nextDeadline == nil)
    }
}
