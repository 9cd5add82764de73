// The IPv4 header (RFC 791, 3.1). Options are skipped on the way in and never sent.
//
//   0       1       2               4               6               8       9       10
//   |ver|ihl| DSCP  | total length  | identification|flags| offset  | TTL   | proto | checksum |
//   | source (12) | destination (16) | options … up to ihl × 4 |

import Bytes

/// The protocols that ride on IPv4 here (IANA protocol numbers).
public struct IPProtocol: RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// RFC 792.
    public static let icmp = IPProtocol(rawValue: 1)
    /// RFC 9293.
    public static let tcp = IPProtocol(rawValue: 6)
    /// RFC 768.
    public static let udp = IPProtocol(rawValue: 17)
}

/// An IPv4 header whose lengths fit its packet and whose checksum was right.
public struct IPv4Header: Equatable, Sendable {
    /// Bytes of the header we write, and the least anybody's has.
    public static let size = 20
    /// The largest header with options.
    public static let maximumSize = 60

    /// DSCP and ECN bits (RFC 2474, RFC 3168).
    public var trafficClass: UInt8 = 0
    /// Bytes of header with options: 20…60, a multiple of 4.
    public private(set) var headerLength: Int = IPv4Header.size
    /// Bytes behind the header.
    public var payloadLength: Int
    /// Joins the fragments of a packet.
    public var identification: UInt16 = 0
    /// DF.
    public var dontFragment = true
    /// MF.
    public var moreFragments = false
    /// Where this fragment's payload belongs, in bytes: a multiple of 8, 0…65528.
    public var fragmentOffset: Int = 0
    /// Hops that are left.
    public var timeToLive: UInt8 = 64
    /// What follows.
    public var proto: IPProtocol
    /// Who sent it.
    public var source: IPv4Address
    /// Who is to get it.
    public var destination: IPv4Address

    /// - Parameters:
    ///   - source: who sends it.
    ///   - destination: who is to get it.
    ///   - proto: what stands behind the header.
    ///   - payloadLength: bytes behind the header.
    public init(from source: IPv4Address, to destination: IPv4Address, _ proto: IPProtocol, payloadLength: Int) {
        self.source = source
        self.destination = destination
        self.proto = proto
        self.payloadLength = payloadLength
    }

    /// Bytes of the packet.
    public var totalLength: Int { headerLength &+ payloadLength }
    /// Not the whole packet.
    public var isFragment: Bool { moreFragments || fragmentOffset != 0 }

    /// Reads a header and moves past its options.
    /// - Parameters:
    ///   - reader: stands at the header.
    ///   - packetLength: bytes of the packet that are really there, link padding included; the reader may hold less,
    ///     but at least the header.
    public init(_ reader: inout ByteReader, packetLength: Int) throws(WireError) {
        try self.init(unchecked: &reader, packetLength: packetLength)
    }

    /// Reads the header that an ICMP error quotes: the payload is cut off and neither the total length
    /// nor the checksum can be held against it (RFC 792; RFC 1812, 4.3.2.3).
    public init(quoted reader: inout ByteReader) throws(WireError) {
        try self.init(unchecked: &reader, packetLength: nil)
    }

    private init(unchecked reader: inout ByteReader, packetLength: Int?) throws(WireError) {
        var cursor = reader
        let fixed = try reader.bytes(Self.size)
        guard fixed[0] >> 4 == 4 else { throw .invalid(field: .ipVersion, value: UInt64(fixed[0] >> 4)) }
        headerLength = Int(fixed[0] & 15) * 4
        guard headerLength >= Self.size else { throw .invalid(field: .ipHeaderLength, value: UInt64(headerLength)) }
        let bytes = try cursor.bytes(headerLength)
        reader = cursor
        trafficClass = fixed[1]
        let total = Int(fixed.big16(2))
        identification = fixed.big16(4)
        let fragment = fixed.big16(6)
        dontFragment = fragment & 0x4000 != 0
        moreFragments = fragment & 0x2000 != 0
        fragmentOffset = Int(fragment & 0x1fff) * 8
        timeToLive = fixed[8]
        proto = IPProtocol(rawValue: fixed[9])
        source = IPv4Address(rawValue: fixed.big32(12))
        destination = IPv4Address(rawValue: fixed.big32(16))
        payloadLength = max(0, total - headerLength)
        guard let packetLength else { return }
        guard total >= headerLength, total <= packetLength else {
            throw .invalid(field: .ipTotalLength, value: UInt64(total))
        }
        guard !moreFragments || payloadLength % 8 == 0 else {
            throw .invalid(field: .ipFragment, value: UInt64(payloadLength))
        }
        var sum = InternetChecksum()
        sum.add(bytes)
        guard sum.sum == 0xffff else { throw .badChecksum(sum: sum.sum) }
    }

    /// Writes 20 bytes with their checksum. Lengths above 65535 are cut: keep `totalLength` below.
    public func write(to writer: inout ByteWriter) throws(ByteWriteError) {
        let room = try writer.reserve(Self.size)
        let fragment = UInt16(truncatingIfNeeded: fragmentOffset / 8) & 0x1fff
        let flags: UInt16 = (dontFragment ? 0x4000 : 0) | (moreFragments ? 0x2000 : 0)
        var fields = SummedFields(room)
        fields.set16(0, 0x4500 | UInt16(trafficClass))
        fields.set16(2, UInt16(truncatingIfNeeded: Self.size &+ payloadLength))
        fields.set16(4, identification)
        fields.set16(6, flags | fragment)
        fields.set16(8, UInt16(timeToLive) << 8 | UInt16(proto.rawValue))
        fields.set32(12, source.rawValue)
        fields.set32(16, destination.rawValue)
        room.setBig16(10, fields.sum.checksum)
    }
}
