// The door between IP and the transports that send by themselves (TCP): which way a destination
// lies, and what the network said about a segment sent earlier. No transport state lives here.

import Bytes
import Link

/// Lends memory for socket buffers (in a node: guest RAM); spans go back when they are free.
public protocol BufferSource: AnyObject {
    /// A span of at least `bytes` bytes, or `nil` when there is no more.
    func lend(_ bytes: Int) -> UnsafeMutableRawBufferPointer?
    /// Takes back a span exactly as it was lent.
    func giveBack(_ span: UnsafeMutableRawBufferPointer)
    /// What a lent span is called on both sides of a move, where its memory moves by itself; `nil`: it does not.
    func name(of span: UnsafeMutableRawBufferPointer) -> UInt64?
    /// Lends the span that was called so on the other side, as large as it was there; `nil`: it is not free.
    func lend(named name: UInt64, bytes: Int) -> UnsafeMutableRawBufferPointer?
}

/// Memory that stays where it is: text moves with its bytes.
extension BufferSource {
    /// None.
    public func name(of span: UnsafeMutableRawBufferPointer) -> UInt64? { nil }
    /// None.
    public func lend(named name: UInt64, bytes: Int) -> UnsafeMutableRawBufferPointer? { nil }
}

/// The way to a destination as it is now.
public struct TransportPath: Equatable, Sendable {
    /// The address that packets carry as their source.
    public var source: IPAddress
    /// The interface they leave by; `InterfaceID.loopback` for addresses of this node.
    public var interface: InterfaceID
    /// The largest IP packet in bytes, header included.
    public var mtu: Int

    /// Made by whoever knows the routes.
    public init(source: IPAddress, interface: InterfaceID, mtu: Int) {
        self.source = source
        self.interface = interface
        self.mtu = mtu
    }
}

/// Answers which way a destination lies. `Host` is the one implementation outside of tests.
public protocol PathSource: AnyObject {
    /// `nil` when no route leads to `destination`, or `source` is given and not an address of this node.
    func path(to destination: IPAddress, from source: IPAddress?) -> TransportPath?
    /// Whether `address` is one of this node's own (127.0.0.0/8 included).
    func isLocal(_ address: IPAddress) -> Bool
}

/// A segment that a transport has written; the room that its IP header needs lies before it.
public struct PlacedSegment: Equatable, Sendable {
    /// Who sends it.
    public var source: IPAddress
    /// Who is to get it.
    public var destination: IPAddress
    /// Bytes of the segment, transport header included.
    public var length: Int
    /// Where it starts in the room: behind the IP header of its family.
    public var offset: Int { destination.family.headerSize }

    /// - Parameters:
    ///   - source: who sends it.
    ///   - destination: who is to get it.
    ///   - length: bytes, transport header included.
    public init(source: IPAddress, destination: IPAddress, length: Int) {
        self.source = source
        self.destination = destination
        self.length = length
    }
}

/// A received segment: where it lies in its frame and who sent it to whom.
public struct SegmentView {
    /// Who sent it.
    public let source: IPAddress
    /// Whom it was sent to.
    public let destination: IPAddress
    /// Lent for the length of the call.
    public let frame: FrameView
    /// Offset of the transport header in the frame, in bytes.
    public let offset: Int
    /// Bytes from there to the end of the IP packet (link padding excluded); never past the frame.
    public let length: Int
    /// The link vouches for the transport checksum, or it never left this node.
    public let checksumTrusted: Bool

    /// Whoever makes one has parsed and checked the IP header.
    public init(
        from source: IPAddress, to destination: IPAddress, frame: FrameView, at offset: Int, length: Int,
        checksumTrusted: Bool
    ) {
        self.source = source
        self.destination = destination
        self.frame = frame
        self.offset = offset
        self.length = length
        self.checksumTrusted = checksumTrusted
    }
}

/// What the network said about a packet that was sent (RFC 792; RFC 1122, 3.2.2).
public enum PathError: Error, Hashable, Sendable {
    /// Destination unreachable, code as received (0 net, 1 host, 2 protocol, 3 port, 13 prohibited …).
    case unreachable(code: UInt8)
    /// Destination unreachable, code 4 (RFC 1191): the next hop takes at most `mtu` bytes; 0 = not said.
    case packetTooBig(mtu: Int)
    /// Time exceeded, whichever code.
    case timeExceeded
    /// Nobody answered the ARP request for the next hop.
    case neighbourUnreachable(IPAddress)
}

extension PathError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .unreachable(0): "Destination Net Unreachable"
        case .unreachable(1): "Destination Host Unreachable"
        case .unreachable(2): "Destination Protocol Unreachable"
        case .unreachable(3): "Destination Port Unreachable"
        case .unreachable(9), .unreachable(10), .unreachable(13): "Packet filtered"
        case .unreachable(let code): "Dest Unreachable, code \(code)"
        case .packetTooBig(let mtu): "Frag needed and DF set (mtu = \(mtu))"
        case .timeExceeded: "Time to live exceeded"
        case .neighbourUnreachable: "Destination Host Unreachable"
        }
    }
}

/// A `PathError` with the segment it is about: addresses and the first eight bytes of the
/// transport header as they were quoted (RFC 792), which hold TCP's ports and sequence number.
public struct QuotedError: Equatable, Sendable {
    /// What was said.
    public var error: PathError
    /// Who said it; this node itself for `neighbourUnreachable`.
    public var reporter: IPAddress
    /// Our end, as quoted.
    public var local: Endpoint
    /// The far end, as quoted.
    public var remote: Endpoint
    /// Bytes 4…7 of the quoted transport header: TCP's sequence number.
    public var sequence: UInt32

    /// - Parameters:
    ///   - error: what is wrong on the path.
    ///   - reporter: who said it.
    ///   - local: this end, as quoted.
    ///   - remote: the far end, as quoted.
    ///   - sequence: bytes 4…7 of the quoted transport header.
    public init(
        _ error: PathError, reporter: IPAddress, local: Endpoint, remote: Endpoint, sequence: UInt32
    ) {
        self.error = error
        self.reporter = reporter
        self.local = local
        self.remote = remote
        self.sequence = sequence
    }
}
