// Frames of many descriptors through a frame back-end, sent and received over the driver's general ring,
// with and without indirect tables.

import Bytes
import Link
import TestSupport
import Testing

@testable import Virtio

struct FrameBackEndChainTests {
    /// Cuts `count` bytes at random into at most `most` pieces.
    private func pieces(of count: Int, most: Int, _ random: inout SeededGenerator) -> [Int] {
        let cuts = (0..<Int.random(in: 0..<most, using: &random)).map { _ in Int.random(in: 1..<count, using: &random) }
        let places = [0] + Set(cuts).sorted() + [count]
        return zip(places, places.dropFirst()).map { $1 - $0 }
    }

    private func buffers(_ pieces: [Int], at start: UInt64) -> [RingBuffer] {
        var address = start
        return pieces.map { piece in
            defer { address += UInt64(piece) }
            return RingBuffer(address: address, length: UInt32(piece))
        }
    }

    @Test("frames of 1 to 8 descriptors arrive byte for byte, and are given back", arguments: frameBackEndFeatures)
    func transmit(features: UInt64) throws {
        let card = try HandCard(queue: 1, size: 32, features: features)
        let driver = try card.ring.driver()
        card.start()
        var random = SeededGenerator(seed: features)
        for round in 0..<200 {
            var expected: [[UInt8]] = []
            for slot in 0..<Int.random(in: 1...4, using: &random) {
                let frame = testFrame(.random(in: 14...3000, using: &random), round * 8 + slot)
                let place = TestRing.dataAddress + UInt64(slot) * 4096
                card.ring.fill(place, [UInt8](repeating: 0, count: NetHeader.size) + frame)
                let cut = pieces(of: NetHeader.size + frame.count, most: 8, &random)
                #expect(driver.add(out: buffers(cut, at: place), token: UInt32(slot)))
                expected.append(frame)
            }
            if driver.publish() { card.kick() }
            #expect(card.port.takeFrames() == expected)
            #expect(driver.reap().map(\.token) == (0..<expected.count).map { UInt32($0) } && driver.fault == nil)
        }
        #expect(card.counters.malformed == 0)
    }

    @Test("a frame goes into chains of 1 to 8 writable descriptors", arguments: frameBackEndFeatures)
    func receive(features: UInt64) throws {
        let card = try HandCard(queue: 0, size: 32, features: features)
        let driver = try card.ring.driver()
        card.start()
        var random = SeededGenerator(seed: features &+ 1)
        for round in 0..<200 {
            let frame = testFrame(.random(in: 14...3000, using: &random), round)
            let isMergeable = features & NetFeature.mergeableBuffers != 0
            let chain = isMergeable ? Int.random(in: 800...4000, using: &random) : 3012
            for slot in 0..<4 {
                let cut = pieces(of: chain, most: 8, &random)
                let place = TestRing.dataAddress + UInt64(slot) * 4096
                #expect(driver.add(in: buffers(cut, at: place), token: UInt32(slot)))
            }
            if driver.publish() { card.kick() }
            #expect(card.link.send([frame], pieces: 3, from: .netdev) == 1)
            var bytes: [UInt8] = []
            let used = driver.reap()
            for chain in used {
                bytes += card.ring.bytes(TestRing.dataAddress + UInt64(chain.token) * 4096, Int(chain.length))
            }
            #expect(bytes[..<10].allSatisfy { $0 == 0 } && bytes[10] == UInt8(used.count) && bytes[11] == 0)
            #expect(Array(bytes[12...]) == frame)
            // The rest of the postings is used up, so that each round begins alike.
            while driver.outstanding > 0 {
                guard card.link.send([testFrame(14)], from: .netdev) == 1 else { break }
                #expect(!driver.reap().isEmpty && driver.fault == nil)
            }
        }
        #expect(card.counters.tooLong == 0 && !card.isBroken)
    }
}
