// The driver against the back-end of this process: the order in which the parts come, faults, resets, what is
// refused. The node's tests drive it with a host on top.

import Link
import TestSupport
import Testing

@testable import Virtio

@Suite("NetDriver")
struct NetDriverTests {
    private final class Owner {
        let driver: NetDriver
        private(set) var events: [NetDriverEvent] = []
        private(set) var works = 0
        private(set) var received: [[UInt8]] = []
        /// Frames that are taken in one call.
        var room = Int.max

        init(_ stand: DriverStand) {
            driver = NetDriver(stand.device, heap: stand.heap)
            driver.onEvent = { [unowned self] in events.append($0) }
            driver.onWork = { [unowned self] in works += 1 }
        }

        /// A turn as the driver's doc comment has it.
        func turn() {
            driver.follow()
            var more = true
            while more {
                more =
                    driver.receive { frames in
                        let count = min(room, frames.count)
                        for frame in frames[..<count] { received.append(frame.bytes) }
                        return count
                    }.hasMore
            }
            _ = driver.rearm()
        }

        func send(_ frames: [[UInt8]]) -> Int {
            var left = frames[...]
            var goesOn = true
            while goesOn, !left.isEmpty {
                goesOn = driver.transmit { slots in
                    var filled = 0
                    while filled < slots.count, let frame = left.popFirst() {
                        slots[filled].room.copyBytes(from: frame)
                        slots[filled].length = frame.count
                        filled += 1
                    }
                    return filled
                }
            }
            return frames.count - left.count
        }
    }

    @Test("it does not matter whether the driver or the back-end is there first", arguments: [false, true])
    func order(driverFirst: Bool) throws {
        let stand = try DriverStand()
        if !driverFirst { stand.device.attach(stand.backEnd) }
        let owner = Owner(stand)
        if driverFirst {
            owner.turn()
            #expect(owner.driver.state == .absent && owner.events.isEmpty)
            let before = owner.works
            stand.device.attach(stand.backEnd)
            #expect(owner.works > before, "an arrival asks for a turn")
        }
        owner.turn()
        #expect(owner.driver.state == .running && owner.driver.isLinkUp)
        #expect(owner.events == [.resetting, .link(isUp: true)])
        #expect(owner.driver.maximumMTU == 1500)
        #expect(owner.driver.features & ~NetDriver.wanted == 0)
        #expect(owner.driver.features & NetFeature.version1 != 0)
    }

    @Test("frames pass both ways; what is refused is lent again, in order")
    func frames() throws {
        let stand = try DriverStand()
        stand.device.attach(stand.backEnd)
        let owner = Owner(stand)
        owner.turn()
        let frames = (0..<40).map { testFrame(60 + 30 * $0, $0) }
        #expect(owner.send(Array(frames[..<10])) == 10)
        stand.turn.run()
        #expect(stand.port.takeFrames() == Array(frames[..<10]))
        #expect(stand.link.send(Array(frames[..<12]), from: .netdev) == 12)
        owner.room = 1
        for count in 1...12 {
            owner.turn()
            #expect(owner.received == Array(frames[..<count]))
        }
        owner.turn()
        #expect(owner.received.count == 12)
        owner.room = .max
        #expect(stand.link.send(frames, from: .netdev) == 16, "all buffers are with the device again")
    }

    @Test("all slots with the device: nothing is lent, rearm asks for a call, and room comes back with it")
    func full() throws {
        let stand = try DriverStand()
        stand.device.attach(stand.backEnd)
        let owner = Owner(stand)
        owner.turn()
        stand.port.room = 0
        #expect(owner.send((0..<20).map { testFrame(100, $0) }) == 16)
        stand.turn.run()
        #expect(!owner.driver.rearm() && !owner.driver.isDrained)
        let before = owner.works
        stand.allow(.max)
        #expect(owner.works > before)
        #expect(owner.driver.isDrained == false, "nothing was taken back yet")
        #expect(owner.driver.room() == 16 && owner.driver.isDrained)
    }

    @Test("a broken ring is a fault; the driver rests until it is told to try again", arguments: [0, 1])
    func broken(queue: UInt16) throws {
        let stand = try DriverStand()
        stand.device.attach(stand.backEnd)
        let owner = Owner(stand)
        owner.turn()
        try stand.breakRing(queue)
        owner.turn()
        #expect(owner.send([testFrame(60)]) == 0 || queue == 0)
        owner.turn()
        #expect(owner.driver.state == .failed && !owner.driver.isLinkUp)
        guard case .failed(.ring(.usedIndex)) = owner.events.dropLast().last else {
            Issue.record("\(owner.events)")
            return
        }
        #expect(owner.events.last == .link(isUp: false))
        owner.turn()
        #expect(owner.driver.state == .failed)
        owner.driver.restart()
        owner.turn()
        #expect(owner.driver.state == .running && owner.driver.isLinkUp)
        #expect(owner.send([testFrame(60, 5)]) == 1)
        stand.turn.run()
        #expect(stand.port.takeFrames() == [testFrame(60, 5)])
    }

    @Test("a back-end that dies takes the link down; its successor goes on with the frames that wait")
    func death() throws {
        let stand = try DriverStand()
        stand.device.attach(stand.backEnd)
        let owner = Owner(stand)
        owner.turn()
        stand.port.room = 0
        #expect(owner.send([testFrame(60, 1), testFrame(60, 2)]) == 2)
        stand.turn.run()
        stand.backEnd.stop { _ in }
        stand.device.backEndDied()
        owner.turn()
        #expect(!owner.driver.isLinkUp && owner.driver.state == .running)
        stand.port.room = .max
        stand.device.backEndReturned(features: FrameBackEnd.offered)
        stand.link.hasRoom(.netdev)
        stand.turn.run()
        owner.turn()
        #expect(owner.driver.isLinkUp)
        stand.turn.run()
        #expect(stand.port.takeFrames() == [testFrame(60, 1), testFrame(60, 2)])
    }

    @Test("memory that is used up is a fault, not a trap; detached, all of it is the heap's again")
    func memory() throws {
        let stand = try DriverStand(memory: 1 << 20)
        stand.device.attach(stand.backEnd)
        let hog = try #require(stand.heap.allocate(Int(stand.heap.capacity)))
        let owner = Owner(stand)
        owner.turn()
        guard case .failed(.rings(.exhausted)) = owner.events.last else {
            Issue.record("\(owner.events)")
            return
        }
        try stand.heap.free(hog)
        owner.driver.restart()
        #expect(owner.driver.state == .running && stand.heap.bytesInUse > 0)
        owner.driver.detach()
        owner.driver.detach()
        #expect(owner.driver.state == .gone && stand.heap.bytesInUse == 0)
        #expect(owner.events.filter { $0 == .gone }.count == 1)
        #expect(stand.device.driver == nil)
    }
}
