// The UDP header (RFC 768). The checksum over pseudo header and payload is the caller's: whether it
// must be verified depends on the link.

import Bytes

/// The eight bytes before a datagram.
public struct UDPHeader: Equatable, Sendable {
    /// Bytes of the header.
    public static let size = 8

    /// Port, in the host's order.
    public var source: UInt16
    /// Port, in the host's order.
    public var destination: UInt16
    /// Bytes behind the header.
    public var payloadLength: Int
    /// 0 = the sender computed none.
    public var checksum: UInt16

    /// - Parameters:
    ///   - source: the sender's port.
    ///   - destination: the port of who is to get it.
    ///   - payloadLength: bytes behind the header.
    ///   - checksum: 0: none was computed.
    public init(from source: UInt16, to destination: UInt16, payloadLength: Int, checksum: UInt16 = 0) {
        self.source = source
        self.destination = destination
        self.payloadLength = payloadLength
        self.checksum = checksum
    }

    /// - Parameters:
    ///   - reader: stands at the header.
    ///   - available: bytes of the IP payload; a UDP length beyond it is refused, a smaller one cuts the datagram.
    public init(_ reader: inout ByteReader, available: Int) throws(WireError) {
        source = try reader.field()
        destination = try reader.field()
        let length = Int(try reader.field(UInt16.self))
        guard length >= Self.size, length <= available else {
            throw .invalid(field: .udpLength, value: UInt64(length))
        }
        payloadLength = length - Self.size
        checksum = try reader.field()
    }

    /// Its 8 bytes.
    public func write(to writer: inout ByteWriter) throws(ByteWriteError) {
        try writer.big(source)
        try writer.big(destination)
        try writer.big(UInt16(truncatingIfNeeded: Self.size &+ payloadLength))
        try writer.big(checksum)
    }

    /// Adds the header, checksum field zero, to a sum over pseudo header and payload.
    public func add(to sum: inout InternetChecksum) {
        sum.add(word: source)
        sum.add(word: destination)
        sum.add(word: UInt16(truncatingIfNeeded: Self.size &+ payloadLength))
    }
}
