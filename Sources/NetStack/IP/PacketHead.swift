// What IP says about a packet, without a family: of one that leaves, of one that an error quotes. The formats behind it
// are IPv4Header's (and, beside it, those of other families); whoever sends or reports knows only this.

import Bytes

/// What a packet of ours says before its payload. TTL 64 unless told.
struct PacketHead {
    var source: IPAddress
    var destination: IPAddress
    var proto: IPProtocol
    /// Bytes behind the header.
    var payloadLength: Int
    var hopLimit: UInt8 = 64
    /// The part of a packet that this is; nil for all of it, which must not be taken apart on its way.
    var fragment: Fragment?

    /// A piece of a packet (RFC 791, 3.2).
    struct Fragment: Equatable {
        /// The number that the pieces of a packet share.
        var identification: UInt16
        /// Where it belongs, in bytes: a multiple of 8.
        var offset: Int
        var isLast: Bool
    }

    init(from source: IPAddress, to destination: IPAddress, _ proto: IPProtocol, payloadLength: Int) {
        self.source = source
        self.destination = destination
        self.proto = proto
        self.payloadLength = payloadLength
    }

    /// Bytes of the header.
    var size: Int { destination.family.headerSize }
    var totalLength: Int { size &+ payloadLength }
    var etherType: EtherType { destination.isIPv4 ? .ipv4 : .ipv6 }

    /// Writes the header of the destination's family; false when there is no room, or no such header is spoken.
    func write(to writer: inout ByteWriter) -> Bool {
        guard let from = source.v4, let to = destination.v4 else { return false }
        var header = IPv4Header(from: from, to: to, proto, payloadLength: payloadLength)
        header.timeToLive = hopLimit
        if let fragment {
            header.dontFragment = false
            header.identification = fragment.identification
            header.fragmentOffset = fragment.offset
            header.moreFragments = !fragment.isLast
        }
        return (try? header.write(to: &writer)) != nil
    }
}

/// A packet of ours that came back: in an ICMP error, or from the queue of a neighbour that did not answer.
struct QuotedPacket {
    var source: IPAddress
    var destination: IPAddress
    var proto: IPProtocol
    /// The quote starts with the transport header: it is no later fragment.
    var hasTransportHeader: Bool

    /// Reads an IP header whose packet was cut off and moves behind it.
    init(_ reader: inout ByteReader) throws(WireError) {
        let header = try IPv4Header(quoted: &reader)
        source = IPAddress(header.source)
        destination = IPAddress(header.destination)
        proto = header.proto
        hasTransportHeader = header.fragmentOffset == 0
    }
}
