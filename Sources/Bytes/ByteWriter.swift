// Writing integers and spans into lent room. A write past the end throws and moves nothing.

/// Why bytes could not be written.
public enum ByteWriteError: Error, Equatable, Sendable {
    /// `needed` bytes were to be written, `available` were left.
    case full(needed: Int, available: Int)
}

/// A cursor over room that was lent for the length of a call.
public struct ByteWriter {
    /// All that was lent, from its first byte, wherever the cursor is.
    public let room: UnsafeMutableRawBufferPointer
    @usableFromInline var cursor: Int
    /// Where the next write begins.
    @inlinable public var offset: Int { cursor }

    /// - Parameters:
    ///   - room: lent for as long as the writer is used.
    ///   - offset: where the first write begins; beyond the end every write throws.
    @inlinable
    public init(_ room: UnsafeMutableRawBufferPointer, at offset: Int = 0) {
        self.room = room
        self.cursor = offset
    }

    /// Bytes from the cursor to the end of the room.
    @inlinable public var remaining: Int { room.count - cursor }

    /// The bytes written so far.
    public var written: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(room)[0..<cursor])
    }

    /// Lends the next `count` bytes to be filled.
    @inlinable
    public mutating func reserve(_ count: Int) throws(ByteWriteError) -> UnsafeMutableRawBufferPointer {
        guard count >= 0, count <= remaining else { throw .full(needed: count, available: remaining) }
        defer { cursor += count }
        return UnsafeMutableRawBufferPointer(rebasing: room[cursor..<cursor + count])
    }

    /// Copies all of `source`, or throws and copies nothing.
    @inlinable
    public mutating func copy(_ source: UnsafeRawBufferPointer) throws(ByteWriteError) {
        try reserve(source.count).copyMemory(from: source)
    }

    /// `count` bytes of zero, padding for example.
    @inlinable
    public mutating func zeros(_ count: Int) throws(ByteWriteError) {
        let room = try reserve(count)
        room.initializeMemory(as: UInt8.self, repeating: 0)
    }

    /// A network-order (big-endian) integer.
    @inlinable
    public mutating func big<T: FixedWidthInteger>(_ value: T) throws(ByteWriteError) { try raw(value.bigEndian) }

    /// A little-endian integer.
    @inlinable
    public mutating func little<T: FixedWidthInteger>(_ value: T) throws(ByteWriteError) {
        try raw(value.littleEndian)
    }

    @inlinable
    mutating func raw<T: FixedWidthInteger>(_ value: T) throws(ByteWriteError) {
        let size = MemoryLayout<T>.size
        guard size <= remaining, let base = room.baseAddress else {
            throw .full(needed: size, available: remaining)
        }
        base.storeBytes(of: value, toByteOffset: cursor, as: T.self)
        cursor += size
    }
}
