// The virtio-net driver against a device in the same process: start, link, resets, lost back-ends,
// merged buffers, the order in which frames come back.

import Bytes
import Link
import NetStack
import Testing
import Virtio

@testable import GuestNode

@Suite("NodeInterface")
struct NodeInterfaceTests {
    private func isUp(_ node: SimulatedNode) -> Bool {
        node.node.host.interfaces().first { $0.id == node.id }?.isUp ?? false
    }

    @Test("the driver starts the device with the features both know, and brings the link up")
    func start() throws {
        let node = try SimulatedNode("node", mac: 1, settings: .init(mtu: 9000))
        #expect(!isUp(node))
        #expect(node.device.status.isEmpty)
        node.node.turn(now: Instant(nanoseconds: 1))
        #expect(node.device.status == [.acknowledge, .driver, .featuresOK, .driverOK])
        #expect(isUp(node))
        #expect(node.backEnd.starts == 1)
        #expect(node.backEnd.startedFeatures == FakeBackEnd.everything)
        #expect(
            node.device.driverFeatures
                == FakeBackEnd.everything | NetFeature.mac | NetFeature.status | NetFeature.mtu)
        #expect(node.backEnd.configurations.map(\.size) == [256, 256])
        #expect(node.backEnd.receiveBuffersPosted == 64)
        let entry = try #require(node.node.host.interfaces().first { $0.id == node.id })
        #expect(entry.mtu == 9000)
        #expect(entry.mac == MACAddress(0x52, 0x54, 0, 0, 0, 1))
    }

    @Test("features this driver does not know are not taken")
    func unknownFeatures() throws {
        let node = try SimulatedNode(
            "node", mac: 1, settings: .init(features: NetFeature.version1 | NetFeature.hostTSO4 | NetFeature.checksum))
        node.node.turn(now: Instant(nanoseconds: 1))
        #expect(node.backEnd.startedFeatures == NetFeature.version1)
        #expect(isUp(node))
    }

    @Test("a device whose back-end is not there yet is waited for")
    func lateBackEnd() throws {
        let memory = try GuestMemory(size: 32 << 20)
        let device = try NetDevice(model: NetDeviceModel(mac: MACAddress(2, 0, 0, 0, 0, 1)), memory: memory)
        let node = Node(NodeConfiguration(heap: GuestHeap(memory: memory), files: NoFiles(), seed: 1))
        let id = node.attach(device, name: "eth0")
        var works = 0
        node.onWork = { works += 1 }
        node.turn(now: Instant(nanoseconds: 1))
        #expect(device.status.isEmpty)
        #expect(node.host.interfaces().contains { $0.id == id && !$0.isUp })
        device.attach(FakeBackEnd(device))
        #expect(works > 0)
        node.turn(now: Instant(nanoseconds: 2))
        #expect(device.status.contains(.driverOK))
        #expect(node.host.interfaces().contains { $0.id == id && $0.isUp })
    }

    @Test("a pulled cable takes the link down and up again, the device keeps running")
    func cable() throws {
        let node = try SimulatedNode("node", mac: 1)
        node.node.turn(now: Instant(nanoseconds: 1))
        node.device.setLink(isUp: false)
        node.node.turn(now: Instant(nanoseconds: 2))
        #expect(!isUp(node))
        node.device.setLink(isUp: true)
        node.node.turn(now: Instant(nanoseconds: 3))
        #expect(isUp(node))
        #expect(node.backEnd.starts == 1)
    }

    @Test("a back-end that dies and comes back goes on, and frames queued before are not lost")
    func restart() throws {
        let pair = try Pair()
        _ = pair.run("ping -c 1 10.0.0.2")
        let session = pair.node.node.run(script: "ping -c 3 -i 1 10.0.0.2")
        pair.simulation.run(for: .milliseconds(100))
        pair.node.backEnd.die()
        pair.simulation.run(for: .milliseconds(100))
        #expect(!isUp(pair.node))
        pair.node.backEnd.comeBack()
        #expect(pair.simulation.run(for: .seconds(30)) { session.exitStatus != nil })
        #expect(isUp(pair.node))
        #expect(session.takeOutput().contains("3 packets transmitted, 3 received"))
        #expect(pair.node.backEnd.starts == 2)
    }

    @Test("frames with a back-end when it dies are sent again by its successor")
    func inFlight() throws {
        let pair = try Pair()
        _ = pair.run("ping -c 1 10.0.0.2")
        pair.node.backEnd.holdsFrames = true
        var sent: [[UInt8]] = []
        pair.simulation.hand = { sender, frame in
            if sender == 0 { sent.append(frame) }
            return sender == 0 ? nil : frame
        }
        let session = pair.node.node.run(script: "ping -c 1 -W 5 10.0.0.2")
        pair.simulation.run(for: .milliseconds(100))
        #expect(sent.count == 1)
        pair.node.backEnd.die()
        pair.node.backEnd.holdsFrames = false
        pair.simulation.hand = nil
        pair.node.backEnd.comeBack()
        #expect(pair.simulation.run(for: .seconds(10)) { session.exitStatus != nil })
        #expect(session.exitStatus == 0)
    }

    @Test("a successor that can do less makes the driver start anew; addresses and connections stay")
    func needsReset() throws {
        let pair = try Pair()
        let session = pair.node.node.run(script: "nc -w 60 10.0.0.2 7")
        var echo: TCPSocketID?
        var listener: TCPSocketID?
        pair.peer.behaviour = { host, now in
            if listener == nil { listener = try? host.tcp.listen(on: 7) }
            if let listener, let id = host.tcp.accept(listener) { echo = id }
        }
        pair.simulation.run(for: .seconds(1))
        let socket = try #require(echo)
        pair.node.backEnd.die()
        pair.node.backEnd.comeBack(features: NetFeature.version1)
        pair.simulation.run(for: .seconds(1))
        #expect(pair.node.backEnd.startedFeatures == NetFeature.version1)
        #expect(isUp(pair.node))
        pair.peer.behaviour = { host, now in
            _ = Array("still here\n".utf8).withUnsafeBytes { host.tcp.send(socket, $0, now: now) }
            host.tcp.shutdownSend(socket, now: now)
            pair.peer.behaviour = nil
        }
        #expect(pair.simulation.run(for: .seconds(30)) { session.exitStatus != nil })
        #expect(session.takeOutput() == "still here\n")
    }

    @Test("rings are not reused before the device has completed its reset")
    func slowReset() throws {
        let node = try SimulatedNode("node", mac: 1)
        node.node.turn(now: Instant(nanoseconds: 1))
        let used = node.heap.bytesInUse
        node.backEnd.holdsStop = true
        node.backEnd.breakTransmitRing()
        node.node.turn(now: Instant(nanoseconds: 2))
        #expect(node.notices.count == 1)
        #expect(node.notices.first?.hasPrefix("eth0: the back-end broke a ring: ") == true)
        node.node.turn(now: Instant(nanoseconds: 2_000_000_000))
        #expect(!node.device.status.isEmpty)
        #expect(node.heap.bytesInUse == used)
        #expect(!isUp(node))
        node.backEnd.answerStop()
        node.node.turn(now: Instant(nanoseconds: 2_000_000_001))
        #expect(node.device.status.contains(.driverOK))
        #expect(node.heap.bytesInUse == used)
        #expect(isUp(node))
    }

    @Test("a back-end that breaks its ring again and again costs one start a second")
    func hostile() throws {
        let node = try SimulatedNode("node", mac: 1)
        let simulation = Simulation(node)
        for _ in 0..<50 {
            node.backEnd.breakTransmitRing()
            simulation.run(for: .milliseconds(100))
        }
        #expect((4...7).contains(node.backEnd.starts), "\(node.backEnd.starts)")
    }

    @Test(
        "frames spread over several receive buffers arrive whole", arguments: [100, 2000, 16372, 16373, 40_000, 65_534])
    func merged(size: Int) throws {
        let node = try SimulatedNode("node", mac: 1)
        try node.configure("10.0.0.1/24")
        node.node.turn(now: Instant(nanoseconds: 1))
        let before = try #require(node.node.host.interfaces().last).counters
        // A frame to our address with an unknown protocol: counted, whatever is in it.
        var frame: [UInt8] = [0x52, 0x54, 0, 0, 0, 1, 0x52, 0x54, 0, 0, 1, 2, 0x12, 0x34]
        frame += [UInt8](repeating: 0xaa, count: size - frame.count)
        #expect(node.backEnd.deliver(frame))
        node.node.turn(now: Instant(nanoseconds: 2))
        let after = try #require(node.node.host.interfaces().last).counters
        #expect(after.received == before.received + 1)
        #expect(after.receivedBytes == before.receivedBytes + UInt64(size))
        #expect(node.backEnd.receiveBuffersPosted == 64)
    }

    @Test("buffers that come back in another order are used again")
    func backwards() throws {
        let pair = try Pair()
        pair.node.backEnd.returnsBackwards = true
        var received = 0
        var listener: TCPSocketID?
        var open: TCPSocketID?
        pair.peer.behaviour = { host, now in
            if listener == nil { listener = try? host.tcp.listen(on: 7) }
            if let listener, open == nil { open = host.tcp.accept(listener) }
            guard let open else { return }
            var isRight = true
            while host.tcp.withReceiveSpan(
                open, now: now,
                { span in
                    for index in 0..<span.count where span[index] != Pattern.byte(at: UInt64(received + index)) {
                        isRight = false
                    }
                    received += span.count
                    return span.count
                }
            ).count > 0 {}
            #expect(isRight)
            if host.tcp.status(open)?.isEOF == true { host.tcp.shutdownSend(open, now: now) }
        }
        #expect(pair.run("nc --send-bytes 3M 10.0.0.2 7").status == 0)
        #expect(received == 3 << 20)
    }

    @Test("when the device keeps all frames, the node waits without turning, and goes on when they come back")
    func blocked() throws {
        let pair = try Pair(settings: .init(transmitQueueSize: 16))
        _ = pair.run("ping -c 1 10.0.0.2")
        pair.node.backEnd.holdsFrames = true
        let session = pair.node.node.run(script: "ping -c 40 -i 0.01 -W 5 10.0.0.2")
        pair.simulation.run(for: .milliseconds(450))
        #expect(pair.node.backEnd.heldHeads.count == 16)
        let turns = pair.node.turns
        pair.simulation.run(for: .milliseconds(100))
        #expect(pair.node.turns - turns < 20)
        pair.node.backEnd.holdsFrames = false
        pair.node.backEnd.releaseFrames()
        #expect(pair.simulation.run(for: .seconds(60)) { session.exitStatus != nil })
        let output = session.takeOutput()
        #expect(output.contains("40 packets transmitted, 40 received"), "\(output.suffix(200))")
    }

    @Test("a NIC is pulled out while it works; its memory comes back when the device is done with it")
    func detach() throws {
        let node = try SimulatedNode("node", mac: 1)
        node.node.turn(now: Instant(nanoseconds: 1))
        node.backEnd.holdsStop = true
        node.node.detach(node.device, now: Instant(nanoseconds: 2))
        #expect(node.node.host.interfaces().map(\.name) == ["lo"])
        #expect(node.heap.bytesInUse > 1 << 20)
        node.backEnd.answerStop()
        node.node.turn(now: Instant(nanoseconds: 3))
        #expect(node.heap.bytesInUse == 0)
        #expect(node.node.nextDeadline == nil)
        node.backEnd.holdsStop = false
        node.node.attach(node.device, name: "eth1")
        node.node.turn(now: Instant(nanoseconds: 4))
        #expect(node.node.host.interfaces().map(\.name) == ["lo", "eth1"])
        #expect(node.device.status.contains(.driverOK))
    }

    @Test("a script waits for addresses, for five seconds at most")
    func scriptStart() throws {
        let node = try SimulatedNode("node", mac: 1)
        let simulation = Simulation(node)
        let start = simulation.now
        let session = node.node.run(script: "echo started")
        simulation.run(for: .seconds(30)) { session.exitStatus != nil }
        #expect(simulation.now.since(start) == .seconds(5))
        let other = try SimulatedNode("node", mac: 2)
        let second = Simulation(other)
        let early = other.node.run(script: "echo started")
        second.run(for: .milliseconds(500))
        #expect(early.exitStatus == nil)
        try other.configure("10.0.0.1/24")
        other.node.console.input("\r")
        #expect(second.run(for: .milliseconds(1)) { early.exitStatus == 0 })
    }

    @Test("an idle node asks for no turn")
    func idle() throws {
        let pair = try Pair()
        pair.simulation.run(for: .seconds(200))
        let turns = pair.node.turns
        pair.simulation.run(for: .seconds(600))
        #expect(pair.node.turns - turns < 60)
    }
}
