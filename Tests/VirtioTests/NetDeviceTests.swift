// The register block as scripts: what a driver writes and reads, what a back-end is told, what a
// restart of it does, and what nonsense gets.

import Bytes
import Link
import Linux
import Testing

@testable import Virtio

/// A back-end that keeps what it was told.
final class ScriptedBackEnd: RingBackEnd {
    var features: UInt64
    var isConnected = true
    private(set) var started: [(features: UInt64, queues: [QueueConfiguration])] = []
    private(set) var stops: [([RingPosition]) -> Void] = []
    /// What a stop is answered at once; nil: the test answers later.
    var bases: [RingPosition]? = [0, 0]
    weak var owner: (any RingOwner)?
    /// The queues that were kicked since `start`.
    var kicks: [UInt16] = []

    init(_ features: UInt64) { self.features = features }

    func start(features: UInt64, queues: [QueueConfiguration]) {
        started.append((features, queues))
        kicks = []
    }

    func kicked(queue: UInt16) { kicks.append(queue) }

    func stop(_ done: @escaping ([RingPosition]) -> Void) {
        stops.append(done)
        if let bases { done(bases) }
    }
}

/// A driver that keeps what it was told.
final class ScriptedDriver: NetDeviceDriver {
    var queueInterrupts: [UInt16] = []
    var configurationInterrupts = 0
    var resets = 0
    /// What each queue answers when a new back-end wants to go on.
    var bases: [UInt16: RingPosition] = [0: 0, 1: 0]

    func queueInterrupt(_ queue: UInt16) { queueInterrupts.append(queue) }
    func configurationInterrupt() { configurationInterrupts += 1 }
    func resetComplete() { resets += 1 }
    func restartBase(queue: UInt16) -> RingPosition? { bases[queue] }
}

/// A device with both sides scripted.
final class DeviceScript {
    /// What passt offers.
    static let passt =
        NetFeature.guestChecksum | NetFeature.mergeableBuffers | NetFeature.version1 | (1 << 26) | (1 << 30)
    static let mac = MACAddress(0x52, 0x54, 0, 0x12, 0x34, 0x56)

    let device: NetDevice
    let backEnd: ScriptedBackEnd
    let driver = ScriptedDriver()

    init(features: UInt64 = DeviceScript.passt, mtu: UInt16? = nil, attach: Bool = true) throws {
        device = try NetDevice(
            model: NetDeviceModel(mac: Self.mac, mtu: mtu), memory: try GuestMemory(size: 1 << 20))
        backEnd = ScriptedBackEnd(features)
        device.driver = driver
        if attach { device.attach(backEnd) }
    }

    /// ACKNOWLEDGE, DRIVER, features, FEATURES_OK; the features that were accepted.
    @discardableResult
    func negotiate(_ wanted: UInt64 = .max) -> Bool {
        device.writeStatus([.acknowledge])
        device.writeStatus([.acknowledge, .driver])
        device.driverFeatures = device.deviceFeatures & wanted
        device.writeStatus([.acknowledge, .driver, .featuresOK])
        return device.status.contains(.featuresOK)
    }

    static func addresses(_ queue: UInt16) -> RingAddresses {
        RingAddresses(contiguousAt: 0x4000 * UInt64(queue + 1), size: 256)
    }

    func enableQueues() {
        for queue in 0..<2 as Range<UInt16> {
            device.queueSelect = queue
            device.queueAddresses = Self.addresses(queue)
            device.queueEnable = true
        }
    }

    /// All of VIRTIO 1.3, 3.1.1.
    func start(_ wanted: UInt64 = .max) {
        negotiate(wanted)
        enableQueues()
        device.writeStatus(device.status.union(.driverOK))
    }

    /// The used index of a queue, written as a device would.
    func setUsed(_ queue: UInt16, _ index: UInt16) {
        device.memory.span(at: Self.addresses(queue).usedRing, count: 4)?
            .storeBytes(of: index, toByteOffset: 2, as: UInt16.self)
    }

    func config() -> [UInt8] {
        withUnsafeTemporaryAllocation(byteCount: 32, alignment: 1) { room in
            Array(room[..<device.readConfiguration(at: 0, into: room)])
        }
    }
}

struct NetDeviceRegisterTests {
    @Test("what is offered is the model's bits and those of the back-end's that the model knows")
    func offer() throws {
        let script = try DeviceScript()
        let own = NetFeature.mac | NetFeature.status
        #expect(
            script.device.deviceFeatures
                == own | NetFeature.guestChecksum | NetFeature.mergeableBuffers | NetFeature.version1)
        let mtu = try DeviceScript(mtu: 1400)
        #expect(mtu.device.deviceFeatures & NetFeature.mtu != 0)
        let greedy = try DeviceScript(features: .max)
        #expect(greedy.device.deviceFeatures == NetFeature.known & ~NetFeature.mtu)
        let empty = try DeviceScript(features: NetFeature.mac | NetFeature.mtu | NetFeature.status)
        #expect(
            empty.device.deviceFeatures == own && !empty.device.isPresent, "the model's bits are not the back-end's")
    }

    @Test("a bit without its base is not offered")
    func orphans() throws {
        let script = try DeviceScript(
            features: NetFeature.version1 | NetFeature.hostTSO4 | NetFeature.guestTSO6 | NetFeature.guestECN)
        #expect(script.device.deviceFeatures == NetFeature.version1 | NetFeature.mac | NetFeature.status)
    }

    @Test("RF-12: FEATURES_OK is refused without VERSION_1, beyond the offer, or with an orphan")
    func refusedFeatures() throws {
        let cases: [(UInt64, Bool)] = [
            (NetFeature.version1, true), (0, false), (NetFeature.mergeableBuffers, false),
            (NetFeature.version1 | NetFeature.guestChecksum | NetFeature.guestTSO4, true),
            (NetFeature.version1 | NetFeature.guestTSO4, false), (NetFeature.version1 | NetFeature.packedRing, false),
            (NetFeature.version1 | 1 << 63, false), (.max, false),
        ]
        for (features, isAccepted) in cases {
            let script = try DeviceScript(
                features: NetFeature.version1 | NetFeature.guestChecksum | NetFeature.guestTSO4)
            script.device.driverFeatures = features
            script.device.writeStatus([.acknowledge, .driver, .featuresOK])
            #expect(script.device.status.contains(.featuresOK) == isAccepted, "\(features)")
        }
    }

    @Test("the start of VIRTIO 1.3, 3.1.1 starts the back-end once, with its own bits only")
    func start() throws {
        let script = try DeviceScript()
        script.start()
        #expect(script.device.status == [.acknowledge, .driver, .featuresOK, .driverOK])
        let started = try #require(script.backEnd.started.first)
        #expect(script.backEnd.started.count == 1)
        #expect(started.features == NetFeature.guestChecksum | NetFeature.mergeableBuffers | NetFeature.version1)
        #expect(started.queues.map(\.index) == [0, 1] && started.queues.map(\.size) == [256, 256])
        #expect(started.queues.map(\.usedRing) == [0, 1].map { DeviceScript.addresses($0).usedRing })
        #expect(started.queues.allSatisfy { $0.base == 0 })
        script.device.writeStatus(script.device.status)
        #expect(script.backEnd.started.count == 1)
    }

    @Test("features are fixed by FEATURES_OK, queues by their enabling")
    func fixed() throws {
        let script = try DeviceScript()
        script.negotiate()
        let chosen = script.device.driverFeatures
        script.device.driverFeatures = 0
        #expect(script.device.driverFeatures == chosen)
        script.enableQueues()
        script.device.queueSize = 128
        script.device.queueAddresses = RingAddresses()
        script.device.queueEnable = false
        #expect(script.device.queueSize == 256 && script.device.queueEnable)
        #expect(script.device.queueAddresses == DeviceScript.addresses(1))
    }

    @Test("writes that make no sense are ignored")
    func nonsense() throws {
        let script = try DeviceScript()
        let device = script.device
        device.writeStatus([.driverOK])
        #expect(device.status.isEmpty, "DRIVER_OK without FEATURES_OK")
        device.writeStatus(DeviceStatus(rawValue: 0x40 | 0x10 | 0x20 | 1))
        #expect(device.status == .acknowledge, "bits that are not the driver's")
        for queue in [2, 3, 255, 65535] as [UInt16] {
            device.queueSelect = queue
            (device.queueSize, device.queueEnable) = (4, true)
            device.queueAddresses = DeviceScript.addresses(0)
            #expect(device.queueSize == 0 && !device.queueEnable && device.queueAddresses == RingAddresses())
            device.notify(queue: queue)
            device.interrupt(queue: queue)
        }
        device.queueSelect = 0
        for size in [0, 3, 257, 512, 65535] as [UInt16] { device.queueSize = size }
        #expect(device.queueSize == 256)
        for bad in [
            RingAddresses(), RingAddresses(descriptorTable: 8, availRing: 0x2000, usedRing: 0x3000),
            RingAddresses(contiguousAt: (1 << 20) - 4096, size: 256), RingAddresses(contiguousAt: ~15, size: 256),
        ] where bad != RingAddresses() {
            device.queueAddresses = bad
            device.queueEnable = true
            #expect(!device.queueEnable)
        }
        #expect(script.backEnd.started.isEmpty && script.driver.queueInterrupts.isEmpty)
    }

    @Test("random writes of any value never trap and never start a ring outside of RAM", arguments: 1...20)
    func fuzz(seed: UInt64) throws {
        let script = try DeviceScript(features: .max)
        let device = script.device
        var random = SeededGenerator(seed: seed)
        for _ in 0..<500 {
            let value = UInt64.random(in: 0...(.max), using: &random)
            switch Int.random(in: 0..<12, using: &random) {
            case 0, 1: device.writeStatus(DeviceStatus(rawValue: UInt8(truncatingIfNeeded: value)))
            case 2: device.driverFeatures = value
            case 3: device.driverFeatures = device.deviceFeatures & value | NetFeature.version1
            case 4: device.queueSelect = UInt16(truncatingIfNeeded: value & 3)
            case 5: device.queueSize = UInt16(truncatingIfNeeded: value)
            case 6:
                device.queueAddresses = RingAddresses(
                    descriptorTable: value, availRing: value &* 3, usedRing: value &* 5)
            case 7: device.queueAddresses = DeviceScript.addresses(UInt16(value & 1))
            case 8: device.queueEnable = value & 1 == 0
            case 9: device.notify(queue: UInt16(truncatingIfNeeded: value & 7))
            case 10: script.backEnd.bases = value & 1 == 0 ? nil : [RingPosition(UInt16(truncatingIfNeeded: value))]
            default: value & 1 == 0 ? device.backEndDied() : device.backEndReturned(features: value)
            }
        }
        for (_, queues) in script.backEnd.started {
            for queue in queues {
                let bytes = RingLayout.usedRingBytes(queue.size)
                #expect(device.memory.span(at: queue.usedRing, count: bytes) != nil)
            }
        }
    }

    @Test("golden bytes of the configuration space")
    func configuration() throws {
        let script = try DeviceScript(mtu: 65520)
        let expected: [UInt8] = [
            0x52, 0x54, 0x00, 0x12, 0x34, 0x56,  // mac
            1, 0,  // status: LINK_UP
            1, 0,  // max_virtqueue_pairs
            0xf0, 0xff,  // mtu 65520
        ]
        #expect(script.config() == expected)
        withUnsafeTemporaryAllocation(byteCount: 4, alignment: 1) { room in
            #expect(script.device.readConfiguration(at: 10, into: room) == 2)
            #expect(script.device.readConfiguration(at: 4, into: room) == 4)
            #expect(Array(room) == [0x34, 0x56, 1, 0])
            for offset in [12, 13, -1, .max, .min] {
                #expect(script.device.readConfiguration(at: offset, into: room) == 0)
            }
        }
    }

    @Test("the link changes the status field, the generation and interrupts once")
    func link() throws {
        let script = try DeviceScript()
        script.start()
        let generation = script.device.configurationGeneration
        let interrupts = script.driver.configurationInterrupts
        _ = script.device.readInterruptStatus()
        script.device.setLink(isUp: false)
        script.device.setLink(isUp: false)
        #expect(script.config()[6] == 0 && script.device.configurationGeneration == generation &+ 1)
        #expect(script.driver.configurationInterrupts == interrupts + 1)
        #expect(script.device.readInterruptStatus() == .configuration && script.device.readInterruptStatus().isEmpty)
        script.device.setLink(isUp: true)
        #expect(script.config()[6] == 1 && script.device.configurationGeneration == generation &+ 2)
    }

    @Test("the generation wraps after 256 changes")
    func generationWraps() throws {
        let script = try DeviceScript()
        let generation = script.device.configurationGeneration
        for round in 0..<256 { script.device.setLink(isUp: round % 2 == 1) }
        #expect(script.device.configurationGeneration == generation)
    }

    @Test("a notification kicks, a call interrupts; neither before DRIVER_OK")
    func notifications() throws {
        let script = try DeviceScript()
        script.device.notify(queue: 0)
        script.device.interrupt(queue: 1)
        #expect(script.backEnd.kicks.isEmpty && script.driver.queueInterrupts.isEmpty)
        script.start()
        script.device.notify(queue: 0)
        #expect(script.backEnd.kicks == [0])
        #expect(script.backEnd.owner === script.device)
        script.backEnd.owner?.interrupt(queue: 1)
        #expect(script.driver.queueInterrupts == [1])
        #expect(script.device.readInterruptStatus().contains(.queue))
    }
}
