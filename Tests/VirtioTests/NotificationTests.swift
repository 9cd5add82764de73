// When one side of a ring wakes the other (VIRTIO 1.3, 2.7.7, 2.7.10): flags without EVENT_IDX, event
// words with it, in both directions; the rule itself; where a new device goes on.

import CLinux
import Testing

@testable import Virtio

struct NotificationTests {
    @Test("the first decision notifies, then an event is crossed exactly when it lies among the new indices")
    func rule() {
        var rule = NotificationRule()
        var decisions: [Bool] = []
        for now in [5, 6, 7, 9, 9, 12] as [UInt16] { decisions.append(rule.crosses(event: 7, now: now)) }
        #expect(decisions == [true, false, false, true, false, false])
    }

    @Test("an event is crossed over the wrap of the index")
    func ruleWraps() {
        var rule = NotificationRule()
        _ = rule.crosses(event: 0, now: 0xfffe)
        let crossed = rule.crosses(event: 0xffff, now: 2)
        let missed = rule.crosses(event: 1, now: 4)
        #expect(crossed && !missed)
    }

    @Test("without EVENT_IDX the driver kicks unless the device's flag says no")
    func kickByFlag() throws {
        let ring = try TestRing()
        let (driver, device) = (try ring.driver(), try ring.device())
        #expect(driver.post(0) && driver.publish())
        device.queue.suppressKicks()
        #expect(driver.post(1) && !driver.publish())
        #expect(device.rearm(), "two chains are there")
        #expect(driver.post(2) && driver.publish())
        #expect(!driver.publish(), "nothing new, nothing to say")
    }

    @Test("without EVENT_IDX the device calls unless the driver's flag says no")
    func callByFlag() throws {
        let ring = try TestRing()
        let (driver, device) = (try ring.driver(), try ring.device())
        for token in 0..<3 as Range<UInt32> { #expect(driver.post(token)) }
        _ = driver.publish()
        let chains = device.pop()
        device.push(chains[0])
        #expect(device.publish())
        driver.queue.suppressCalls()
        device.push(chains[1])
        #expect(!device.publish())
        #expect(driver.rearm(), "two chains are used")
        #expect(driver.reap().count == 2 && !driver.rearm())
        device.push(chains[2])
        #expect(device.publish() && !device.publish())
    }

    @Test("with EVENT_IDX a kick comes only when the device waits for it, whatever the flags say")
    func kickByEvent() throws {
        let ring = try TestRing(features: RingFeatures(eventIndex: true))
        let (driver, device) = (try ring.driver(), try ring.device())
        ne_store_relaxed16(ring.pointer(ring.state.addresses.usedRing), 1)  // flags are ignored
        #expect(driver.post(0) && driver.publish(), "the first decision kicks")
        #expect(driver.post(1) && !driver.publish(), "nobody waits")
        #expect(device.pop().count == 2)
        #expect(!device.rearm())
        #expect(driver.post(2) && driver.publish())
        #expect(driver.post(3) && !driver.publish())
        device.queue.suppressKicks()
        #expect(driver.post(4) && !driver.publish())
    }

    @Test("with EVENT_IDX a call comes when as many chains are used as the driver wants")
    func callByEvent() throws {
        let ring = try TestRing(features: RingFeatures(eventIndex: true))
        let (driver, device) = (try ring.driver(), try ring.device())
        for token in 0..<8 as Range<UInt32> { #expect(driver.post(token)) }
        _ = driver.publish()
        let chains = device.pop()
        device.push(chains[0])
        #expect(device.publish(), "the first decision calls")
        #expect(driver.rearm(after: 1), "one is used already")
        #expect(driver.reap().count == 1)
        #expect(!driver.rearm(after: 3))
        var calls: [Bool] = []
        for chain in chains[1...5] {
            device.push(chain)
            calls.append(device.publish())
        }
        #expect(calls == [false, false, true, false, false])
        driver.queue.suppressCalls()
        device.push(chains[6])
        #expect(!device.publish())
    }

    @Test("a batch is one publication and one decision")
    func batch() throws {
        let ring = try TestRing(features: RingFeatures(eventIndex: true))
        let (driver, device) = (try ring.driver(), try ring.device())
        #expect(!device.rearm())
        for token in 0..<5 as Range<UInt32> {
            #expect(driver.post(token))
            #expect(ring.availIndex == 0)
        }
        #expect(driver.publish() && ring.availIndex == 5)
        for chain in device.pop() {
            device.push(chain)
            #expect(ring.usedIndex == 0)
        }
        #expect(device.publish() && ring.usedIndex == 5)
    }

    // MARK: a new device on the old ring

    @Test("a device that died in order is followed at used.idx, and nothing is lost")
    func restartInOrder() throws {
        let ring = try TestRing()
        let (driver, device) = (try ring.driver(), try ring.device())
        for token in 0..<6 as Range<UInt32> { #expect(driver.post(token)) }
        _ = driver.publish()
        for chain in device.pop(4).prefix(2) { device.push(chain, 1) }
        _ = device.publish()
        #expect(driver.restartBase() == nil, "what is used must be reaped first")
        #expect(driver.reap().map(\.token) == [0, 1])
        #expect(driver.restartBase() == 2)
        let successor = try ring.device(base: 2)
        #expect(successor.echo(1))
        #expect(driver.reap().map(\.token) == [2, 3, 4, 5])
        #expect(driver.post(9) && driver.publish(), "the first kick to a new device is not saved")
    }

    @Test("a device that died out of order needs a reset")
    func restartOutOfOrder() throws {
        let ring = try TestRing()
        let (driver, device) = (try ring.driver(), try ring.device())
        for token in 0..<3 as Range<UInt32> { #expect(driver.post(token)) }
        _ = driver.publish()
        device.push(device.pop()[1], 1)
        _ = device.publish()
        #expect(driver.reap().map(\.token) == [1])
        #expect(!driver.queue.outstandingMatchesAvail && driver.restartBase() == nil)
    }

    @Test("an avail ring that the dead device scribbled on needs a reset")
    func restartScribbled() throws {
        let ring = try TestRing()
        let driver = try ring.driver()
        for token in 0..<3 as Range<UInt32> { #expect(driver.post(token)) }
        _ = driver.publish()
        #expect(driver.restartBase() == 0)
        for bad in [0, 5, 8, 0xffff] as [UInt16] {
            ring.setAvail(2, bad)
            #expect(driver.restartBase() == nil, "entry \(bad)")
        }
        ring.setAvail(2, 2)
        #expect(driver.restartBase() == 0)
        ring.availIndex = 2
        #expect(driver.restartBase() == nil)
    }

    @Test("an empty ring is followed at once, after any number of rounds")
    func restartEmpty() throws {
        let ring = try TestRing()
        let (driver, device) = (try ring.driver(), try ring.device())
        for round in 0..<20 as Range<UInt32> {
            #expect(driver.post(round))
            _ = driver.publish()
            _ = device.echo(1)
            #expect(driver.reap().count == 1)
            #expect(driver.restartBase() == RingPosition(UInt16(round + 1)))
        }
    }
}
