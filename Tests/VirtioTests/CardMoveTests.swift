// A card and its driver that move to another process over the same bytes of memory: every frame once and in order,
// whatever was under way; and nothing is believed of state that cannot be.

import Bytes
import Link
import TestSupport
import Testing

@testable import Virtio

/// Bytes as the state's own coder makes them.
struct TestScribe: StateScribe {
    var coder = StateCoder()
    init() {}
    init(reading bytes: some Collection<UInt8>) { coder = StateCoder(reading: StateDecoder(bytes)) }
    var isReading: Bool { coder.isReading }
    mutating func integer<T: FixedWidthInteger>(_ value: inout T) throws(StateError) { try coder.integer(&value) }
    mutating func flag(_ value: inout Bool) throws(StateError) { try coder.flag(&value) }
    func impossible(_ what: String) -> StateError { .impossible(what) }
}

/// A driven card on a scripted port.
private final class MovingCard {
    struct Shape {
        var mac = DeviceScript.mac
        var mtu: UInt16? = 1500
        var size: UInt16 = 16
        var bytes = 1 << 20
        var features = NetFeature.known
    }

    let turnEnd: TurnEnd
    let port: ScriptedPort
    let heap: GuestHeap
    let device: NetDevice
    let driver: NetDriver
    private(set) var link: FrameLink
    private var backEnd: FrameBackEnd
    private(set) var received: [[UInt8]] = []
    private(set) var events: [NetDriverEvent] = []
    var room = Int.max

    init(_ shape: Shape = Shape(), over memory: GuestMemory? = nil, port: ScriptedPort = ScriptedPort()) throws {
        turnEnd = TurnEnd()
        self.port = port
        heap = GuestHeap(memory: try memory ?? GuestMemory(size: shape.bytes))
        var model = NetDeviceModel(mac: shape.mac, mtu: shape.mtu)
        (model.receiveQueueSize, model.transmitQueueSize) = (shape.size, shape.size)
        model.features = shape.features
        device = try NetDevice(model: model, memory: heap.memory)
        driver = NetDriver(device, heap: heap)
        link = FrameLink(atEndOfTurn: turnEnd.door)
        backEnd = FrameBackEnd(on: link, atEndOfTurn: turnEnd.door)
        link.connect(port, at: .netdev)
        driver.onEvent = { [unowned self] in events.append($0) }
    }

    func start() {
        device.attach(backEnd)
        turn()
    }

    func turn() {
        driver.follow()
        var more = true
        while more {
            more =
                driver.receive { frames in
                    let count = min(room, frames.count)
                    if room != .max { room -= count }
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

    /// State of device and driver while the back-end stands still.
    func state() throws -> [UInt8] {
        var scribe = TestScribe()
        try device.code(&scribe)
        try driver.code(&scribe)
        return scribe.coder.encoder.bytes
    }

    func restore(_ bytes: some Collection<UInt8>) throws(StateError) {
        var scribe = TestScribe(reading: bytes)
        try device.code(&scribe)
        try driver.code(&scribe)
        try scribe.coder.decoder.finish()
    }

    func copiedMemory() throws -> GuestMemory {
        let copy = try GuestMemory(size: Int(heap.memory.size))
        let all = try #require(heap.memory.span(at: 0, count: Int(heap.memory.size)))
        try #require(copy.span(at: 0, count: all.count)).copyMemory(from: UnsafeRawBufferPointer(all))
        return copy
    }

    /// Stops, and goes on as another one.
    func moved(_ shape: Shape = Shape()) throws -> MovingCard {
        var isStill = false
        device.suspend { isStill = true }
        #expect(isStill)
        let bytes = try state()
        let other = try MovingCard(shape, over: copiedMemory(), port: port)
        try other.restore(bytes)
        #expect(try other.state() == bytes)
        #expect(other.heap.bytesInUse == heap.bytesInUse)
        (other.received, other.room) = (received, room)
        other.device.attach(other.backEnd)
        other.device.resume()
        return other
    }
}

struct CardMoveTests {
    @Test("a card that moves all the time loses no frame and doubles none", arguments: 0..<24)
    func journey(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var shape = MovingCard.Shape()
        if seed % 3 == 0 { shape.features &= ~NetFeature.eventIndex }
        if seed % 4 == 0 { shape.features &= ~NetFeature.mergeableBuffers }
        if seed % 5 == 0 { (shape.size, shape.bytes) = (64, 4 << 20) }
        var card = try MovingCard(shape)
        card.start()
        var (sent, there, given, moves): (Int, [[UInt8]], Int, Int) = (0, [], 0, 0)
        for _ in 0..<300 {
            switch Int.random(in: 0..<7, using: &random) {
            case 0, 1: sent += card.send((0..<Int.random(in: 1...9, using: &random)).map { testFrame(100, sent + $0) })
            case 2:
                let frames = (0..<Int.random(in: 1...9, using: &random)).map { testFrame(1400, given + $0) }
                given += card.link.send(frames, from: .netdev)
            case 3: card.room = [0, 1, 3, .max][Int.random(in: 0..<4, using: &random)]
            case 4:
                card.port.room = [0, 2, .max][Int.random(in: 0..<3, using: &random)]
                card.link.hasRoom(.netdev)
            case 5: card.turnEnd.runOnce()
            default:
                card = try card.moved(shape)
                moves += 1
                #expect(card.events.isEmpty, "the driver notices nothing")
            }
            if Bool.random(using: &random) { card.turn() }
            there += card.port.takeFrames()
        }
        (card.port.room, card.room) = (.max, .max)
        card.link.hasRoom(.netdev)
        for _ in 0..<10 {
            card.turnEnd.run()
            card.turn()
        }
        there += card.port.takeFrames()
        #expect(there == (0..<sent).map { testFrame(100, $0) })
        #expect(card.received == (0..<given).map { testFrame(1400, $0) })
        #expect(moves > 10 && sent + given > 60 && card.driver.state == .running)
    }

    @Test(
        "a driver that never started, one whose link is out, one that broke off and one that failed go on as they were")
    func otherStates() throws {
        let fresh = try MovingCard()
        fresh.driver.follow()
        let later = try MovingCard(over: fresh.copiedMemory())
        try later.restore(fresh.state())
        #expect(later.driver.state == .absent)
        later.device.resume()
        later.start()
        #expect(later.driver.state == .running)

        let out = try MovingCard()
        out.start()
        out.device.setLink(isUp: false)
        let still = try out.moved()
        #expect(!still.device.isLinkUp && still.events.isEmpty)
        still.device.setLink(isUp: true)
        still.turn()
        #expect(still.driver.isLinkUp)

        let broken = try MovingCard()
        broken.start()
        broken.device.queueSelect = QueuePair.first.transmit
        let index = try #require(broken.heap.memory.span(at: broken.device.queueAddresses.usedRing + 2, count: 2))
        index.storeBytes(of: 300, as: UInt16.self)
        _ = broken.driver.room()
        let faulty = try broken.moved()
        faulty.turn()
        #expect(faulty.driver.state == .failed)
        let failed = try faulty.moved()
        #expect(failed.driver.state == .failed)
        failed.driver.restart()
        failed.turn()
        #expect(failed.driver.state == .running && failed.send([testFrame(60)]) == 1)
    }

    @Test("a back-end that had died before the move is succeeded by the one behind")
    func orphan() throws {
        let card = try MovingCard()
        card.start()
        card.port.room = 0
        #expect(card.send((0..<3).map { testFrame(60, $0) }) == 3)
        card.device.backEndDied()
        card.turn()
        let other = try card.moved()
        other.turn()
        #expect(other.driver.isLinkUp && other.driver.state == .running)
        (other.port.room, other.room) = (.max, .max)
        other.link.hasRoom(.netdev)
        other.turnEnd.run()
        #expect(other.port.takeFrames().count >= 3)
    }

    @Test("a card that is another one is told apart by a property with both values")
    func differences() throws {
        let card = try MovingCard()
        card.start()
        card.device.suspend {}
        let state = try card.state()
        func refusal(_ shape: MovingCard.Shape) throws -> StateError? {
            let other = try MovingCard(shape, over: GuestMemory(size: shape.bytes))
            do throws(StateError) { try other.restore(state) } catch { return error }
            return nil
        }
        var shape = MovingCard.Shape()
        shape.mac = MACAddress(2, 0, 0, 0, 0, 9)
        #expect(try refusal(shape) == .impossible("MAC address: \(DeviceScript.mac) there, \(shape.mac) here"))
        shape = MovingCard.Shape()
        shape.mtu = nil
        #expect(try refusal(shape) == .impossible("MTU: 1500 there, 0 here"))
        shape = MovingCard.Shape()
        shape.size = 32
        #expect(try refusal(shape) == .impossible("receive queue size: 16 there, 32 here"))
        shape = MovingCard.Shape()
        shape.features &= ~NetFeature.status
        #expect(try "\(refusal(shape) as Any)".contains("features: 0x"))
    }

    @Test("state that was cut off anywhere, or spoiled, is refused, or is a card that works", arguments: 0..<6)
    func spoiled(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let card = try MovingCard()
        card.start()
        (card.port.room, card.room) = (2, 1)
        #expect(card.send((0..<7).map { testFrame(80, $0) }) == 7)
        card.turnEnd.run()
        _ = card.link.send((0..<5).map { testFrame(200, $0) }, from: .netdev)
        card.turn()
        card.device.suspend {}
        let good = try card.state()
        let memory = try card.copiedMemory()
        func fresh() throws -> MovingCard { try MovingCard(over: memory) }
        for length in stride(from: Int(seed), to: good.count, by: 6) {
            #expect(throws: StateError.self) { try fresh().restore(good[..<length]) }
        }
        for _ in 0..<150 {
            var bytes = good
            bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            let other = try fresh()
            guard (try? other.restore(bytes)) != nil else { continue }
            other.start()
            other.device.resume()
            for _ in 0..<3 {
                _ = other.send((0..<30).map { testFrame(60, $0) })
                other.turnEnd.run(turns: 50)
                _ = other.link.send((0..<5).map { testFrame(200, $0) }, from: .netdev)
                other.turn()
                if other.driver.state == .failed { other.driver.restart() }
            }
        }
    }
}
