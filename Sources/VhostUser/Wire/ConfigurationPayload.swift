// A window of the device's configuration space (vhost-user specification, "Virtio device config space").

/// `config`, 12 bytes and the window: offset u32@0, size u32@4, flags u32@8, bytes@12.
public struct ConfigurationWindow: Equatable, Sendable {
    /// The configuration space has at most 256 bytes.
    public static let maximumBytes = 256
    /// Bytes before the window.
    public static let headerByteCount = 12

    /// VhostSetConfigType: why the space is written.
    public enum Purpose: UInt32, Sendable {
        /// The driver wrote.
        case writableFields = 0
        /// The destination takes over what the source had.
        case liveMigration = 1
    }

    /// Where in the space the window begins.
    public let offset: UInt32
    /// Of no meaning in GET_CONFIG.
    public let purpose: Purpose
    /// Empty in an answer: the back-end could not do it.
    public let bytes: [UInt8]

    /// Throws `value` when the window ends beyond the space.
    public init(offset: UInt32, purpose: Purpose = .writableFields, bytes: [UInt8]) throws(MessageError) {
        guard UInt64(offset) + UInt64(bytes.count) <= UInt64(ConfigurationWindow.maximumBytes) else {
            throw .value(
                field: "config offset + size", value: UInt64(offset) + UInt64(bytes.count), accepted: "0 to 256")
        }
        self.offset = offset
        self.purpose = purpose
        self.bytes = bytes
    }

    init(parsing fields: inout FieldReader) throws(MessageError) {
        let offset = try fields.u32()
        let size = try fields.u32()
        let flags = try fields.u32()
        guard let purpose = Purpose(rawValue: flags) else {
            throw .value(field: "config flags", value: UInt64(flags), accepted: "0 or 1")
        }
        guard size == UInt32(truncatingIfNeeded: fields.remaining) else {
            throw .value(field: "config size", value: UInt64(size), accepted: "\(fields.remaining), the bytes present")
        }
        try self.init(offset: offset, purpose: purpose, bytes: fields.bytes(fields.remaining))
    }

    func write(to writer: inout FieldWriter) {
        writer.u32(offset)
        writer.u32(UInt32(truncatingIfNeeded: bytes.count))
        writer.u32(purpose.rawValue)
        writer.bytes(bytes)
    }
}
