// The DHCP client machine alone, by script in simulated time (RFC 2131, 4.4).

import Bytes
import Link
import Testing

@testable import NetStack

private typealias Script = DHCPScript
private let server = Script.server
private let leased = Script.leased

@Suite struct DHCPClientTests {
    @Test("link up, offer, request, ack: a lease without any waiting")
    func lease() throws {
        let script = Script()
        #expect(script.client.status == .initial)
        script.linkUp()
        #expect(script.client.status == .selecting)
        let discover = script.sent[0]
        #expect(discover.1 == .broadcast)
        #expect(discover.0.options.hostName == "node")
        #expect(discover.0.options.clientIdentifier == [1, 0x52, 0x54, 0, 0, 0, 0x0a])
        #expect(discover.0.options.parameterRequest == [1, 121, 3, 6, 12, 15, 26, 51, 58, 59, 119])
        script.answer(.offer)
        #expect(script.client.status == .requesting)
        let request = script.sent[1].0
        #expect(request.transaction == discover.0.transaction)
        #expect(request.options.requestedAddress == leased)
        #expect(request.options.serverIdentifier == server)
        #expect(request.clientAddress == .any)
        script.answer(.ack)
        #expect(script.client.status == .bound)
        #expect(script.events == ["discover", "request", "bind"])
        #expect(script.bound?.prefix == IPv4Prefix(leased, length: 24))
        #expect(script.bound?.end == script.now + .seconds(3600))
        #expect(script.client.nextDeadline == script.now + .seconds(1800))
    }

    @Test("silence: DISCOVER after about 1, 4, 8, 16, 32, 64, 64 s, each within its second")
    func retransmission() throws {
        let script = Script()
        script.linkUp()
        var waits: [Interval] = []
        for _ in 0..<8 { waits.append(try script.wait()) }
        #expect(waits[0] >= .milliseconds(750) && waits[0] <= .milliseconds(1250))
        for (wait, seconds) in zip(waits.dropFirst(), [4, 8, 16, 32, 64, 64, 64] as [Int64]) {
            #expect(wait >= .seconds(seconds - 1) && wait <= .seconds(seconds + 1))
        }
        #expect(script.events == Array(repeating: "discover", count: 9))
        #expect(Set(script.sent.map(\.0.transaction)).count == 1)
        #expect(script.sent.last?.0.seconds ?? 0 > 180)
        let other = Script(seed: 4)
        other.linkUp()
        #expect(try other.wait() != waits[0], "the seed decides")
    }

    @Test("an offer whose server then stays silent is given up after four requests")
    func silentServer() throws {
        let script = Script()
        script.linkUp()
        script.answer(.offer)
        for _ in 0..<4 { try script.wait() }
        #expect(script.events == ["discover", "request", "request", "request", "request", "discover"])
    }

    @Test("a NAK to the request starts over with a new transaction")
    func nak() {
        let script = Script()
        script.linkUp()
        script.answer(.offer)
        script.answer(.nak) { $0.options.serverIdentifier = nil }
        #expect(script.events == ["discover", "request", "discover"])
        #expect(script.sent[0].0.transaction != script.sent[2].0.transaction)
    }

    @Test("a server that offers and then refuses for ever is asked 20 times in ten minutes at most")
    func refusing() throws {
        let script = Script()
        script.linkUp()
        let end = script.now + .seconds(600)
        var rounds = 0
        while script.now < end, rounds < 1000 {
            script.answer(.offer)
            script.answer(.nak)
            if script.events.last != "discover" { try script.wait() }
            rounds += 1
        }
        #expect((5...20).contains(rounds))
        script.answer(.offer)
        script.answer(.ack)
        #expect(script.bound != nil)
    }

    @Test("a server cannot have us ask every second: T1 of nothing is a minute, or half of a short lease")
    func renewalFloor() throws {
        for (lease, floor) in [(3600, 60), (20, 10)] as [(UInt32, Int64)] {
            let script = Script()
            script.linkUp()
            script.answer(.offer, lease: lease)
            script.answer(.ack, lease: lease) { $0.options.renewalTime = 0 }
            let granted = try #require(script.bound)
            #expect(granted.renewal == script.now + .seconds(floor))
            #expect(try #require(granted.rebinding) > script.now + .seconds(floor))
        }
    }

    @Test("the broadcast address of its own network is no lease; loopback and ourselves are no router and no route")
    func addressesOfALease() throws {
        let script = Script()
        script.linkUp()
        script.answer(.offer, address: IPv4Address(10, 0, 0, 255))
        #expect(script.events == ["discover"])
        script.answer(.offer)
        script.answer(.ack) {
            $0.options.routers = [.loopback, leased, IPv4Address(10, 0, 0, 255)]
            $0.options.classlessRoutes = ["127.0.0.0/8", "10.0.0.50/32"].compactMap { IPv4Prefix($0) }
                .map { DHCPRoute($0, via: server) }
            $0.options.classlessRoutes.append(DHCPRoute(.everything, via: .loopback))
        }
        let lease = try #require(script.bound)
        #expect(lease.routers.isEmpty && lease.classlessRoutes.isEmpty)
    }

    @Test("replies of others are not heard: transaction, MAC, direction, type, server")
    func foreign() {
        let script = Script()
        script.linkUp()
        script.answer(.offer) { $0.transaction ^= 1 }
        script.answer(.offer) { $0.mac = macB }
        script.answer(.offer) { $0.operation = .request }
        script.answer(.offer) { $0.options.messageType = nil }
        script.answer(.offer) { $0.options.serverIdentifier = nil }
        script.answer(.ack)
        #expect(script.events == ["discover"])
        script.answer(.offer)
        script.answer(.ack) { $0.options.serverIdentifier = wireB }
        script.answer(.nak) { $0.options.serverIdentifier = wireB }
        #expect(script.events == ["discover", "request"])
    }

    @Test(
        "addresses that no host can have are not taken",
        arguments: ["0.0.0.0", "255.255.255.255", "224.0.0.5", "127.0.0.1", "240.0.0.1", "0.1.2.3"])
    func impossible(text: String) throws {
        let address = try #require(IPv4Address(text))
        let script = Script()
        script.linkUp()
        script.answer(.offer, address: address)
        #expect(script.events == ["discover"])
        script.answer(.offer)
        script.answer(.ack, address: address)
        #expect(script.events == ["discover", "request"])
    }

    @Test("T1: unicast to the server, again at half of what is left; T2: broadcast; then the end")
    func renewal() throws {
        let script = Script()
        script.bind(lease: 4000)
        #expect(try script.wait() == .seconds(2000))
        #expect(script.client.status == .renewing)
        let renew = try #require(script.sent.last)
        #expect(renew.1 == server)
        #expect(renew.0.clientAddress == leased)
        #expect(renew.0.options.requestedAddress == nil)
        #expect(renew.0.options.serverIdentifier == nil)
        #expect(try script.wait() == .seconds(750), "half of the 1500 s to T2")
        var waited = Interval.seconds(2750)
        while script.client.status == .renewing { waited = waited + (try script.wait()) }
        #expect(waited == .seconds(3500))
        #expect(script.client.status == .rebinding)
        let rebind = try #require(script.sent.last)
        #expect(rebind.1 == .broadcast)
        #expect(rebind.0.clientAddress == leased)
        script.events = []
        while script.client.status == .rebinding { waited = waited + (try script.wait()) }
        #expect(waited == .seconds(4000))
        #expect(script.events.suffix(2) == ["unbind", "discover"])
        #expect(script.bound == nil)
    }

    @Test("an ACK while renewing counts from the request that asked for it")
    func renewed() throws {
        let script = Script()
        script.bind(lease: 1000)
        try script.wait()
        let asked = script.now
        script.now = script.now + .seconds(2)
        script.answer(.ack, lease: 1000)
        #expect(script.client.status == .bound)
        #expect(script.bound?.end == asked + .seconds(1000))
    }

    @Test("a NAK while renewing or rebinding takes the address away at once", arguments: [false, true])
    func nakLater(isRebinding: Bool) throws {
        let script = Script()
        script.bind(lease: 4000)
        try script.wait()
        while isRebinding, script.client.status == .renewing { try script.wait() }
        script.events = []
        script.answer(.nak)
        #expect(script.events == ["unbind", "discover"])
    }

    @Test("a lease for ever has no deadline")
    func infinite() {
        let script = Script()
        script.bind(lease: .max)
        #expect(script.client.nextDeadline == nil)
        script.wait(.seconds(100_000_000))
        #expect(script.client.status == .bound)
    }

    @Test(
        "T1 and T2 of the server count when they make sense",
        arguments: [(100, 200, 100), (300, 200, 500), (2000, 3000, 500)])
    func times(first: UInt32, second: UInt32, expected: Int64) {
        let script = Script()
        script.linkUp()
        script.answer(.offer, lease: 1000)
        script.answer(.ack, lease: 1000) {
            $0.options.renewalTime = first
            $0.options.rebindingTime = second
        }
        let lease = script.bound
        // 300/200: T1 after T2 is nonsense; half of the lease, and T2 not before it.
        #expect(lease?.renewal == script.now + .seconds(expected))
        #expect((lease?.rebinding ?? script.now) > (lease?.renewal ?? script.now))
        #expect((lease?.end ?? script.now) > (lease?.rebinding ?? script.now))
    }

    @Test("a lease of no time at all does not make the client ask in a loop")
    func zero() throws {
        let script = Script()
        script.bind(lease: 0)
        var count = 0
        let end = script.now + .seconds(10)
        while script.now < end, count < 1000 {
            try script.wait()
            count += 1
        }
        #expect(count < 10)
    }
}
