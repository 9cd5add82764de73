// The one guest memory: files, each mapped once, seen by the driver, by a device in this process
// and by a vhost-user back-end (docs/misbehaviours.md, RM, names what a peer tries). Guest-physical
// addresses become pointers here and nowhere else; no arithmetic on a peer's number can wrap.
// This file must not know what lies in the memory.

import Linux

/// A stretch of guest-physical addresses and where it lies in a memory file.
public struct MemoryRegion: Hashable, Sendable {
    /// First guest-physical address.
    public let guestPhysical: UInt64
    /// Bytes.
    public let size: UInt64
    /// The address a vhost-user back-end is told. Synthetic: never a pointer of this process.
    public let userAddress: UInt64
    /// Where the region starts in its memory file.
    public let fileOffset: UInt64
    /// Which of the memory's files, 0 for the first.
    public let file: Int

    /// Checked where the memory is made.
    public init(guestPhysical: UInt64, size: UInt64, userAddress: UInt64, fileOffset: UInt64, file: Int = 0) {
        self.guestPhysical = guestPhysical
        self.size = size
        self.userAddress = userAddress
        self.fileOffset = fileOffset
        self.file = file
    }

    /// The user address of a guest-physical one, by the rule that all regions share.
    public static let userAddressBase: UInt64 = 0x7000_0000_0000
}

/// Guest RAM. Immutable after creation, so that it may be read from every thread; but for who wants to know of writes, which
/// changes on the thread of those who write (GuestMemory+Writes).
public final class GuestMemory: @unchecked Sendable {
    /// The memory files, each with its one mapping. A region says which is its own.
    public let files: [SharedMemory]
    /// The first file, and the only one where a size was asked for.
    public var shared: SharedMemory { files[0] }
    /// In the order in which they were given.
    public let regions: [MemoryRegion]
    /// The same regions with pointers, in a block that never moves; queues look here without a reference count.
    let map: UnsafeBufferPointer<MappedRegion>
    /// Who wants to know what is written; nil: nobody.
    public internal(set) var tracking: WriteTracking?
    /// Where that is marked: a look at it is all that it costs while nobody wants to know.
    @exclusivity(unchecked) var marks: DirtyMarks?

    /// One region of `size` bytes (a multiple of 4096) at guest-physical 0.
    public convenience init(size: Int, name: String = "guest-ram") throws(VirtioError) {
        try self.init(size: size, holes: [], name: name)
    }

    /// RAM from guest-physical 0 to `size` with `holes` left out, as a PC leaves out its VGA window.
    public convenience init(size: Int, holes: [Range<UInt64>], name: String = "guest-ram") throws(VirtioError) {
        guard size > 0, size % GuestMemory.pageSize == 0 else { throw .memorySize(bytes: size) }
        let memory: SharedMemory
        do { memory = try SharedMemory(name: name, size: size) } catch { throw .system(error) }
        var regions: [MemoryRegion] = []
        var start: UInt64 = 0
        for hole in holes.sorted(by: { $0.lowerBound < $1.lowerBound }) + [UInt64(size)..<UInt64(size)] {
            if hole.lowerBound > start { regions.append(.identity(from: start, to: hole.lowerBound)) }
            start = max(start, hole.upperBound)
        }
        try self.init([memory], regions: regions)
    }

    /// Files one behind the other, from guest-physical 0 on.
    public convenience init(inARow files: [SharedMemory]) throws(VirtioError) {
        var start: UInt64 = 0
        var regions: [MemoryRegion] = []
        for (index, file) in files.enumerated() {
            let size = UInt64(file.size)
            regions.append(
                MemoryRegion(
                    guestPhysical: start, size: size, userAddress: MemoryRegion.userAddressBase &+ start,
                    fileOffset: UInt64(file.offset), file: index))
            start &+= size
        }
        try self.init(files, regions: regions)
    }

    /// Regions of one file.
    public convenience init(_ memory: SharedMemory, regions: [MemoryRegion]) throws(VirtioError) {
        try self.init([memory], regions: regions)
    }

    /// - Parameters:
    ///   - files: what the regions lie in; one that no region names is kept, and nothing else.
    ///   - regions: each inside what is mapped of its file, page-aligned, not overlapping as guest-physical or as user addresses. One piece
    ///     of a file may be at two addresses.
    public init(_ files: [SharedMemory], regions: [MemoryRegion]) throws(VirtioError) {
        try GuestMemory.validate(regions, files)
        self.files = files
        self.regions = regions
        let map = UnsafeMutableBufferPointer<MappedRegion>.allocate(capacity: regions.count)
        for (index, region) in regions.enumerated() {
            let file = files[region.file]
            let base = file.base + (Int(region.fileOffset) - file.offset)
            map.initializeElement(
                at: index, to: MappedRegion(start: region.guestPhysical, size: region.size, base: base))
        }
        self.map = UnsafeBufferPointer(map)
    }

    deinit { map.deallocate() }

    /// What sizes and addresses of regions are multiples of, in bytes.
    public static let pageSize = 4096

    /// Another process can map all of it.
    public var isShared: Bool { files.allSatisfy(\.isShared) }

    /// Bytes of RAM in all regions.
    public var size: UInt64 { regions.reduce(0) { $0 &+ $1.size } }

    /// The bytes at `address`, or nil when they do not lie whole in one region. `count` 0 is never mapped.
    public func span(at address: UInt64, count: Int) -> UnsafeMutableRawBufferPointer? {
        guard count > 0 else { return nil }
        for region in map {
            if let pointer = region.pointer(to: address, count: UInt64(count)) {
                return UnsafeMutableRawBufferPointer(start: pointer, count: count)
            }
        }
        return nil
    }

    /// The guest-physical address of a byte of RAM; nil when `pointer` is not in RAM.
    public func address(of pointer: UnsafeRawPointer) -> UInt64? {
        for region in map {
            let distance = UInt64(UInt(bitPattern: pointer)) &- UInt64(UInt(bitPattern: region.base))
            if distance < region.size { return region.start &+ distance }
        }
        return nil
    }

    /// What a vhost-user back-end calls `address`; nil when it is not RAM.
    public func userAddress(of address: UInt64) -> UInt64? {
        for region in regions where address &- region.guestPhysical < region.size {
            return region.userAddress &+ (address &- region.guestPhysical)
        }
        return nil
    }

    /// The guest-physical address that a vhost-user peer calls `address`; nil when no region has it.
    public func guestAddress(ofUser address: UInt64) -> UInt64? {
        for region in regions where address &- region.userAddress < region.size {
            return region.guestPhysical &+ (address &- region.userAddress)
        }
        return nil
    }

    private static func validate(_ regions: [MemoryRegion], _ files: [SharedMemory]) throws(VirtioError) {
        guard !regions.isEmpty else { throw .noRegion }
        for (index, region) in regions.enumerated() {
            let file = files.indices.contains(region.file) ? files[region.file] : nil
            let (start, size) = (UInt64(file?.offset ?? 0), UInt64(file.map { $0.offset + $0.size } ?? 0))
            guard region.fileOffset >= start, region.isWellFormed(fileSize: size) else {
                throw .region(region, fileSize: size)
            }
            for other in regions[..<index] where region.overlaps(other) { throw .regionsOverlap(other, region) }
        }
    }
}

extension MemoryRegion {
    static func identity(from start: UInt64, to end: UInt64) -> MemoryRegion {
        MemoryRegion(
            guestPhysical: start, size: end &- start, userAddress: userAddressBase &+ start, fileOffset: start)
    }

    func isWellFormed(fileSize: UInt64) -> Bool {
        let page = UInt64(GuestMemory.pageSize)
        let (end, overflow) = fileOffset.addingReportingOverflow(size)
        return size > 0 && [guestPhysical, size, userAddress, fileOffset].allSatisfy { $0 % page == 0 }
            && !overflow && end <= fileSize && !guestPhysical.addingReportingOverflow(size).overflow
            && !userAddress.addingReportingOverflow(size).overflow
    }

    func overlaps(_ other: MemoryRegion) -> Bool {
        func meet(_ a: UInt64, _ b: UInt64) -> Bool { a &- b < other.size || b &- a < size }
        return meet(guestPhysical, other.guestPhysical) || meet(userAddress, other.userAddress)
    }
}

/// A region with the pointer it is mapped at.
struct MappedRegion {
    let start: UInt64
    let size: UInt64
    let base: UnsafeMutableRawPointer

    /// Where `count` bytes at `address` lie, when all of them are in this region.
    @inline(__always)
    func pointer(to address: UInt64, count: UInt64) -> UnsafeMutableRawPointer? {
        let offset = address &- start
        guard offset < size, count <= size &- offset else { return nil }
        return base + Int(truncatingIfNeeded: offset)
    }
}
