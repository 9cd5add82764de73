// State that moves: what a part of a running machine writes down on one side and takes up on another, in another process
// or on another computer. Versioned, bounded, and read to its end: see StateCoding.swift for the bytes.

/// A part whose state can move to another one of its kind.
///
/// Who may call what, when:
/// - `encode` only while the part stands still: between its pause and its resume, or its end. It changes nothing, so it
///   may be called again (a move that fails leaves the source as it was, and it resumes).
/// - `decode` once, on a part that was just made and has done nothing else. It takes everything or throws; a part whose
///   `decode` threw is thrown away.
/// - After `decode` the part stands still. Its surroundings (paths, doors, devices) are connected, then it is resumed. Only
///   one of the two sides is ever resumed.
///
/// State holds no address of a process and no descriptor. Memory that moves by itself (guest RAM) is referred to by the
/// names that it has on both sides; times are those of the part's own clock, which goes on where it stood.
public protocol Movable: AnyObject {
    /// What the state is of, as both sides call it: at most ``MovableLimits/kind`` bytes of UTF-8.
    static var kind: String { get }
    /// What `encode` writes. Whoever changes its bytes adds one.
    static var version: UInt16 { get }
    /// The oldest version that `decode` understands.
    static var oldestVersion: UInt16 { get }
    /// Writes everything down.
    func encode(into out: inout StateEncoder, now: Instant)
    /// Takes up what `encode` wrote in `version`, `oldestVersion...version`. Bytes that it leaves are an error of the
    /// caller's: ``restore(from:now:)``.
    func decode(from input: inout StateDecoder, version: UInt16, now: Instant) throws(StateError)
}

/// Bounds of a section's frame.
public enum MovableLimits {
    /// Bytes of a kind's name.
    public static let kind = 64
    /// Bytes of one section's state.
    public static let state = 64 << 20
}

extension Movable {
    /// Only what is written now.
    public static var oldestVersion: UInt16 { version }

    /// The state with its frame: kind, version, length.
    public func section(now: Instant) -> [UInt8] {
        var state = StateEncoder()
        encode(into: &state, now: now)
        var out = StateEncoder()
        out.data(Self.kind.utf8.prefix(MovableLimits.kind))
        out.integer(Self.version)
        out.data(state.bytes)
        return out.bytes
    }

    /// Takes up a section that one of the same kind has written. A rest that is not read is an error: somebody knows more
    /// than we do.
    public func restore(from section: some Collection<UInt8>, now: Instant) throws(StateError) {
        var input = StateDecoder(section)
        let kind = try input.data(limit: MovableLimits.kind)
        guard kind.elementsEqual(Self.kind.utf8) else {
            throw .otherKind(String(decoding: kind, as: UTF8.self), expected: Self.kind)
        }
        let version: UInt16 = try input.integer()
        guard version >= Self.oldestVersion, version <= Self.version else {
            throw .otherVersion(version, of: Self.kind, accepted: Self.oldestVersion...Self.version)
        }
        let bytes = try input.data(limit: MovableLimits.state)
        try input.finish()
        var state = StateDecoder(bytes)
        try decode(from: &state, version: version, now: now)
        try state.finish()
    }
}

/// Reads or writes values in place, so that one function says the order for both directions and they cannot differ.
public struct StateCoder {
    /// What was written.
    public internal(set) var encoder = StateEncoder()
    /// What is left to read.
    public internal(set) var decoder = StateDecoder([UInt8]())
    /// It takes values from state instead of writing them.
    public let isReading: Bool
    /// What points of time are counted from: this side's clock.
    public var now = Instant(nanoseconds: 0)

    /// Writes.
    public init() { isReading = false }

    /// Reads on from where `decoder` stands.
    public init(reading decoder: StateDecoder) {
        self.decoder = decoder
        isReading = true
    }

    /// An integer in its own width.
    public mutating func integer<T: FixedWidthInteger>(_ value: inout T) throws(StateError) {
        if isReading { value = try decoder.integer() } else { encoder.integer(value) }
    }

    /// A byte, 0 or 1.
    public mutating func flag(_ value: inout Bool) throws(StateError) {
        if isReading { value = try decoder.flag() } else { encoder.flag(value) }
    }

    /// A count as 64 bits; read, it must lie in `range`.
    public mutating func count(
        _ value: inout Int, in range: ClosedRange<Int>, _ name: StaticString
    ) throws(StateError) {
        guard isReading else { return encoder.integer(Int64(value)) }
        let read = Int(truncatingIfNeeded: try decoder.integer(Int64.self))
        try require(range.contains(read), name)
        value = read
    }

    /// An enumeration by its raw value.
    public mutating func choice<T: RawRepresentable>(
        _ value: inout T, _ name: StaticString
    ) throws(StateError) where T.RawValue == UInt8 {
        guard isReading else { return encoder.integer(value.rawValue) }
        guard let read = T(rawValue: try decoder.integer()) else { throw .impossible("\(name)") }
        value = read
    }

    /// Bytes behind their length, of which `limit` are read.
    public mutating func data(_ value: inout [UInt8], limit: Int) throws(StateError) {
        if isReading { value = try decoder.data(limit: limit) } else { encoder.data(value) }
    }

    /// The section of another part, whole.
    public mutating func part(_ other: some Movable) throws(StateError) {
        var bytes = isReading ? [] : other.section(now: now)
        try data(&bytes, limit: MovableLimits.state)
        if isReading { try other.restore(from: bytes, now: now) }
    }

    /// While reading: what was read must be so.
    public func require(_ isSo: Bool, _ name: StaticString) throws(StateError) {
        if isReading, !isSo { throw .impossible("\(name)") }
    }
}
