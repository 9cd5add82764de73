// The structures about one ring: state, addresses, a descriptor's index word, and the area of a host
// notifier (vhost-user specification, "Vring state description" and following).

/// `vring_state`, 8 bytes: index u32@0, num u32@4.
public struct VringState: Equatable, Sendable {
    /// Bytes on the wire.
    public static let byteCount = 8
    /// Which ring.
    public var index: UInt32
    /// A size, an index or a flag, by request.
    public var num: UInt32

    /// Any two numbers; what they mean is the request's.
    public init(index: UInt32, num: UInt32) {
        self.index = index
        self.num = num
    }

    init(parsing fields: inout FieldReader) throws(MessageError) {
        index = try fields.u32()
        num = try fields.u32()
    }

    func write(to writer: inout FieldWriter) {
        writer.u32(index)
        writer.u32(num)
    }
}

/// `vring_addr`, 40 bytes: index u32@0, flags u32@4, desc u64@8, used u64@16, avail u64@24, log u64@32.
public struct VringAddress: Equatable, Sendable {
    /// Bytes on the wire.
    public static let byteCount = 40
    /// Which ring.
    public var index: UInt32
    /// VHOST_VRING_F_LOG: writes to the used ring are logged.
    public var isLogged: Bool
    /// User addresses of the three areas.
    public var descriptorTable: UInt64
    /// User address of the used ring.
    public var usedRing: UInt64
    /// User address of the avail ring.
    public var availRing: UInt64
    /// Guest-physical address of the used ring, for the log.
    public var logAddress: UInt64

    /// Addresses are not checked here.
    public init(
        index: UInt32, isLogged: Bool, areas: (descriptorTable: UInt64, availRing: UInt64, usedRing: UInt64),
        logAddress: UInt64
    ) {
        self.index = index
        self.isLogged = isLogged
        (descriptorTable, availRing, usedRing) = areas
        self.logAddress = logAddress
    }

    init(parsing fields: inout FieldReader) throws(MessageError) {
        index = try fields.u32()
        let flags = try fields.u32()
        guard flags <= 1 else { throw .value(field: "vring_addr flags", value: UInt64(flags), accepted: "0 or 1") }
        isLogged = flags == 1
        descriptorTable = try fields.u64()
        usedRing = try fields.u64()
        availRing = try fields.u64()
        logAddress = try fields.u64()
    }

    func write(to writer: inout FieldWriter) {
        writer.u32(index)
        writer.u32(isLogged ? 1 : 0)
        writer.u64(descriptorTable)
        writer.u64(usedRing)
        writer.u64(availRing)
        writer.u64(logAddress)
    }
}

/// The u64 of SET_VRING_KICK, CALL and ERR, and of the answer to SET_DEVICE_STATE_FD: bits 0–7 a ring
/// index (or an error code), bit 8 set when no descriptor comes along.
public struct VringDescriptor: Equatable, Sendable {
    /// Bytes on the wire.
    public static let byteCount = 8
    /// Which ring, or the code of an error.
    public var index: UInt8
    /// Bit 8 is clear: a descriptor comes along. Without one the ring is polled.
    public var hasDescriptor: Bool

    /// A ring with its descriptor, where nothing else is said.
    public init(index: UInt8, hasDescriptor: Bool = true) {
        self.index = index
        self.hasDescriptor = hasDescriptor
    }

    init(parsing fields: inout FieldReader) throws(MessageError) {
        let word = try fields.u64()
        guard word <= 0x1ff else {
            throw .value(field: "ring index with descriptor flag", value: word, accepted: "0 to 0x1ff")
        }
        index = UInt8(truncatingIfNeeded: word)
        hasDescriptor = word & 0x100 == 0
    }

    func write(to writer: inout FieldWriter) { writer.u64(UInt64(index) | (hasDescriptor ? 0 : 0x100)) }
}

/// `vring_area`, 24 bytes: index word u64@0, size u64@8, offset u64@16.
public struct VringArea: Equatable, Sendable {
    /// Bytes on the wire.
    public static let byteCount = 24
    /// Which ring, and whether the area's file comes along.
    public var ring: VringDescriptor
    /// Bytes of the area.
    public var size: UInt64
    /// Where it starts in its file.
    public var offset: UInt64

    /// Nothing is checked: nobody here maps such an area.
    public init(ring: VringDescriptor, size: UInt64, offset: UInt64) {
        self.ring = ring
        self.size = size
        self.offset = offset
    }

    init(parsing fields: inout FieldReader) throws(MessageError) {
        ring = try VringDescriptor(parsing: &fields)
        size = try fields.u64()
        offset = try fields.u64()
    }

    func write(to writer: inout FieldWriter) {
        ring.write(to: &writer)
        writer.u64(size)
        writer.u64(offset)
    }
}
