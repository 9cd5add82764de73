// A folder that files are opened beneath, and nothing outside of it, for names that a stranger has chosen: the kernel
// resolves them (openat2(2)), so that nobody can change a part of the way between a look at it and its use.

import CLinux
import Glibc

/// A folder that is held open.
public final class Folder: Sendable {
    /// As it was given.
    public let path: String
    private let place: FileDescriptor
    /// How often a name with `..` is resolved again while somebody renames folders.
    private static let tries = 16

    /// - Throws: what the system says about `path`.
    public init(_ path: String) throws(SystemError) {
        self.path = path
        place = FileDescriptor(owning: try check(ne_open_directory(AT_FDCWD, path.systemPath), "open", path))
    }

    /// Whose it is.
    public var owner: uid_t {
        var status = stat()
        return fstat(place.raw, &status) == 0 ? status.st_uid : geteuid()
    }

    /// Opens what is there already; nothing is made or emptied. Close-on-exec.
    /// - Parameters:
    ///   - name: relative to the folder, of any bytes but 0.
    ///   - flags: of open(2), without O_CREAT.
    /// - Throws: EXDEV when `name` leads out of the folder or begins with `/`, ELOOP when a part of it is a symbolic link,
    ///   ENOSYS where the kernel, or a filter of system calls, has no openat2(2).
    public func open(beneath name: String, _ flags: CInt) throws(SystemError) -> FileDescriptor {
        for _ in 1..<Self.tries {
            let raw = ne_open_beneath(place.raw, name.systemPath, flags)
            // The kernel could not be sure that a `..` stays inside.
            if raw != -EAGAIN { return FileDescriptor(owning: try check(raw, "openat2", name)) }
        }
        throw SystemError(call: "openat2", code: EAGAIN, subject: name)
    }
}
