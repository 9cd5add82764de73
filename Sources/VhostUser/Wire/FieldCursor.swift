// Reading and writing the integers of a payload (native byte order, natural C layout: padding is
// explicit). The reader turns a read past the end into this room's error; it must never trap.

import Bytes

/// A cursor over the untrusted bytes of one structure.
struct FieldReader {
    private var reader: ByteReader
    private let structure: String

    /// - Parameter structure: the name that errors carry, as in the specification.
    init(_ bytes: UnsafeRawBufferPointer, of structure: String) {
        reader = ByteReader(bytes)
        self.structure = structure
    }

    var remaining: Int { reader.remaining }

    mutating func u8() throws(MessageError) -> UInt8 { try integer() }
    mutating func u16() throws(MessageError) -> UInt16 { try integer() }
    mutating func u32() throws(MessageError) -> UInt32 { try integer() }
    mutating func u64() throws(MessageError) -> UInt64 { try integer() }

    /// The next `count` bytes, copied.
    mutating func bytes(_ count: Int) throws(MessageError) -> [UInt8] {
        do { return [UInt8](try reader.span(count)) } catch { throw short() }
    }

    mutating func skip(_ count: Int) throws(MessageError) {
        do { try reader.skip(count) } catch { throw short() }
    }

    private mutating func integer<T: FixedWidthInteger>() throws(MessageError) -> T {
        do { return try reader.little() } catch { throw short() }
    }

    private func short() -> MessageError { .truncated(structure: structure, available: reader.bytes.count) }
}

/// The bytes of a message while they are put together. A control message is small and rare, so it may allocate.
struct FieldWriter {
    private(set) var bytes: [UInt8] = []

    init(capacity: Int = 64) { bytes.reserveCapacity(capacity) }

    mutating func u8(_ value: UInt8) { bytes.append(value) }
    mutating func u16(_ value: UInt16) { integer(value) }
    mutating func u32(_ value: UInt32) { integer(value) }
    mutating func u64(_ value: UInt64) { integer(value) }
    mutating func bytes(_ source: [UInt8]) { bytes.append(contentsOf: source) }
    mutating func zeros(_ count: Int) { bytes.append(contentsOf: repeatElement(0, count: max(0, count))) }

    private mutating func integer<T: FixedWidthInteger>(_ value: T) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }
}
