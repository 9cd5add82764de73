// Checksums over frames that lie in several spans.

import Bytes

extension FrameView {
    /// Adds `count` bytes that start at `offset` to `sum`; bytes past the frame's end are not added.
    public func add(_ count: Int, from offset: Int, to sum: inout InternetChecksum) {
        var skip = offset
        var left = count
        for segment in segments where left > 0 {
            if skip >= segment.count {
                skip -= segment.count
                continue
            }
            let part = min(segment.count - skip, left)
            sum.add(UnsafeRawBufferPointer(rebasing: segment[skip..<skip + part]))
            left -= part
            skip = 0
        }
    }

    /// Copies up to `room.count` bytes that start at `offset` and adds what it copied to `sum`;
    /// returns how many there were.
    @discardableResult
    public func copy(
        from offset: Int, into room: UnsafeMutableRawBufferPointer, adding sum: inout InternetChecksum
    ) -> Int {
        var skip = offset
        var done = 0
        for segment in segments where done < room.count {
            if skip >= segment.count {
                skip -= segment.count
                continue
            }
            let part = min(segment.count - skip, room.count - done)
            sum.copy(
                UnsafeRawBufferPointer(rebasing: segment[skip..<skip + part]),
                into: UnsafeMutableRawBufferPointer(rebasing: room[done..<done + part]))
            done += part
            skip = 0
        }
        return done
    }
}
