// Opening a connection: RFC 9293, 3.5, 3.10.1, 3.10.7.2 and 3.10.7.3, with the options of a SYN.

import Bytes
import Testing

@testable import NetStack

@Suite struct TCPHandshakeTests {
    // MARK: active

    @Test("RFC 9293 3.10.1: an active open sends SYN with MSS by the MTU, window scale and timestamps")
    func synOptions() {
        let s = TCPScript { $0.usesTimestamps = true }
        s.connect()
        #expect(s.state == .synSent)
        guard let syn = s.next() else { return #expect(Bool(false), "no SYN") }
        #expect(syn == Seg(.syn, seq: 0))
        #expect(syn.mss == 1460)
        #expect(syn.scale == 5)
        #expect(syn.stamps?.echo == 0)
        #expect(syn.window == 32 << 10)
        s.expectNothing()
    }

    @Test("RFC 6691: MTU 65520 offers an MSS of 65480, whatever options segments carry")
    func largeMSS() {
        let s = TCPScript(mtu: 65_520)
        s.connect()
        #expect(s.next()?.mss == 65_480)
    }

    @Test("RFC 9293 3.5: SYN, SYN-ACK, ACK lead to ESTABLISHED")
    func threeWay() {
        let s = TCPScript.synSent()
        s.peer(Seg([.syn, .ack], seq: 0, ack: 1, mss: 1000))
        #expect(s.state == .established)
        s.expect(Seg(.ack, seq: 1, ack: 1))
    }

    @Test("the handshake ends with a bare ACK: text and FIN that wait already follow in segments of their own")
    func bareHandshakeAck() {
        let s = TCPScript.synSent()
        s.send("hi")
        s.shutdown()
        s.peer(Seg([.syn, .ack], seq: 0, ack: 1, mss: 1000))
        s.expect(Seg(.ack, seq: 1, ack: 1), Seg([.fin, .ack, .psh], seq: 1, ack: 1, "hi"))
    }

    @Test("RFC 9293 3.10.7.3: RST with the right ACK refuses the connection")
    func refused() {
        let s = TCPScript.synSent()
        s.peer(Seg([.rst, .ack], seq: 0, ack: 1))
        #expect(s.state == .closed)
        #expect(s.error == .connectionRefused)
        s.expectNothing()
    }

    @Test("RFC 9293 3.10.7.3: RST without or with a wrong ACK is dropped in SYN-SENT")
    func blindReset() {
        let s = TCPScript.synSent()
        s.peer(Seg(.rst, seq: 0))
        s.peer(Seg([.rst, .ack], seq: 0, ack: 2))
        s.peer(Seg([.rst, .ack], seq: 0, ack: 0))
        #expect(s.state == .synSent)
        s.expectNothing()
    }

    @Test("RFC 9293 3.10.7.3: an ACK of what was not sent is answered by RST at its number")
    func wrongAck() {
        let s = TCPScript.synSent()
        s.peer(Seg([.syn, .ack], seq: 0, ack: 77, mss: 1000))
        s.expect(Seg(.rst, seq: 77))
        #expect(s.state == .synSent)
        s.peer(Seg(.ack, seq: 0, ack: 1))
        #expect(s.state == .synSent, "an ACK without SYN is not enough")
    }

    @Test("RFC 9293 3.5: simultaneous open ends in ESTABLISHED")
    func simultaneous() {
        let s = TCPScript.synSent()
        s.peer(Seg(.syn, seq: 0, mss: 1000))
        #expect(s.state == .synReceived)
        s.expect(Seg([.syn, .ack], seq: 0, ack: 1))
        s.peer(Seg([.syn, .ack], seq: 0, ack: 1, mss: 1000))
        // The peer's SYN is old by now; its ACK is what matters, and Linux sends a bare one next.
        s.peer(Seg(.ack, seq: 1, ack: 1))
        #expect(s.state == .established)
    }

    @Test("RFC 9293 3.5, figure 8: two hosts that open towards each other meet, and fall silent")
    func simultaneousHosts() {
        let network = SimulatedNetwork()
        let left = Endpoint(network.a.address, 500)
        let right = Endpoint(network.b.address, 600)
        guard let a = try? network.a.tcp.connect(to: right, from: left, now: network.now),
            let b = try? network.b.tcp.connect(to: left, from: right, now: network.now)
        else { return #expect(Bool(false), "no connection") }
        network.run(for: .seconds(10))
        #expect(network.a.tcp.status(a)?.state == .established)
        #expect(network.b.tcp.status(b)?.state == .established)
        #expect(network.a.tcp.counters.sent < 6)
    }

    @Test("RFC 9293 3.5: a host may open towards itself")
    func selfConnection() {
        let network = SimulatedNetwork()
        let own = Endpoint(network.a.address, 500)
        guard let id = try? network.a.tcp.connect(to: own, from: own, now: network.now) else { return }
        for _ in 0..<10 {
            while let (bytes, _) = network.a.transmit(now: network.now) {
                network.a.receive(bytes, from: network.a.address, now: network.now)
            }
        }
        #expect(network.a.tcp.status(id)?.state == .established)
    }

    @Test("RFC 6298 2.1 and 5.5: SYN is repeated after 1, 2, 4 … seconds and then given up")
    func synTimeout() {
        let s = TCPScript.synSent { $0.synRetries = 3 }
        for seconds in [1, 2, 4] {
            s.wait(seconds * 1000 - 1)
            s.expectNothing()
            s.wait(1)
            s.expect(Seg(.syn, seq: 0))
        }
        s.wait(8000)
        s.expectNothing()
        #expect(s.error == .timedOut)
    }

    @Test("data queued in SYN-SENT goes out when the handshake is done")
    func earlyData() {
        let s = TCPScript.synSent()
        s.send("early")
        s.expectNothing()
        s.peer(Seg([.syn, .ack], seq: 0, ack: 1, mss: 1000))
        s.expect(Seg(.ack, seq: 1, ack: 1), Seg([.ack, .psh], seq: 1, ack: 1, "early"))
    }

    @Test("RFC 9293 3.7.1: without an MSS option segments carry 536 bytes")
    func defaultMSS() {
        let s = TCPScript.synSent()
        s.peer(Seg([.syn, .ack], seq: 0, ack: 1))
        s.send(count: 600)
        #expect(s.drain().map(\.text.count) == [0, 536, 64])
    }

    @Test("an MSS of 0 or 1 does not make segments of one byte")
    func tinyMSS() {
        let s = TCPScript.synSent()
        s.peer(Seg([.syn, .ack], seq: 0, ack: 1, mss: 1))
        s.send(count: 100)
        #expect(s.drain().map(\.text.count) == [0, 48, 48, 4])
    }

    @Test("calls that cannot work fail with a reason")
    func badCalls() {
        let s = TCPScript { $0.maximumConnections = 1 }
        let somewhere = Endpoint(s.peerAddress, 80)
        #expect(throws: TCPError.badDestination(Endpoint(.broadcast, 80))) {
            try s.tcp.connect(to: Endpoint(.broadcast, 80), now: s.now)
        }
        #expect(throws: TCPError.badDestination(Endpoint(s.peerAddress, 0))) {
            try s.tcp.connect(to: Endpoint(s.peerAddress, 0), now: s.now)
        }
        s.host.routes.isUp = false
        #expect(throws: TCPError.unreachable) { try s.tcp.connect(to: somewhere, now: s.now) }
        s.host.routes.isUp = true
        s.host.memory.limit = 1000
        #expect(throws: TCPError.noBufferSpace) { try s.tcp.connect(to: somewhere, now: s.now) }
        s.host.memory.limit = .max
        #expect(s.tcp.table().isEmpty, "a failed connect leaves nothing")
        #expect(throws: Never.self) { try s.tcp.connect(to: somewhere, now: s.now) }
        #expect(throws: TCPError.tooManyConnections(limit: 1)) { try s.tcp.connect(to: somewhere, now: s.now) }
    }

    @Test("one pair of endpoints is one connection; ports run out with an error")
    func ports() {
        let s = TCPScript { $0.ephemeralPorts = 40_000...40_002 }
        let remote = Endpoint(s.peerAddress, 80)
        var ports: Set<UInt16> = []
        for _ in 0..<3 {
            guard let id = try? s.tcp.connect(to: remote, now: s.now), let status = s.tcp.status(id) else { continue }
            ports.insert(status.local.port)
        }
        #expect(ports == [40_000, 40_001, 40_002])
        #expect(throws: TCPError.noFreePort) { try s.tcp.connect(to: remote, now: s.now) }
        let taken = Endpoint(s.host.address, 40_001)
        #expect(throws: TCPError.addressInUse(taken)) { try s.tcp.connect(to: remote, from: taken, now: s.now) }
    }

    @Test("RFC 6056: which port comes next is not to be seen from those that came before")
    func portsAreRandom() {
        let s = TCPScript()
        let ports = (0..<200).compactMap { _ -> Int? in
            guard let id = try? s.tcp.connect(to: Endpoint(s.peerAddress, 80), now: s.now) else { return nil }
            return s.tcp.status(id).map { Int($0.local.port) }
        }
        #expect(Set(ports).count == 200)
        #expect(ports.allSatisfy { (32_768...60_999).contains($0) })
        let steps = zip(ports, ports.dropFirst()).map { $1 - $0 }
        #expect(Set(steps).count > 150, "no step is usual")
        #expect(steps.filter { abs($0) < 100 }.count < 20, "neighbours are rare")
    }

    // MARK: passive

    @Test("RFC 9293 3.10.7.2: SYN to a listener is answered by SYN-ACK, the ACK makes it acceptable")
    func passive() {
        let s = TCPScript.listening()
        s.peer(Seg(.syn, seq: 0, mss: 1000, scale: 7))
        s.expect(Seg([.syn, .ack], seq: 0, ack: 1, window: 32 << 10, mss: 1460, scale: 5))
        #expect(s.tcp.accept(s.id) == nil)
        #expect(s.host.memory.lent == 0, "half-open connections cost no buffer")
        s.peer(Seg(.ack, seq: 1, ack: 1))
        guard let id = s.tcp.accept(s.id) else { return #expect(Bool(false), "nothing to accept") }
        #expect(s.tcp.status(id)?.state == .established)
        s.expectNothing()
    }

    @Test("RFC 7323 2.2 and 3.2: SYN-ACK offers only what the SYN offered")
    func passiveWithoutOptions() {
        let s = TCPScript.listening { $0.usesTimestamps = true }
        s.peer(Seg(.syn, seq: 0))
        let answer = s.next()
        #expect(answer?.scale == nil)
        #expect(answer?.stamps == nil)
        #expect(answer?.mss == 1460)
    }

    @Test("the ACK that completes the handshake may carry data and FIN")
    func dataWithAck() {
        let s = TCPScript.listening()
        s.peer(Seg(.syn, seq: 0, mss: 1000))
        _ = s.drain()
        s.peer(Seg([.ack, .psh, .fin], seq: 1, ack: 1, "hi"))
        s.expect(Seg(.ack, seq: 1, ack: 4))
        s.id = s.tcp.accept(s.id) ?? s.id
        #expect(s.state == .closeWait)
        #expect(s.read() == "hi")
        #expect(s.tcp.status(s.id)?.isEOF == true)
    }

    @Test("a SYN that comes again is answered by SYN-ACK again")
    func repeatedSyn() {
        let s = TCPScript.listening()
        s.peer(Seg(.syn, seq: 0, mss: 1000))
        s.expect(Seg([.syn, .ack], seq: 0, ack: 1))
        s.peer(Seg(.syn, seq: 0, mss: 1000))
        s.expect(Seg([.syn, .ack], seq: 0, ack: 1))
        s.wait(1000)
        s.expect(Seg([.syn, .ack], seq: 0, ack: 1))
    }

    @Test("RFC 9293 3.10.7.4: RST, SYN and a wrong ACK in SYN-RECEIVED")
    func halfOpen() {
        let s = TCPScript.listening()
        s.peer(Seg(.syn, seq: 0))
        _ = s.drain()
        s.peer(Seg(.ack, seq: 1, ack: 500))
        s.expect(Seg(.rst, seq: 500))
        s.peer(Seg(.rst, seq: 1))
        s.expectNothing()
        s.peer(Seg(.ack, seq: 1, ack: 1))
        s.expect(Seg(.rst, seq: 1))
        s.peer(Seg(.syn, seq: 0))
        s.expect(Seg([.syn, .ack], seq: 0, ack: 1))
        s.peer(Seg(.syn, seq: 5))
        s.expectNothing()
        #expect(s.tcp.table().count == 1, "only the listener is left")
    }

    @Test("RFC 9293 3.10.7.1: without a listener SYN gets RST,ACK and an ACK gets RST; RST gets nothing")
    func nobodyHome() {
        let s = TCPScript()
        s.hostPort = 99
        s.peer(Seg(.syn, seq: 0))
        s.hostStart = 0
        s.expect(Seg([.rst, .ack], seq: 0, ack: 1))
        s.peer(Seg(.ack, seq: 4, ack: 1234))
        s.expect(Seg(.rst, seq: 1234))
        s.peer(Seg(.rst, seq: 4))
        s.expectNothing()
        #expect(s.tcp.counters.refused == 2)
    }

    @Test("when no buffer can be lent the completed handshake is reset")
    func noMemory() {
        let s = TCPScript.listening()
        s.host.memory.limit = 1500
        s.peer(Seg(.syn, seq: 0))
        _ = s.drain()
        s.peer(Seg(.ack, seq: 1, ack: 1))
        #expect(s.next()?.flags == [.rst, .ack])
        #expect(s.tcp.accept(s.id) == nil)
        #expect(s.host.memory.lent == 0)
    }

    @Test("closing a listener resets what waits in it")
    func closeListener() {
        let s = TCPScript.listening()
        for port in 1...2 {
            s.peerPort = UInt16(port)
            s.peer(Seg(.syn, seq: 0))
            _ = s.drain()
        }
        s.peer(Seg(.ack, seq: 1, ack: 1))
        s.tcp.release(s.id, now: s.now)
        #expect(s.drain().map(\.flags) == [[.rst, .ack], [.rst, .ack]])
        #expect(s.tcp.table().isEmpty)
        #expect(s.host.memory.lent == 0)
    }

    @Test("RFC 6528: initial sequence numbers move with time and differ per connection and secret")
    func initialSequence() {
        let key = TCPKey(local: Endpoint(IPAddress(10, 0, 0, 1), 1), remote: Endpoint(IPAddress(10, 0, 0, 2), 2))
        let other = TCPKey(local: Endpoint(IPAddress(10, 0, 0, 1), 3), remote: Endpoint(IPAddress(10, 0, 0, 2), 2))
        var random = Randomness.seeded(1)
        let secrets = TCPSecrets(&random)
        let first = secrets.initialSequence(key, now: 0)
        #expect(secrets.initialSequence(key, now: 4_000_000) - first == 1000)
        #expect(secrets.initialSequence(other, now: 0) != first)
        #expect(TCPSecrets(&random).initialSequence(key, now: 0) != first)
    }
}
