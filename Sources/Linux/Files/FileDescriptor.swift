// Ownership of a file descriptor. A descriptor is closed exactly once, when its owner goes.

import CLinux
import Glibc

/// A descriptor that is owned: closed when the value is consumed or goes out of scope.
public struct FileDescriptor: ~Copyable, Sendable {
    /// The number, borrowed: valid as long as the owner lives.
    public let raw: CInt

    /// Takes ownership of `raw`.
    public init(owning raw: CInt) { self.raw = raw }

    deinit { Glibc.close(raw) }

    /// Gives the number away without closing it.
    public consuming func release() -> CInt {
        let raw = self.raw
        discard self
        return raw
    }

    /// A second descriptor for the same open file, close-on-exec.
    public borrowing func duplicate() throws(SystemError) -> FileDescriptor {
        let copy = fcntl(raw, F_DUPFD_CLOEXEC, 0)
        guard copy >= 0 else { throw SystemError(call: "fcntl(F_DUPFD_CLOEXEC)", code: errno) }
        return FileDescriptor(owning: copy)
    }
}

/// A descriptor owned by reference, for places that several values share. Closed with the last reference.
public final class SharedDescriptor: Sendable {
    /// The descriptor; closed with the last reference.
    public let descriptor: FileDescriptor
    /// Its number while somebody holds a reference.
    public var raw: CInt { descriptor.raw }
    /// Takes it over.
    public init(_ descriptor: consuming FileDescriptor) { self.descriptor = descriptor }
}
