// Frames on their way out: one block of memory for the whole life of a machine. Pages are copied into it once; nothing
// is allocated for a page or a frame.

import Bytes

/// Bytes that wait for the descriptor, as frames.
final class FrameWriter {
    /// Room for two frames of pages, and what frames of other kinds always find free behind them.
    private static let size = 2 * FrameHeader.longestFrame + reserve
    private static let reserve = 2 * FrameHeader.longestOther + 4 * MigrationLimits.text

    private static let lowWater = 1 << 16

    private let room: UnsafeMutableRawBufferPointer
    private var head = 0
    private var tail = 0
    private var number: UInt16 = 0
    /// Bytes ever appended: the position in the stream behind the last frame.
    private(set) var appended: UInt64 = 0
    /// Bytes ever taken by the descriptor.
    private(set) var written: UInt64 = 0

    /// The open frame of pages: where it begins, and how many pages it has.
    private var openStart = 0
    private var openPages = 0

    init() { room = .allocate(byteCount: Self.size, alignment: 4096) }

    deinit { room.deallocate() }

    /// What waits, in order; valid until the next call.
    var pending: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: room[head..<tail]) }

    /// The descriptor took so many of the pending bytes.
    func wrote(_ count: Int) {
        let count = max(0, min(count, tail - head))
        head += count
        written &+= UInt64(count)
        if head == tail { (head, tail) = (0, 0) }
    }

    /// What waits is not sent any more.
    func discard() { (head, tail) = (0, 0) }

    /// A frame of pages has room, with the reserve behind it. While much waits nothing is moved to make some.
    var hasRoomForPages: Bool {
        let count = FrameHeader.longestFrame + Self.reserve
        return room.count - tail >= count || tail - head <= Self.lowWater && makeRoom(count)
    }
    /// A frame of any other kind has room, with some reserve for a failure behind it.
    var hasRoom: Bool { makeRoom(FrameHeader.longestOther + 4 * MigrationLimits.text) }

    private func makeRoom(_ count: Int) -> Bool {
        if room.count - tail >= count { return true }
        guard room.count - (tail - head) >= count, head > 0, let base = room.baseAddress else { return false }
        base.copyMemory(from: base + head, byteCount: tail - head)
        (head, tail) = (0, tail - head)
        return true
    }

    /// Bytes that belong to no frame: the preamble.
    func append(raw bytes: [UInt8]) {
        guard makeRoom(bytes.count) else { return }
        UnsafeMutableRawBufferPointer(rebasing: room[tail..<tail + bytes.count]).copyBytes(from: bytes)
        tail += bytes.count
        appended &+= UInt64(bytes.count)
    }

    /// A frame of any kind but pages; false when there is no room, which `hasRoom` tells before.
    @discardableResult
    func append(_ kind: FrameKind, _ body: UnsafeRawBufferPointer) -> Bool {
        guard kind.lengths.contains(body.count), makeRoom(FrameHeader.size + body.count) else { return false }
        let start = tail
        UnsafeMutableRawBufferPointer(rebasing: room[start + FrameHeader.size..<start + FrameHeader.size + body.count])
            .copyMemory(from: body)
        seal(kind, at: start, body.count)
        return true
    }

    @discardableResult
    func append(_ kind: FrameKind, _ body: [UInt8]) -> Bool {
        body.withUnsafeBytes { append(kind, $0) }
    }

    /// Bytes of guest memory: opened with the first page, closed by `closePages`. Ask `hasRoomForPages` before.
    func openPages(from page: Int) {
        (openStart, openPages) = (tail, 0)
        let at = openStart + FrameHeader.size
        for index in 0..<8 { room[at + index] = UInt8(truncatingIfNeeded: UInt64(page) >> UInt64(56 - 8 * index)) }
    }

    /// Room for the next page of the open frame.
    var pageSlot: UnsafeMutableRawBufferPointer {
        let at = openStart + FrameHeader.size + 8 + openPages * MigrationLimits.pageSize
        return UnsafeMutableRawBufferPointer(rebasing: room[at..<at + MigrationLimits.pageSize])
    }

    /// What was put into the slot belongs to the frame.
    func keepPage() { openPages += 1 }

    /// Ends the open frame; one without a page never was.
    func closePages() {
        guard openPages > 0 else { return }
        seal(.pages, at: openStart, 8 + openPages * MigrationLimits.pageSize)
        openPages = 0
    }

    private func seal(_ kind: FrameKind, at start: Int, _ length: Int) {
        var header = ByteWriter(UnsafeMutableRawBufferPointer(rebasing: room[start..<start + FrameHeader.size]))
        do {
            try header.big(UInt16(kind.rawValue) << 8)
            try header.big(number)
            try header.big(UInt32(truncatingIfNeeded: length))
        } catch { return }
        var crc = CRC32C()
        crc.add(UnsafeRawBufferPointer(rebasing: room[start..<start + 8]))
        let end = start + FrameHeader.size + length
        crc.add(UnsafeRawBufferPointer(rebasing: room[start + FrameHeader.size..<end]))
        do { try header.big(crc.checksum) } catch { return }
        number &+= 1
        tail = end
        appended &+= UInt64(FrameHeader.size + length)
    }
}
