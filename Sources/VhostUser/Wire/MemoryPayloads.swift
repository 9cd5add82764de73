// The structures about guest memory: one region, the table, the single-region form (vhost-user
// specification, "Memory region description" and following). Regions that are empty or wrap an
// address space cannot be made.

/// A memory region, 32 bytes: guest-physical u64@0, size u64@8, user address u64@16, file offset u64@24.
public struct MemoryRegionDescription: Equatable, Sendable {
    /// Bytes on the wire.
    public static let byteCount = 32
    /// First guest-physical address.
    public let guestPhysical: UInt64
    /// Bytes; not 0.
    public let size: UInt64
    /// What the front-end calls its first byte; ring addresses are told in this space.
    public let userAddress: UInt64
    /// Where it starts in the file whose descriptor travels with it.
    public let fileOffset: UInt64

    /// Throws `value` for a region that is empty or wraps in one of its three spaces.
    public init(guestPhysical: UInt64, size: UInt64, userAddress: UInt64, fileOffset: UInt64) throws(MessageError) {
        guard size > 0 else { throw .value(field: "memory region size", value: 0, accepted: "1 and more") }
        for (field, start) in [("guest address", guestPhysical), ("user address", userAddress), ("offset", fileOffset)]
        where start.addingReportingOverflow(size).overflow {
            throw .value(field: "memory region \(field)", value: start, accepted: "a range that ends below 2^64")
        }
        self.guestPhysical = guestPhysical
        self.size = size
        self.userAddress = userAddress
        self.fileOffset = fileOffset
    }

    init(parsing fields: inout FieldReader) throws(MessageError) {
        try self.init(
            guestPhysical: fields.u64(), size: fields.u64(), userAddress: fields.u64(), fileOffset: fields.u64())
    }

    func write(to writer: inout FieldWriter) {
        writer.u64(guestPhysical)
        writer.u64(size)
        writer.u64(userAddress)
        writer.u64(fileOffset)
    }
}

/// The table of SET_MEM_TABLE: nregions u32@0, padding u32@4, regions@8. Some front-ends always send
/// the whole structure of 8 slots (264 bytes), so bytes after the last region are accepted and ignored.
public struct MemoryTable: Equatable, Sendable {
    /// Regions that fit, by the specification.
    public static let maximumRegions = 8
    /// Bytes of a table of 8 regions.
    public static let maximumByteCount = 8 + maximumRegions * MemoryRegionDescription.byteCount
    /// In the order of the descriptors that travel with the table.
    public let regions: [MemoryRegionDescription]

    /// Throws `value` for none, or for more than 8.
    public init(_ regions: [MemoryRegionDescription]) throws(MessageError) {
        guard (1...MemoryTable.maximumRegions).contains(regions.count) else {
            throw .value(field: "number of memory regions", value: UInt64(regions.count), accepted: "1 to 8")
        }
        self.regions = regions
    }

    init(parsing fields: inout FieldReader) throws(MessageError) {
        let count = try fields.u32()
        try fields.skip(4)
        guard (1...UInt32(MemoryTable.maximumRegions)).contains(count) else {
            throw .value(field: "number of memory regions", value: UInt64(count), accepted: "1 to 8")
        }
        var regions: [MemoryRegionDescription] = []
        for _ in 0..<count { regions.append(try MemoryRegionDescription(parsing: &fields)) }
        self.regions = regions
    }

    func write(to writer: inout FieldWriter) {
        writer.u32(UInt32(truncatingIfNeeded: regions.count))
        writer.zeros(4)
        for region in regions { region.write(to: &writer) }
    }
}

/// The single region of ADD_MEM_REG and REM_MEM_REG, 40 bytes: padding u64@0, region@8.
enum SingleMemoryRegion {
    static let byteCount = 40

    static func parse(_ fields: inout FieldReader) throws(MessageError) -> MemoryRegionDescription {
        try fields.skip(8)
        return try MemoryRegionDescription(parsing: &fields)
    }

    static func write(_ region: MemoryRegionDescription, to writer: inout FieldWriter) {
        writer.zeros(8)
        region.write(to: &writer)
    }
}
