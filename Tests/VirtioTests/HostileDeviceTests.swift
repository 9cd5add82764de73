// The driver's side of a ring against a device that breaks every rule: docs/misbehaviours.md, RF, by number.

import Bytes
import Testing
import Virtio

struct HostileDeviceTests {
    /// A ring with `count` buffers of 64 bytes out, tokens from 0.
    private func posted(_ count: UInt32, features: RingFeatures = RingFeatures()) throws -> (TestRing, DriverEnd) {
        let ring = try TestRing(features: features)
        let driver = try ring.driver()
        for token in 0..<count { #expect(driver.post(token)) }
        _ = driver.publish()
        return (ring, driver)
    }

    @Test(
        "RF-01: a used index beyond what is outstanding breaks the ring",
        arguments: [4, 8, 9, 0x8000, 0xffff] as [UInt16])
    func usedJump(index: UInt16) throws {
        let (ring, driver) = try posted(3)
        ring.usedIndex = index
        #expect(driver.reap().isEmpty)
        #expect(driver.fault == .usedIndex(index, next: 0, outstanding: 3))
        ring.usedIndex = 1
        #expect(driver.reap().isEmpty && !driver.post(7), "a broken ring stays broken")
    }

    @Test("RF-01: chains that were added but not published do not count as outstanding")
    func unpublished() throws {
        let (ring, driver) = try posted(1)
        #expect(driver.post(1))
        ring.usedIndex = 2
        #expect(driver.reap().isEmpty && driver.fault != nil)
    }

    @Test("RF-02: an id beyond the table breaks the ring", arguments: [8, 0xffff, 0x10000, .max] as [UInt32])
    func badID(id: UInt32) throws {
        let (ring, driver) = try posted(3)
        ring.setUsed(0, 0, 0)
        ring.setUsed(1, id, 0)
        ring.usedIndex = 2
        #expect(driver.reap() == [UsedChain(token: 0, length: 0)], "what was before it counts")
        #expect(driver.fault == .head(id, size: 8))
    }

    @Test("RF-02: an id that is not outstanding breaks the ring")
    func notOutstanding() throws {
        let (ring, driver) = try posted(3)
        ring.setUsed(0, 3, 0)
        ring.usedIndex = 1
        #expect(driver.reap().isEmpty)
        #expect(driver.fault == .notOutstanding(head: 3))
    }

    @Test("RF-02: an id given back twice breaks the ring")
    func twice() throws {
        let (ring, driver) = try posted(3)
        ring.setUsed(0, 1, 0)
        ring.setUsed(1, 1, 0)
        ring.usedIndex = 2
        #expect(driver.reap() == [UsedChain(token: 1, length: 0)])
        #expect(driver.fault == .notOutstanding(head: 1))
    }

    @Test("RF-02: the middle of a chain is no head")
    func middle() throws {
        let ring = try TestRing()
        let driver = try ring.driver()
        let buffer = RingBuffer(address: TestRing.dataAddress, length: 8)
        #expect(driver.add(out: [buffer], in: [buffer, buffer]) && driver.publish())
        ring.setUsed(0, 1, 0)
        ring.usedIndex = 1
        #expect(driver.reap().isEmpty)
        #expect(driver.fault == .notOutstanding(head: 1))
    }

    @Test("RF-03: a used length beyond what was posted is cut to it, and counted", arguments: [65, .max] as [UInt32])
    func longLength(length: UInt32) throws {
        let (ring, driver) = try posted(2)
        ring.setUsed(0, 0, length)
        ring.setUsed(1, 1, 64)
        ring.usedIndex = 2
        #expect(driver.reap() == [UsedChain(token: 0, length: 64), UsedChain(token: 1, length: 64)])
        #expect(driver.queue.clampedLengths == 1 && driver.fault == nil)
    }

    @Test("RF-03: of a chain of several buffers only the writable bytes count")
    func chainLength() throws {
        let ring = try TestRing()
        let driver = try ring.driver()
        let buffer = RingBuffer(address: TestRing.dataAddress, length: 8)
        #expect(driver.add(out: [buffer], in: [buffer, buffer], token: 5) && driver.publish())
        ring.setUsed(0, 0, 24)
        ring.usedIndex = 1
        #expect(driver.reap() == [UsedChain(token: 5, length: 16)])
    }

    @Test("RF-06: a descriptor table that the device rewrote is never read back")
    func rewritten() throws {
        let ring = try TestRing()
        let driver = try ring.driver()
        let buffer = RingBuffer(address: TestRing.dataAddress, length: 8)
        for round in 0..<20 as Range<UInt32> {
            #expect(driver.add(out: [buffer, buffer], in: [buffer], token: round))
            _ = driver.publish()
            ring.fill(ring.state.addresses.descriptorTable, [UInt8](repeating: 0xff, count: 128))
            let head = ring.avail(Int(round % 8))
            ring.setUsed(Int(round % 8), UInt32(head), 8)
            ring.usedIndex = UInt16(round + 1)
            #expect(driver.reap() == [UsedChain(token: round, length: 8)])
            #expect(driver.free == 8 && driver.fault == nil)
        }
    }

    @Test("RF-07: chains that never come back fill the ring, and adding says so")
    func neverBack() throws {
        let (_, driver) = try posted(8)
        #expect(!driver.post(8) && driver.outstanding == 8 && driver.free == 0)
        #expect(driver.reap().isEmpty && driver.fault == nil)
    }

    @Test("RF-08: calls without used chains move nothing")
    func spuriousCalls() throws {
        let (_, driver) = try posted(2)
        for _ in 0..<1000 {
            #expect(driver.reap().isEmpty)
            #expect(!driver.rearm())
        }
        #expect(driver.outstanding == 2)
    }

    @Test(
        "RF-09: random scribbling over the used ring never traps, and never hands out a token twice", arguments: 1...20)
    func scribbling(seed: Int) throws {
        let ring = try TestRing(features: RingFeatures(eventIndex: seed % 2 == 0))
        let driver = try ring.driver()
        var random = SeededGenerator(seed: UInt64(seed))
        var out = Set<UInt32>()
        for round in 0..<400 as Range<UInt32> {
            if driver.fault != nil {
                driver.queue.clear()
                out = []
            }
            if driver.post(round) { out.insert(round) }
            _ = driver.publish()
            for slot in 0..<8 {
                ring.setUsed(slot, .random(in: 0..<9, using: &random), .random(in: 0..<99, using: &random))
            }
            if Bool.random(using: &random) { ring.usedIndex &+= .random(in: 0...2, using: &random) }
            for chain in driver.reap() { #expect(out.remove(chain.token) != nil && chain.length <= 64) }
            _ = driver.rearm()
        }
    }
}
