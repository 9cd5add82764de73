// Memory in a file that is mapped once: a sealed memfd of this program's own, or a file that somebody named.

import CLinux
import Glibc

/// A file, or a part of one, mapped read-write for the life of the object. A memfd is sealed against growing and
/// shrinking, so no holder of the descriptor can make a mapping fault (docs/misbehaviours.md, RM-07); in a file that
/// others may cut, pages that are gone become zeros, and `watchLosses` tells.
public final class SharedMemory: @unchecked Sendable {
    /// The file.
    public let descriptor: FileDescriptor
    /// First byte of the mapping.
    public let base: UnsafeMutableRawPointer
    /// Bytes; a multiple of the page size.
    public let size: Int
    /// Where in the file the mapping begins, in bytes.
    public let offset: Int
    /// What is written goes to the file, and another process that maps it sees it.
    public let isShared: Bool
    private let losses: FaultGuard?

    /// The whole mapping.
    public var bytes: UnsafeMutableRawBufferPointer { UnsafeMutableRawBufferPointer(start: base, count: size) }

    /// A memfd.
    /// - Parameters:
    ///   - name: shown in /proc/PID/maps after `memfd:`.
    ///   - size: bytes; it stays so.
    ///   - isShared: false keeps what is written from the memfd and from everybody; it is empty then, and stays so.
    public init(name: String, size: Int, isShared: Bool = true) throws(SystemError) {
        let fd = FileDescriptor(owning: try check(ne_memfd_create(name), "memfd_create", name))
        guard ftruncate(fd.raw, size) == 0 else {
            throw SystemError(call: "ftruncate", code: errno, subject: "\(size) bytes")
        }
        _ = try check(ne_add_seals_grow_shrink(fd.raw), "fcntl(F_ADD_SEALS)", name)
        base = isShared ? try Mapping.make(fd.raw, size: size) : try Mapping.anonymous(size: size)
        descriptor = fd
        self.size = size
        self.isShared = isShared
        (offset, losses) = (0, nil)
    }

    /// A file that is large enough, and stays so unless somebody cuts it.
    /// - Parameters:
    ///   - file: taken over.
    ///   - size: bytes, a multiple of its page size, which may be that of huge pages.
    ///   - offset: where in the file, a multiple of its page size.
    ///   - alignment: of the mapping, a power of two.
    ///   - isShared: false keeps what is written from the file and from everybody.
    public init(
        _ file: consuming FileDescriptor, size: Int, offset: Int = 0, alignment: Int = 0, isShared: Bool = true
    ) throws(SystemError) {
        let page = Int(try check(ne_page_size(file.raw), "fstatfs"))
        guard page > 0, size % page == 0, offset % page == 0 else {
            throw SystemError(call: "mmap", code: EINVAL, subject: "\(size) bytes in pages of \(page)")
        }
        let flags = isShared ? MAP_SHARED : MAP_PRIVATE
        let place = try Mapping.make(
            file.raw, size: size, offset: offset, alignment: max(alignment, page), flags: flags)
        do throws(SystemError) { losses = try FaultGuard(place, size: size, page: page) } catch {
            munmap(place, size)
            throw error
        }
        base = place
        descriptor = file
        self.size = size
        self.offset = offset
        self.isShared = isShared
    }

    /// Makes every page now, so that none has to be made later; what is in them stays.
    public func populate() throws(SystemError) {
        _ = try check(ne_populate(base, size), "madvise(MADV_POPULATE_WRITE)", "\(size) bytes")
    }

    /// Tells the kernel about all of it; one that does not know the advice does as it likes.
    /// - Parameter advice: as madvise(2) takes it.
    public func advise(_ advice: CInt) { madvise(base, size, advice) }

    /// Empties the pages and gives their room back, in the file, too.
    public func discard() { if isShared { advise(MADV_REMOVE) } }

    /// Tells of a touch of memory that was not there any more: the file was cut, or its file system had no room. The
    /// memory must outlive the watch.
    /// - Parameters:
    ///   - reactor: of this thread.
    ///   - handler: called in the turn after the touch.
    /// - Returns: nil for a memfd, where that cannot be.
    public func watchLosses(on reactor: Reactor, _ handler: @escaping () -> Void) throws(SystemError) -> WatchID? {
        try losses?.watch(on: reactor, handler)
    }

    /// Its file still reaches to its end.
    public var isWhole: Bool {
        var status = stat()
        return fstat(descriptor.raw, &status) != 0 || status.st_size >= offset + size
    }

    deinit {
        losses?.end()
        munmap(base, size)
    }
}

private enum Mapping {
    static func make(
        _ fd: CInt, size: Int, offset: Int = 0, alignment: Int = 0, flags: CInt = MAP_SHARED
    ) throws(SystemError) -> UnsafeMutableRawPointer {
        let access = PROT_READ | PROT_WRITE
        guard alignment > 4096 else { return try map(nil, size, access, flags, fd, offset) }
        let (room, isTooMuch) = size.addingReportingOverflow(alignment)
        guard !isTooMuch else { throw SystemError(call: "mmap", code: ENOMEM, subject: "\(size) bytes") }
        let found = try map(nil, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        let ahead = (alignment - Int(bitPattern: found) % alignment) % alignment
        do throws(SystemError) {
            let place = try map(found + ahead, size, access, flags | MAP_FIXED, fd, offset)
            if ahead > 0 { munmap(found, ahead) }
            munmap(place + size, alignment - ahead)
            return place
        } catch {
            munmap(found, room)
            throw error
        }
    }

    /// Room of nobody else, taken as it is used.
    static func anonymous(size: Int) throws(SystemError) -> UnsafeMutableRawPointer {
        try map(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    }

    private static func map(
        _ place: UnsafeMutableRawPointer?, _ size: Int, _ access: CInt, _ flags: CInt, _ fd: CInt, _ offset: Int
    ) throws(SystemError) -> UnsafeMutableRawPointer {
        guard let base = mmap(place, size, access, flags, fd, offset), base != MAP_FAILED else {
            throw SystemError(call: "mmap", code: errno, subject: "\(size) bytes")
        }
        return base
    }
}
