// ICMP for IPv4 (RFC 792; next-hop MTU RFC 1191, 4): the eight bytes before the payload of an echo
// or before the packet that an error quotes. The checksum covers both and is the caller's.

import Bytes

/// The header of the ICMP messages that are understood here.
public enum ICMPHeader: Equatable, Sendable {
    /// Type 0.
    case echoReply(identifier: UInt16, sequence: UInt16)
    /// Type 8.
    case echoRequest(identifier: UInt16, sequence: UInt16)
    /// `nextHopMTU` counts with code 4 only.
    case unreachable(code: UInt8, nextHopMTU: UInt16)
    /// Type 11.
    case timeExceeded(code: UInt8)
    /// Type 12; `pointer` is the octet that is wrong.
    case parameterProblem(code: UInt8, pointer: UInt8)

    /// Bytes before what is quoted or echoed.
    public static let size = 8

    /// Refuses types other than 0, 3, 8, 11 and 12. The checksum is skipped, not verified.
    public init(_ reader: inout ByteReader) throws(WireError) {
        let type: UInt8 = try reader.field()
        let code: UInt8 = try reader.field()
        _ = try reader.field(UInt16.self)
        let first: UInt16 = try reader.field()
        let second: UInt16 = try reader.field()
        switch type {
        case 0: self = .echoReply(identifier: first, sequence: second)
        case 3: self = .unreachable(code: code, nextHopMTU: second)
        case 8: self = .echoRequest(identifier: first, sequence: second)
        case 11: self = .timeExceeded(code: code)
        case 12: self = .parameterProblem(code: code, pointer: UInt8(first >> 8))
        default: throw .invalid(field: .icmpType, value: UInt64(type))
        }
    }

    /// Writes eight bytes, the checksum as given; see `words` for its sum.
    public func write(to writer: inout ByteWriter, checksum: UInt16) throws(ByteWriteError) {
        let (head, first, second) = words
        try writer.big(head)
        try writer.big(checksum)
        try writer.big(first)
        try writer.big(second)
    }

    /// Adds the header, checksum field zero, to a sum over the payload.
    public func add(to sum: inout InternetChecksum) {
        let (head, first, second) = words
        sum.add(word: head)
        sum.add(word: first)
        sum.add(word: second)
    }

    private var words: (UInt16, UInt16, UInt16) {
        switch self {
        case .echoReply(let identifier, let sequence): (0, identifier, sequence)
        case .echoRequest(let identifier, let sequence): (0x0800, identifier, sequence)
        case .unreachable(let code, let mtu): (0x0300 | UInt16(code), 0, mtu)
        case .timeExceeded(let code): (0x0b00 | UInt16(code), 0, 0)
        case .parameterProblem(let code, let pointer): (0x0c00 | UInt16(code), UInt16(pointer) << 8, 0)
        }
    }
}
