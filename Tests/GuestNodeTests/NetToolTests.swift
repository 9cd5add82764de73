// Tools against peers over a simulated wire: what they print, what they return, what they leave behind.

import Bytes
import NetStack
import Testing
import Virtio

@testable import GuestNode

/// A node 10.0.0.1 and a bare host 10.0.0.2 on one wire.
struct Pair {
    let node: SimulatedNode
    let peer: SimulatedPeer
    let simulation: Simulation

    init(settings: SimulatedNode.Settings = .init(), mtu: Int = 1500) throws {
        node = try SimulatedNode("node", mac: 1, settings: settings)
        try node.configure("10.0.0.1/24", gateway: "10.0.0.2", nameServers: ["10.0.0.2"])
        peer = try SimulatedPeer("10.0.0.2/24", mac: 2, mtu: mtu)
        simulation = Simulation(node, peer)
    }

    /// Runs a script to its end; its output and status.
    func run(_ script: String, for limit: Interval = .seconds(600)) -> (output: String, status: Int32?) {
        let session = node.node.run(script: script)
        simulation.run(for: limit) { session.exitStatus != nil }
        return (session.takeOutput(), session.exitStatus)
    }
}

@Suite("ping")
struct PingTests {
    @Test("answers are shown with their times, and summed up")
    func answers() throws {
        let pair = try Pair()
        _ = pair.run("ping -c 1 10.0.0.2")
        let (output, status) = pair.run("ping -c 3 -i 0.2 10.0.0.2")
        #expect(
            output == """
                PING 10.0.0.2 (10.0.0.2) 56(84) bytes of data.
                64 bytes from 10.0.0.2: icmp_seq=1 ttl=64 time=0.200 ms
                64 bytes from 10.0.0.2: icmp_seq=2 ttl=64 time=0.200 ms
                64 bytes from 10.0.0.2: icmp_seq=3 ttl=64 time=0.200 ms

                --- 10.0.0.2 ping statistics ---
                3 packets transmitted, 3 received, 0% packet loss, time 400ms
                rtt min/avg/max/mdev = 0.200/0.200/0.200/0.000 ms

                """)
        #expect(status == 0)
    }

    @Test("loss is counted; without any answer the status is 1 after the patience is over")
    func loss() throws {
        let pair = try Pair()
        _ = pair.run("ping -c 1 10.0.0.2")
        var echoes = 0
        pair.simulation.hand = { sender, frame in
            guard sender == 0, frame.count > 34, frame[23] == 1 else { return frame }
            echoes += 1
            return echoes % 2 == 0 ? nil : frame
        }
        let some = pair.run("ping -q -c 4 -i 0.1 10.0.0.2")
        #expect(some.output.contains("4 packets transmitted, 2 received, 50% packet loss"))
        #expect(some.status == 0)
        pair.simulation.hand = { _, _ in nil }
        let before = pair.simulation.now
        let none = pair.run("ping -c 1 -W 3 10.0.0.2")
        #expect(none.output.contains("1 packets transmitted, 0 received, 100% packet loss, time 3000ms"))
        #expect(none.status == 1)
        #expect(pair.simulation.now.since(before) == .seconds(3))
    }

    @Test("a neighbour that does not exist is unreachable")
    func unreachable() throws {
        let pair = try Pair()
        let (output, status) = pair.run("ping -c 1 10.0.0.77")
        #expect(output.contains("From 10.0.0.1 icmp_seq=1 Destination Host Unreachable\n"))
        #expect(output.contains("1 packets transmitted, 0 received, +1 errors, 100% packet loss"))
        #expect(status == 1)
    }

    @Test("names are looked up, and a name that is none is status 2")
    func names() throws {
        let pair = try Pair()
        #expect(
            pair.run("ping -c 1 localhost").output.hasPrefix(
                "PING localhost (127.0.0.1) 56(84) bytes of data.\n64 bytes"))
        let (output, status) = pair.run("ping -c 1 'no name'")
        #expect(output.hasPrefix("ping: no name: "))
        #expect(status == 2)
    }

    @Test("without a route ping cannot start")
    func noRoute() throws {
        let node = try SimulatedNode("node", mac: 1)
        let simulation = Simulation(node)
        let session = node.node.run(script: "ping -c 1 192.0.2.1")
        simulation.run(for: .seconds(30)) { session.exitStatus != nil }
        #expect(session.takeOutput() == "ping: Network is unreachable\n")
        #expect(session.exitStatus == 2)
    }

    @Test(
        "wrong arguments are told with the usage",
        arguments: [
            ("ping", "ping: missing HOST\n"),
            ("ping -c 0 h", "ping: -c '0': a whole number 1…1000000000 is accepted\n"),
            ("ping -x h", "ping: unknown option -x\n"),
            ("ping a b", "ping: unexpected 'b'\n"),
            ("ping -i 0 h", "ping: -i '0': seconds such as 2 or 0.5, at least 1 ms, are accepted\n"),
        ])
    func usage(script: String, message: String) throws {
        let (output, status) = try Pair().run(script)
        #expect(output.hasPrefix(message))
        #expect(output.contains("usage: ping"))
        #expect(status == 2)
    }

    @Test("Ctrl-C sums up what there was")
    func interrupt() throws {
        let pair = try Pair()
        let session = pair.node.node.run(script: "ping -i 0.5 10.0.0.2; echo never")
        pair.simulation.run(for: .milliseconds(1200))
        session.input("\u{03}")
        pair.simulation.run(for: .seconds(1)) { session.exitStatus != nil }
        let output = session.takeOutput()
        #expect(output.contains("3 packets transmitted, 3 received, 0% packet loss"))
        #expect(!output.contains("never"))
        #expect(session.exitStatus == 0)
    }
}

@Suite("ip")
struct IPToolTests {
    @Test("addresses, links, routes and neighbours look as iproute2 shows them")
    func tables() throws {
        let pair = try Pair()
        _ = pair.run("ping -c 1 10.0.0.2")
        #expect(
            pair.run("ip link show dev eth0").output == """
                2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 state UP
                    link/ether 52:54:00:00:00:01 brd ff:ff:ff:ff:ff:ff

                """)
        #expect(pair.run("ip a").output.contains("    inet 10.0.0.1/24 brd 10.0.0.255 scope global"))
        #expect(pair.run("ip addr").output.hasPrefix("1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65535 state UNKNOWN\n"))
        #expect(pair.run("ip n").output == "10.0.0.2 dev eth0 lladdr 52:54:00:00:01:02 REACHABLE\n")
        let routes = pair.run("ip r").output
        #expect(routes.contains("default via 10.0.0.2 dev eth0 proto"))
        #expect(routes.contains("10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.1\n"))
        #expect(pair.run("ip -br addr show eth0").output == "eth0             UP             10.0.0.1/24 \n")
        #expect(pair.run("ip -s link show eth0").output.contains("    RX:  bytes "))
    }

    @Test("a pulled cable shows as DOWN")
    func down() throws {
        let pair = try Pair()
        _ = pair.run("true")
        pair.node.device.setLink(isUp: false)
        #expect(
            pair.run("ip -br link").output.contains("eth0             DOWN           52:54:00:00:00:01 <NO-CARRIER"))
    }

    @Test(
        "what ip does not do is said",
        arguments: [
            ("ip", "ip: missing what to show"), ("ip tunnel", "ip: object 'tunnel'"),
            ("ip addr add 1.2.3.4/5 dev eth0", "ip: command 'add': only show is accepted"),
            ("ip addr show dev nosuch", "Device \"nosuch\" does not exist."), ("ip -6 a", "ip: unknown option -6"),
        ])
    func mistakes(script: String, message: String) throws {
        let (output, status) = try Pair().run(script)
        #expect(output.hasPrefix(message))
        #expect(status != 0)
    }
}
