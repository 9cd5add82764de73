// A host that moves to another process in the middle of everything: what goes on there cannot be told from what would
// have gone on here.

import Bytes
import Link
import Testing

@testable import NetStack

/// A host with one interface whose address comes by DHCP, and the memory of its sockets.
struct Traveller {
    let host: Host
    let eth: InterfaceID
    let memory: CountedMemory

    init(_ memory: CountedMemory, seed: UInt64 = 3, hostname: String = "a") {
        self.memory = memory
        host = Host(hostname: hostname, seed: seed, buffers: memory)
        eth = host.addInterface(InterfaceConfiguration(name: "eth0", mac: macA))
    }

    /// Another one, made anew over the same memory, that takes up what this one is.
    func moved(now: Instant, to later: Instant? = nil) throws(StateError) -> Traveller {
        let successor = Traveller(memory.copied(), seed: 77, hostname: "fresh")
        try successor.host.restore(from: host.section(now: now), now: later ?? now)
        return successor
    }
}

/// What a host shows of itself.
private struct Shown: Equatable {
    var interfaces: [InterfaceEntry]
    var routes: [RouteEntry]
    var neighbours: [NeighbourEntry]
    var udp: [UDPStatus]
    var tcp: [TCPStatus]

    init(_ host: Host) {
        (interfaces, routes, neighbours) = (host.interfaces(), host.routes(), host.neighbours())
        (udp, tcp) = (host.udpTable(), host.tcp.table())
        // What a connection that is over had under way is nobody's any more.
        for index in tcp.indices where tcp[index].state == .closed { tcp[index].unacknowledgedBytes = 0 }
    }
}

/// A network in which a host does everything at random.
private final class Journey {
    let wire: HostWire
    let end: WireEnd
    let dhcp = ScriptedDHCPServer()
    let peer: Station
    var traveller: Traveller
    var random: SeededGenerator
    var sockets: [UDPSocketID] = []
    var echoes: [EchoID] = []
    var queries: [QueryID] = []
    var connections: [TCPSocketID] = []

    init(seed: UInt64, isNamed: Bool) throws {
        random = SeededGenerator(seed: seed)
        wire = HostWire(seed: seed)
        let memory = CountedMemory()
        if isNamed { memory.useRAM(2 << 20) }
        traveller = Traveller(memory)
        end = wire.attach(WireEnd(traveller.host, traveller.eth))
        peer = Station("b", macB, "10.0.0.2/24", seed: seed)
        wire.attach(WireEnd(peer.host, peer.eth))
        let script = dhcp.end.script
        dhcp.answersARP = seed % 2 == 0
        wire.attach(WireEnd { frame, now in Self.answerName(frame) ?? script?(frame, now) ?? [] })
        for (host, eth) in [(traveller.host, traveller.eth), (peer.host, peer.eth)] {
            host.setLink(eth, isUp: true, now: wire.now)
        }
        _ = try peer.host.tcp.listen(on: 80)
    }

    /// The name server at 10.0.0.254: names that begin with "t" have answers too long for a datagram, "s" is silent.
    private static func answerName(_ frame: [UInt8]) -> [[UInt8]]? {
        guard let (_, source, destination, data) = udp(frame), destination.port == 53,
            let query = data.withUnsafeBytes({ try? DNSMessage($0) }), let name = query.questions.first?.name
        else { return nil }
        let first = name.labels.first?.first
        if first == 0x73 { return [] }
        var answer = DNSMessage(
            answering: query, [DNSRecord(name, timeToLive: 5, .address(IPv4Address(10, 0, 0, 2)))],
            responseCode: first == 0x6e ? 3 : 0)
        answer.isTruncated = first == 0x74
        return [
            udpFrame(
                to: macA, from: MACAddress(0x9a, 0x55, 0x9a, 0x55, 0x9a, 0x55), destination, source,
                bytes { try answer.write(to: &$0) })
        ]
    }

    func step() {
        let (host, now) = (traveller.host, wire.now)
        switch Int.random(in: 0..<14, using: &random) {
        case 0: if let id = try? host.openUDP(port: nil, address: nil) { sockets.append(id) }
        case 1, 2: sendDatagram()
        case 3: if let id = try? host.openEcho(to: someAddress()) { echoes.append(id) }
        case 4:
            if let id = echoes.randomElement(using: &random) {
                try? host.sendEcho(id, sequence: UInt16.random(in: 0..<9, using: &random), payload: size(), now: now)
            }
        case 5: queries.append(host.resolve(["silent", "there", "tall.x", "none", "10.1.2.3"][pick(5)], now: now))
        case 6: connect()
        case 7:
            if let id = connections.randomElement(using: &random) {
                _ = [UInt8](repeating: 7, count: size()).withUnsafeBytes { host.tcp.send(id, $0, now: now) }
            }
        case 8: answerUDP()
        case 9: injectFragment()
        case 10 where pick(4) == 0: host.setLink(traveller.eth, isUp: pick(3) > 0, now: now)
        case 11: host.setLink(traveller.eth, isUp: true, now: now)
        case 12: close()
        default: break
        }
        wire.run(for: .milliseconds([0, 0, 1, 7, 300, 1100, 5000, 90_000][pick(8)]))
    }

    private func pick(_ count: Int) -> Int { Int.random(in: 0..<count, using: &random) }
    private func size() -> Int { [0, 1, 100, 1400, 4000][pick(5)] }
    private func someAddress() -> IPAddress { IPAddress(10, 0, 0, UInt8(1 + pick(6))) }

    private func sendDatagram() {
        guard let id = sockets.randomElement(using: &random) else { return }
        let remote = Endpoint(someAddress(), UInt16(1000 + pick(3)))
        if pick(3) == 0 { try? traveller.host.connectUDP(id, to: remote) }
        try? traveller.host.send(id, [UInt8](repeating: 5, count: size()), to: remote, now: wire.now)
    }

    /// Somebody sends to the traveller's sockets.
    private func answerUDP() {
        guard let socket = traveller.host.udpTable().randomElement(using: &random) else { return }
        let local = traveller.host.interfaces().last?.addresses.first?.address ?? .any
        wire.inject(
            udpFrame(
                to: macA, from: macB, Endpoint(IPAddress(10, 0, 0, 2), 1000), Endpoint(local, socket.local.port),
                [UInt8](repeating: UInt8(pick(256)), count: size())), from: 1)
        if pick(3) == 0 { _ = traveller.host.readUDP(socket.id) }
    }

    private func injectFragment() {
        var header = IPv4Header(from: IPAddress(10, 0, 0, 2), to: IPAddress(10, 0, 0, 50), .udp, payloadLength: 0)
        header.identification = UInt16(pick(4))
        (header.fragmentOffset, header.moreFragments) = (pick(6) * 64, pick(4) > 0)
        wire.inject(ipFrame(to: macA, from: macB, header, [UInt8](repeating: 1, count: 64)), from: 1)
    }

    private func connect() {
        let remote = Endpoint(someAddress(), 80)
        if let id = try? traveller.host.tcp.connect(to: remote, now: wire.now) { connections.append(id) }
    }

    private func close() {
        let host = traveller.host
        switch pick(4) {
        case 0: if !sockets.isEmpty { host.closeUDP(sockets.remove(at: pick(sockets.count))) }
        case 1: if !echoes.isEmpty { host.closeEcho(echoes.remove(at: pick(echoes.count))) }
        case 2: if let id = queries.popLast() { _ = host.takeResolution(id) }
        default:
            if !connections.isEmpty { host.tcp.release(connections.remove(at: pick(connections.count)), now: wire.now) }
        }
    }

    /// The successor takes the traveller's place on the wire.
    func move(to successor: Traveller) {
        traveller = successor
        end.host = successor.host
    }
}

struct HostMoveTests {
    @Test(
        "whatever a host is doing, its successor shows the same, writes the same down and goes on the same",
        arguments: 0..<8, [true, false])
    func journey(seed: Int, isNamed: Bool) throws {
        let journey = try Journey(seed: UInt64(seed), isNamed: isNamed)
        for _ in 0..<40 {
            journey.step()
            let (before, now) = (journey.traveller, journey.wire.now)
            let section = before.host.section(now: now)
            let (after, twin) = (try before.moved(now: now), try before.moved(now: now))
            #expect(Shown(after.host) == Shown(before.host))
            #expect(after.host.section(now: now) == section)
            // A deadline of TCP may be one that nobody needs any more; the successor has none of those.
            let never = Instant(nanoseconds: .max)
            #expect(after.host.nextDeadline ?? never >= before.host.nextDeadline ?? never)
            #expect(after.host.hostname == "a")
            // One copy and the original live on for a while, without a word from outside.
            for wait in [0, 0, 900, 4000] as [Int64] {
                let later = now + .milliseconds(wait)
                before.host.advance(to: later)
                twin.host.advance(to: later)
                let frames = twin.host.output(on: twin.eth, now: later)
                #expect(frames == before.host.output(on: before.eth, now: later))
            }
            #expect(Shown(twin.host) == Shown(before.host))
            journey.move(to: after)
        }
    }

    @Test("what is left of every time is the same on a clock that stands elsewhere")
    func otherClock() throws {
        let journey = try Journey(seed: 4, isNamed: false)
        journey.wire.run(for: .seconds(10))
        let now = journey.wire.now
        let later = now + .seconds(100_000)
        let moved = try journey.traveller.moved(now: now, to: later)
        let (there, here) = (moved.host.interfaces()[1], journey.traveller.host.interfaces()[1])
        let end = try #require(here.leaseEnds)
        #expect(there.leaseEnds?.since(later) == end.since(now))
        #expect(moved.host.nextDeadline?.since(later) == journey.traveller.host.nextDeadline?.since(now))
    }

    @Test(
        "a datagram that waits to be read is read on the other side, and one that waits for its neighbour leaves there")
    func whatWaits() throws {
        let journey = try Journey(seed: 5, isNamed: true)
        journey.wire.run(for: .seconds(5))
        let host = journey.traveller.host
        let id = try host.openUDP(port: 1234, address: nil)
        journey.wire.inject(
            udpFrame(
                to: macA, from: macB, Endpoint(addressB, 9), Endpoint(IPAddress(10, 0, 0, 50), 1234), [1, 2, 3]),
            from: 1)
        journey.wire.run(for: .milliseconds(1))
        try host.send(id, [4, 5], to: Endpoint(addressB, 9), now: journey.wire.now)
        journey.move(to: try journey.traveller.moved(now: journey.wire.now))
        #expect(journey.traveller.host.readUDP(id)?.data == [1, 2, 3])
        journey.wire.forget()
        journey.wire.run(for: .milliseconds(5))
        #expect(journey.wire.sent.contains { udp($0)?.data == [4, 5] })
    }

    @Test("an interface that is another one is named, with both values; other numbers of interfaces are told")
    func differences() throws {
        let journey = try Journey(seed: 6, isNamed: false)
        let section = journey.traveller.host.section(now: journey.wire.now)
        func refusal(_ configuration: InterfaceConfiguration?) -> StateError? {
            let host = Host(hostname: "x", seed: 1, buffers: CountedMemory())
            if let configuration { _ = host.addInterface(configuration) }
            do throws(StateError) { try host.restore(from: section, now: journey.wire.now) } catch { return error }
            return nil
        }
        #expect(refusal(nil) == .impossible("number of interfaces: 2 there, 1 here"))
        #expect(
            refusal(InterfaceConfiguration(name: "eth0", mac: macB))
                == .impossible("MAC address of eth0: \(macA) there, \(macB) here"))
        #expect(
            refusal(InterfaceConfiguration(name: "eth0", mac: macA, mtu: 1400))
                == .impossible("MTU of eth0: 1500 there, 1400 here"))
        #expect(
            refusal(InterfaceConfiguration(name: "eth1", mac: macA))
                == .impossible("name of eth1: eth0 there, eth1 here"))
        #expect(refusal(InterfaceConfiguration(name: "eth0", mac: macA)) == nil)
    }

    // MARK: what is not believed

    private func busy(_ seed: UInt64, isNamed: Bool = false) throws -> Journey {
        let journey = try Journey(seed: seed, isNamed: isNamed)
        for _ in 0..<60 { journey.step() }
        return journey
    }

    @Test("state that was cut off anywhere is refused and leaves no buffer behind", arguments: 0..<4)
    func truncations(seed: UInt64) throws {
        let journey = try busy(seed)
        let (host, now) = (journey.traveller.host, journey.wire.now)
        let section = host.section(now: now)
        for length in 0..<section.count {
            let memory = journey.traveller.memory.copied()
            #expect(throws: StateError.self) {
                try Traveller(memory).host.restore(from: section[..<length], now: now)
            }
            #expect(memory.lent == 0)
        }
    }

    @Test("each part that was cut off anywhere is refused", arguments: 0..<4)
    func partTruncations(seed: UInt64) throws {
        let journey = try busy(seed)
        let (host, now) = (journey.traveller.host, journey.wire.now)
        func cut(_ code: (Host, inout StateCoder) throws(StateError) -> Void) throws {
            var whole = StateCoder()
            whole.now = now
            try code(host, &whole)
            let bytes = whole.encoder.bytes
            for length in stride(from: 0, to: bytes.count, by: 1 + bytes.count / 2000) {
                let victim = Traveller(journey.traveller.memory.copied())
                var coder = StateCoder(reading: StateDecoder(bytes[..<length]))
                coder.now = now
                #expect(throws: StateError.self) { try code(victim.host, &coder) }
            }
        }
        try cut { (host, coder) throws(StateError) in try host.udp.code(&coder) }
        try cut { (host, coder) throws(StateError) in try host.echoes.code(&coder) }
        try cut { (host, coder) throws(StateError) in try host.resolver.code(&coder) }
        try cut { (host, coder) throws(StateError) in try host.routing.code(&coder) }
        try cut { (host, coder) throws(StateError) in
            _ = try host.attached[1].coded(&coder, hostname: "x")
        }
    }

    @Test("state with spoiled bytes is refused, or is a host that works", arguments: 0..<12)
    func spoiled(seed: UInt64) throws {
        let journey = try busy(seed, isNamed: seed % 2 == 0)
        let good = journey.traveller.host.section(now: journey.wire.now)
        var random = SeededGenerator(seed: seed)
        for _ in 0..<120 {
            var bytes = good
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            let memory = journey.traveller.memory.copied()
            do {
                let victim = Traveller(memory)
                var now = journey.wire.now
                guard (try? victim.host.restore(from: bytes, now: now)) != nil else { continue }
                for wait in [0, 1, 1000, 60_000, 4_000_000] as [Int64] {
                    now = now + .milliseconds(wait)
                    victim.host.advance(to: now)
                    for frame in journey.wire.sent.suffix(20) { victim.host.receive(frame, on: victim.eth, now: now) }
                    _ = victim.host.output(on: victim.eth, now: now)
                    for socket in victim.host.udpTable() { _ = victim.host.readUDP(socket.id) }
                }
                victim.host.tcp.releaseAll(now: now)
                victim.host.tcp.abortAll(now: now)
            }
            #expect(memory.lent == 0)
        }
    }
}
