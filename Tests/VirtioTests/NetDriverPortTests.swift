// A driver as a port: a link in front, a device with a back-end behind. What one side cannot take stays where it
// is on the other, and nothing passes while there is no carrier.

import Bytes
import Link
import TestSupport
import Testing

@testable import Virtio

@Suite("NetDriverPort")
struct NetDriverPortTests {
    /// A link with a scripted port, on whose other end a driver sits.
    private final class Front {
        let stand: DriverStand
        let link: FrameLink
        let sender = ScriptedPort()
        let port: NetDriverPort
        private(set) var events: [NetDriverEvent] = []

        init(_ stand: DriverStand) {
            self.stand = stand
            link = FrameLink(atEndOfTurn: stand.turn.door)
            port = NetDriverPort(
                NetDriver(stand.device, heap: stand.heap), on: link, at: .netdev, atEndOfTurn: stand.turn.door)
            link.connect(sender, at: .card)
            port.onEvent = { [unowned self] in events.append($0) }
            stand.device.attach(stand.backEnd)
            stand.turn.run()
        }

        func saw(_ event: NetDriverEvent) -> Bool { events.contains(event) }
    }

    @Test("frames pass both ways, in order, whatever both sides take at a time", arguments: 1...4)
    func traffic(seed: UInt64) throws {
        let front = Front(try DriverStand())
        #expect(front.saw(.link(isUp: true)))
        var random = SeededGenerator(seed: seed)
        var (out, back): ([[UInt8]], [[UInt8]]) = ([], [])
        var (waitingOut, waitingBack): ([[UInt8]], [[UInt8]]) = ([], [])
        for round in 0..<300 {
            let frame = testFrame(.random(in: 60...1500, using: &random), round)
            if Bool.random(using: &random) { waitingOut.append(frame) } else { waitingBack.append(frame) }
            front.stand.port.room = .random(in: 0...3, using: &random)
            front.sender.room = .random(in: 0...3, using: &random)
            front.stand.link.hasRoom(.netdev)
            front.link.hasRoom(.card)
            let sent = front.link.send(waitingOut, from: .card)
            out += waitingOut[..<sent]
            waitingOut.removeFirst(sent)
            let returned = front.stand.link.send(waitingBack, from: .netdev)
            back += waitingBack[..<returned]
            waitingBack.removeFirst(returned)
            #expect(front.stand.turn.run(), "no port turns for ever")
        }
        front.sender.room = .max
        front.link.hasRoom(.card)
        front.stand.allow(.max)
        #expect(front.stand.port.frames == out && out.count > 50)
        #expect(front.sender.frames == back && back.count > 50)
    }

    @Test("a sender that was refused is told once, when a slot is free")
    func refusal() throws {
        let front = Front(try DriverStand())
        front.stand.port.room = 0
        #expect(front.link.send((0..<30).map { testFrame(60, $0) }, from: .card) == 16)
        front.stand.turn.run()
        #expect(front.sender.told == 0)
        front.stand.allow(.max)
        #expect(front.sender.told == 1)
        #expect(front.link.send([testFrame(60, 99)], from: .card) == 1)
    }

    @Test("without a carrier frames are dropped and counted; a sender that waited is told")
    func carrier() throws {
        let front = Front(try DriverStand())
        front.stand.port.room = 0
        #expect(front.link.send((0..<30).map { testFrame(60, $0) }, from: .card) == 16)
        front.stand.turn.run()
        front.stand.device.setLink(isUp: false)
        front.stand.turn.run()
        #expect(front.sender.told == 1 && front.events.last == .link(isUp: false))
        #expect(front.link.send([testFrame(60)], from: .card) == 1)
        #expect(front.port.droppedWhileDown == 1)
        front.stand.device.setLink(isUp: true)
        front.stand.allow(.max)
        #expect(front.stand.port.frames.count == 16 && front.events.last == .link(isUp: true))
    }

    @Test("a frame that is longer than the device takes is dropped, counted, and holds up nobody")
    func tooLong() throws {
        let front = Front(try DriverStand())
        let frames = [testFrame(60, 1), testFrame(9000, 2), testFrame(60, 3)]
        #expect(front.link.send(frames, from: .card) == 3)
        front.stand.turn.run()
        #expect(front.stand.port.frames == [frames[0], frames[2]] && front.link.counters(.card).tooLong == 1)
    }

    @Test("a broken ring fails the driver, and a restart brings the link back")
    func broken() throws {
        let front = Front(try DriverStand())
        try front.stand.breakRing(0)
        #expect(front.stand.turn.run())
        #expect(front.port.driver.state == .failed && front.events.last == .link(isUp: false))
        front.port.restart()
        #expect(front.stand.turn.run())
        #expect(front.events.last == .link(isUp: true))
        #expect(front.link.send([testFrame(60, 7)], from: .card) == 1)
        front.stand.turn.run()
        #expect(front.stand.port.frames == [testFrame(60, 7)])
    }

    @Test("on a hub it is a port like others; closed, it leaves link and device")
    func hub() throws {
        let stand = try DriverStand()
        let front = Front(stand)
        let hub = Hub()
        let other = FrameLink(atEndOfTurn: stand.turn.door)
        let neighbour = ScriptedPort()
        other.connect(neighbour, at: .netdev)
        _ = hub.addPort(on: front.link, at: .card)
        _ = hub.addPort(on: other, at: .card)
        #expect(other.send([testFrame(80, 1)], from: .netdev) == 1)
        #expect(stand.link.send([testFrame(90, 2)], from: .netdev) == 1)
        stand.turn.run()
        #expect(stand.port.frames == [testFrame(80, 1)] && neighbour.frames == [testFrame(90, 2)])
        front.port.close()
        #expect(front.saw(.gone) && stand.heap.bytesInUse == 0 && front.link.port(at: .netdev) == nil)
    }
}
