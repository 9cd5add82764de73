// Checksums over frames that lie in several spans.

import Bytes

extension FrameView {
    /// Adds `count` bytes that start at `offset` to `sum`; bytes past the frame's end are not added.
    public func add(_ count: Int, from offset: Int, to sum: inout InternetChecksum) {
        forEachSpan(from: offset, count: count) { sum.add($0) }
    }

    /// Copies up to `room.count` bytes that start at `offset` and adds what it copied to `sum`;
    /// returns how many there were.
    @discardableResult
    public func copy(
        from offset: Int, into room: UnsafeMutableRawBufferPointer, adding sum: inout InternetChecksum
    ) -> Int {
        var done = 0
        return forEachSpan(from: offset, count: room.count) { part in
            sum.copy(part, into: UnsafeMutableRawBufferPointer(rebasing: room[done..<done &+ part.count]))
            done &+= part.count
        }
    }
}
