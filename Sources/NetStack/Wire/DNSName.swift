// Domain names as DNS writes them (RFC 1035, 3.1, 4.1.4): labels with a length byte, compressed by
// pointers. Also the format of DHCP's search list (RFC 3397).

import Bytes

/// A domain name of legal size. Compares without regard to ASCII case (RFC 4343).
public struct DNSName: Sendable, CustomStringConvertible {
    /// Longest name on the wire, root label included (RFC 1035, 2.3.4).
    public static let maximumSize = 255
    static let maximumLabel = 63

    /// The labels as they came, without the root.
    public let labels: [[UInt8]]

    /// A host name in text: letters, digits, hyphens and underscores in labels of 1…63, at most 253
    /// characters, one dot at the end allowed. `nil` for anything else.
    public init?(_ text: some StringProtocol) {
        var parts = text.utf8.split(separator: 0x2e, omittingEmptySubsequences: false).map { Array($0) }
        if parts.count > 1, parts.last?.isEmpty == true { parts.removeLast() }
        for part in parts {
            guard (1...Self.maximumLabel).contains(part.count), part.allSatisfy(Self.isHostCharacter) else {
                return nil
            }
        }
        guard parts.reduce(1, { $0 + $1.count + 1 }) <= Self.maximumSize else { return nil }
        labels = parts
    }

    private static func isHostCharacter(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x5f: true
        default: false
        }
    }

    /// Reads a name at the reader's place, following pointers inside the reader's bytes. Every pointer
    /// must lead to before the label run it ends, so a chain gets shorter and cannot loop.
    public init(_ reader: inout ByteReader) throws(WireError) {
        var labels: [[UInt8]] = []
        var size = 1
        var cursor = reader
        var limit = reader.offset
        var isFollowing = false
        while true {
            let length: UInt8 = try cursor.field()
            if length == 0 { break }
            if length & 0xc0 == 0xc0 {
                let target = Int(length & 0x3f) << 8 | Int(try cursor.field(UInt8.self))
                if !isFollowing { reader = cursor }
                guard target < limit else { throw .invalid(field: .dnsPointer, value: UInt64(target)) }
                isFollowing = true
                limit = target
                cursor = ByteReader(cursor.bytes, at: target)
                continue
            }
            size += Int(length) + 1
            guard length <= Self.maximumLabel, size <= Self.maximumSize else {
                throw .invalid(field: .dnsName, value: UInt64(length))
            }
            labels.append(Array(try cursor.bytes(Int(length))))
        }
        if !isFollowing { reader = cursor }
        self.labels = labels
    }

    /// Writes the name without compression.
    public func write(to writer: inout ByteWriter) throws(ByteWriteError) {
        for label in labels {
            try writer.big(UInt8(truncatingIfNeeded: label.count))
            let room = try writer.reserve(label.count)
            room.copyBytes(from: label)
        }
        try writer.big(UInt8(0))
    }

    /// Bytes that `write` takes.
    public var size: Int { labels.reduce(1) { $0 + $1.count + 1 } }

    /// This name with `domain` behind it; `nil` when that is too long.
    public func appending(_ domain: DNSName) -> DNSName? {
        let joined = DNSName(labels: labels + domain.labels)
        return joined.size <= Self.maximumSize ? joined : nil
    }

    init(labels: [[UInt8]]) { self.labels = labels }

    /// Labels joined by dots; bytes that are not printable ASCII, and dots inside a label, as `\DDD`
    /// (RFC 1035, 5.1), so that a name can be shown on a terminal whatever a server put in it.
    public var description: String {
        if labels.isEmpty { return "." }
        return labels.map { label in
            label.map { byte -> String in
                if byte > 0x20 && byte < 0x7f && byte != 0x2e && byte != 0x5c {
                    return String(UnicodeScalar(byte))
                }
                let digits = String(byte)
                return "\\" + String(repeating: "0", count: 3 - digits.utf8.count) + digits
            }.joined()
        }.joined(separator: ".")
    }
}

extension DNSName: Hashable {
    private static func folded(_ byte: UInt8) -> UInt8 { (0x41...0x5a).contains(byte) ? byte | 0x20 : byte }

    public static func == (a: DNSName, b: DNSName) -> Bool {
        a.labels.count == b.labels.count
            && zip(a.labels, b.labels).allSatisfy { left, right in
                left.count == right.count && zip(left, right).allSatisfy { folded($0) == folded($1) }
            }
    }

    public func hash(into hasher: inout Hasher) {
        for label in labels {
            hasher.combine(label.count)
            for byte in label { hasher.combine(Self.folded(byte)) }
        }
    }
}
