// The structures of shared objects and of shared-memory regions that a back-end maps (vhost-user
// specification, "VhostUserShared", "Memory map/unmap", "Shared memory region configuration").

/// `shared`, 16 bytes: a UUID.
public struct SharedObjectIdentifier: Equatable, Sendable {
    /// Bytes on the wire.
    public static let byteCount = 16
    /// The 16 bytes as they came.
    public let bytes: [UInt8]

    /// - Parameter bytes: 16 bytes.
    public init(_ bytes: [UInt8]) throws(MessageError) {
        guard bytes.count == SharedObjectIdentifier.byteCount else {
            throw .truncated(structure: "UUID", available: bytes.count)
        }
        self.bytes = bytes
    }

    init(parsing fields: inout FieldReader) throws(MessageError) { bytes = try fields.bytes(16) }

    func write(to writer: inout FieldWriter) { writer.bytes(bytes) }
}

/// `mmap`, 40 bytes: region id u8@0, padding, file offset u64@8, region offset u64@16, length u64@24, flags u64@32.
public struct SharedMemoryMapping: Equatable, Sendable {
    /// Bytes on the wire.
    public static let byteCount = 40
    /// Which shared-memory region of the device.
    public let region: UInt8
    /// Where the piece starts in the file that comes along.
    public let fileOffset: UInt64
    /// Where it appears in the region.
    public let regionOffset: UInt64
    /// Bytes.
    public let length: UInt64
    /// The guest may write there, too.
    public let isWritable: Bool

    /// Throws `value` for a piece that wraps.
    public init(region: UInt8, fileOffset: UInt64, regionOffset: UInt64, length: UInt64, isWritable: Bool)
        throws(MessageError)
    {
        guard !fileOffset.addingReportingOverflow(length).overflow,
            !regionOffset.addingReportingOverflow(length).overflow
        else { throw .value(field: "mapping length", value: length, accepted: "a range that ends below 2^64") }
        self.region = region
        self.fileOffset = fileOffset
        self.regionOffset = regionOffset
        self.length = length
        self.isWritable = isWritable
    }

    init(parsing fields: inout FieldReader) throws(MessageError) {
        let region = try fields.u8()
        try fields.skip(7)
        let (fileOffset, regionOffset, length) = (try fields.u64(), try fields.u64(), try fields.u64())
        let flags = try fields.u64()
        guard flags <= 1 else { throw .value(field: "mapping flags", value: flags, accepted: "0 or 1") }
        try self.init(
            region: region, fileOffset: fileOffset, regionOffset: regionOffset, length: length, isWritable: flags == 1)
    }

    func write(to writer: inout FieldWriter) {
        writer.u8(region)
        writer.zeros(7)
        writer.u64(fileOffset)
        writer.u64(regionOffset)
        writer.u64(length)
        writer.u64(isWritable ? 1 : 0)
    }
}

/// `shmem_config`, 2056 bytes: nregions u32@0, padding u32@4, sizes u64[256]@8 (0: the id is not used).
public struct SharedMemoryConfiguration: Equatable, Sendable {
    /// Bytes on the wire.
    public static let byteCount = 2056
    /// Regions that the structure has room for.
    public static let regionSlots = 256
    /// Size per region id, always 256 of them.
    public let sizes: [UInt64]
    /// Regions that are used: nregions.
    public var regionCount: Int { sizes.lazy.filter { $0 != 0 }.count }

    /// - Parameter sizes: at most 256; the rest is 0.
    public init(sizes: [UInt64]) {
        let kept = Array(sizes.prefix(SharedMemoryConfiguration.regionSlots))
        self.sizes = kept + Array(repeating: 0, count: SharedMemoryConfiguration.regionSlots - kept.count)
    }

    init(parsing fields: inout FieldReader) throws(MessageError) {
        let count = try fields.u32()
        try fields.skip(4)
        var sizes: [UInt64] = []
        for _ in 0..<SharedMemoryConfiguration.regionSlots { sizes.append(try fields.u64()) }
        self.sizes = sizes
        guard Int(count) == regionCount else {
            throw .value(
                field: "number of shared memory regions", value: UInt64(count),
                accepted: "\(regionCount), the sizes given")
        }
    }

    func write(to writer: inout FieldWriter) {
        writer.u32(UInt32(truncatingIfNeeded: regionCount))
        writer.zeros(4)
        for size in sizes { writer.u64(size) }
    }
}
