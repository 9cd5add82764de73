// ARP for IPv4 over Ethernet (RFC 826; address conflict detection RFC 5227).
//
//   0        2        4    5    6        8          14         18         24         28
//   | htype  | ptype  |hlen|plen| oper   | sender MAC | sender IP | target MAC | target IP |

import Bytes
import Link

/// An ARP request or reply.
public struct ARPPacket: Equatable, Sendable {
    /// Bytes of the packet for Ethernet and IPv4.
    public static let size = 28

    /// ar$op.
    public enum Operation: UInt16, Sendable {
        /// Who has `target`?
        case request = 1
        /// `sender` has it.
        case reply = 2
    }

    /// Question or answer.
    public var operation: Operation
    /// Of whoever speaks.
    public var senderMAC: MACAddress
    /// 0.0.0.0 in a probe (RFC 5227, 1.1).
    public var sender: IPv4Address
    /// Of whom it speaks to; all zero in a request.
    public var targetMAC: MACAddress
    /// Whom it asks about, or speaks to.
    public var target: IPv4Address

    /// Written as it is: nothing is checked.
    public init(
        _ operation: Operation, senderMAC: MACAddress, sender: IPv4Address,
        targetMAC: MACAddress = MACAddress(rawValue: 0), target: IPv4Address
    ) {
        self.operation = operation
        self.senderMAC = senderMAC
        self.sender = sender
        self.targetMAC = targetMAC
        self.target = target
    }

    /// Refuses other hardware or protocol spaces and operations other than request and reply.
    public init(_ reader: inout ByteReader) throws(WireError) {
        let spaces: UInt32 = try reader.field()
        guard spaces == 0x0001_0800 else { throw .invalid(field: .arpHardware, value: UInt64(spaces)) }
        let sizes: UInt16 = try reader.field()
        guard sizes == 0x0604 else { throw .invalid(field: .arpHardware, value: UInt64(sizes)) }
        let code: UInt16 = try reader.field()
        guard let operation = Operation(rawValue: code) else {
            throw .invalid(field: .arpOperation, value: UInt64(code))
        }
        self.operation = operation
        senderMAC = try MACAddress(wire: &reader)
        sender = try IPv4Address(wire: &reader)
        targetMAC = try MACAddress(wire: &reader)
        target = try IPv4Address(wire: &reader)
    }

    /// Its 28 bytes.
    public func write(to writer: inout ByteWriter) throws(ByteWriteError) {
        try writer.big(UInt32(0x0001_0800))
        try writer.big(UInt16(0x0604))
        try writer.big(operation.rawValue)
        try senderMAC.write(to: &writer)
        try sender.write(to: &writer)
        try targetMAC.write(to: &writer)
        try target.write(to: &writer)
    }
}
