// The device door of the register block: resets that wait for the back-end, back-ends that die, return,
// change or lie, and what the driver sees of it.

import Linux
import Testing

@testable import Virtio

struct NetDeviceBackEndTests {
    // MARK: resets

    @Test("a reset without a working back-end is complete within the call")
    func idleReset() throws {
        let script = try DeviceScript()
        script.negotiate()
        script.enableQueues()
        script.device.writeStatus([])
        #expect(script.device.status.isEmpty && script.driver.resets == 0)
        script.device.queueSelect = 1
        #expect(script.device.queueAddresses == RingAddresses() && !script.device.queueEnable)
        #expect(script.device.driverFeatures == 0 && script.backEnd.stops.isEmpty)
        #expect(script.negotiate())
    }

    @Test("a reset of a working device reads 0 only when the back-end has stopped")
    func workingReset() throws {
        let script = try DeviceScript()
        script.backEnd.bases = nil
        script.start()
        script.device.writeStatus([])
        #expect(!script.device.status.isEmpty && script.driver.resets == 0)
        script.device.writeStatus([.acknowledge])
        script.device.driverFeatures = 0
        script.device.writeStatus([])
        #expect(script.backEnd.stops.count == 1, "one stop is enough")
        script.backEnd.stops[0]([5, 6])
        #expect(script.device.status.isEmpty && script.driver.resets == 1)
        script.start()
        #expect(script.backEnd.started.count == 2 && script.backEnd.started[1].queues.map(\.base) == [0, 0])
    }

    @Test("a back-end that dies while it stops completes the reset, and its late answer is ignored")
    func diesWhileStopping() throws {
        let script = try DeviceScript()
        script.backEnd.bases = nil
        script.start()
        script.device.writeStatus([])
        script.device.backEndDied()
        #expect(script.device.status.isEmpty && script.driver.resets == 1)
        script.device.backEndReturned(features: DeviceScript.passt)
        script.start()
        script.backEnd.stops[0]([9, 9])
        #expect(script.backEnd.started.count == 2 && script.driver.resets == 1)
        #expect(script.device.status.contains(.driverOK))
    }

    @Test("a back-end that is stopping is not kicked; one that was started anew is")
    func notKickedWhileStopping() throws {
        let script = try DeviceScript()
        script.backEnd.bases = nil
        script.start()
        script.device.suspend {}
        script.device.notify(queue: 1)
        script.backEnd.stops[0]([0, 0])
        script.device.notify(queue: 1)
        #expect(script.backEnd.kicks.isEmpty)
        script.device.resume()
        script.device.notify(queue: 1)
        #expect(script.backEnd.started.count == 2 && script.backEnd.kicks == [1])
    }

    // MARK: coming and going

    @Test("a device is not there before its first back-end has told what it can do")
    func arrival() throws {
        let script = try DeviceScript(attach: false)
        #expect(!script.device.isPresent && !script.negotiate())
        script.backEnd.isConnected = false
        script.device.attach(script.backEnd)
        #expect(!script.device.isPresent && script.driver.configurationInterrupts == 0)
        script.device.backEndReturned(features: DeviceScript.passt)
        #expect(script.device.isPresent && script.driver.configurationInterrupts > 0 && script.device.isLinkUp)
        script.device.writeStatus([])
        #expect(script.negotiate())
    }

    @Test("DRIVER_OK while the back-end is away starts it when it returns")
    func lateBackEnd() throws {
        let script = try DeviceScript()
        script.negotiate()
        script.device.backEndDied()
        script.enableQueues()
        script.device.writeStatus(script.device.status.union(.driverOK))
        #expect(script.backEnd.started.isEmpty)
        script.device.backEndReturned(features: DeviceScript.passt)
        #expect(script.backEnd.started.count == 1)
    }

    @Test("CFE-11: death takes the link down; return starts at the driver's bases and calls the driver once")
    func restart() throws {
        let script = try DeviceScript()
        script.start()
        script.device.backEndDied()
        #expect(!script.device.configuration.isLinkUp)
        script.driver.bases = [0: 77, 1: 3]
        script.driver.queueInterrupts = []
        script.device.backEndReturned(features: DeviceScript.passt)
        #expect(script.backEnd.started.count == 2)
        #expect(script.backEnd.started[1].features == script.backEnd.started[0].features, "SET_FEATURES as negotiated")
        #expect(script.backEnd.started[1].queues.map(\.base) == [77, 3])
        #expect(script.driver.queueInterrupts == [0, 1])
        #expect(script.device.configuration.isLinkUp && !script.device.status.contains(.needsReset))
    }

    @Test("a back-end that returns with less than was negotiated makes the device need a reset")
    func lostFeatures() throws {
        let script = try DeviceScript()
        script.start()
        script.device.backEndDied()
        script.device.backEndReturned(features: DeviceScript.passt & ~NetFeature.mergeableBuffers)
        #expect(script.device.status.contains(.needsReset) && script.backEnd.started.count == 1)
        #expect(script.device.readInterruptStatus().contains(.configuration))
        script.device.writeStatus([])
        script.start()
        #expect(script.backEnd.started.count == 2)
        #expect(script.backEnd.started[1].features & NetFeature.mergeableBuffers == 0)
    }

    @Test("bits that were offered but not negotiated may go")
    func lostUnusedFeatures() throws {
        let script = try DeviceScript()
        script.start(~NetFeature.guestChecksum)
        script.device.backEndDied()
        script.device.backEndReturned(features: DeviceScript.passt & ~NetFeature.guestChecksum)
        #expect(script.backEnd.started.count == 2 && !script.device.status.contains(.needsReset))
    }

    @Test("a driver whose ring does not hold its outstanding chains is asked for a reset")
    func mismatch() throws {
        let script = try DeviceScript()
        script.start()
        script.device.backEndDied()
        script.driver.bases = [0: 5]
        script.device.backEndReturned(features: DeviceScript.passt)
        #expect(script.device.status.contains(.needsReset) && script.backEnd.started.count == 1)
        script.device.writeStatus(script.device.status)
        #expect(script.backEnd.started.count == 1, "nothing starts before the reset")
        script.device.writeStatus([])
        #expect(script.device.status.isEmpty)
        script.start()
        #expect(script.backEnd.started.count == 2)
    }

    @Test("CFE-12: dying again during the restart is survived any number of times")
    func flapping() throws {
        let script = try DeviceScript()
        script.start()
        for round in 1...50 {
            script.device.backEndDied()
            script.device.backEndDied()
            script.device.backEndReturned(features: DeviceScript.passt)
            script.device.backEndReturned(features: DeviceScript.passt)
            #expect(script.backEnd.started.count == round + 1)
        }
        #expect(script.device.isLinkUp)
    }

    @Test("without a driver's word a new back-end begins at used.idx")
    func noDriver() throws {
        let script = try DeviceScript()
        script.device.driver = nil
        script.start()
        script.setUsed(0, 500)
        script.setUsed(1, 65535)
        script.device.backEndDied()
        script.device.backEndReturned(features: DeviceScript.passt)
        #expect(script.backEnd.started[1].queues.map(\.base) == [500, 65535])
    }

    @Test("detaching stops first and then forgets; another back-end takes over")
    func replace() throws {
        let script = try DeviceScript()
        script.backEnd.bases = nil
        script.start()
        let successor = ScriptedBackEnd(DeviceScript.passt)
        script.device.attach(successor)
        #expect(successor.started.isEmpty && script.backEnd.stops.count == 1)
        script.driver.bases = [0: 1, 1: 2]
        script.backEnd.stops[0]([1, 2])
        #expect(successor.started.count == 1 && successor.started[0].queues.map(\.base) == [1, 2])
        var isDone = false
        script.device.detach { isDone = true }
        #expect(isDone && !script.device.isLinkUp && successor.stops.count == 1)
    }

    // MARK: suspend and resume

    @Test("CFE-08: suspend stores what the back-end answers, resume starts there")
    func suspend() throws {
        let script = try DeviceScript()
        script.start()
        script.setUsed(0, 10)
        script.backEnd.bases = [12, 0]
        var isDone = false
        script.device.suspend { isDone = true }
        #expect(isDone && script.backEnd.started.count == 1)
        script.device.resume()
        #expect(script.backEnd.started.count == 2 && script.backEnd.started[1].queues.map(\.base) == [12, 0])
    }

    @Test(
        "RF-10: an impossible base, or none, is replaced by used.idx", arguments: [[], [9], [9, 400], [65535, 257]])
    func badBase(bases: [RingPosition]) throws {
        let script = try DeviceScript()
        script.start()
        script.setUsed(0, 1000)
        script.setUsed(1, 0)
        script.backEnd.bases = bases
        script.device.suspend {}
        script.device.resume()
        #expect(script.backEnd.started[1].queues.map(\.base) == [1000, 0])
    }

    @Test("a device that is resumed before its back-end has stopped starts it again, where it stopped")
    func resumeWhileStopping() throws {
        let script = try DeviceScript()
        script.backEnd.bases = nil
        script.start()
        var isDone = false
        script.device.suspend { isDone = true }
        script.device.resume()
        #expect(script.backEnd.started.count == 1 && !isDone)
        script.backEnd.stops[0]([0, 0])
        #expect(script.backEnd.started.count == 2 && isDone)
    }

    @Test("a back-end that dies and returns while suspended is started by resume, as the driver says")
    func returnsWhileSuspended() throws {
        let script = try DeviceScript()
        script.start()
        script.device.suspend {}
        script.device.backEndDied()
        script.device.backEndReturned(features: DeviceScript.passt)
        #expect(script.backEnd.started.count == 1)
        script.driver.bases = [0: 8, 1: 9]
        script.device.resume()
        #expect(script.backEnd.started.count == 2 && script.backEnd.started[1].queues.map(\.base) == [8, 9])
    }
}
