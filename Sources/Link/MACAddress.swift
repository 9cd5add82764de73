// The 48-bit address of a link (IEEE 802): value, text, both directions.

import Bytes

/// A 48-bit MAC address.
public struct MACAddress: Hashable, Sendable, CustomStringConvertible {
    /// The six bytes in the low 48 bits, first byte on the wire highest.
    public let rawValue: UInt64

    public init(rawValue: UInt64) { self.rawValue = rawValue & 0xffff_ffff_ffff }

    /// The bytes in the order of the wire.
    public init(_ a: UInt8, _ b: UInt8, _ c: UInt8, _ d: UInt8, _ e: UInt8, _ f: UInt8) {
        rawValue = [a, b, c, d, e, f].reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// Six hexadecimal bytes joined by `:` or `-`, as in `52:54:00:12:34:56`.
    public init?(_ text: String) {
        let parts = text.split(whereSeparator: { $0 == ":" || $0 == "-" })
        guard parts.count == 6, text.utf8.filter({ $0 == 0x3a || $0 == 0x2d }).count == 5 else { return nil }
        var value: UInt64 = 0
        for part in parts {
            guard part.utf8.count <= 2, let byte = UInt8(part, radix: 16) else { return nil }
            value = value << 8 | UInt64(byte)
        }
        rawValue = value
    }

    /// ff:ff:ff:ff:ff:ff, everybody.
    public static let broadcast = MACAddress(rawValue: 0xffff_ffff_ffff)

    /// The lowest bit of the first byte is set: a group, or everybody.
    public var isMulticast: Bool { rawValue >> 40 & 1 == 1 }

    /// Byte `index` (0 first on the wire).
    public subscript(index: Int) -> UInt8 { UInt8(truncatingIfNeeded: rawValue >> UInt64(40 - 8 * index)) }

    public var description: String {
        (0..<6).map { index in
            let hex = String(self[index], radix: 16)
            return hex.utf8.count == 1 ? "0" + hex : hex
        }.joined(separator: ":")
    }
}

extension MACAddress: StateCoded {
    /// 00:00:00:00:00:00.
    public static var blank: MACAddress { MACAddress(rawValue: 0) }
    /// 64 bits, of which the lower 48 count.
    public mutating func code(_ coder: inout StateCoder) throws(StateError) {
        var value = rawValue
        try coder.integer(&value)
        try coder.require(value >> 48 == 0, "MAC address")
        self = MACAddress(rawValue: value)
    }
}
