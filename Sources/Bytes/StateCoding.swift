// State as bytes that travel between two processes: big-endian, fixed widths, every variable part
// preceded by its length, every record by its version, every read limited. What the bytes mean is
// the business of the room that writes them.

/// Appends state to a byte array.
public struct StateEncoder {
    /// What was written so far.
    public private(set) var bytes: [UInt8] = []

    /// Nothing written.
    public init() {}

    /// A number in as many bytes as its type has, big-endian.
    public mutating func integer<T: FixedWidthInteger>(_ value: T) {
        withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) }
    }

    /// One byte, 0 or 1.
    public mutating func flag(_ value: Bool) { bytes.append(value ? 1 : 0) }

    /// Everything that another one has written.
    public mutating func append(_ other: StateEncoder) { bytes.append(contentsOf: other.bytes) }

    /// A length (32 bits) and the bytes.
    public mutating func data(_ value: some Collection<UInt8>) {
        integer(UInt32(clamping: value.count))
        bytes.append(contentsOf: value)
    }
}

/// Why bytes are no state.
public enum StateError: Error, Equatable, Sendable {
    /// `needed` bytes were asked for at `offset`, `available` were there.
    case truncated(offset: Int, needed: Int, available: Int)
    /// A length of `length` bytes where at most `limit` are accepted.
    case tooLong(offset: Int, length: Int, limit: Int)
    /// A flag that is neither 0 nor 1.
    case notAFlag(offset: Int, value: UInt8)
    /// `count` bytes follow the end of the record.
    case trailing(count: Int)
    /// The state of something else.
    case otherKind(String, expected: String)
    /// A version that is not understood.
    case otherVersion(UInt16, of: String, accepted: ClosedRange<UInt16>)
    /// A value that cannot be: what it is of.
    case impossible(String)
}

extension StateError: CustomStringConvertible {
    /// A sentence without its subject and its end.
    public var description: String {
        switch self {
        case .truncated(let offset, let needed, let available):
            "it ends behind byte \(offset &+ available), where \(needed) bytes belong"
        case .tooLong(let offset, let length, let limit):
            "\(length) bytes are said to follow byte \(offset), at most \(limit) can"
        case .notAFlag(let offset, let value): "byte \(offset) is \(value), which is neither 0 nor 1"
        case .trailing(let count): "\(count) bytes follow its end"
        case .otherKind(let kind, let expected): "it is of kind '\(kind)', not '\(expected)'"
        case .otherVersion(let version, let kind, let accepted):
            "'\(kind)' has version \(version), this program reads "
                + (accepted.count == 1 ? "\(accepted.lowerBound)" : "\(accepted.lowerBound) to \(accepted.upperBound)")
        case .impossible(let what): what
        }
    }
}

/// Reads what a `StateEncoder` wrote. A failed read moves nothing.
public struct StateDecoder {
    private let bytes: ArraySlice<UInt8>
    private var position: Int

    /// Copies `bytes`; they may come from anybody.
    public init(_ bytes: some Collection<UInt8>) {
        self.bytes = ArraySlice(Array(bytes))
        position = 0
    }

    /// Bytes that were not read yet.
    public var remaining: Int { bytes.count - position }

    /// A number in as many bytes as its type has, big-endian.
    public mutating func integer<T: FixedWidthInteger>(_: T.Type = T.self) throws(StateError) -> T {
        var value: T = 0
        for byte in try take(MemoryLayout<T>.size) { value = (value << 8) | T(truncatingIfNeeded: byte) }
        return value
    }

    /// One byte; `notAFlag` when it is neither 0 nor 1.
    public mutating func flag() throws(StateError) -> Bool {
        let at = position
        let value: UInt8 = try integer()
        guard value <= 1 else {
            position = at
            throw .notAFlag(offset: at, value: value)
        }
        return value == 1
    }

    /// Bytes preceded by their length, of which `limit` are accepted.
    public mutating func data(limit: Int) throws(StateError) -> [UInt8] {
        let at = position
        let length = Int(try integer(UInt32.self))
        guard length <= limit, length <= remaining else {
            let left = remaining
            position = at
            if length > limit { throw .tooLong(offset: at, length: length, limit: limit) }
            throw .truncated(offset: at + 4, needed: length, available: left)
        }
        return Array(try take(length))
    }

    /// Throws when bytes are left.
    public func finish() throws(StateError) {
        guard remaining == 0 else { throw .trailing(count: remaining) }
    }

    private mutating func take(_ count: Int) throws(StateError) -> ArraySlice<UInt8> {
        guard count <= remaining else { throw .truncated(offset: position, needed: count, available: remaining) }
        let start = bytes.startIndex + position
        position += count
        return bytes[start..<start + count]
    }
}
