// A payload as a value: one case per structure of the specification, and the sizes each may have on
// the wire. Which request carries which structure is written in RequestRules.swift.

/// The structures a message can carry.
public enum PayloadShape: Sendable, CaseIterable {
    /// In the order of the specification's sections.
    case empty, u64, vringState, vringAddress, vringDescriptor, vringArea, memoryTable, memoryRegion, log
    /// For migration, translation, configuration and shared objects.
    case inflight, stateTransfer, translation, configuration, sharedObject, sharedMemoryMapping
    /// `opaque` is not looked into.
    case sharedMemoryConfiguration, opaque

    /// Bytes the structure has on the wire.
    public var sizes: ClosedRange<Int> {
        switch self {
        case .empty: 0...0
        case .u64, .vringDescriptor: 8...8
        case .vringState: VringState.byteCount...VringState.byteCount
        case .vringAddress: VringAddress.byteCount...VringAddress.byteCount
        case .vringArea: VringArea.byteCount...VringArea.byteCount
        case .memoryTable: 8 + MemoryRegionDescription.byteCount...MemoryTable.maximumByteCount
        case .memoryRegion: SingleMemoryRegion.byteCount...SingleMemoryRegion.byteCount
        case .log: LogRegion.byteCount...LogRegion.byteCount
        case .inflight: InflightRegion.byteCount...InflightRegion.byteCount
        case .stateTransfer: StateTransfer.byteCount...StateTransfer.byteCount
        case .translation: TranslationMessage.byteCount...TranslationMessage.byteCount
        case .configuration:
            ConfigurationWindow.headerByteCount...ConfigurationWindow.headerByteCount + ConfigurationWindow.maximumBytes
        case .sharedObject: SharedObjectIdentifier.byteCount...SharedObjectIdentifier.byteCount
        case .sharedMemoryMapping: SharedMemoryMapping.byteCount...SharedMemoryMapping.byteCount
        case .sharedMemoryConfiguration: SharedMemoryConfiguration.byteCount...SharedMemoryConfiguration.byteCount
        case .opaque: 0...MessageHeader.maximumPayload
        }
    }
}

/// A payload that is whole and well-formed.
public enum Payload: Equatable, Sendable {
    /// No payload.
    case empty
    /// Features, numbers, acknowledgements.
    case u64(UInt64)
    /// A ring and a number of it.
    case vringState(VringState)
    /// A ring and where it lies.
    case vringAddress(VringAddress)
    /// A ring and whether a descriptor comes along.
    case vringDescriptor(VringDescriptor)
    /// A ring and an area of its host notifier.
    case vringArea(VringArea)
    /// All regions of guest memory.
    case memoryTable(MemoryTable)
    /// One region of guest memory.
    case memoryRegion(MemoryRegionDescription)
    /// The dirty log.
    case log(LogRegion)
    /// The region of chains in flight.
    case inflight(InflightRegion)
    /// Which way a device's state goes.
    case stateTransfer(StateTransfer)
    /// An IOTLB message.
    case translation(TranslationMessage)
    /// A window of the configuration space.
    case configuration(ConfigurationWindow)
    /// The name of a shared object.
    case sharedObject(SharedObjectIdentifier)
    /// A piece of a file to be mapped.
    case sharedMemoryMapping(SharedMemoryMapping)
    /// The sizes of all shared-memory regions.
    case sharedMemoryConfiguration(SharedMemoryConfiguration)
    /// Bytes of a structure that this project does not look into (crypto sessions).
    case opaque([UInt8])

    /// Reads untrusted bytes as `shape`; nil when their number does not fit it.
    public init?(parsing bytes: UnsafeRawBufferPointer, as shape: PayloadShape) throws(MessageError) {
        guard shape.sizes.contains(bytes.count) else { return nil }
        var fields = FieldReader(bytes, of: "\(shape)")
        switch shape {
        case .empty: self = .empty
        case .u64: self = .u64(try fields.u64())
        case .vringState: self = .vringState(try VringState(parsing: &fields))
        case .vringAddress: self = .vringAddress(try VringAddress(parsing: &fields))
        case .vringDescriptor: self = .vringDescriptor(try VringDescriptor(parsing: &fields))
        case .vringArea: self = .vringArea(try VringArea(parsing: &fields))
        case .memoryTable: self = .memoryTable(try MemoryTable(parsing: &fields))
        case .memoryRegion: self = .memoryRegion(try SingleMemoryRegion.parse(&fields))
        case .log: self = .log(try LogRegion(parsing: &fields))
        case .inflight: self = .inflight(try InflightRegion(parsing: &fields))
        case .stateTransfer: self = .stateTransfer(try StateTransfer(parsing: &fields))
        case .translation: self = .translation(try TranslationMessage(parsing: &fields))
        case .configuration: self = .configuration(try ConfigurationWindow(parsing: &fields))
        case .sharedObject: self = .sharedObject(try SharedObjectIdentifier(parsing: &fields))
        case .sharedMemoryMapping: self = .sharedMemoryMapping(try SharedMemoryMapping(parsing: &fields))
        case .sharedMemoryConfiguration:
            self = .sharedMemoryConfiguration(try SharedMemoryConfiguration(parsing: &fields))
        case .opaque: self = .opaque(try fields.bytes(bytes.count))
        }
    }

    /// Which structure this is.
    public var shape: PayloadShape {
        switch self {
        case .empty: .empty
        case .u64: .u64
        case .vringState: .vringState
        case .vringAddress: .vringAddress
        case .vringDescriptor: .vringDescriptor
        case .vringArea: .vringArea
        case .memoryTable: .memoryTable
        case .memoryRegion: .memoryRegion
        case .log: .log
        case .inflight: .inflight
        case .stateTransfer: .stateTransfer
        case .translation: .translation
        case .configuration: .configuration
        case .sharedObject: .sharedObject
        case .sharedMemoryMapping: .sharedMemoryMapping
        case .sharedMemoryConfiguration: .sharedMemoryConfiguration
        case .opaque: .opaque
        }
    }

    /// Appends the structure's bytes.
    func write(to writer: inout FieldWriter) {
        switch self {
        case .empty: break
        case .u64(let value): writer.u64(value)
        case .vringState(let value): value.write(to: &writer)
        case .vringAddress(let value): value.write(to: &writer)
        case .vringDescriptor(let value): value.write(to: &writer)
        case .vringArea(let value): value.write(to: &writer)
        case .memoryTable(let value): value.write(to: &writer)
        case .memoryRegion(let value): SingleMemoryRegion.write(value, to: &writer)
        case .log(let value): value.write(to: &writer)
        case .inflight(let value): value.write(to: &writer)
        case .stateTransfer(let value): value.write(to: &writer)
        case .translation(let value): value.write(to: &writer)
        case .configuration(let value): value.write(to: &writer)
        case .sharedObject(let value): value.write(to: &writer)
        case .sharedMemoryMapping(let value): value.write(to: &writer)
        case .sharedMemoryConfiguration(let value): value.write(to: &writer)
        case .opaque(let bytes): writer.bytes(bytes)
        }
    }
}
