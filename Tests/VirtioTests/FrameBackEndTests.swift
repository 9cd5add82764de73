// A card whose back-end is in this process, from the driver's queues to the other end of its link and back:
// every byte, every frame once, whoever waits for whom.

import Bytes
import Link
import TestSupport
import Testing

@testable import Virtio

/// What driver and device may agree about, in all combinations.
let frameBackEndFeatures: [UInt64] = (0..<8).map { (bits: Int) -> UInt64 in
    NetFeature.version1 | (bits & 1 != 0 ? NetFeature.mergeableBuffers : 0)
        | (bits & 2 != 0 ? NetFeature.eventIndex : 0) | (bits & 4 != 0 ? NetFeature.indirectDescriptors : 0)
}

struct FrameBackEndTests {
    static func shape(_ features: UInt64) -> FrameCard.Shape {
        let isMergeable = features & NetFeature.mergeableBuffers != 0
        return FrameCard.Shape(size: 64, buffer: isMergeable ? 200 : 9100, features: features)
    }

    // MARK: whole traffic

    @Test(
        "random frames pass both ways byte for byte, once and in order, whoever blocks",
        arguments: frameBackEndFeatures,
        [1, 2] as [UInt64])
    func random(features: UInt64, seed: UInt64) throws {
        let card = try FrameCard(Self.shape(features))
        var script = Traffic(card, seed: seed &* 31 &+ features)
        for _ in 0..<150 { script.round() }
        let isDone = script.finish()
        #expect(isDone)
        // Not within #expect, which prints megabytes.
        let isSame = script.arrivedAtPort == script.sentByDriver && script.arrivedAtDriver == script.sentByPort
        #expect(isSame)
        #expect(script.sentByDriver.count > 200 && script.sentByPort.count > 200)
        let (receive, transmit) = (card.backEnd.receiveCounters, card.backEnd.transmitCounters)
        #expect(transmit.frames == UInt64(script.sentByDriver.count) && transmit.malformed == 0)
        #expect(transmit.bytes == UInt64(script.sentByDriver.reduce(0) { $0 + $1.count }))
        #expect(receive.frames == UInt64(script.sentByPort.count) && receive.tooLong == 0)
        #expect(receive.bytes == UInt64(script.sentByPort.reduce(0) { $0 + $1.count }))
        #expect(card.receiveQueue.dropped == 0 && card.receiveQueue.fault == nil && !card.isBroken)
    }

    @Test("stopped and resumed at any moment, traffic loses nothing", arguments: frameBackEndFeatures)
    func suspended(features: UInt64) throws {
        let card = try FrameCard(Self.shape(features))
        var script = Traffic(card, seed: features)
        for _ in 0..<150 {
            script.round()
            card.device.suspend {}
            if .random(in: 0..<2, using: &script.random) == 0 { script.round() }
            card.turn.run()
            card.device.resume()
        }
        let isDone = script.finish()
        #expect(isDone)
        // Not within #expect, which prints megabytes.
        let isSame = script.arrivedAtPort == script.sentByDriver && script.arrivedAtDriver == script.sentByPort
        #expect(isSame)
        #expect(card.receiveQueue.dropped == 0 && !card.isBroken)
    }

    @Test("a reset loses what was under way to the driver, and sends what was not given back")
    func reset() throws {
        let card = try FrameCard()
        card.port.room = 2
        let frames = (0..<6).map { testFrame(100, $0) }
        #expect(card.send(frames) == 6)
        card.turn.run()
        #expect(card.port.frames == Array(frames[..<2]))
        card.restart()
        card.allow(.max)
        card.turn.run()
        #expect(card.port.frames == frames)
        #expect(card.link.send([testFrame(70, 9)], from: .netdev) == 1 && card.receive() == [testFrame(70, 9)])
    }

    // MARK: blocked

    @Test("frames that the port refuses stay in the ring; they go on when it has room, in order, once each")
    func blockedPort() throws {
        let card = try FrameCard()
        card.port.room = 3
        let frames = (0..<10).map { testFrame(60 + $0, $0) }
        #expect(card.send(frames) == 10)
        card.turn.run()
        #expect(card.port.frames == Array(frames[..<3]) && card.transmitQueue.outstanding == 10)
        #expect(card.send([testFrame(80, 10)]) == 1)
        card.turn.run()
        #expect(card.port.frames.count == 3, "blocked is blocked")
        #expect(card.transmitQueue.outstanding == 8, "three were given back")
        card.allow(4)
        card.turn.run()
        #expect(card.port.frames == Array(frames[..<7]))
        card.allow(.max)
        card.turn.run()
        #expect(card.port.frames == frames + [testFrame(80, 10)] && card.link.counters(.card).blocked == 2)
    }

    @Test("RV-25: without receive buffers frames are refused; the driver's kick says that there is room")
    func noBuffers() throws {
        let card = try FrameCard(FrameCard.Shape(size: 4))
        let frames = (0..<7).map { testFrame(60, $0) }
        #expect(card.link.send(frames, from: .netdev) == 4)
        #expect(card.link.send(frames, from: .netdev) == 0)
        card.turn.run()
        #expect(card.port.told == 0)
        #expect(card.receive(budget: 2) == Array(frames[..<2]) && card.port.told == 0, "not within the driver's call")
        card.turn.run()
        #expect(card.port.told == 1)
        #expect(card.link.send(Array(frames[4...]), from: .netdev) == 2)
        #expect(card.receive() == Array(frames[2..<6]))
        card.turn.run()
        #expect(card.port.told == 2)
    }

    @Test("a card without a driver refuses frames, and says so when one comes")
    func noDriver() throws {
        let card = try HandCard(queue: 0)
        #expect(card.link.send([testFrame(60)], from: .netdev) == 0)
        card.turn.run()
        #expect(card.port.told == 0)
        card.ring.setDescriptor(0, TestRing.dataAddress, 2048, flags: 2)
        card.ring.offer(0)
        card.start()
        #expect(card.port.told == 1 && card.link.send([testFrame(60)], from: .netdev) == 1)
    }

    @Test("RV-28: a turn sends a bounded number of frames; the rest follows in the next")
    func budget() throws {
        let card = try FrameCard(FrameCard.Shape(size: 512, longestSent: 100))
        let frames = (0..<500).map { testFrame(60, $0) }
        #expect(card.send(frames) == 500)
        card.turn.runOnce()
        #expect(card.port.frames.count == TransmitSide.budget && card.turn.count == 1)
        card.turn.runOnce()
        #expect(card.port.frames == frames)
    }

    // MARK: kicks and calls

    @Test("RV-27: a storm of kicks is one piece of work, and counted")
    func kickStorm() throws {
        let card = try FrameCard()
        for _ in 0..<1000 {
            card.device.notify(queue: 1)
            card.device.notify(queue: 0)
        }
        #expect(card.turn.count == 1)
        card.turn.run()
        #expect(card.device.signals(queue: 1) == (kicks: 1000, calls: 0))
        #expect(card.device.signals(queue: 0) == (kicks: 1000, calls: 0))
        #expect(card.port.frames.isEmpty && card.port.told == 0)
    }

    @Test("a driver that wants no calls gets none; its frames come all the same", arguments: [false, true])
    func suppressedCalls(eventIndex: Bool) throws {
        let features = NetFeature.version1 | (eventIndex ? NetFeature.eventIndex : 0)
        let card = try FrameCard(FrameCard.Shape(features: features))
        #expect(card.link.send([testFrame(60, 0)], from: .netdev) == 1)
        #expect(card.interrupts == [0] && card.receive() == [testFrame(60, 0)])
        card.receiveQueue.suppressCalls()
        for number in 1..<100 {
            #expect(card.link.send([testFrame(60, number)], from: .netdev) == 1)
            #expect(card.interrupts == [0] && card.receive() == [testFrame(60, number)])
        }
        let isThereMore = card.rearmReceive()
        #expect(!isThereMore)
        #expect(card.link.send([testFrame(60, 2), testFrame(60, 3)], from: .netdev) == 2)
        #expect(card.interrupts == [0, 0], "one call for a batch")
        #expect(card.device.signals(queue: 0).calls == 2 && card.device.readInterruptStatus().contains(.queue))
        #expect(card.send([testFrame(60, 4)]) == 1)
        card.turn.run()
        #expect(card.port.frames == [testFrame(60, 4)])
        let calls = card.device.signals(queue: 1).calls
        for number in 5..<100 {
            #expect(card.send([testFrame(60, number)]) == 1)
            card.turn.run()
        }
        #expect(card.port.frames.count == 96 && card.device.signals(queue: 1).calls == calls)
    }

    @Test("a driver that waits for a free slot is called when frames went on")
    func transmitCall() throws {
        let card = try FrameCard(FrameCard.Shape(size: 4))
        card.port.room = 0
        #expect(card.send((0..<6).map { testFrame(60, $0) }) == 4)
        card.turn.run()
        #expect(!card.transmitQueue.rearm() && card.interrupts.isEmpty)
        card.allow(.max)
        card.turn.run()
        #expect(card.interrupts == [1] && card.port.frames.count == 4)
    }

    @Test("no kick is wanted while frames wait for the port, nor while receive buffers are plenty")
    func suppressedKicks() throws {
        for features in frameBackEndFeatures {
            let card = try FrameCard(Self.shape(features))
            card.port.room = 0
            #expect(card.send([testFrame(60, 0)]) == 1)
            card.turn.run()
            let kicks = card.device.signals(queue: 1).kicks
            for number in 1..<5 { #expect(card.send([testFrame(60, number)]) == 1) }
            #expect(card.device.signals(queue: 1).kicks == kicks)
            for number in 0..<200 {
                #expect(card.link.send([testFrame(60, number)], from: .netdev) == 1)
                #expect(card.receive() == [testFrame(60, number)])
            }
            // With EVENT_IDX the first one cannot know better.
            #expect(card.device.signals(queue: 0).kicks <= 1)
        }
    }
}

/// Random traffic over a card, each side doing a little of what it may.
struct Traffic {
    private let card: FrameCard
    var random: SeededGenerator
    private(set) var sentByDriver: [[UInt8]] = []
    private(set) var sentByPort: [[UInt8]] = []
    private(set) var arrivedAtPort: [[UInt8]] = []
    private(set) var arrivedAtDriver: [[UInt8]] = []
    /// The port was refused and waits to be told.
    private var waitsSince: Int?

    init(_ card: FrameCard, seed: UInt64) {
        self.card = card
        random = SeededGenerator(seed: seed)
    }

    private mutating func frames(_ most: Int, _ number: Int) -> [[UInt8]] {
        (0..<Int.random(in: 0...most, using: &random)).map { index in
            let long = Int.random(in: 0..<8, using: &random) == 0
            return testFrame(.random(in: 14...(long ? 9000 : 1514), using: &random), number + index)
        }
    }

    mutating func round() {
        let out = frames(10, sentByDriver.count)
        sentByDriver += out[..<card.send(out)]
        deliver(frames(10, sentByPort.count))
        if Bool.random(using: &random) {
            card.allow(Bool.random(using: &random) ? .max : .random(in: 0...6, using: &random))
        }
        if Bool.random(using: &random) { card.turn.runOnce() }
        if Bool.random(using: &random) { arrivedAtDriver += card.receive(budget: .random(in: 1...20, using: &random)) }
        arrivedAtPort += card.port.takeFrames()
    }

    private mutating func deliver(_ frames: [[UInt8]]) {
        if let waitsSince, waitsSince == card.port.told { return }
        let taken = card.link.send(frames, pieces: .random(in: 1...4, using: &random), from: .netdev)
        sentByPort += frames[..<taken]
        waitsSince = taken < frames.count ? card.port.told : nil
    }

    /// Until all has arrived; false when something does not. Nothing is sent meanwhile, nobody is woken up by chance.
    mutating func finish() -> Bool {
        card.allow(.max)
        for _ in 0..<1000 {
            card.turn.run()
            arrivedAtPort += card.port.takeFrames()
            arrivedAtDriver += card.receive()
            if arrivedAtPort.count == sentByDriver.count, arrivedAtDriver.count == sentByPort.count {
                card.turn.run()
                return waitsSince == nil || waitsSince != card.port.told
            }
        }
        return false
    }
}
