// Who writes guest RAM marks what he writes while somebody wants to know (a move). Every writer of this room does so at
// the end of what it does in one go: a batch of frames, a pass over a ring. Addresses are guest-physical, as in vhost's
// log. A back-end in another process marks in a log of its own (WriteTracking).

import Linux

extension GuestMemory {
    /// What is written from now on is marked; an earlier tracking ends.
    public func beginTracking() throws(SystemError) -> WriteTracking {
        let end = regions.reduce(0) { max($0, $1.guestPhysical &+ $1.size) }
        let tracking = try WriteTracking(pageCount: Int(clamping: end / UInt64(GuestMemory.pageSize)))
        self.tracking = tracking
        marks = tracking.own.marks
        return tracking
    }

    /// Nobody wants to know any more.
    public func endTracking() {
        marks = nil
        tracking = nil
    }

    /// Every file is one region, all are mapped whole from guest-physical 0 on, in their order: page n of the row of files
    /// is page n of the address space.
    public var isInARow: Bool {
        var next: UInt64 = 0
        for (index, region) in regions.enumerated() {
            guard index < files.count, region.file == index, region.guestPhysical == next,
                region.fileOffset == UInt64(files[index].offset), region.size == UInt64(files[index].size)
            else { return false }
            next &+= region.size
        }
        return regions.count == files.count
    }

    /// Somebody wants to know of writes.
    @inline(__always)
    var isTracked: Bool { marks != nil }

    /// `count` bytes at `place` were written; outside of RAM nothing is.
    @inline(never)
    func mark(_ place: UnsafeRawPointer, count: Int) {
        guard let marks, let address = address(of: place) else { return }
        marks.mark(address, count: count)
    }

    /// The same by their address.
    @inline(never)
    func mark(at address: UInt64, count: Int) { marks?.mark(address, count: count) }

    /// Bytes of RAM were written by whoever has them lent; nothing happens while nobody wants to know.
    public func mark(_ bytes: UnsafeRawBufferPointer) {
        guard isTracked, let start = bytes.baseAddress else { return }
        mark(start, count: bytes.count)
    }
}
