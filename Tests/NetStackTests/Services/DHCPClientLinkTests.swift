// The DHCP client when its link goes and comes back, and when its address is somebody else's (RFC 2131, 4.4.2, 4.4.1).

import Bytes
import Link
import Testing

@testable import NetStack

private typealias Script = DHCPScript
private let server = Script.server
private let leased = Script.leased

@Suite struct DHCPClientLinkTests {
    @Test("link down and up: INIT-REBOOT asks for the same address without a server")
    func reboot() throws {
        let script = Script()
        script.bind()
        script.client.linkDown()
        #expect(script.client.lease != nil)
        script.wait(.seconds(5))
        script.linkUp()
        #expect(script.client.status == .rebooting)
        let request = try #require(script.sent.last)
        #expect(request.1 == .broadcast)
        #expect(request.0.options.messageType == .request)
        #expect(request.0.options.requestedAddress == leased)
        #expect(request.0.options.serverIdentifier == nil)
        #expect(request.0.clientAddress == .any)
        script.answer(.ack)
        #expect(script.client.status == .bound)
        #expect(script.events == ["request", "bind"])
    }

    @Test("INIT-REBOOT refused: the address goes, a new one is asked for")
    func rebootRefused() {
        let script = Script()
        script.bind()
        script.client.linkDown()
        script.linkUp()
        script.answer(.nak)
        #expect(script.events == ["request", "unbind", "discover"])
    }

    @Test("INIT-REBOOT unanswered: the lease is used for the rest of its time")
    func rebootUnanswered() throws {
        let script = Script()
        script.bind(lease: 3600)
        let end = script.bound?.end
        script.client.linkDown()
        script.linkUp()
        for _ in 0..<3 { try script.wait() }
        #expect(script.client.status == .bound)
        #expect(script.events == ["request", "request", "request"])
        #expect(script.client.lease?.end == end)
    }

    @Test("a lease that ends while the link is down, or while rebooting, is gone", arguments: [false, true])
    func expiry(isRebooting: Bool) {
        let script = Script()
        script.bind(lease: 20)
        script.client.linkDown()
        if isRebooting {
            script.wait(.seconds(19))
            script.linkUp()
        }
        script.wait(.seconds(25))
        #expect(script.events.contains("unbind"))
        #expect(script.client.lease == nil)
        #expect(script.client.status == (isRebooting ? .selecting : .initial))
    }

    @Test("a conflict declines the lease and waits ten seconds before asking again")
    func decline() throws {
        let script = Script()
        script.bind()
        script.take(script.client.conflict(now: script.now))
        let decline = try #require(script.sent.last?.0)
        #expect(decline.options.messageType == .decline)
        #expect(decline.options.requestedAddress == leased)
        #expect(decline.options.serverIdentifier == server)
        #expect(decline.clientAddress == .any)
        #expect(script.events == ["decline", "unbind"])
        #expect(script.client.status == .declined)
        #expect(try script.wait() == .seconds(10))
        #expect(script.events.last == "discover")
    }

    @Test("link down in any state and up again asks anew")
    func linkFlaps() {
        let script = Script()
        script.linkUp()
        script.client.linkDown()
        #expect(script.client.nextDeadline == nil)
        script.linkUp()
        script.answer(.offer)
        script.client.linkDown()
        script.linkUp()
        #expect(script.events == ["discover", "discover", "request", "discover"])
        script.linkUp()
        #expect(script.sent.count == 4, "up while up is nothing")
    }
}
