// The requests a network front-end sends, each by a constructor that cannot pair a request with a
// payload of another, and the ones that other programs of this project need for tests and relays.

extension RequestMessage where Number == Request {
    /// Asks for the virtio features; answered by a u64.
    public static let getFeatures = Message(.getFeatures)
    /// Acknowledges virtio features.
    public static func setFeatures(_ bits: UInt64) -> Message { Message(.setFeatures, .u64(bits)) }
    /// The first message of a session.
    public static let setOwner = Message(.setOwner)
    /// Out of use.
    public static let resetOwner = Message(.resetOwner)
    /// Asks for protocol features; answered by a u64.
    public static let getProtocolFeatures = Message(.getProtocolFeatures)
    /// Acknowledges protocol features.
    public static func setProtocolFeatures(_ features: ProtocolFeatures) -> Message {
        Message(.setProtocolFeatures, .u64(features.rawValue))
    }
    /// Asks for the largest number of queues (pairs, of a network device); answered by a u64.
    public static let getQueueNum = Message(.getQueueNum)
    /// Asks how many regions can be added; answered by a u64.
    public static let getMaximumMemorySlots = Message(.getMaximumMemorySlots)
    /// Carries one end of a socket pair.
    public static let setBackEndRequestDescriptor = Message(.setBackEndRequestDescriptor, descriptors: 1)

    /// Carries a descriptor per region.
    public static func setMemoryTable(_ table: MemoryTable) -> Message {
        Message(.setMemoryTable, .memoryTable(table), descriptors: table.regions.count)
    }
    /// Carries the memory's descriptor.
    public static func addMemoryRegion(_ region: MemoryRegionDescription) -> Message {
        Message(.addMemoryRegion, .memoryRegion(region), descriptors: 1)
    }
    /// A region is no part of guest memory any more.
    public static func removeMemoryRegion(_ region: MemoryRegionDescription) -> Message {
        Message(.removeMemoryRegion, .memoryRegion(region))
    }

    /// Entries of a ring.
    public static func setVringNum(index: UInt32, size: UInt32) -> Message {
        Message(.setVringNum, .vringState(VringState(index: index, num: size)))
    }
    /// The next avail index of a ring.
    public static func setVringBase(index: UInt32, base: UInt32) -> Message {
        Message(.setVringBase, .vringState(VringState(index: index, num: base)))
    }
    /// Where the areas of a ring lie, as user addresses.
    public static func setVringAddress(_ address: VringAddress) -> Message {
        Message(.setVringAddress, .vringAddress(address))
    }
    /// Stops a ring and asks for its next avail index; answered by a vring state.
    public static func getVringBase(index: UInt32) -> Message {
        Message(.getVringBase, .vringState(VringState(index: index, num: 0)))
    }
    /// A ring may be worked on, or may not.
    public static func setVringEnable(index: UInt32, isOn: Bool) -> Message {
        Message(.setVringEnable, .vringState(VringState(index: index, num: isOn ? 1 : 0)))
    }
    /// Carries the eventfd that the back-end sleeps on.
    public static func setVringKick(index: UInt8) -> Message { descriptor(.setVringKick, index) }
    /// Carries the eventfd that the back-end signals.
    public static func setVringCall(index: UInt8) -> Message { descriptor(.setVringCall, index) }
    /// Carries the eventfd that tells of a broken ring.
    public static func setVringError(index: UInt8) -> Message { descriptor(.setVringError, index) }

    private static func descriptor(_ request: Request, _ index: UInt8) -> Message {
        Message(request, .vringDescriptor(VringDescriptor(index: index)), descriptors: 1)
    }

    /// Asks for the device status; answered by a u64.
    public static let getStatus = Message(.getStatus)
    /// The device status as the driver wrote it (VIRTIO 1.3, 2.1).
    public static func setStatus(_ status: UInt8) -> Message { Message(.setStatus, .u64(UInt64(status))) }
    /// As `setStatus(0)` of back-ends without STATUS.
    public static let resetDevice = Message(.resetDevice)
    /// The largest packet in bytes, 68 to 65535.
    public static func setMTU(_ bytes: UInt16) -> Message { Message(.netSetMTU, .u64(UInt64(bytes))) }
    /// - Parameter address: the MAC address, first byte in the lowest bits, as six bytes lie in memory.
    public static func sendRARP(_ address: UInt64) -> Message {
        Message(.sendRARP, .u64(address & 0xffff_ffff_ffff))
    }

    /// Carries the log's descriptor.
    public static func setLogBase(_ region: LogRegion) -> Message {
        Message(.setLogBase, .log(region), descriptors: 1)
    }
    /// Carries one end of a pipe.
    public static func setDeviceStateDescriptor(_ direction: StateTransfer) -> Message {
        Message(.setDeviceStateDescriptor, .stateTransfer(direction), descriptors: 1)
    }
    /// Asks whether the state was moved whole; answered by a u64, 0 for yes.
    public static let checkDeviceState = Message(.checkDeviceState)
}
