// The Ethernet II header: destination, source, EtherType (RFC 894). No VLAN tags, no 802.3 lengths;
// the frame check sequence never reaches us.

import Bytes
import Link

/// What an Ethernet frame carries.
public struct EtherType: RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt16
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// RFC 894.
    public static let ipv4 = EtherType(rawValue: 0x0800)
    /// RFC 826.
    public static let arp = EtherType(rawValue: 0x0806)
    /// RFC 903.
    public static let reverseARP = EtherType(rawValue: 0x8035)
    /// RFC 2464.
    public static let ipv6 = EtherType(rawValue: 0x86dd)
}

/// The 14 bytes at the start of a frame.
public struct EthernetHeader: Equatable, Sendable {
    /// Bytes of the header, without a tag.
    public static let size = 14

    /// Who is to take it.
    public var destination: MACAddress
    /// Who sent it.
    public var source: MACAddress
    /// What follows.
    public var type: EtherType

    /// An untagged frame's.
    public init(to destination: MACAddress, from source: MACAddress, type: EtherType) {
        self.destination = destination
        self.source = source
        self.type = type
    }

    /// Refuses types below 0x600, which are 802.3 lengths.
    public init(_ reader: inout ByteReader) throws(WireError) {
        let bytes = try reader.bytes(Self.size)
        destination = MACAddress(rawValue: UInt64(bytes.big16(0)) << 32 | UInt64(bytes.big32(2)))
        source = MACAddress(rawValue: UInt64(bytes.big16(6)) << 32 | UInt64(bytes.big32(8)))
        let value = bytes.big16(12)
        guard value >= 0x600 else { throw .invalid(field: .etherType, value: UInt64(value)) }
        type = EtherType(rawValue: value)
    }

    /// Its 14 bytes.
    public func write(to writer: inout ByteWriter) throws(ByteWriteError) {
        let room = try writer.reserve(Self.size)
        room.setBig16(0, UInt16(truncatingIfNeeded: destination.rawValue >> 32))
        room.setBig32(2, UInt32(truncatingIfNeeded: destination.rawValue))
        room.setBig16(6, UInt16(truncatingIfNeeded: source.rawValue >> 32))
        room.setBig32(8, UInt32(truncatingIfNeeded: source.rawValue))
        room.setBig16(12, type.rawValue)
    }
}

extension MACAddress {
    init(wire reader: inout ByteReader) throws(WireError) {
        let high: UInt16 = try reader.field()
        let low: UInt32 = try reader.field()
        self.init(rawValue: UInt64(high) << 32 | UInt64(low))
    }

    func write(to writer: inout ByteWriter) throws(ByteWriteError) {
        try writer.big(UInt16(truncatingIfNeeded: rawValue >> 32))
        try writer.big(UInt32(truncatingIfNeeded: rawValue))
    }

    /// The group address of a multicast group (RFC 1112, 6.4; RFC 2464, 7).
    init(group: IPAddress) {
        self.init(
            rawValue: group.isIPv4
                ? 0x0100_5e00_0000 | group.low & 0x7f_ffff : 0x3333_0000_0000 | group.low & 0xffff_ffff)
    }
}

extension IPv4Address {
    init(wire reader: inout ByteReader) throws(WireError) { self.init(rawValue: try reader.field()) }

    func write(to writer: inout ByteWriter) throws(ByteWriteError) { try writer.big(rawValue) }
}
