// The structures of live migration: the dirty log, the in-flight region and the device-state transfer
// (vhost-user specification, "Log description", "Inflight description", "Device state transfer parameters").

/// `log`, 16 bytes: size u64@0, offset u64@8.
public struct LogRegion: Equatable, Sendable {
    /// Bytes on the wire.
    public static let byteCount = 16
    /// Bytes of the log; not 0.
    public let size: UInt64
    /// Where it starts in the file that comes along.
    public let offset: UInt64

    /// Throws `value` for a log that is empty or wraps.
    public init(size: UInt64, offset: UInt64) throws(MessageError) {
        guard size > 0, !offset.addingReportingOverflow(size).overflow else {
            throw .value(field: "log size", value: size, accepted: "1 and more, ending below 2^64")
        }
        self.size = size
        self.offset = offset
    }

    init(parsing fields: inout FieldReader) throws(MessageError) {
        try self.init(size: fields.u64(), offset: fields.u64())
    }

    func write(to writer: inout FieldWriter) {
        writer.u64(size)
        writer.u64(offset)
    }
}

/// `inflight`, 24 bytes: size u64@0, offset u64@8, queues u16@16, queue size u16@18, padding.
public struct InflightRegion: Equatable, Sendable {
    /// Bytes on the wire.
    public static let byteCount = 24
    /// Bytes of the region; 0 when it is asked for.
    public var size: UInt64
    /// Where it starts in the file that comes along.
    public var offset: UInt64
    /// Queues that it has room for.
    public var queueCount: UInt16
    /// Entries of each.
    public var queueSize: UInt16

    /// Checked only when it is read.
    public init(size: UInt64, offset: UInt64, queueCount: UInt16, queueSize: UInt16) {
        self.size = size
        self.offset = offset
        self.queueCount = queueCount
        self.queueSize = queueSize
    }

    init(parsing fields: inout FieldReader) throws(MessageError) {
        size = try fields.u64()
        offset = try fields.u64()
        queueCount = try fields.u16()
        queueSize = try fields.u16()
        try fields.skip(4)
        guard !offset.addingReportingOverflow(size).overflow else {
            throw .value(field: "inflight offset", value: offset, accepted: "a range that ends below 2^64")
        }
    }

    func write(to writer: inout FieldWriter) {
        writer.u64(size)
        writer.u64(offset)
        writer.u16(queueCount)
        writer.u16(queueSize)
        writer.zeros(4)
    }
}

/// `transfer_state`, 8 bytes: direction u32@0, phase u32@4. The only phase is 0, stopped.
public enum StateTransfer: UInt32, Equatable, Sendable {
    /// The back-end writes its state.
    case save = 0
    /// The back-end reads its state.
    case load = 1
    /// Bytes on the wire.
    public static let byteCount = 8

    init(parsing fields: inout FieldReader) throws(MessageError) {
        let direction = try fields.u32()
        let phase = try fields.u32()
        guard let value = StateTransfer(rawValue: direction) else {
            throw .value(field: "transfer direction", value: UInt64(direction), accepted: "0 (save) or 1 (load)")
        }
        guard phase == 0 else { throw .value(field: "transfer phase", value: UInt64(phase), accepted: "0 (stopped)") }
        self = value
    }

    func write(to writer: inout FieldWriter) {
        writer.u32(rawValue)
        writer.zeros(4)
    }
}
