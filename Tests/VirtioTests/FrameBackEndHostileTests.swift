// A frame back-end against a driver that breaks rules, by the numbers of docs/misbehaviours.md: frames that are
// none go back and are counted, rings that make no sense end in NEEDS_RESET, a reset mends everything.

import Bytes
import Link
import TestSupport
import Testing

@testable import Virtio

struct FrameBackEndHostileTests {
    static let data = TestRing.dataAddress

    /// A frame to send, made available as descriptors of `cuts` bytes; the last one is what is left.
    private func offer(_ card: HandCard, _ frame: [UInt8], header: NetHeader = NetHeader(), cuts: [Int]) {
        var bytes = [UInt8](repeating: 0, count: NetHeader.size)
        bytes.withUnsafeMutableBytes { room in room.baseAddress.map { header.write(to: $0) } }
        card.ring.fill(Self.data, bytes + frame)
        let pieces = cuts + [NetHeader.size + frame.count - cuts.reduce(0, +)]
        var address = Self.data
        for (index, piece) in pieces.enumerated() {
            card.ring.setDescriptor(
                index, address, UInt32(piece), flags: index + 1 < pieces.count ? 1 : 0, next: UInt16(index + 1))
            address += UInt64(piece)
        }
        card.ring.offer(0)
        card.kick()
    }

    /// The ring lives: a good frame passes.
    private func expectAlive(_ card: HandCard) {
        let before = card.port.frames.count
        offer(card, testFrame(60, 77), cuts: [])
        #expect(card.port.frames.count == before + 1 && card.port.frames.last == testFrame(60, 77) && !card.isBroken)
    }

    // MARK: to the device

    @Test(
        "RV-21: a header in pieces of any size is put together",
        arguments: [
            [1], [11], [12], [13], [6, 6], [1, 1, 10], [4, 4, 4], [5, 4, 20], Array(repeating: 1, count: 12),
        ])
    func splitHeader(cuts: [Int]) throws {
        let card = try HandCard(queue: 1, size: 16)
        card.start()
        offer(card, testFrame(100), cuts: cuts)
        #expect(card.port.frames == [testFrame(100)] && card.counters.malformed == 0)
        #expect(card.ring.usedIndex == 1 && card.ring.used(0) == (0, 0))
    }

    @Test("RV-21, RV-22: a chain shorter than header and Ethernet header goes back and is counted", arguments: 1..<26)
    func tooShort(bytes: Int) throws {
        let card = try HandCard(queue: 1)
        card.start()
        card.ring.setDescriptor(3, Self.data, UInt32(bytes))
        card.ring.offer(3)
        card.kick()
        #expect(card.port.frames.isEmpty && card.counters.malformed == 1 && card.counters.frames == 0)
        #expect(card.ring.usedIndex == 1 && card.ring.used(0) == (3, 0))
        expectAlive(card)
    }

    @Test("RV-22: the shortest frame, the longest one, and one of descriptors of a byte are sent")
    func extremes() throws {
        let card = try HandCard(queue: 1, size: 128)
        card.start()
        offer(card, testFrame(14), cuts: [])
        offer(card, testFrame(ChainWalk.longestReadable - NetHeader.size), cuts: [])
        offer(card, testFrame(60), cuts: Array(repeating: 1, count: NetHeader.size + 59))
        #expect(card.port.takeFrames() == [testFrame(14), testFrame(ChainWalk.longestReadable - 12), testFrame(60)])
        #expect(card.counters.malformed == 0 && card.counters.frames == 3)
    }

    /// Headers that lie, of a frame of 60 bytes when nothing about offloads was negotiated.
    static let lies: [NetHeader] = [
        lie { $0.flags = NetHeader.needsChecksum },
        lie {
            ($0.flags, $0.checksumStart, $0.checksumOffset) = (NetHeader.needsChecksum, 0xffff, 0xffff)
        },
        lie { ($0.segmentationType, $0.segmentSize) = (1, 1448) },
        lie { ($0.segmentationType, $0.segmentSize) = (4, 0) },
        lie { $0.segmentationType = 0x80 },
        lie { $0.segmentationType = 3 },
        lie { ($0.flags, $0.segmentationType) = (0xff, 0xff) },
    ]

    static func lie(_ change: (inout NetHeader) -> Void) -> NetHeader {
        var header = NetHeader()
        change(&header)
        return header
    }

    @Test("RV-23: a header that lies costs its frame, which is counted and goes back", arguments: lies)
    func lyingHeader(header: NetHeader) throws {
        let card = try HandCard(queue: 1)
        card.start()
        offer(card, testFrame(60), header: header, cuts: [NetHeader.size])
        #expect(card.port.frames.isEmpty && card.counters.malformed == 1)
        #expect(card.ring.usedIndex == 1 && card.ring.used(0) == (0, 0))
        expectAlive(card)
    }

    @Test("RV-23: header length and buffer count are not the driver's to decide by")
    func idleFields() throws {
        let card = try HandCard(queue: 1)
        card.start()
        let header = Self.lie { ($0.headerLength, $0.bufferCount, $0.checksumStart) = (0xffff, 0xffff, 0xffff) }
        offer(card, testFrame(60), header: header, cuts: [])
        #expect(card.port.frames == [testFrame(60)] && card.port.offloads == [Offload()])
    }

    @Test("frames before and behind a bad one pass, in order")
    func badInTheMiddle() throws {
        let card = try HandCard(queue: 1, size: 16)
        card.start()
        for index in 0..<9 {
            let place = Self.data + UInt64(index) * 4096
            card.ring.fill(place, [UInt8](repeating: 0, count: 12) + testFrame(60, index))
            // 2 is too short, 4 lies, 6 is writable, 7 is outside of RAM.
            card.ring.setDescriptor(
                index, index == 7 ? 1 << 40 : place, index == 2 ? 13 : 72, flags: index == 6 ? 2 : 0)
        }
        card.ring.fill(Self.data + 4 * 4096, [0xff, 0xff])
        card.ring.offer(0, 1, 2, 3, 4, 5, 6, 7, 8)
        card.kick()
        #expect(card.port.frames == [0, 1, 3, 5, 8].map { testFrame(60, $0) })
        #expect(card.counters.malformed == 4 && card.counters.frames == 5)
        #expect((0..<9).map { card.ring.used($0).id } == [0, 1, 2, 3, 4, 5, 6, 7, 8])
        #expect((0..<9).allSatisfy { card.ring.used($0).length == 0 })
    }

    @Test("RV-14, RV-15, RV-19: empty, too long and wrong-way chains go back and are counted", arguments: 0..<5)
    func refusedChains(which: Int) throws {
        let card = try HandCard(queue: 1)
        card.start()
        switch which {
        case 0: card.ring.setDescriptor(0, Self.data, 0)
        case 1: card.ring.setDescriptor(0, Self.data, UInt32(ChainWalk.longestReadable + 1))
        case 2: card.ring.setDescriptor(0, Self.data, 72, flags: 2)
        case 3:
            card.ring.setDescriptor(0, Self.data, 72, flags: 1, next: 1)
            card.ring.setDescriptor(1, Self.data, 72, flags: 2)
        default: card.ring.setDescriptor(0, ~0, 72)
        }
        card.ring.offer(0)
        card.kick()
        #expect(card.port.frames.isEmpty && card.counters.malformed == 1)
        #expect(card.ring.usedIndex == 1 && card.ring.used(0) == (0, 0))
        expectAlive(card)
    }

    @Test("RV-16: a head made available twice is a frame twice")
    func twice() throws {
        let card = try HandCard(queue: 1)
        card.start()
        card.ring.fill(Self.data, [UInt8](repeating: 0, count: 12) + testFrame(60))
        card.ring.setDescriptor(5, Self.data, 72)
        card.ring.offer(5, 5)
        card.kick()
        #expect(card.port.frames == [testFrame(60), testFrame(60)] && card.ring.usedIndex == 2)
    }

    // MARK: from the device

    /// Makes buffers of these sizes available, one descriptor each, at distances of a page.
    private func post(_ card: HandCard, _ sizes: [Int]) {
        for (index, size) in sizes.enumerated() {
            card.ring.setDescriptor(index, Self.data + UInt64(index) * 4096, UInt32(size), flags: 2)
            card.ring.offer(UInt16(index))
        }
        card.kick()
    }

    @Test("RV-24: a frame spans buffers of any size; num_buffers, lengths and bytes are right, the rest is untouched")
    func spanning() throws {
        let card = try HandCard(queue: 0, size: 16)
        card.start()
        for index in 0..<9 { card.ring.fill(Self.data + UInt64(index) * 4096, [UInt8](repeating: 0xee, count: 4096)) }
        post(card, [5, 12, 13, 100, 1, 40, 2000, 60, 14])
        #expect(card.link.send([testFrame(100, 1), testFrame(50, 2)], from: .netdev) == 2)
        // 112 bytes lie in 5 + 12 + 13 + 82, and 62 in 1 + 40 + 21.
        let lengths: [UInt32] = [5, 12, 13, 82, 1, 40, 21]
        #expect(card.ring.usedIndex == 7)
        for (index, length) in lengths.enumerated() { #expect(card.ring.used(index) == (UInt32(index), length)) }
        var bytes: [UInt8] = []
        for (index, length) in lengths.enumerated() {
            let page = card.ring.bytes(Self.data + UInt64(index) * 4096, 4096)
            bytes += page[..<Int(length)]
            #expect(page[Int(length)...].allSatisfy { $0 == 0xee }, "buffer \(index)")
        }
        let header: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        #expect(bytes == header + [4, 0] + testFrame(100, 1) + header + [3, 0] + testFrame(50, 2))
    }

    @Test(
        "RV-24: without MRG_RXBUF a frame that is longer than the next buffer is dropped and counted; the buffer stays")
    func tooSmallBuffer() throws {
        let card = try HandCard(queue: 0, features: NetFeature.version1)
        card.start()
        post(card, [100, 2000])
        #expect(card.link.send([testFrame(89, 1), testFrame(88, 2), testFrame(1000, 3)], from: .netdev) == 3)
        #expect(card.counters.tooLong == 1 && card.counters.frames == 2 && card.counters.bytes == 1088)
        #expect(card.ring.used(0) == (0, 100) && card.ring.used(1) == (1, 1012) && card.ring.usedIndex == 2)
        #expect(card.ring.bytes(Self.data + 10, 90) == [1, 0] + testFrame(88, 2))
    }

    @Test("a driver that did not agree to checksum facts is told none, one that did is told all")
    func checksumFacts() throws {
        for (features, flags) in [(0, 0), (NetFeature.guestChecksum, NetHeader.dataValid)] as [(UInt64, UInt8)] {
            let card = try HandCard(queue: 0, features: NetFeature.version1 | features)
            // The back-end offers no such feature: this is the device's side alone.
            let configuration = QueueConfiguration(
                index: 0, size: card.ring.state.size, addresses: card.ring.state.addresses, base: 0)
            var side = try ReceiveSide(
                configuration, features: NetFeature.version1 | features, memory: card.ring.memory)
            post(card, [2000])
            var counters = QueueCounters()
            let turn = testFrame(60).withUnsafeBytes { bytes in
                FrameView.withOneSpan(bytes, offload: Offload(isChecksumValid: true)) { side.fill($0, &counters) }
            }
            #expect(turn.taken == 1 && card.ring.bytes(Self.data, 1) == [flags])
        }
    }

    @Test("RV-26: a frame longer than all buffers of a full ring is dropped and counted; a shorter one passes")
    func longerThanTheRing() throws {
        let card = try HandCard(queue: 0, size: 8)
        card.start()
        post(card, [Int](repeating: 12, count: 8))
        #expect(card.link.send([testFrame(85, 1)], from: .netdev) == 1)
        #expect(card.counters.tooLong == 1 && card.ring.usedIndex == 0)
        #expect(card.link.send([testFrame(84, 2)], from: .netdev) == 1)
        #expect(card.counters.frames == 1 && card.ring.usedIndex == 8 && !card.isBroken)
    }

    @Test("a long frame waits when the ring is not full: more buffers may come")
    func waitsForMore() throws {
        let card = try HandCard(queue: 0, size: 8)
        card.start()
        post(card, [60, 60])
        #expect(card.link.send([testFrame(150)], from: .netdev) == 0)
        card.ring.setDescriptor(2, Self.data + 8192, 60, flags: 2)
        card.ring.offer(2)
        card.kick()
        #expect(card.port.told == 1 && card.link.send([testFrame(150)], from: .netdev) == 1)
        #expect(card.ring.usedIndex == 3 && card.counters.tooLong == 0)
    }

    @Test("RV-19: a posting that is no buffer goes back and is counted; a frame takes those behind it")
    func refusedPosting() throws {
        let card = try HandCard(queue: 0, size: 8)
        card.start()
        for (index, flags) in [2, 0, 2, 2, 2].enumerated() {
            card.ring.setDescriptor(index, Self.data + UInt64(index) * 4096, 60, flags: UInt16(flags))
            card.ring.offer(UInt16(index))
        }
        card.kick()
        #expect(card.link.send([testFrame(150)], from: .netdev) == 1)
        #expect(card.counters.frames == 1 && card.counters.tooLong == 0 && card.counters.malformed == 1)
        #expect(card.ring.usedIndex == 5 && !card.isBroken)
        #expect((0..<5).map { card.ring.used($0).length } == [0, 0, 60, 60, 42])
    }

    // MARK: broken rings

    struct Breakage: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let features: UInt64
        let write: @Sendable (TestRing) -> Void

        init(_ name: String, indirect: Bool = false, _ write: @escaping @Sendable (TestRing) -> Void) {
            testDescription = name
            features = NetFeature.version1 | (indirect ? NetFeature.indirectDescriptors : 0)
            self.write = write
        }
    }

    static let breakages = [
        Breakage("RV-09: the avail index jumps") { $0.availIndex = 9 },
        Breakage("RV-10: the avail index goes backwards") { $0.availIndex = 0xffff },
        Breakage("RV-11: a head beyond the table") { $0.offer(8) },
        Breakage("RV-12: next beyond the table") {
            $0.setDescriptor(0, data, 20, flags: 1, next: 8)
            $0.offer(0)
        },
        Breakage("RV-13: a descriptor that follows itself") {
            $0.setDescriptor(0, data, 20, flags: 1, next: 0)
            $0.offer(0)
        },
        Breakage("RV-13: a long loop") { ring in
            for index in 0..<8 { ring.setDescriptor(index, data, 20, flags: 1, next: UInt16((index + 1) % 8)) }
            ring.offer(3)
        },
        Breakage("RV-18: a table that was not negotiated") {
            $0.setDescriptor(0, data, 16, flags: 4)
            $0.offer(0)
        },
        Breakage("RV-18: a table of 17 bytes", indirect: true) {
            $0.setDescriptor(0, data, 17, flags: 4)
            $0.offer(0)
        },
        Breakage("RV-18: a table outside of RAM", indirect: true) {
            $0.setDescriptor(0, 1 << 40, 32, flags: 4)
            $0.offer(0)
        },
        Breakage("RV-18: a table in a table", indirect: true) {
            $0.setDescriptor(0, TestRing.tablesAddress, 16, flags: 4)
            $0.setEntry(at: TestRing.tablesAddress, TestRing.tablesAddress, 16, flags: 4)
            $0.offer(0)
        },
        Breakage("RV-18: a table followed by a descriptor", indirect: true) {
            $0.setDescriptor(0, TestRing.tablesAddress, 16, flags: 5, next: 1)
            $0.offer(0)
        },
    ]

    @Test(
        "a ring that makes no sense makes the device need a reset; a reset mends it", arguments: breakages,
        [0, 1] as [UInt16])
    func broken(_ breakage: Breakage, queue: UInt16) throws {
        let card = try HandCard(queue: queue, features: breakage.features)
        card.start()
        breakage.write(card.ring)
        card.kick()
        if queue == 0 { #expect(card.link.send([testFrame(60)], from: .netdev) == 0) }
        #expect(card.isBroken && card.port.frames.isEmpty && card.driver.configurationInterrupts > 0)
        card.kick()
        #expect(card.ring.usedIndex == 0, "a broken ring is not touched")
        card.restart()
        #expect(!card.isBroken)
        if queue == 1 { return expectAlive(card) }
        post(card, [2000])
        #expect(card.link.send([testFrame(60)], from: .netdev) == 1 && card.ring.usedIndex == 1)
    }

    @Test("RV-17: a driver that makes more available than the ring holds breaks it, blocked or not")
    func neverStops() throws {
        let card = try HandCard(queue: 1)
        card.start()
        card.port.room = 0
        card.ring.fill(Self.data, [UInt8](repeating: 0, count: 12) + testFrame(60))
        card.ring.setDescriptor(0, Self.data, 72)
        card.ring.offer(0, 0, 0, 0, 0, 0, 0, 0)
        card.kick()
        card.ring.offer(0)
        card.port.room = .max
        card.link.hasRoom(.netdev)
        card.turn.run()
        #expect(card.isBroken)
    }

    @Test(
        "RV-34: a used index that the driver moved while the device was suspended is no reason to trap",
        arguments: [1, 9, 0x8000, 0xffff] as [UInt16], [0, 1] as [UInt16])
    func movedUsedIndex(index: UInt16, queue: UInt16) throws {
        let card = try HandCard(queue: queue)
        card.start()
        card.device.suspend {}
        card.ring.usedIndex = index
        card.device.resume()
        card.turn.run()
        #expect(card.isBroken == (0 &- index > 8))
        card.restart()
        #expect(!card.isBroken)
    }

    @Test("whatever the ring holds, the device lives and a reset mends it", arguments: 0..<200 as Range<UInt64>)
    func garbage(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let queue = UInt16(seed % 2)
        let card = try HandCard(
            queue: queue, features: NetFeature.version1 | frameBackEndFeatures[Int(seed / 2 % 8)])
        card.start()
        for _ in 0..<20 {
            for index in 0..<8 {
                card.ring.setDescriptor(
                    index, Bool.random(using: &random) ? Self.data + random.next() % 4096 : random.next(),
                    UInt32.random(in: 0...(Bool.random(using: &random) ? 200 : .max), using: &random),
                    flags: .random(in: 0..<8, using: &random), next: .random(in: 0..<9, using: &random))
                card.ring.setAvail(index, .random(in: 0..<8, using: &random))
            }
            card.ring.availIndex &+= .random(in: 0..<6, using: &random)
            card.kick()
            _ = card.link.send([testFrame(.random(in: 0...300, using: &random))], from: .netdev)
        }
        card.restart()
        #expect(!card.isBroken)
    }
}
