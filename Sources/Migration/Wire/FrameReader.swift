// Frames on their way in: one block of memory, filled by the descriptor, read in place. A header is judged before its
// body has come, so a length costs nothing; a frame is lent when it is whole and its checksum is right.

import Bytes

/// A frame that is lent until the next call.
struct LentFrame {
    let kind: FrameKind
    let body: UnsafeRawBufferPointer
}

/// The bytes of one direction of a connection, as frames.
final class FrameReader {
    private static let size = 2 * FrameHeader.longestFrame

    private let memory: UnsafeMutableRawBufferPointer
    private var head = 0
    private var tail = 0
    private var number: UInt16 = 0
    private var hasPreamble = false
    private let expectSource: Bool
    /// Bytes that ever came.
    private(set) var received: UInt64 = 0

    /// - Parameter expectSource: the other end is the source.
    init(expectSource: Bool) {
        self.expectSource = expectSource
        memory = .allocate(byteCount: Self.size, alignment: 4096)
    }

    deinit { memory.deallocate() }

    /// Where the descriptor puts the next bytes; empty while frames wait to be taken.
    var room: UnsafeMutableRawBufferPointer {
        if head > 0, memory.count - tail < FrameHeader.longestFrame, let base = memory.baseAddress {
            base.copyMemory(from: base + head, byteCount: tail - head)
            (head, tail) = (0, tail - head)
        }
        return UnsafeMutableRawBufferPointer(rebasing: memory[tail...])
    }

    /// So many bytes were put into `room`.
    func filled(_ count: Int) {
        let count = max(0, min(count, memory.count - tail))
        tail += count
        received &+= UInt64(count)
    }

    /// What came is not looked at.
    func discard() { (head, tail) = (0, 0) }

    /// The next frame; nil while it has not come whole.
    func next() throws(StreamFault) -> LentFrame? {
        if head == tail { (head, tail) = (0, 0) }
        guard try takePreamble(), tail - head >= FrameHeader.size else { return nil }
        let word = memory.loadUnaligned(fromByteOffset: head, as: UInt64.self).bigEndian
        guard let kind = FrameKind(rawValue: UInt8(truncatingIfNeeded: word >> 56)), word >> 48 & 0xff == 0,
            kind.isFromSource == expectSource
        else { throw .kind(UInt8(truncatingIfNeeded: word >> 56)) }
        let length = Int(word & 0xffff_ffff)
        guard kind.lengths.contains(length) else {
            throw .length(kind: kind.rawValue, UInt32(truncatingIfNeeded: word))
        }
        let found = UInt16(truncatingIfNeeded: word >> 32)
        guard found == number else { throw .number(expected: number, found: found) }
        guard tail - head >= FrameHeader.size + length else { return nil }
        return try take(kind, length)
    }

    private func take(_ kind: FrameKind, _ length: Int) throws(StreamFault) -> LentFrame {
        let start = head + FrameHeader.size
        let body = UnsafeRawBufferPointer(rebasing: memory[start..<start + length])
        var crc = CRC32C()
        crc.add(UnsafeRawBufferPointer(rebasing: memory[head..<head + 8]))
        crc.add(body)
        let sum = memory.loadUnaligned(fromByteOffset: head + 8, as: UInt32.self).bigEndian
        guard sum == crc.checksum else { throw .checksum(kind: kind.rawValue) }
        head = start + length
        number &+= 1
        return LentFrame(kind: kind, body: body)
    }

    private func takePreamble() throws(StreamFault) -> Bool {
        guard !hasPreamble else { return true }
        try Preamble.check(UnsafeRawBufferPointer(rebasing: memory[head..<tail]), expectSource: expectSource)
        guard tail - head >= Preamble.size else { return false }
        head += Preamble.size
        hasPreamble = true
        return true
    }
}
