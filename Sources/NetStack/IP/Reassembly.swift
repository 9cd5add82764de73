// Reassembly of IPv4 fragments (RFC 791, 3.2; RFC 1122, 3.3.2), small on purpose: a few datagrams
// at a time, each in private memory, none for long. Overlapping fragments condemn their datagram
// (the answer of RFC 5722 for IPv6): no honest sender makes them.

import Bytes
import Link

/// Puts datagrams together.
struct Reassembly {
    static let timeout = Interval.seconds(15)
    static let datagramLimit = 32
    /// Of one source: a stranger's beginnings push out only his own.
    static let sourceLimit = 8
    static let fragmentLimit = 64
    static let maximumPayload = 65535 - IPv4Header.size

    /// RFC 791: the four fields that fragments of one datagram share.
    struct Key: Hashable {
        var source: IPv4Address
        var destination: IPv4Address
        var proto: IPProtocol
        var identification: UInt16
    }

    struct Datagram {
        var deadline: Instant
        var bytes: [UInt8] = []
        /// What has come, sorted, without overlaps.
        var ranges: [Range<Int>] = []
        /// Known once the last fragment came.
        var length: Int?
        /// Count of datagrams begun before it.
        var order: UInt64
        /// An overlap was seen: the rest is swallowed until the deadline.
        var isCondemned = false

        var isComplete: Bool {
            guard let length else { return false }
            return ranges.reduce(0) { $0 + $1.count } == length
        }
    }

    enum Outcome {
        /// More fragments are missing.
        case waiting
        /// The whole packet: the header that the fragments shared, less options, and the payload.
        case complete([UInt8])
        case refused
    }

    /// Datagrams that were given up to make room for others.
    var evicted = 0
    var begun: UInt64 = 0

    var datagrams: [Key: Datagram] = [:]

    /// Takes one fragment whose payload starts at `offset` in `frame`.
    mutating func add(_ header: IPv4Header, _ frame: FrameView, at offset: Int, now: Instant) -> Outcome {
        let key = Key(
            source: header.source, destination: header.destination, proto: header.proto,
            identification: header.identification)
        let range = header.fragmentOffset..<header.fragmentOffset + header.payloadLength
        guard range.upperBound <= Self.maximumPayload, !range.isEmpty || !header.moreFragments else { return .refused }
        if datagrams[key] == nil { makeRoom(for: key.source) }
        var datagram = datagrams.removeValue(forKey: key) ?? begin(now)
        if datagram.holds(range, isLast: !header.moreFragments) {
            datagrams[key] = datagram
            return .waiting
        }
        guard !datagram.isCondemned, datagram.insert(range, isLast: !header.moreFragments) else {
            datagrams[key] = Datagram(deadline: datagram.deadline, order: datagram.order, isCondemned: true)
            return .refused
        }
        datagram.copy(range, from: frame, at: offset)
        if datagram.isComplete { return .complete(Self.packet(header, datagram.bytes)) }
        datagrams[key] = datagram
        return .waiting
    }

    private mutating func begin(_ now: Instant) -> Datagram {
        begun &+= 1
        return Datagram(deadline: now + Self.timeout, order: begun)
    }

    /// The oldest of a source with too many goes, else the oldest of all when there are too many.
    private mutating func makeRoom(for source: IPv4Address) {
        let own = datagrams.filter { $0.key.source == source }
        let crowd = own.count >= Self.sourceLimit ? own : datagrams.count >= Self.datagramLimit ? datagrams : [:]
        guard let oldest = crowd.min(by: { $0.value.order < $1.value.order }) else { return }
        datagrams[oldest.key] = nil
        evicted += 1
    }

    /// How many were given up for others since this was asked last.
    mutating func takeEvicted() -> Int {
        defer { evicted = 0 }
        return evicted
    }

    private static func packet(_ header: IPv4Header, _ payload: [UInt8]) -> [UInt8] {
        var whole = IPv4Header(from: header.source, to: header.destination, header.proto, payloadLength: payload.count)
        whole.trafficClass = header.trafficClass
        whole.identification = header.identification
        whole.dontFragment = header.dontFragment
        whole.timeToLive = header.timeToLive
        let room = [UInt8](unsafeUninitializedCapacity: IPv4Header.size) { buffer, count in
            var writer = ByteWriter(UnsafeMutableRawBufferPointer(buffer))
            count = (try? whole.write(to: &writer)) == nil ? 0 : writer.offset
        }
        return room + payload
    }

    /// Gives up what took too long; returns how many datagrams.
    mutating func advance(to now: Instant) -> Int {
        guard let deadline = nextDeadline, deadline <= now else { return 0 }
        let before = datagrams.count
        datagrams = datagrams.filter { $0.value.deadline > now }
        return before - datagrams.count
    }

    var nextDeadline: Instant? { datagrams.lazy.map(\.value.deadline).min() }
    var isEmpty: Bool { datagrams.isEmpty }
}

extension Reassembly.Datagram {
    /// Whether exactly this fragment has come before: the network may double what it carries.
    func holds(_ range: Range<Int>, isLast: Bool) -> Bool {
        !isCondemned && ranges.contains(range) && isLast == (length == range.upperBound)
    }

    /// Notes a range; false when it overlaps, contradicts the length, or is one too many.
    mutating func insert(_ range: Range<Int>, isLast: Bool) -> Bool {
        if isLast {
            guard length == nil else { return false }
            length = range.upperBound
        }
        let end = max(range.upperBound, ranges.last?.upperBound ?? 0)
        guard ranges.count < Reassembly.fragmentLimit, end <= length ?? Int.max else { return false }
        let position = ranges.firstIndex { $0.lowerBound >= range.lowerBound } ?? ranges.count
        if position > 0, ranges[position - 1].upperBound > range.lowerBound { return false }
        if position < ranges.count, ranges[position].lowerBound < range.upperBound { return false }
        if !range.isEmpty { ranges.insert(range, at: position) }
        return true
    }

    mutating func copy(_ range: Range<Int>, from frame: FrameView, at offset: Int) {
        if bytes.count < range.upperBound {
            bytes.append(contentsOf: repeatElement(0, count: range.upperBound - bytes.count))
        }
        bytes.withUnsafeMutableBytes { room in
            _ = frame.copy(from: offset, into: UnsafeMutableRawBufferPointer(rebasing: room[range]))
        }
    }
}
