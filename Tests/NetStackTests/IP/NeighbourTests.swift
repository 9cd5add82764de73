// ARP: the neighbour table as a machine, and the host's behaviour on a wire.

import Bytes
import Link
import Testing

@testable import NetStack

/// The table behind a reference, so that expectations can call what changes it.
private final class Table {
    private var table = NeighbourTable()

    func lookup(_ address: IPAddress, now: Instant) -> (mac: MACAddress, until: Instant)? {
        table.lookup(address, now: now)
    }
    func forget() { table.forget() }
    func hold(_ frame: [UInt8], for address: IPAddress) -> Bool { table.hold(frame, for: address) }
    func learn(_ address: IPAddress, _ mac: MACAddress, creating: Bool, isAnswer: Bool, now: Instant) -> [[UInt8]] {
        table.learn(address, mac, creating: creating, isAnswer: isAnswer, now: now)
    }
    func advance(to now: Instant) -> [(IPAddress, [[UInt8]])] { table.advance(to: now) }
    func nextRequest() -> NeighbourRequest? { table.nextRequest() }
    func restart(now: Instant) { table.restart(now: now) }
    var nextDeadline: Instant? { table.nextDeadline }
    var entries: [IPAddress: NeighbourTable.Entry] { table.entries }
}

@Suite struct NeighbourTableTests {
    private let start = Instant(nanoseconds: 1_000_000_000)

    @Test("three requests a second apart, then the waiting frames come back as failed")
    func failure() {
        let table = Table()
        #expect(table.lookup(addressB, now: start) == nil)
        #expect(table.hold([1], for: addressB))
        var requests = 0
        var failed: [[UInt8]] = []
        var last = start
        while failed.isEmpty, let due = table.nextDeadline {
            while let request = table.nextRequest() {
                #expect(request == NeighbourRequest(address: addressB, unicast: nil))
                requests += 1
            }
            last = due
            failed = table.advance(to: due).flatMap(\.1)
        }
        #expect(requests == 3)
        #expect(last.since(start) == .seconds(3))
        #expect(failed == [[1]])
        #expect(table.entries[addressB]?.state == .failed)
        _ = table.advance(to: last + .seconds(10))
        #expect(table.entries.isEmpty && table.nextDeadline == nil)
    }

    @Test("a stale neighbour is used while it is asked by unicast, then by broadcast")
    func stale() {
        let table = Table()
        _ = table.lookup(addressB, now: start)
        _ = table.learn(addressB, macB, creating: false, isAnswer: true, now: start)
        while table.nextRequest() != nil {}
        #expect(table.lookup(addressB, now: start + .seconds(29))?.until == start + .seconds(30))
        #expect(table.nextRequest() == nil && table.nextDeadline == nil)
        let later = start + .seconds(31)
        #expect(table.lookup(addressB, now: later)?.mac == macB)
        #expect(table.nextRequest() == NeighbourRequest(address: addressB, unicast: macB))
        for second in 1...2 {
            #expect(table.advance(to: later + .seconds(Int64(second))).isEmpty)
            #expect(table.nextRequest()?.unicast == macB)
            #expect(table.lookup(addressB, now: later + .seconds(Int64(second)))?.mac == macB)
        }
        _ = table.advance(to: later + .seconds(3))
        #expect(table.nextRequest() == NeighbourRequest(address: addressB, unicast: nil))
        #expect(table.lookup(addressB, now: later + .seconds(3)) == nil)
    }

    @Test("an answer confirms; a request of the neighbour does not")
    func confirmation() {
        let table = Table()
        #expect(table.learn(addressB, macB, creating: true, isAnswer: false, now: start).isEmpty)
        #expect(table.entries[addressB]?.state == .stale(macB))
        _ = table.lookup(addressB, now: start)
        _ = table.learn(addressB, macB, creating: false, isAnswer: false, now: start)
        #expect(table.entries[addressB]?.state == .probe(macB, tries: 1))
        _ = table.learn(addressB, macB, creating: false, isAnswer: true, now: start)
        #expect(table.entries[addressB]?.state == .reachable(macB))
        _ = table.learn(addressB, macA, creating: false, isAnswer: false, now: start)
        #expect(table.entries[addressB]?.state == .stale(macA), "a new MAC without having been asked must be checked")
    }

    @Test("searches that strangers cause are bounded, and push out nobody who is known")
    func strangersSearch() {
        let table = Table()
        _ = table.lookup(addressB, now: start)
        _ = table.learn(addressB, macB, creating: false, isAnswer: true, now: start)
        while table.nextRequest() != nil {}
        var now = start
        for number in 0..<5000 {
            let address = IPAddress(10, 1, UInt8(number >> 8), UInt8(number & 0xff))
            now = now + .milliseconds(1)
            #expect(table.lookup(address, now: now) == nil)
            #expect(table.hold([UInt8](repeating: 0, count: 1500), for: address), "the first one always waits")
        }
        #expect(table.entries.values.filter { !$0.pending.isEmpty }.count == NeighbourTable.searchLimit)
        #expect(table.lookup(addressB, now: now)?.mac == macB)
        var requests = 0
        while table.nextRequest() != nil { requests += 1 }
        #expect(requests <= NeighbourTable.searchLimit, "nobody asks for what was given up")
    }

    @Test("what waits for all neighbours together is bounded")
    func allPending() {
        let table = Table()
        var held = 0
        for number in 0..<100 {
            let address = IPAddress(10, 1, 0, UInt8(number))
            _ = table.lookup(address, now: start)
            for _ in 0..<64 where table.hold([UInt8](repeating: 0, count: 1500), for: address) { held += 1500 }
        }
        #expect(held <= NeighbourTable.allPendingBytes + 100 * 1500)
        for number in 0..<4 {
            _ = table.learn(IPAddress(10, 1, 0, UInt8(number)), macB, creating: false, isAnswer: true, now: start)
        }
        #expect(table.hold([1], for: IPAddress(10, 1, 0, 99)), "what leaves makes room")
    }

    @Test("stations that only say who they are push out none that our packets go to")
    func strangersAnnounce() {
        let table = Table()
        _ = table.lookup(addressB, now: start)
        _ = table.learn(addressB, macB, creating: false, isAnswer: true, now: start)
        _ = table.lookup(addressB, now: start)
        for number in 0..<5000 {
            let address = IPAddress(10, 1, UInt8(number >> 8), UInt8(number & 0xff))
            _ = table.learn(address, macA, creating: true, isAnswer: false, now: start + .seconds(60))
        }
        #expect(table.entries.count == NeighbourTable.limit)
        #expect(table.lookup(addressB, now: start + .seconds(60))?.mac == macB)
    }

    @Test("the first frame always waits, the ones beyond the limit are refused, order is kept")
    func pending() {
        let table = Table()
        _ = table.lookup(addressB, now: start)
        #expect(table.hold([UInt8](repeating: 0, count: NeighbourTable.pendingBytes + 1), for: addressB))
        #expect(!table.hold([1], for: addressB))
        _ = table.lookup(addressA, now: start)
        for index in 0..<NeighbourTable.pendingLimit { #expect(table.hold([UInt8(index)], for: addressA)) }
        #expect(!table.hold([0xff], for: addressA))
        let released = table.learn(addressA, macA, creating: false, isAnswer: true, now: start)
        #expect(released.map { $0[0] } == (0..<NeighbourTable.pendingLimit).map { UInt8($0) })
    }

    @Test("ten thousand strangers do not make the table grow, nor push out who is being asked for")
    func bounded() {
        let table = Table()
        _ = table.lookup(addressB, now: start)
        #expect(table.hold([1], for: addressB))
        for index in 0..<10_000 {
            _ = table.learn(
                IPAddress(IPv4Address(rawValue: 0x0b00_0000 + UInt32(index))), macA, creating: true, isAnswer: false,
                now: start + .microseconds(Int64(index)))
        }
        #expect(table.entries.count == NeighbourTable.limit)
        #expect(table.entries[addressB]?.pending == [[1]])
    }

    @Test("a link that goes takes the neighbours along, and searches begin again when it is back")
    func restart() {
        let table = Table()
        _ = table.learn(addressB, macB, creating: true, isAnswer: false, now: start)
        _ = table.lookup(addressB, now: start)
        _ = table.learn(addressB, macB, creating: false, isAnswer: true, now: start)
        _ = table.lookup(addressA, now: start)
        while table.nextRequest() != nil {}
        table.forget()
        #expect(table.entries[addressB] == nil)
        table.restart(now: start + .seconds(2))
        #expect(table.nextRequest() == NeighbourRequest(address: addressA, unicast: nil))
        #expect(table.nextDeadline == start + .seconds(3))
    }
}

@Suite struct ARPTests {
    @Test("who-has our address is answered to the asker, others' are not, probes are (RFC 5227, 2.1.1)")
    func answers() {
        let station = Station("a", macA, "10.0.0.1/24")
        let now = Instant(nanoseconds: 1)
        station.host.setLink(station.eth, isUp: true, now: now)
        func ask(_ sender: IPAddress, _ target: IPAddress) -> [ARPPacket] {
            station.host.receive(
                arpFrame(to: .broadcast, ARPPacket(.request, senderMAC: macB, sender: sender, target: target)),
                on: station.eth, now: now)
            return station.host.output(on: station.eth, now: now).compactMap { arp($0) }
        }
        let answer = ARPPacket(.reply, senderMAC: macA, sender: addressA, targetMAC: macB, target: addressB)
        #expect(ask(addressB, addressA) == [answer])
        #expect(ask(addressB, IPAddress(10, 0, 0, 9)).isEmpty)
        #expect(ask(.any, addressA).map(\.sender) == [wireA])
        #expect(station.host.neighbours().map(\.state) == [.stale])
    }

    @Test("impossible senders are refused and counted")
    func spoofed() {
        let station = Station("a", macA, "10.0.0.1/24")
        let now = Instant(nanoseconds: 1)
        station.host.setLink(station.eth, isUp: true, now: now)
        let bad: [(MACAddress, IPAddress)] = [
            (.broadcast, addressB), (MACAddress(rawValue: 0), addressB), (macA, addressB),
            (MACAddress("01:00:5e:00:00:01") ?? macA, addressB), (macB, .broadcast), (macB, .loopback),
            (macB, IPAddress(224, 0, 0, 1)), (macB, IPAddress(10, 0, 0, 255)),
        ]
        for (mac, sender) in bad {
            station.host.receive(
                arpFrame(to: macA, ARPPacket(.request, senderMAC: mac, sender: sender, target: addressA)),
                on: station.eth, now: now)
        }
        #expect(station.counters.arpRefused == UInt64(bad.count))
        #expect(station.host.neighbours().isEmpty)
        #expect(station.host.output(on: station.eth, now: now).isEmpty)
    }

    @Test("gratuitous ARP and strangers off the link make no entries")
    func uninvited() {
        let station = Station("a", macA, "10.0.0.1/24")
        let now = Instant(nanoseconds: 1)
        station.host.setLink(station.eth, isUp: true, now: now)
        for (sender, target) in [(addressB, addressB), (IPAddress(9, 9, 9, 9), addressA)] {
            station.host.receive(
                arpFrame(to: .broadcast, ARPPacket(.reply, senderMAC: macB, sender: sender, target: target)),
                on: station.eth, now: now)
        }
        #expect(station.host.neighbours().isEmpty)
    }

    @Test("a fixed address is defended but never given up, and not more than every ten seconds")
    func defended() {
        let station = Station("a", macA, "10.0.0.1/24")
        let now = Instant(nanoseconds: 1)
        station.host.setLink(station.eth, isUp: true, now: now)
        let claim = arpFrame(to: .broadcast, ARPPacket(.request, senderMAC: macB, sender: addressA, target: addressA))
        for _ in 0..<5 { station.host.receive(claim, on: station.eth, now: now) }
        let sent = station.host.output(on: station.eth, now: now).compactMap { arp($0) }
        #expect(sent == [ARPPacket(.request, senderMAC: macA, sender: addressA, target: addressA)])
        #expect(station.host.isLocal(addressA))
        #expect(station.counters.arpRefused == 5)
    }

    @Test("an echo to nobody fails after three seconds with the neighbour's name")
    func nobody() throws {
        let pair = Pair()
        let target = IPAddress(10, 0, 0, 77)
        let echo = try pair.a.host.openEcho(to: target)
        try pair.a.host.sendEcho(echo, sequence: 9, now: pair.wire.now)
        let start = pair.wire.now
        pair.wire.run(for: .seconds(10)) { pair.a.host.neighbours().first?.state == .failed }
        #expect(pair.wire.now.since(start) == .seconds(3))
        #expect(
            pair.a.host.echoEvents(echo) == [
                .failed(sequence: 9, error: .neighbourUnreachable(target), from: addressA)
            ])
        #expect(pair.a.counters.neighbourFailed == 1)
    }

    @Test("what waits for ARP while the link goes away is not lost")
    func linkAway() throws {
        let pair = Pair()
        let echo = try pair.a.host.openEcho(to: addressB)
        pair.b.host.setLink(pair.b.eth, isUp: false, now: pair.wire.now)
        try pair.a.host.sendEcho(echo, sequence: 1, now: pair.wire.now)
        pair.wire.run(for: .milliseconds(10))
        pair.a.host.setLink(pair.a.eth, isUp: false, now: pair.wire.now)
        try pair.a.host.sendEcho(echo, sequence: 2, now: pair.wire.now)
        pair.wire.run(for: .seconds(60))
        for station in [pair.a, pair.b] { station.host.setLink(station.eth, isUp: true, now: pair.wire.now) }
        pair.wire.run(for: .milliseconds(10))
        let answered = pair.a.host.echoEvents(echo).compactMap { event -> UInt16? in
            guard case .reply(let reply) = event else { return nil }
            return reply.sequence
        }
        #expect(answered == [1, 2])
    }

    @Test("a broken wire: every echo is answered or its neighbour reported", arguments: 1...5)
    func lossy(seed: UInt64) throws {
        let pair = Pair(WireFaults(loss: 0.2, duplication: 0.2, reordering: 0.5), seed: seed)
        let echo = try pair.a.host.openEcho(to: addressB)
        for sequence in 1...50 as ClosedRange<UInt16> {
            try pair.a.host.sendEcho(echo, sequence: sequence, payload: 200, now: pair.wire.now)
            pair.wire.run(for: .milliseconds(100))
        }
        pair.wire.run(for: .seconds(10))
        var answered: Set<UInt16> = []
        for event in pair.a.host.echoEvents(echo) {
            guard case .reply(let reply) = event else { continue }
            #expect(reply.isIntact)
            #expect(reply.isDuplicate == answered.contains(reply.sequence))
            answered.insert(reply.sequence)
        }
        #expect(answered.count > 20)
    }
}
