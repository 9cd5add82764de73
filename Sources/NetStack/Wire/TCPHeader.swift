// The TCP header and its options: both directions of RFC 9293, 3.1 and 3.2, with the window scale
// and timestamps options of RFC 7323. It knows bytes only; what a segment means is decided in TCP/.

import Bytes

/// Why a TCP header was not accepted. The segment is dropped without an answer.
public enum TCPHeaderError: Error, Equatable, Sendable {
    /// Fewer than 20 bytes are there.
    case truncated(available: Int)
    /// The data offset is below 5 words or reaches past the segment.
    case badDataOffset(words: Int, available: Int)
    /// An option's length octet is 0, 1 or reaches past the header.
    case badOptionLength(kind: UInt8, length: Int, available: Int)
}

/// The control bits of RFC 9293, 3.1.
public struct TCPFlags: OptionSet, Hashable, Sendable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The sender sends no more.
    public static let fin = TCPFlags(rawValue: 0x01)
    /// Sequence numbers begin here.
    public static let syn = TCPFlags(rawValue: 0x02)
    /// The connection is no more, or never was.
    public static let rst = TCPFlags(rawValue: 0x04)
    /// Do not wait for more.
    public static let psh = TCPFlags(rawValue: 0x08)
    /// The acknowledgement field counts.
    public static let ack = TCPFlags(rawValue: 0x10)
    /// The urgent pointer counts.
    public static let urg = TCPFlags(rawValue: 0x20)
    /// RFC 3168: congestion was seen, or ECN is offered.
    public static let ece = TCPFlags(rawValue: 0x40)
    /// RFC 3168: the window was reduced.
    public static let cwr = TCPFlags(rawValue: 0x80)
}

/// RFC 7323, 3.2: both words of the timestamps option.
public struct TCPTimestamps: Hashable, Sendable {
    /// TSval.
    public var value: UInt32
    /// TSecr; 0 without ACK.
    public var echo: UInt32
    /// Both in units of the sender's clock.
    public init(value: UInt32, echo: UInt32) {
        self.value = value
        self.echo = echo
    }
}

/// One TCP header. Sequence numbers are plain 32-bit words here; how they are compared is the connection's.
public struct TCPHeader: Hashable, Sendable {
    /// Bytes of a header without options.
    public static let minimumSize = 20
    /// Bytes of the largest header: a data offset of 15 words.
    public static let maximumSize = 60
    /// RFC 7323, 2.3: a larger shift is taken as 14.
    public static let maximumWindowShift: UInt8 = 14

    /// In the host's order.
    public var sourcePort: UInt16
    /// In the host's order.
    public var destinationPort: UInt16
    /// SEG.SEQ.
    public var sequence: UInt32
    /// SEG.ACK; counts with the flag.
    public var acknowledgement: UInt32
    /// Control bits.
    public var flags: TCPFlags
    /// As on the wire, not yet scaled.
    public var window: UInt16
    /// As it came; computed when it is written.
    public var checksum: UInt16 = 0
    /// Counts with the flag; not used here.
    public var urgentPointer: UInt16 = 0
    /// RFC 9293, 3.7.1. Only in a SYN.
    public var maximumSegmentSize: UInt16?
    /// RFC 7323, 2.2; as sent by the peer, so possibly above 14. Only in a SYN.
    public var windowShift: UInt8?
    /// The option, when it is there.
    public var timestamps: TCPTimestamps?

    /// Without options.
    public init(
        sourcePort: UInt16, destinationPort: UInt16, sequence: UInt32, acknowledgement: UInt32 = 0, flags: TCPFlags,
        window: UInt16 = 0
    ) {
        self.sourcePort = sourcePort
        self.destinationPort = destinationPort
        self.sequence = sequence
        self.acknowledgement = acknowledgement
        self.flags = flags
        self.window = window
    }
}

/// Option kinds of RFC 9293, 3.2 and RFC 7323.
enum TCPOptionKind {
    static let end: UInt8 = 0
    static let noOperation: UInt8 = 1
    static let maximumSegmentSize: UInt8 = 2
    static let windowScale: UInt8 = 3
    static let timestamps: UInt8 = 8
}

extension TCPHeader {
    /// Reads a header that was copied into private memory.
    ///
    /// - Parameters:
    ///   - bytes: the first `min(60, segment length)` bytes of the segment.
    ///   - segmentLength: bytes of the whole segment, header included.
    /// - Returns: the header and its size in bytes (20…60): the payload starts there.
    public static func parse(
        _ bytes: UnsafeRawBufferPointer, segmentLength: Int
    ) throws(TCPHeaderError) -> (header: TCPHeader, size: Int) {
        let available = min(bytes.count, segmentLength)
        guard available >= minimumSize else { throw .truncated(available: max(0, available)) }
        let words = Int(bytes[12] >> 4)
        let size = words &* 4
        guard size >= minimumSize, size <= available else { throw .badDataOffset(words: words, available: available) }
        var header = TCPHeader(
            sourcePort: bytes.big16(0), destinationPort: bytes.big16(2), sequence: bytes.big32(4),
            acknowledgement: bytes.big32(8), flags: TCPFlags(rawValue: bytes[13]), window: bytes.big16(14))
        header.checksum = bytes.big16(16)
        header.urgentPointer = bytes.big16(18)
        if size > minimumSize { try header.parseOptions(bytes, size: size) }
        return (header, size)
    }

    /// RFC 9293, 3.1: unknown options are skipped by their length; a lying length drops the segment.
    private mutating func parseOptions(_ bytes: UnsafeRawBufferPointer, size: Int) throws(TCPHeaderError) {
        // The layout that RFC 7323, Appendix A recommends is on every segment of a connection
        // with timestamps, so it is worth one comparison.
        if size == 32, bytes.big32(20) == 0x0101_080a {
            timestamps = TCPTimestamps(value: bytes.big32(24), echo: bytes.big32(28))
            return
        }
        var at = Self.minimumSize
        while at < size {
            let kind = bytes[at]
            if kind == TCPOptionKind.end { return }
            if kind == TCPOptionKind.noOperation {
                at &+= 1
                continue
            }
            let length = at &+ 1 < size ? Int(bytes[at &+ 1]) : 0
            guard length >= 2, length <= size &- at else {
                throw .badOptionLength(kind: kind, length: length, available: size &- at)
            }
            take(kind: kind, length: length, at: at, of: bytes)
            at &+= length
        }
    }

    /// An option of a known kind but another length than its RFC gives is skipped like an unknown one.
    private mutating func take(kind: UInt8, length: Int, at: Int, of bytes: UnsafeRawBufferPointer) {
        switch (kind, length) {
        case (TCPOptionKind.maximumSegmentSize, 4): maximumSegmentSize = bytes.big16(at &+ 2)
        case (TCPOptionKind.windowScale, 3): windowShift = bytes[at &+ 2]
        case (TCPOptionKind.timestamps, 10):
            timestamps = TCPTimestamps(value: bytes.big32(at &+ 2), echo: bytes.big32(at &+ 6))
        default: break
        }
    }
}

extension TCPHeader {
    /// Bytes that ``write(into:)`` needs: a multiple of four.
    public var size: Int {
        var size = Self.minimumSize
        if maximumSegmentSize != nil { size &+= 4 }
        if windowShift != nil { size &+= 4 }
        if timestamps != nil { size &+= 12 }
        return size
    }

    /// Writes the header with its `checksum` field as it is; returns its size, or nil when `room` is too small.
    public func write(into room: UnsafeMutableRawBufferPointer) -> Int? {
        var sum = InternetChecksum()
        return write(into: room, addingTo: &sum)
    }

    /// As ``write(into:)``; adds what was written to `sum`.
    func write(into room: UnsafeMutableRawBufferPointer, addingTo sum: inout InternetChecksum) -> Int? {
        let size = size
        guard room.count >= size else { return nil }
        var fields = SummedFields(room, addingTo: sum)
        fields.set16(0, sourcePort)
        fields.set16(2, destinationPort)
        fields.set32(4, sequence)
        fields.set32(8, acknowledgement)
        fields.set16(12, UInt16(truncatingIfNeeded: size << 10) | UInt16(flags.rawValue))
        fields.set16(14, window)
        fields.set16(16, checksum)
        fields.set16(18, urgentPointer)
        if size > Self.minimumSize { writeOptions(to: &fields) }
        sum = fields.sum
        return size
    }

    /// Each option is padded with NOPs in front to a multiple of four (RFC 7323, Appendix A).
    private func writeOptions(to fields: inout SummedFields) {
        var at = Self.minimumSize
        if let maximumSegmentSize {
            fields.set16(at, 0x0204)
            fields.set16(at &+ 2, maximumSegmentSize)
            at &+= 4
        }
        if let windowShift {
            fields.set32(at, 0x0103_0300 | UInt32(windowShift))
            at &+= 4
        }
        if let timestamps {
            fields.set32(at, 0x0101_080a)
            fields.set32(at &+ 4, timestamps.value)
            fields.set32(at &+ 8, timestamps.echo)
        }
    }
}

// Callers have compared the offsets with the span's size.
extension UnsafeRawBufferPointer {
    @inline(__always) func big16(_ at: Int) -> UInt16 {
        UInt16(bigEndian: loadUnaligned(fromByteOffset: at, as: UInt16.self))
    }
    @inline(__always) func big32(_ at: Int) -> UInt32 {
        UInt32(bigEndian: loadUnaligned(fromByteOffset: at, as: UInt32.self))
    }
}

extension UnsafeMutableRawBufferPointer {
    @inline(__always) func setBig16(_ at: Int, _ value: UInt16) {
        storeBytes(of: value.bigEndian, toByteOffset: at, as: UInt16.self)
    }
    @inline(__always) func setBig32(_ at: Int, _ value: UInt32) {
        storeBytes(of: value.bigEndian, toByteOffset: at, as: UInt32.self)
    }
}
