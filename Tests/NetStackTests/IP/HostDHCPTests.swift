// DHCP from link up to `ip addr` and back, over frames: what a lease does to a host.

import Bytes
import Link
import Testing

@testable import NetStack

private struct Leased {
    let wire: HostWire
    let station: Station
    let server: ScriptedDHCPServer

    init(_ faults: WireFaults = WireFaults(), seed: UInt64 = 1, _ change: (ScriptedDHCPServer) -> Void = { _ in }) {
        wire = HostWire(faults, seed: seed)
        station = Station("node", macA, nil, seed: seed)
        server = ScriptedDHCPServer()
        change(server)
        wire.attach(WireEnd(station.host, station.eth))
        wire.attach(server.end)
        station.host.setLink(station.eth, isUp: true, now: wire.now)
    }

    var entry: InterfaceEntry? { station.host.interfaces().first { $0.id == station.eth } }
    var addresses: [IPPrefix] { entry?.addresses ?? [] }

    func waitForLease(_ limit: Interval = .seconds(120)) -> Bool {
        wire.run(for: limit) { !addresses.isEmpty }
    }
}

@Suite struct HostDHCPTests {
    @Test("from link up to the lease it takes two round trips and no waiting")
    func fast() throws {
        let leased = Leased()
        let start = leased.wire.now
        #expect(leased.waitForLease())
        #expect(leased.wire.now.since(start) <= .microseconds(250))
        let entry = try #require(leased.entry)
        #expect(entry.addresses.map(\.description) == ["10.0.0.50/24"])
        #expect(entry.dhcp == .bound)
        #expect(entry.nameServers == [IPAddress(10, 0, 0, 254)])
        let routes = leased.station.host.routes()
        #expect(routes.map(\.destination.description) == ["10.0.0.0/24", "0.0.0.0/0"])
        #expect(routes.last?.gateway == IPAddress(10, 0, 0, 254))
        #expect(leased.server.received.allSatisfy { $0.source == .any })
    }

    @Test("the address is used at once: an echo right after the lease is answered")
    func usedAtOnce() throws {
        let leased = Leased()
        #expect(leased.waitForLease())
        let echo = try leased.station.host.openEcho(to: IPAddress(leased.server.server))
        try leased.station.host.sendEcho(echo, sequence: 1, now: leased.wire.now)
        leased.wire.run(for: .milliseconds(1))
        let asked = leased.wire.ends[1].seen.compactMap { ip($0) }.filter { $0.header.proto == .icmp }
        #expect(asked.count == 1)
        #expect(asked.first?.header.source == IPv4Address(10, 0, 0, 50))
    }

    @Test("probes and announcements of RFC 5227 leave beside the use of the address")
    func probes() {
        let leased = Leased()
        #expect(leased.waitForLease())
        leased.wire.run(for: .seconds(5))
        let packets = leased.wire.ends[1].seen.compactMap { arp($0) }.filter { $0.target == IPv4Address(10, 0, 0, 50) }
        #expect(packets.filter { $0.sender == .any }.count == 3, "probes")
        #expect(packets.filter { $0.sender == $0.target }.count == 2, "announcements")
        #expect(packets.allSatisfy { $0.operation == .request && $0.senderMAC == macA })
    }

    @Test("somebody answers a probe: the lease is declined, asked for again after ten seconds")
    func declined() {
        let leased = Leased()
        #expect(leased.waitForLease())
        let address = IPAddress(10, 0, 0, 50)
        leased.server.address = IPv4Address(10, 0, 0, 51)
        leased.wire.inject(
            arpFrame(
                to: macA, ARPPacket(.reply, senderMAC: macB, sender: address, targetMAC: macA, target: .any)),
            from: 1)
        leased.wire.run(for: .milliseconds(1))
        #expect(leased.addresses.isEmpty)
        #expect(leased.entry?.dhcp == .declined)
        #expect(leased.server.types == [.discover, .request, .decline])
        #expect(leased.station.host.routes().isEmpty)
        leased.wire.run(for: .seconds(11))
        #expect(leased.addresses.map(\.address) == [IPAddress(10, 0, 0, 51)])
    }

    @Test("long after the lease the address is defended once, then given up (RFC 5227, 2.4 b)")
    func defended() {
        let leased = Leased()
        #expect(leased.waitForLease())
        leased.wire.run(for: .seconds(60))
        leased.wire.forget()
        let claim = arpFrame(
            to: .broadcast,
            ARPPacket(
                .request, senderMAC: macB, sender: IPAddress(10, 0, 0, 50), target: IPAddress(10, 0, 0, 50)))
        leased.wire.inject(claim, from: 1)
        leased.wire.run(for: .milliseconds(1))
        #expect(leased.addresses.count == 1)
        #expect(leased.wire.ends[1].seen.compactMap { arp($0) }.filter { $0.sender == $0.target }.count == 1)
        leased.wire.inject(claim, from: 1)
        leased.wire.run(for: .milliseconds(1))
        #expect(leased.addresses.isEmpty)
        #expect(leased.server.types.last == .decline)
    }

    @Test("link down and up: the address stays, INIT-REBOOT asks, a NAK takes it")
    func reboot() {
        let leased = Leased()
        #expect(leased.waitForLease())
        leased.station.host.setLink(leased.station.eth, isUp: false, now: leased.wire.now)
        leased.wire.run(for: .seconds(1))
        #expect(leased.addresses.count == 1)
        leased.station.host.setLink(leased.station.eth, isUp: true, now: leased.wire.now)
        #expect(leased.entry?.dhcp == .rebooting)
        leased.wire.run(for: .milliseconds(1))
        #expect(leased.entry?.dhcp == .bound)
        #expect(leased.server.types == [.discover, .request, .request])
        leased.server.refuses = true
        leased.station.host.setLink(leased.station.eth, isUp: false, now: leased.wire.now)
        leased.station.host.setLink(leased.station.eth, isUp: true, now: leased.wire.now)
        leased.wire.run(for: .milliseconds(1))
        #expect(leased.addresses.isEmpty)
    }

    @Test("renewal goes by unicast from the address, and an expired lease leaves nothing behind")
    func renewal() throws {
        let leased = Leased { $0.grant.leaseTime = 1000 }
        #expect(leased.waitForLease())
        leased.wire.run(for: .seconds(501))
        #expect(leased.server.types == [.discover, .request, .request])
        let renew = try #require(leased.server.received.last)
        #expect(renew.source == IPAddress(10, 0, 0, 50))
        #expect(renew.message.clientAddress == IPv4Address(10, 0, 0, 50))
        #expect(leased.entry?.dhcp == .bound)
        leased.server.isSilent = true
        leased.wire.run(for: .seconds(1100))
        #expect(leased.addresses.isEmpty)
        #expect(leased.station.host.routes().isEmpty)
        #expect(leased.entry?.dhcp == .selecting)
    }

    @Test(
        "option 26 sets the MTU within what the NIC allows, and 0…67 is no MTU",
        arguments: [(9000, 9000), (65535, 65520), (67, 1500)])
    func mtu(option: UInt16, expected: Int) {
        let leased = Leased { $0.grant.interfaceMTU = option }
        #expect(leased.waitForLease())
        #expect(leased.entry?.mtu == expected)
    }

    @Test("passt's local mode: 169.254.2.1/16 with its router")
    func local() {
        let leased = Leased {
            $0.address = IPv4Address(169, 254, 2, 1)
            $0.grant.subnetMask = IPv4Address(255, 255, 0, 0)
            $0.grant.routers = [IPv4Address(169, 254, 2, 2)]
        }
        #expect(leased.waitForLease())
        let path = leased.station.host.path(to: IPAddress(8, 8, 8, 8), from: nil)
        #expect(path?.source == IPAddress(169, 254, 2, 1))
        #expect(path?.interface == leased.station.eth)
    }

    @Test("a /32 with the router outside: option 121 as passt sends it, and option 3 alone", arguments: [true, false])
    func outside(isClassless: Bool) throws {
        let router = IPv4Address(192, 168, 7, 1)
        let leased = Leased {
            $0.grant.subnetMask = .broadcast
            $0.grant.routers = [router]
            guard isClassless else { return }
            $0.grant.classlessRoutes = [
                DHCPRoute(IPv4Prefix(host: router), via: .any), DHCPRoute(.everything, via: router),
            ]
        }
        #expect(leased.waitForLease())
        let host = leased.station.host
        let routes = host.routes().map { ($0.destination.description, $0.gateway?.description ?? "link") }
        #expect(routes.map(\.0).sorted() == ["0.0.0.0/0", "10.0.0.50/32", "192.168.7.1/32"])
        #expect(routes.first { $0.0 == "192.168.7.1/32" }?.1 == "link")
        let echo = try host.openEcho(to: IPAddress(1, 1, 1, 1))
        try host.sendEcho(echo, sequence: 1, now: leased.wire.now)
        leased.wire.run(for: .milliseconds(1))
        #expect(leased.wire.ends[1].seen.contains { arp($0)?.target == router })
        #expect(leased.wire.ends[1].seen.contains { ip($0)?.header.destination == IPv4Address(1, 1, 1, 1) })
    }

    @Test("with option 121, option 3 is not used (RFC 3442)")
    func classlessWins() {
        let leased = Leased {
            guard let net = IPv4Prefix("172.16.0.0/12") else { return }
            $0.grant.classlessRoutes = [DHCPRoute(net, via: IPv4Address(10, 0, 0, 1))]
        }
        #expect(leased.waitForLease())
        #expect(leased.station.host.routes().map(\.destination.description) == ["10.0.0.0/24", "172.16.0.0/12"])
    }

    @Test("a lossy, duplicating, reordering wire only costs time", arguments: 1...10)
    func lossy(seed: UInt64) {
        let faults = WireFaults(loss: 0.4, duplication: 0.3, reordering: 0.5)
        #expect(Leased(faults, seed: seed).waitForLease(.seconds(600)))
    }

    @Test("removing an interface takes everything of it away")
    func removed() {
        let leased = Leased()
        #expect(leased.waitForLease())
        let host = leased.station.host
        host.removeInterface(leased.station.eth, now: leased.wire.now)
        #expect(host.interfaces().map(\.name) == ["lo"])
        #expect(host.routes().isEmpty && host.neighbours().isEmpty)
        #expect(!host.isLocal(IPAddress(10, 0, 0, 50)))
        #expect(host.nextDeadline == nil)
        #expect(host.addInterface(InterfaceConfiguration(name: "eth1", mac: macB)) != leased.station.eth)
    }

    @Test("frames handed in after the interface is gone are not looked at")
    func afterwards() {
        let leased = Leased()
        leased.station.host.removeInterface(leased.station.eth, now: leased.wire.now)
        leased.station.host.receive([0, 1, 2], on: leased.station.eth, now: leased.wire.now)
        #expect(leased.station.host.output(on: leased.station.eth, now: leased.wire.now).isEmpty)
    }
}
