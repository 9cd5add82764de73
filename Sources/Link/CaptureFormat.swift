// The two file formats that capture tools read: pcap (microseconds, as QEMU's filter-dump writes it) and
// pcapng (nanoseconds, interface names, directions). Encoders only: bytes of headers; the frames' own bytes
// follow where they lie. Little-endian, as every machine that netemu runs on.

/// Which way a captured frame went, seen from the interface.
public enum CaptureDirection: UInt32, Sendable {
    /// To the interface.
    case inbound = 1
    /// From the interface.
    case outbound = 2
}

/// A capture file's format.
public enum CaptureFormat: String, Sendable {
    /// pcap has microseconds; pcapng nanoseconds, the interface's name and directions.
    case pcap, pcapng

    private static let ethernet: UInt32 = 1

    /// What a file begins with.
    /// - Parameters:
    ///   - name: the interface; pcap cannot say it.
    ///   - longest: bytes kept of a frame.
    public func fileHeader(interface name: String, longest: UInt32) -> [UInt8] {
        switch self {
        case .pcap:
            // magic, version 2.4, time zone 0, accuracy 0, longest, link type.
            Self.words(0xa1b2_c3d4) + [2, 0, 4, 0] + Self.words(0, 0, longest, Self.ethernet)
        case .pcapng: Self.sectionHeader + Self.interface(name, longest)
        }
    }

    /// Appends what stands before the first `kept` of a frame's `length` bytes; nothing is allocated but `file`'s growth.
    /// - Parameters:
    ///   - nanoseconds: since 1970.
    ///   - kept: bytes of the frame that follow in the file.
    ///   - length: bytes that the frame had.
    ///   - file: what is appended to.
    public func appendRecordHeader(nanoseconds: UInt64, kept: Int, length: Int, to file: inout [UInt8]) {
        let (kept, length) = (UInt32(clamping: kept), UInt32(clamping: length))
        switch self {
        case .pcap:
            let (seconds, rest) = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
            Self.append(UInt32(truncatingIfNeeded: seconds), to: &file)
            Self.append(UInt32(rest / 1000), to: &file)
        case .pcapng:
            // Enhanced Packet Block of interface 0.
            Self.append(6, to: &file)
            Self.append(Self.packetBlock(kept), to: &file)
            Self.append(0, to: &file)
            Self.append(UInt32(truncatingIfNeeded: nanoseconds >> 32), to: &file)
            Self.append(UInt32(truncatingIfNeeded: nanoseconds), to: &file)
        }
        Self.append(kept, to: &file)
        Self.append(length, to: &file)
    }

    /// Appends what follows them.
    public func appendRecordTrailer(kept: Int, _ direction: CaptureDirection, to file: inout [UInt8]) {
        guard self == .pcapng else { return }
        let kept = UInt32(clamping: kept)
        for _ in kept..<Self.padded(kept) { file.append(0) }
        // epb_flags (option 2, 4 bytes) with the direction, the end of options, the length again.
        Self.append(0x0004_0002, to: &file)
        Self.append(direction.rawValue, to: &file)
        Self.append(0, to: &file)
        Self.append(Self.packetBlock(kept), to: &file)
    }

    /// Bytes of an Enhanced Packet Block with a direction.
    private static func packetBlock(_ kept: UInt32) -> UInt32 { 32 + padded(kept) + 12 }

    private static func padded(_ count: UInt32) -> UInt32 { (count &+ 3) & ~3 }

    private static var sectionHeader: [UInt8] {
        // Byte order magic, version 1.0, length of the section not given.
        words(0x0a0d_0d0a, 28, 0x1a2b_3c4d) + [1, 0, 0, 0] + words(.max, .max, 28)
    }

    /// Interface Description Block: if_name (2), if_tsresol (9) of 10^-9.
    private static func interface(_ name: String, _ longest: UInt32) -> [UInt8] {
        let text = Array(name.utf8.prefix(255))
        let padding = [UInt8](repeating: 0, count: (4 - text.count % 4) % 4)
        let options =
            [2, 0, UInt8(text.count), 0] + text + padding + [9, 0, 1, 0, 9, 0, 0, 0] + words(0)
        let total = UInt32(20 + options.count)
        return words(1, total, ethernet, longest) + options + words(total)
    }

    private static func append(_ value: UInt32, to file: inout [UInt8]) {
        withUnsafeBytes(of: value.littleEndian) { file.append(contentsOf: $0) }
    }

    private static func words(_ values: UInt32...) -> [UInt8] {
        values.flatMap { value in (0..<4).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) } }
    }
}
