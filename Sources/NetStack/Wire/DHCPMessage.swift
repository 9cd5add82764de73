// DHCP messages (RFC 2131, 2): the fixed BOOTP part and the options, both directions. What a client
// does with them is Services/DHCPClient.swift.
//
//   0  1     2    3    4    8    10    12     16     20     24     28     44    108  236    240
//   |op|htype|hlen|hops|xid |secs|flags|ciaddr|yiaddr|siaddr|giaddr|chaddr|sname|file|cookie|options …

import Bytes
import Link

/// A DHCP message.
public struct DHCPMessage: Hashable, Sendable {
    /// Least bytes of a BOOTP message (RFC 1542, 2.1); written messages are padded to it.
    public static let minimumSize = 300
    /// The most `write` ever takes with the options of one client message.
    public static let maximumSize = 1472
    static let cookie: UInt32 = 0x6382_5363

    /// op: which way it goes.
    public enum Operation: UInt8, Sendable {
        /// BOOTREQUEST: from a client.
        case request = 1
        /// BOOTREPLY: from a server.
        case reply = 2
    }

    /// Which way it goes.
    public var operation: Operation
    /// xid: joins question and answer.
    public var transaction: UInt32
    /// Seconds since the client began.
    public var seconds: UInt16 = 0
    /// The client cannot take unicast before it has its address.
    public var wantsBroadcast = false
    /// ciaddr: an address that the client has and answers for.
    public var clientAddress = IPv4Address.any
    /// yiaddr: what the server gives.
    public var yourAddress = IPv4Address.any
    /// siaddr: of no meaning to us.
    public var nextServer = IPv4Address.any
    /// giaddr: the relay that carried it.
    public var relay = IPv4Address.any
    /// chaddr: the client's.
    public var mac: MACAddress
    /// What says the rest.
    public var options: DHCPOptions

    /// Everything else is 0.
    public init(_ operation: Operation, transaction: UInt32, mac: MACAddress, options: DHCPOptions) {
        self.operation = operation
        self.transaction = transaction
        self.mac = mac
        self.options = options
    }

    /// Reads a whole message. Hardware other than Ethernet and BOOTP without DHCP's cookie are refused;
    /// the options may also lie in `file` and `sname` (option 52, RFC 2132, 9.3).
    public init(_ bytes: UnsafeRawBufferPointer) throws(WireError) {
        var reader = ByteReader(bytes)
        let code: UInt8 = try reader.field()
        guard let operation = Operation(rawValue: code) else {
            throw .invalid(field: .dhcpOperation, value: UInt64(code))
        }
        self.operation = operation
        let hardware: UInt16 = try reader.field()
        guard hardware == 0x0106 else { throw .invalid(field: .dhcpHardware, value: UInt64(hardware)) }
        _ = try reader.field(UInt8.self)
        transaction = try reader.field()
        seconds = try reader.field()
        wantsBroadcast = try reader.field(UInt16.self) & 0x8000 != 0
        clientAddress = try IPv4Address(wire: &reader)
        yourAddress = try IPv4Address(wire: &reader)
        nextServer = try IPv4Address(wire: &reader)
        relay = try IPv4Address(wire: &reader)
        mac = try MACAddress(wire: &reader)
        _ = try reader.bytes(10)
        let serverName = try reader.bytes(64)
        let file = try reader.bytes(128)
        let cookie: UInt32 = try reader.field()
        guard cookie == Self.cookie else { throw .invalid(field: .dhcpCookie, value: UInt64(cookie)) }
        let rest = try reader.bytes(reader.remaining)
        options = try DHCPOptions(fields: rest, file: file, serverName: serverName)
    }

    /// Writes the message, padded to 300 bytes.
    public func write(to writer: inout ByteWriter) throws(ByteWriteError) {
        let start = writer.offset
        try writer.big(operation.rawValue)
        try writer.big(UInt16(0x0106))
        try writer.big(UInt8(0))
        try writer.big(transaction)
        try writer.big(seconds)
        try writer.big(UInt16(wantsBroadcast ? 0x8000 : 0))
        try clientAddress.write(to: &writer)
        try yourAddress.write(to: &writer)
        try nextServer.write(to: &writer)
        try relay.write(to: &writer)
        try mac.write(to: &writer)
        try writer.zeros(10 + 64 + 128)
        try writer.big(Self.cookie)
        try options.write(to: &writer)
        try writer.zeros(max(0, Self.minimumSize - (writer.offset - start)))
    }
}
