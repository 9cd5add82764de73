// The reverse request of RFC 903, by which QEMU announces a card: whoever forwards frames learns from it where the MAC is,
// and nobody answers. Behind the packet of 28 bytes there are 18 of zeros, so that the frame has Ethernet's least length.
//
//   0        2        4    5    6        8          14         18         24         28
//   | htype  | ptype  |hlen|plen| oper 3 | sender MAC | sender IP | target MAC | target IP | 18 × 0
//
// Both MACs are the card's own, both addresses 0.0.0.0.

import Bytes
import Link

/// "Who am I?", asked by a card about itself.
public struct ReverseRequest: Equatable, Sendable {
    /// Bytes behind the Ethernet header.
    public static let size = 46
    private static let padding = 18

    /// The card's.
    public var mac: MACAddress

    /// The request of the card with this address.
    public init(_ mac: MACAddress) { self.mac = mac }

    /// Refuses other spaces and operations, and requests about somebody else.
    public init(_ reader: inout ByteReader) throws(WireError) {
        let spaces: UInt32 = try reader.field()
        let sizes: UInt16 = try reader.field()
        guard spaces == 0x0001_0800, sizes == 0x0604 else {
            throw .invalid(field: .arpHardware, value: UInt64(spaces))
        }
        let code: UInt16 = try reader.field()
        guard code == 3 else { throw .invalid(field: .arpOperation, value: UInt64(code)) }
        mac = try MACAddress(wire: &reader)
        _ = try IPv4Address(wire: &reader)
        let target = try MACAddress(wire: &reader)
        guard target == mac else { throw .invalid(field: .arpHardware, value: target.rawValue) }
        _ = try IPv4Address(wire: &reader)
    }

    /// Its 46 bytes.
    public func write(to writer: inout ByteWriter) throws(ByteWriteError) {
        try writer.big(UInt32(0x0001_0800))
        try writer.big(UInt16(0x0604))
        try writer.big(UInt16(3))
        try mac.write(to: &writer)
        try IPv4Address.any.write(to: &writer)
        try mac.write(to: &writer)
        try IPv4Address.any.write(to: &writer)
        try writer.zeros(Self.padding)
    }
}
