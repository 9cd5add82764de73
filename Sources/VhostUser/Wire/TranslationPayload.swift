// The IOTLB message (vhost-user specification, "An IOTLB message"): misses, updates and invalidations
// of a device's address translation. A network back-end of this project does not use it; the codec knows it.

/// `iotlb`, 32 bytes: iova u64@0, size u64@8, user address u64@16, permission u8@24, type u8@25, padding.
public struct TranslationMessage: Equatable, Sendable {
    public static let byteCount = 32

    public enum Permission: UInt8, Sendable {
        case none = 0
        case read = 1
        case write = 2
        case readWrite = 3
    }
    public enum Kind: UInt8, Sendable {
        case miss = 1
        case update = 2
        case invalidate = 3
        case accessFailure = 4
    }

    public var ioAddress: UInt64
    public var size: UInt64
    public var userAddress: UInt64
    public var permission: Permission
    public var kind: Kind

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
