// The DHCP client machine alone, with a clock and the answers of a server that a test plays.

import Bytes
import Link
import Testing

@testable import NetStack

/// A client with a clock; `inbox` is what it wanted done last.
final class DHCPScript {
    static let server = IPv4Address(10, 0, 0, 254)
    static let leased = IPv4Address(10, 0, 0, 50)

    var client: DHCPClient
    var now = Instant(nanoseconds: 1_000_000_000)
    var sent: [(DHCPMessage, IPv4Address)] = []
    var bound: DHCPLease?
    var events: [String] = []

    init(seed: UInt64 = 3) { client = DHCPClient(mac: macA, hostname: "node", seed: seed) }

    func take(_ actions: [DHCPAction]) {
        for action in actions {
            switch action {
            case .send(let message, let target):
                sent.append((message, target))
                events.append("\(message.options.messageType ?? .inform)")
            case .bind(let lease):
                bound = lease
                events.append("bind")
            case .unbind:
                bound = nil
                events.append("unbind")
            }
        }
    }

    func linkUp() { take(client.linkUp(now: now)) }

    /// Moves to the next deadline; returns how long that took.
    @discardableResult
    func wait() throws -> Interval {
        let next = try #require(client.nextDeadline)
        let passed = next.since(now)
        now = next
        take(client.advance(to: now))
        return passed
    }

    func wait(_ interval: Interval) {
        now = now + interval
        take(client.advance(to: now))
    }

    func answer(
        _ type: DHCPMessageType, address: IPv4Address = DHCPScript.leased, lease: UInt32? = 3600,
        _ change: (inout DHCPMessage) -> Void = { _ in }
    ) {
        guard let asked = sent.last?.0 else { return }
        var options = DHCPOptions(type)
        options.serverIdentifier = Self.server
        if type != .nak {
            options.subnetMask = IPv4Address(255, 255, 255, 0)
            options.routers = [Self.server]
            options.leaseTime = lease
        }
        var reply = DHCPMessage(.reply, transaction: asked.transaction, mac: asked.mac, options: options)
        reply.yourAddress = type == .nak ? .any : address
        change(&reply)
        take(client.receive(reply, now: now))
    }

    /// Straight to a lease.
    func bind(lease: UInt32 = 3600) {
        linkUp()
        answer(.offer, lease: lease)
        answer(.ack, lease: lease)
        events = []
    }
}
