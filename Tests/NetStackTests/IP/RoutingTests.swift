// Which way a packet leaves: routes, cards on one network, a source that decides.

import Bytes
import Link
import Testing

@testable import NetStack

@Suite struct RoutingTests {
    private let eth = InterfaceID(rawValue: 1)
    private let other = InterfaceID(rawValue: 2)

    private func route(_ prefix: String, _ gateway: IPAddress?, metric: UInt32 = 0) throws -> RouteEntry {
        RouteEntry(try #require(IPPrefix(prefix)), via: gateway, on: eth, metric: metric)
    }

    @Test("the longest prefix wins, then the smallest metric")
    func longest() throws {
        var table = RoutingTable()
        table.add(try route("0.0.0.0/0", IPAddress(10, 0, 0, 1), metric: 5))
        table.add(try route("10.0.0.0/24", nil))
        table.add(try route("0.0.0.0/0", IPAddress(10, 0, 0, 2), metric: 1))
        table.add(try route("10.0.0.128/25", IPAddress(10, 0, 0, 3)))
        #expect(table.lookup(IPAddress(8, 8, 8, 8))?.gateway == IPAddress(10, 0, 0, 2))
        #expect(table.lookup(IPAddress(10, 0, 0, 9))?.gateway == nil)
        #expect(table.lookup(IPAddress(10, 0, 0, 200))?.gateway == IPAddress(10, 0, 0, 3))
        #expect(table.lookup(IPAddress(8, 8, 8, 8), on: other) == nil)
        table.add(try route("0.0.0.0/0", IPAddress(10, 0, 0, 2), metric: 9))
        #expect(table.entries.count == 4, "an equal route is replaced")
        #expect(table.lookup(IPAddress(8, 8, 8, 8))?.gateway == IPAddress(10, 0, 0, 1))
    }

    /// Found with two cards on one network: set_link off on one of them, and half of the time nothing left the node.
    @Test("of two cards on one network the one whose link is up is used; without any, what waits keeps its way")
    func linkDown() throws {
        let station = Station("a", macA, "10.0.0.1/24")
        let second = station.host.addInterface(
            InterfaceConfiguration(name: "eth1", mac: macB, mtu: 9000, dhcp: false))
        let now = Instant(nanoseconds: 1)
        let prefix = try #require(IPPrefix("10.0.0.1/24"))
        try station.host.configure(second, address: prefix, now: now)
        station.host.setLink(second, isUp: true, now: now)
        for source in [nil, prefix.address] {
            station.host.setLink(station.eth, isUp: false, now: now)
            #expect(station.host.path(to: addressB, from: source)?.interface == second)
            station.host.setLink(second, isUp: false, now: now)
            #expect(station.host.path(to: addressB, from: source) != nil)
            station.host.setLink(station.eth, isUp: true, now: now)
            #expect(station.host.path(to: addressB, from: source)?.interface == station.eth)
            station.host.setLink(second, isUp: true, now: now)
        }
    }

    @Test("a source decides the interface on a node with two networks")
    func twoNetworks() throws {
        let station = Station("a", macA, "10.0.0.1/24")
        let second = station.host.addInterface(
            InterfaceConfiguration(name: "eth1", mac: macB, mtu: 9000, dhcp: false))
        let now = Instant(nanoseconds: 1)
        let prefix = try #require(IPPrefix("192.168.5.7/24"))
        try station.host.configure(second, address: prefix, gateway: IPAddress(192, 168, 5, 1), now: now)
        #expect(station.host.path(to: IPAddress(8, 8, 8, 8), from: nil)?.source == prefix.address)
        #expect(station.host.path(to: addressB, from: nil)?.interface == station.eth)
        let path = station.host.path(to: addressB, from: prefix.address)
        #expect(path == TransportPath(source: prefix.address, interface: second, mtu: 9000))
        #expect(station.host.path(to: addressB, from: IPAddress(1, 2, 3, 4)) == nil)
        #expect(station.host.path(to: prefix.address, from: nil)?.interface == .loopback)
        #expect(station.host.path(to: addressB, from: .loopback) == nil)
    }
}
