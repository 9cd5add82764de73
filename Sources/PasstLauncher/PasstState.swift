// passt's device state, read for what it says of connections and never written. Version 2 (passt 2025_08_05 and
// newer): 16 bytes of header, 42 of addresses, a count, `count` records of 112 bytes, then of each connection its
// sizes and queues. Numbers are big-endian, but the ports of a record, which stand as the host that wrote them keeps
// them. Other versions are somebody else's to read.

import Linux

/// Why a device state says nothing about connections.
public enum PasstStateError: Error, Equatable, Sendable {
    /// Fewer bytes than it announces; `at` is where they end.
    case truncated(at: Int)
    /// No state of passt's.
    case notPasst
    /// A version that is not known here.
    case version(UInt32)
    /// More connections than passt can have.
    case tooMany(UInt32)
    /// Bytes behind the last connection.
    case rest(Int)
}

/// A connection in a device state.
public struct PasstFlow: Equatable, Hashable, Sendable {
    /// The end of passt's socket on the host.
    public let local: InternetSocketAddress
    /// The end of whom the guest talks to.
    public let remote: InternetSocketAddress
    /// The guest's end, as the guest sees it.
    public let guest: InternetSocketAddress
    /// Bytes that the peer has not acknowledged, and that the guest has not been given.
    public let sendQueue: Int
    /// Bytes that the guest has not been given.
    public let receiveQueue: Int
    /// The source could not read its socket: it is lost already.
    public let isSkipped: Bool
}

extension PasstFlow: CustomStringConvertible {
    public var description: String { "\(guest) to \(remote)" }
}

/// What a device state says.
public struct PasstState: Equatable, Sendable {
    /// How ports stand in a record: as its writer's processor keeps numbers.
    public enum PortOrder: Sendable {
        /// The lower byte first, or the upper one.
        case little, big
        /// This machine's.
        public static let native: PortOrder = 1.littleEndian == 1 ? .little : .big
    }

    /// In the order of the table.
    public let flows: [PasstFlow]

    /// passt's own limit of flows.
    private static let flowLimit: UInt32 = 1 << 17
    private static let recordSize = 112

    /// - Parameters:
    ///   - bytes: all of a state; a part of it is an error.
    ///   - ports: how passt's host writes port numbers.
    public init(_ bytes: [UInt8], ports: PortOrder = .native) throws(PasstStateError) {
        var fields = StateFields(bytes)
        guard try fields.number(8) == 0xb1bb_1d1b_0bb1_d1b0 else { throw .notPasst }
        let version = UInt32(truncatingIfNeeded: try fields.number(4))
        let oldest = try fields.number(4)
        guard version >= 2, oldest <= 2 else { throw .version(version) }
        try fields.skip(42)
        let count = UInt32(truncatingIfNeeded: try fields.number(4))
        guard count <= Self.flowLimit else { throw .tooMany(count) }
        let records = try fields.take(Int(count) * Self.recordSize)
        var flows: [PasstFlow] = []
        flows.reserveCapacity(Int(count))
        for index in 0..<Int(count) {
            let start = records.startIndex + index * Self.recordSize
            let record = try FlowRecord(records[start..<start + Self.recordSize], ports)
            flows.append(try Self.flow(record, &fields))
        }
        guard fields.count == 0 || version > 2 else { throw .rest(fields.count) }
        self.flows = flows
    }

    private static func flow(_ record: FlowRecord, _ fields: inout StateFields) throws(PasstStateError) -> PasstFlow {
        try fields.skip(8)
        let sendQueue = Int(try fields.number(4))
        try fields.skip(4)
        let receiveQueue = Int(try fields.number(4))
        try fields.skip(30)
        let isSkipped = try fields.number(1) == 0
        try fields.skip(1)
        if !isSkipped { try fields.skip(sendQueue + receiveQueue) }
        return PasstFlow(
            local: record.host.own, remote: record.host.other, guest: record.tap.other,
            sendQueue: isSkipped ? 0 : sendQueue, receiveQueue: isSkipped ? 0 : receiveQueue, isSkipped: isSkipped)
    }
}

/// 112 bytes: two interfaces, two sides of 36 bytes, and what passt alone understands.
private struct FlowRecord {
    typealias Side = (own: InternetSocketAddress, other: InternetSocketAddress)
    let host: Side
    let tap: Side

    /// - Parameter bytes: as many as a record has.
    init(_ bytes: ArraySlice<UInt8>, _ ports: PasstState.PortOrder) throws(PasstStateError) {
        let first = try Self.side(bytes.dropFirst(2), ports)
        let second = try Self.side(bytes.dropFirst(38), ports)
        // 1 is the host's side, 2 the guest's; the side that began stands first.
        (host, tap) = bytes.first == 1 ? (first, second) : (second, first)
    }

    private static func side(_ bytes: ArraySlice<UInt8>, _ ports: PasstState.PortOrder) throws(PasstStateError) -> Side
    {
        let parts = Array(bytes.prefix(36))
        func port(_ at: Int) -> UInt16 {
            let (low, high) = ports == .little ? (parts[at], parts[at + 1]) : (parts[at + 1], parts[at])
            return UInt16(high) << 8 | UInt16(low)
        }
        return (try end(parts[0..<16], port(32)), try end(parts[16..<32], port(34)))
    }

    /// IPv4 addresses stand as ::ffff:a.b.c.d.
    private static func end(
        _ address: ArraySlice<UInt8>, _ port: UInt16
    ) throws(PasstStateError) -> InternetSocketAddress {
        let isMapped = address.prefix(12).elementsEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff])
        let bytes = Array(isMapped ? address.suffix(4) : address)
        guard let end = InternetSocketAddress(address: bytes, port: port) else { throw .notPasst }
        return end
    }
}

/// A walk through bytes that may end anywhere.
private struct StateFields {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: [UInt8]) { rest = bytes[...] }

    var count: Int { rest.count }

    mutating func take(_ count: Int) throws(PasstStateError) -> ArraySlice<UInt8> {
        guard count <= rest.count else { throw .truncated(at: rest.endIndex) }
        defer { rest = rest.dropFirst(count) }
        return rest.prefix(count)
    }

    mutating func skip(_ count: Int) throws(PasstStateError) { _ = try take(count) }

    /// A big-endian number of up to 8 bytes.
    mutating func number(_ size: Int) throws(PasstStateError) -> UInt64 {
        try take(size).reduce(0) { $0 << 8 | UInt64($1) }
    }
}
