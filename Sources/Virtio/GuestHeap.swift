// Spans of guest RAM for the node: rings, transmit slots, receive buffers, socket buffers. All of its
// own state is private memory, where no back-end can write (RF-09). Whole pages come from a list of
// free stretches, kept in order and merged; requests up to half a page from slabs of one power of two.
// Refusal is an answer: nothing here traps, and a span given back twice is recognised.

/// Why a span was not taken back, or not claimed.
public enum GuestHeapError: Error, Hashable, Sendable {
    /// Nothing of that address and length is lent: given back twice, or never lent here.
    case notLent(address: UInt64, bytes: Int)
    /// `allocate` could not have lent these bytes there, or they are not free: overlapping, misaligned, outside of RAM.
    case notFree(address: UInt64, bytes: Int)
}

/// An allocator of spans of guest RAM. Not for the data path: a frame finds its room prepared.
public final class GuestHeap {
    /// Where the spans lie.
    public let memory: GuestMemory
    /// Bytes that can be lent at most.
    public let capacity: UInt64
    /// Bytes lent now, as they were asked for.
    public private(set) var bytesInUse: UInt64 = 0

    static let page = UInt64(GuestMemory.pageSize)
    /// Free stretches of pages by first address, in order, never touching.
    private var free: [Range<UInt64>]
    /// What is lent or serves as a slab, by first address.
    private var lent: [UInt64: Loan] = [:]
    /// Slabs with room, by size class.
    private var openSlabs: [[UInt64]] = Array(repeating: [], count: 6)
    private var slabs: [UInt64: Slab] = [:]

    private struct Loan {
        var bytes: Int
        var pages: UInt64
    }

    /// - Parameters:
    ///   - memory: all of it is lent, but for what is reserved.
    ///   - reserving: bytes at the low end of RAM that are never lent (address 0 means "not set" in many places).
    public init(memory: GuestMemory, reserving: UInt64 = 4096) {
        self.memory = memory
        let page = GuestHeap.page
        let first = (reserving &+ page &- 1) & ~(page &- 1)
        free = memory.regions.sorted { $0.guestPhysical < $1.guestPhysical }.compactMap { region in
            let end = region.guestPhysical &+ region.size
            let start = max(first, region.guestPhysical)
            return start < end ? start..<end : nil
        }
        capacity = free.reduce(0) { $0 &+ ($1.upperBound &- $1.lowerBound) }
    }

    /// Lends `bytes` (> 0) of RAM, aligned to 64, from 2049 bytes up to 4096; what is in it is left over from its last
    /// use. Nil: no room.
    public func allocate(_ bytes: Int) -> UnsafeMutableRawBufferPointer? {
        guard bytes > 0, UInt64(bytes) <= capacity else { return nil }
        guard let address = bytes <= Slab.largest ? takeCell(bytes) : takePages(bytes) else { return nil }
        guard let span = memory.span(at: address, count: bytes) else { return nil }
        lent[address]?.bytes = bytes
        bytesInUse &+= UInt64(bytes)
        return span
    }

    /// Takes back a span that `allocate` returned, whole.
    public func free(_ span: UnsafeMutableRawBufferPointer) throws(GuestHeapError) {
        guard let start = span.baseAddress, let address = memory.address(of: start) else {
            throw .notLent(address: 0, bytes: span.count)
        }
        guard let loan = lent[address], loan.bytes == span.count else {
            throw .notLent(address: address, bytes: span.count)
        }
        lent[address] = nil
        // Whoever marks what he has written when he is asked is asked no more for this.
        memory.mark(UnsafeRawBufferPointer(span))
        bytesInUse &-= UInt64(span.count)
        if loan.pages == 0 { returnCell(address) } else { returnPages(address, loan.pages) }
    }

    // MARK: moving

    /// Where a span lies that is lent now, whole; that is its name on both sides of a move.
    public func address(ofLent span: UnsafeMutableRawBufferPointer) -> UInt64? {
        guard let start = span.baseAddress, let address = memory.address(of: start),
            lent[address]?.bytes == span.count
        else { return nil }
        return address
    }

    /// Lends the very span that another heap over the same RAM had lent. Claims come in any order, before the first
    /// `allocate`; what nobody claims is free.
    public func claim(_ bytes: Int, at address: UInt64) throws(GuestHeapError) -> UnsafeMutableRawBufferPointer {
        let isCell = bytes <= Slab.largest
        guard bytes > 0, UInt64(bytes) <= capacity, let span = memory.span(at: address, count: bytes),
            isCell ? claimCell(bytes, address) : claimPages(bytes, address)
        else { throw .notFree(address: address, bytes: bytes) }
        bytesInUse &+= UInt64(bytes)
        return span
    }

    private func claimPages(_ bytes: Int, _ address: UInt64) -> Bool {
        let pages = (UInt64(bytes) &+ GuestHeap.page &- 1) / GuestHeap.page
        guard cut(pages, at: address) else { return false }
        lent[address] = Loan(bytes: bytes, pages: pages)
        return true
    }

    /// Takes pages out of the free stretch that holds all of them.
    private func cut(_ pages: UInt64, at address: UInt64) -> Bool {
        let (end, overflow) = address.addingReportingOverflow(pages &* GuestHeap.page)
        guard address % GuestHeap.page == 0, !overflow,
            let index = free.firstIndex(where: { $0.lowerBound <= address && end <= $0.upperBound })
        else { return false }
        let rests = [free[index].lowerBound..<address, end..<free[index].upperBound]
        free.replaceSubrange(index...index, with: rests.filter { !$0.isEmpty })
        return true
    }

    private func claimCell(_ bytes: Int, _ address: UInt64) -> Bool {
        let page = address & ~(GuestHeap.page &- 1)
        let sizeClass = Slab.sizeClass(for: bytes)
        var slab = slabs[page] ?? Slab(sizeClass: sizeClass)
        guard slab.sizeClass == sizeClass, slab.take(address &- page), slabs[page] != nil || cut(1, at: page)
        else { return false }
        let wasOpen = slabs[page] != nil
        slabs[page] = slab
        if slab.isFull {
            openSlabs[sizeClass].removeAll { $0 == page }
        } else if !wasOpen {
            openSlabs[sizeClass].append(page)
        }
        lent[address] = Loan(bytes: bytes, pages: 0)
        return true
    }

    // MARK: pages

    private func takePages(_ bytes: Int) -> UInt64? {
        let pages = (UInt64(bytes) &+ GuestHeap.page &- 1) / GuestHeap.page
        guard let address = carve(pages) else { return nil }
        lent[address] = Loan(bytes: bytes, pages: pages)
        return address
    }

    /// Best fit: large stretches stay whole for those who need them.
    private func carve(_ pages: UInt64) -> UInt64? {
        let bytes = pages &* GuestHeap.page
        var best: Int?
        var bestSize = UInt64.max
        for (index, range) in free.enumerated() {
            let size = range.upperBound &- range.lowerBound
            if size >= bytes, size < bestSize { (best, bestSize) = (index, size) }
        }
        guard let best else { return nil }
        let range = free[best]
        let rest = range.lowerBound &+ bytes..<range.upperBound
        if rest.isEmpty { free.remove(at: best) } else { free[best] = rest }
        return range.lowerBound
    }

    private func returnPages(_ address: UInt64, _ pages: UInt64) {
        var range = address..<address &+ pages &* GuestHeap.page
        var low = 0
        var high = free.count
        while low < high {
            let middle = (low + high) / 2
            if free[middle].lowerBound < address { low = middle + 1 } else { high = middle }
        }
        if low < free.count, free[low].lowerBound == range.upperBound, isOneRegion(range.upperBound) {
            range = range.lowerBound..<free.remove(at: low).upperBound
        }
        if low > 0, free[low - 1].upperBound == range.lowerBound, isOneRegion(range.lowerBound) {
            free[low - 1] = free[low - 1].lowerBound..<range.upperBound
        } else {
            free.insert(range, at: low)
        }
    }

    /// A stretch must stay inside one region: `border` may not be where a region starts.
    private func isOneRegion(_ border: UInt64) -> Bool {
        !memory.regions.contains { $0.guestPhysical == border }
    }

    // MARK: cells of slabs

    private func takeCell(_ bytes: Int) -> UInt64? {
        let sizeClass = Slab.sizeClass(for: bytes)
        if openSlabs[sizeClass].isEmpty {
            guard let page = carve(1) else { return nil }
            slabs[page] = Slab(sizeClass: sizeClass)
            openSlabs[sizeClass].append(page)
        }
        guard let page = openSlabs[sizeClass].last, let cell = slabs[page]?.take() else { return nil }
        if slabs[page]?.isFull == true { openSlabs[sizeClass].removeLast() }
        let address = page &+ cell
        lent[address] = Loan(bytes: bytes, pages: 0)
        return address
    }

    private func returnCell(_ address: UInt64) {
        let page = address & ~(GuestHeap.page &- 1)
        guard var slab = slabs[page] else { return }
        if slab.isFull { openSlabs[slab.sizeClass].append(page) }
        slab.give(address &- page)
        slabs[page] = slab
        guard slab.isEmpty else { return }
        slabs[page] = nil
        openSlabs[slab.sizeClass].removeAll { $0 == page }
        returnPages(page, 1)
    }
}

/// A page cut into equal cells of 64 … 2048 bytes.
private struct Slab {
    static let largest = GuestMemory.pageSize / 2
    let sizeClass: Int
    /// A bit for each cell that is not lent.
    private var room: UInt64

    private var cellBytes: UInt64 { 64 << UInt64(sizeClass) }
    private var allRoom: UInt64 { sizeClass == 0 ? .max : 1 << (64 >> UInt64(sizeClass)) &- 1 }

    init(sizeClass: Int) {
        self.sizeClass = sizeClass
        room = sizeClass == 0 ? .max : 1 << (64 >> UInt64(sizeClass)) &- 1
    }

    var isFull: Bool { room == 0 }
    var isEmpty: Bool { room == allRoom }

    /// The class of the smallest cell that holds `bytes` (1 … 2048).
    static func sizeClass(for bytes: Int) -> Int {
        var sizeClass = 0
        while sizeClass < 5, 64 << sizeClass < bytes { sizeClass += 1 }
        return sizeClass
    }

    mutating func take() -> UInt64? {
        guard room != 0 else { return nil }
        let cell = UInt64(room.trailingZeroBitCount)
        room &= room &- 1
        return cell &* cellBytes
    }

    /// Takes the cell at `offset`; false when none begins there, or it is taken.
    mutating func take(_ offset: UInt64) -> Bool {
        let bit: UInt64 = 1 << (offset / cellBytes)
        guard offset % cellBytes == 0, room & bit != 0 else { return false }
        room &= ~bit
        return true
    }

    mutating func give(_ offset: UInt64) { room |= 1 << (offset / cellBytes) }
}
