// Completes a checksum that a sender left to whoever comes next (VIRTIO 1.3, 5.1.6.2.2: the sum over everything
// from csum_start on; the field holds the sum of the pseudo-header). The frame is copied once and only the copy is
// summed: it may lie in guest memory, which can change at any moment.

import Bytes

/// Room for one frame and its completed copy.
struct ChecksumCompletion: ~Copyable {
    /// Longer frames are not completed.
    static let longest = 1 << 17

    private var room = UnsafeMutableRawBufferPointer(start: nil, count: 0)

    deinit { room.deallocate() }

    /// Lends a copy of `frame` with its checksum in place to `body`, whose answer is returned; nil when the field does not
    /// lie within the frame, or the frame is too long.
    mutating func lend(_ frame: FrameView, _ body: (UnsafeBufferPointer<FrameView>) -> Int) -> Int? {
        guard let pending = frame.offload.pendingChecksum else { return nil }
        let (start, field) = (Int(pending.start), Int(pending.start) + Int(pending.offset))
        guard frame.length <= Self.longest, start < frame.length, field + 2 <= frame.length else { return nil }
        makeRoom(frame.length)
        let copy = UnsafeMutableRawBufferPointer(rebasing: room[..<frame.length])
        var sum = InternetChecksum()
        frame.copy(from: 0, into: UnsafeMutableRawBufferPointer(rebasing: copy[..<start]))
        frame.copy(from: start, into: UnsafeMutableRawBufferPointer(rebasing: copy[start...]), adding: &sum)
        // 0 says "no checksum" in UDP; its other representation is right for all (RFC 768).
        let checksum = sum.checksum == 0 ? 0xffff : sum.checksum
        (copy[field], copy[field + 1]) = (UInt8(checksum >> 8), UInt8(truncatingIfNeeded: checksum))
        return FrameView.withOneSpan(UnsafeRawBufferPointer(copy), offload: Offload(isChecksumValid: true), body)
    }

    private mutating func makeRoom(_ bytes: Int) {
        guard room.count < bytes else { return }
        room.deallocate()
        room = .allocate(byteCount: max(bytes, 2048), alignment: 16)
    }
}
