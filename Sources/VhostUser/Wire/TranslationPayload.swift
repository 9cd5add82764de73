// The IOTLB message (vhost-user specification, "An IOTLB message"): misses, updates and invalidations
// of a device's address translation. A network back-end of this project does not use it; the codec knows it.

/// `iotlb`, 32 bytes: iova u64@0, size u64@8, user address u64@16, permission u8@24, type u8@25, padding.
public struct TranslationMessage: Equatable, Sendable {
    /// Bytes on the wire.
    public static let byteCount = 32

    /// What may be done with the range.
    public enum Permission: UInt8, Sendable {
        /// Nothing.
        case none = 0
        /// Read.
        case read = 1
        /// Write.
        case write = 2
        /// Both.
        case readWrite = 3
    }
    /// What the message is.
    public enum Kind: UInt8, Sendable {
        /// The device asks for a translation.
        case miss = 1
        /// A translation for the device.
        case update = 2
        /// A translation is not valid any more.
        case invalidate = 3
        /// The device may not do what it tried.
        case accessFailure = 4
    }

    /// First address as the device sees it.
    public var ioAddress: UInt64
    /// Bytes of the range.
    public var size: UInt64
    /// What the front-end calls it.
    public var userAddress: UInt64
    /// What may be done there.
    public var permission: Permission
    /// What the message is.
    public var kind: Kind

    /// Nothing is checked: what a range means is the reader's to judge.
    public init(ioAddress: UInt64, size: UInt64, userAddress: UInt64, permission: Permission, kind: Kind) {
        self.ioAddress = ioAddress
        self.size = size
        self.userAddress = userAddress
        self.permission = permission
        self.kind = kind
    }

    init(parsing fields: inout FieldReader) throws(MessageError) {
        ioAddress = try fields.u64()
        size = try fields.u64()
        userAddress = try fields.u64()
        let rawPermission = try fields.u8()
        let rawKind = try fields.u8()
        try fields.skip(6)
        guard let permission = Permission(rawValue: rawPermission) else {
            throw .value(field: "IOTLB permission", value: UInt64(rawPermission), accepted: "0 to 3")
        }
        guard let kind = Kind(rawValue: rawKind) else {
            throw .value(field: "IOTLB type", value: UInt64(rawKind), accepted: "1 to 4")
        }
        self.permission = permission
        self.kind = kind
    }

    func write(to writer: inout FieldWriter) {
        writer.u64(ioAddress)
        writer.u64(size)
        writer.u64(userAddress)
        writer.u8(permission.rawValue)
        writer.u8(kind.rawValue)
        writer.zeros(6)
    }
}
