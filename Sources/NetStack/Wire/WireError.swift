// Why bytes from a wire are not the format they claim to be. One closed type for all formats.

import Bytes

/// Why bytes were refused by the initialiser of a wire format.
public enum WireError: Error, Hashable, Sendable {
    /// `needed` bytes were to be read, `available` were there.
    case truncated(needed: Int, available: Int)
    /// A field has a value that the format does not allow.
    case invalid(field: WireField, value: UInt64)
    /// A checksum does not fit; `sum` is what the bytes add up to instead of 0xffff.
    case badChecksum(sum: UInt16)
}

/// The fields that can be wrong, named after their RFC.
public enum WireField: String, Hashable, Sendable {
    /// Not one that is read here.
    case etherType = "EtherType"
    /// Not Ethernet and IPv4.
    case arpHardware = "ARP hardware or protocol space"
    /// Neither request nor reply.
    case arpOperation = "ARP operation"
    /// Not the header's own.
    case ipVersion = "IP version"
    /// Below 20 bytes, or beyond the packet.
    case ipHeaderLength = "IP header length"
    /// Below the header, or beyond the frame.
    case ipTotalLength = "IP total length"
    /// A piece that no packet can have.
    case ipFragment = "IP fragment"
    /// One that has another header.
    case icmpType = "ICMP type"
    /// Below 8, or beyond the packet.
    case udpLength = "UDP length"
    /// Neither request nor reply.
    case dhcpOperation = "DHCP op"
    /// Not Ethernet.
    case dhcpHardware = "DHCP hardware type"
    /// BOOTP without DHCP.
    case dhcpCookie = "DHCP magic cookie"
    /// Longer than what is left, or than it may be.
    case dhcpOption = "DHCP option"
    /// A label or a name that is too long.
    case dnsName = "DNS name"
    /// One that does not lead backwards.
    case dnsPointer = "DNS compression pointer"
    /// Longer than what is left.
    case dnsRecord = "DNS record length"
}

extension WireError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .truncated(let needed, let available): "\(needed) bytes needed, \(available) there"
        case .invalid(let field, let value): "\(field.rawValue) \(value) is not allowed"
        case .badChecksum(let sum): "checksum wrong: sum 0x\(String(sum, radix: 16))"
        }
    }

    /// The same refusal, as the cursor reported it.
    init(_ error: ByteError) {
        switch error {
        case .truncated(_, let needed, let available): self = .truncated(needed: needed, available: available)
        }
    }
}

extension ByteReader {
    /// `big` with the wire's error type.
    mutating func field<T: FixedWidthInteger>(_: T.Type = T.self) throws(WireError) -> T {
        do { return try big() } catch { throw WireError(error) }
    }

    /// `span` with the wire's error type.
    mutating func bytes(_ count: Int) throws(WireError) -> UnsafeRawBufferPointer {
        do { return try span(count) } catch { throw WireError(error) }
    }
}
