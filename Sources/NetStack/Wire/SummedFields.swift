// Fields that are written and added to a checksum at once. Summing what was just written would read across two
// fields: such a load waits until both stores have reached the cache, and a transmit slot's lines are still in the
// back-end's (50 ns a header).

import Bytes

/// A header under construction and the sum of what it holds so far.
struct SummedFields {
    private let room: UnsafeMutableRawBufferPointer
    var sum: InternetChecksum

    /// - Parameter room: as large as the header; callers have compared it.
    @inline(__always) init(_ room: UnsafeMutableRawBufferPointer, addingTo sum: InternetChecksum = InternetChecksum()) {
        self.room = room
        self.sum = sum
    }

    /// Writes a big-endian field at an even offset.
    @inline(__always) mutating func set16(_ at: Int, _ value: UInt16) {
        room.setBig16(at, value)
        sum.add(word: value)
    }

    /// Writes a big-endian field at an even offset.
    @inline(__always) mutating func set32(_ at: Int, _ value: UInt32) {
        room.setBig32(at, value)
        sum.add(long: value)
    }
}
