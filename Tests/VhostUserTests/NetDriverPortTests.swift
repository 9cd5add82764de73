// A real passt on a hub: the driver's port plays the guest of its rings.

import CLinux
import Link
import Linux
import TestSupport
import Testing
import Virtio

@testable import VhostUser

@Suite("A driver's port on passt", .enabled(if: Peers.passt.isThere, Comment(rawValue: Peers.passt.hint)))
struct NetDriverPortTests {
    /// Two ports of a hub: a scripted one, and passt behind its rings.
    private final class Network {
        let peer: PasstTests.Peer
        let reactor: Reactor
        let asker = ScriptedPort()
        let askerLink: FrameLink
        private let hub = Hub()
        private let link: FrameLink
        let device: NetDevice
        let port: NetDriverPort
        let frontEnd: FrontEnd
        private(set) var isLost = false
        private var hasBeenConnected = false

        init() throws {
            peer = try PasstTests.Peer()
            let reactor = try Reactor()
            self.reactor = reactor
            let door: (@escaping () -> Void) -> Void = { [unowned reactor] in reactor.atEndOfTurn($0) }
            askerLink = FrameLink(atEndOfTurn: door)
            link = FrameLink(atEndOfTurn: door)
            askerLink.connect(asker, at: .netdev)
            let memory = try GuestMemory(size: 64 << 20)
            device = try NetDevice(
                model: NetDeviceModel(mac: MACAddress(0x52, 0x54, 0, 0x12, 0x34, 0x56)), memory: memory)
            let driver = NetDriver(device, heap: GuestHeap(memory: memory))
            port = NetDriverPort(driver, on: link, at: .netdev, atEndOfTurn: door)
            frontEnd = try FrontEnd(reactor: reactor, memory: memory)
            _ = hub.addPort(on: askerLink, at: .card)
            _ = hub.addPort(on: link, at: .card)
            frontEnd.onEvent = { [unowned self] in frontEndSaid($0) }
            try frontEnd.attach(try peer.connect())
            try wait("running rings") { port.driver.isLinkUp }
        }

        private func frontEndSaid(_ event: FrontEndEvent) {
            switch event {
            case .connected(let features):
                if hasBeenConnected {
                    device.backEndReturned(features: features)
                } else {
                    device.attach(frontEnd)
                }
                hasBeenConnected = true
            case .disconnected: isLost = true
            default: break
            }
        }

        /// passt is killed and started again; the order is that of NetDevice's doc comment.
        func restart() throws {
            peer.child.end()
            try wait("the end of the connection") { isLost }
            device.backEndDied()
            try wait("a link that is down") { !port.driver.isLinkUp }
            try peer.restart()
            isLost = false
            try frontEnd.attach(try peer.connect())
            try wait("a link that is up again") { port.driver.isLinkUp }
        }

        func wait(_ what: String, until condition: () -> Bool) throws {
            let deadline = ne_monotonic_ns() + 20_000_000_000
            while !condition() {
                guard ne_monotonic_ns() < deadline else { throw Missing("\(what)\n\(peer.child.transcript)") }
                try reactor.turn(maxWaitNanoseconds: 10_000_000)
            }
        }

        /// Asks for the gateway's MAC address until passt answers.
        func resolve() throws {
            _ = asker.takeFrames()
            #expect(askerLink.send([PasstTests.request], from: .netdev) == 1)
            try wait("an ARP answer") {
                asker.frames.contains {
                    $0.starts(with: PasstTests.guestMAC) && $0[12..<22] == PasstTests.arpReply[...]
                }
            }
        }
    }

    @Test("an ARP request of a hub's port is answered by a real passt behind rings, before and after its death")
    func arp() throws {
        let network = try Network()
        try network.resolve()
        try network.restart()
        try network.resolve()
        var isGone = false
        network.port.onEvent = { if $0 == .gone { isGone = true } }
        network.port.close()
        try network.wait("the last reset") { isGone }
        #expect(network.peer.child.status == nil)
    }
}
