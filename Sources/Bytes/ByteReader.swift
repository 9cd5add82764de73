// Reading integers and spans out of untrusted bytes. A read past the end throws and moves nothing;
// no input can trap. Inlinable: otherwise every field of every header is read by unspecialised
// generic code, which took a third of the time of a small frame.

/// Why bytes could not be read as asked.
public enum ByteError: Error, Equatable, Sendable {
    /// `needed` bytes were asked for at `offset`, `available` were there.
    case truncated(offset: Int, needed: Int, available: Int)
}

/// A cursor over borrowed bytes. The pointer is valid only inside the call that lent it.
public struct ByteReader {
    /// All that was lent, from its first byte, wherever the cursor is.
    public let bytes: UnsafeRawBufferPointer
    @usableFromInline var cursor: Int
    /// Where the next read begins.
    @inlinable public var offset: Int { cursor }

    /// - Parameters:
    ///   - bytes: lent for as long as the reader is used.
    ///   - offset: where the first read begins; beyond the end every read throws.
    @inlinable
    public init(_ bytes: UnsafeRawBufferPointer, at offset: Int = 0) {
        self.bytes = bytes
        self.cursor = offset
    }

    /// Bytes from the cursor to the end.
    @inlinable public var remaining: Int { bytes.count - cursor }
    /// Nothing is left to read.
    @inlinable public var isAtEnd: Bool { cursor >= bytes.count }

    /// The next `count` bytes, borrowed.
    @inlinable
    public mutating func span(_ count: Int) throws(ByteError) -> UnsafeRawBufferPointer {
        guard count >= 0, count <= remaining else {
            throw .truncated(offset: cursor, needed: count, available: remaining)
        }
        defer { cursor += count }
        return UnsafeRawBufferPointer(rebasing: bytes[cursor..<cursor + count])
    }

    /// Moves past `count` bytes; throws when there are fewer.
    @inlinable
    public mutating func skip(_ count: Int) throws(ByteError) { _ = try span(count) }

    /// A network-order (big-endian) integer.
    @inlinable
    public mutating func big<T: FixedWidthInteger>(_: T.Type = T.self) throws(ByteError) -> T {
        T(bigEndian: try raw())
    }

    /// A little-endian integer (VIRTIO, vhost-user on this machine).
    @inlinable
    public mutating func little<T: FixedWidthInteger>(_: T.Type = T.self) throws(ByteError) -> T {
        T(littleEndian: try raw())
    }

    @inlinable
    mutating func raw<T: FixedWidthInteger>() throws(ByteError) -> T {
        let size = MemoryLayout<T>.size
        guard size <= remaining, let base = bytes.baseAddress else {
            throw .truncated(offset: cursor, needed: size, available: remaining)
        }
        defer { cursor += size }
        return base.loadUnaligned(fromByteOffset: cursor, as: T.self)
    }
}
