// memfd_create(2) memory that is shared with other processes: created, sealed, mapped once.

import CLinux
import Glibc

/// A memfd of fixed size, mapped read-write for the life of the object. Sealed against growing and
/// shrinking, so no holder of the descriptor can make a mapping fault (docs/misbehaviours.md, RM-07).
public final class SharedMemory: @unchecked Sendable {
    /// The memfd.
    public let descriptor: FileDescriptor
    /// First byte of the mapping.
    public let base: UnsafeMutableRawPointer
    /// Bytes; a multiple of the page size.
    public let size: Int

    /// The whole mapping.
    public var bytes: UnsafeMutableRawBufferPointer { UnsafeMutableRawBufferPointer(start: base, count: size) }

    /// - Parameters:
    ///   - name: shown in /proc/PID/maps after `memfd:`.
    ///   - size: bytes; it stays so.
    public init(name: String, size: Int) throws(SystemError) {
        let fd = FileDescriptor(owning: try check(ne_memfd_create(name), "memfd_create", name))
        guard ftruncate(fd.raw, size) == 0 else {
            throw SystemError(call: "ftruncate", code: errno, subject: "\(size) bytes")
        }
        _ = try check(ne_add_seals_grow_shrink(fd.raw), "fcntl(F_ADD_SEALS)", name)
        guard let base = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd.raw, 0), base != MAP_FAILED else {
            throw SystemError(call: "mmap", code: errno, subject: "\(size) bytes")
        }
        self.descriptor = fd
        self.base = base
        self.size = size
    }

    /// Whether `descriptor` is memory that no holder can shrink (F_SEAL_SHRINK): safe to map for another process.
    public static func isSealed(_ descriptor: CInt) -> Bool {
        let sealShrink: CInt = 0x2
        let seals = ne_get_seals(descriptor)
        return seals >= 0 && seals & sealShrink != 0
    }

    deinit { munmap(base, size) }
}
