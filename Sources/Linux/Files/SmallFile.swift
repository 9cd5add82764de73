// Whole files that are small: read and written in one go, relative to a directory's descriptor.

import CLinux
import Glibc

/// Reading and writing whole small files.
public enum SmallFile {
    /// The first `limit` bytes of a file.
    /// - Parameters:
    ///   - path: of the file.
    ///   - directory: a directory's descriptor that a relative `path` starts from; nil is the working directory.
    ///   - limit: bytes that are read at most.
    public static func read(_ path: String, in directory: CInt? = nil, limit: Int = 65536)
        throws(SystemError) -> [UInt8]
    {
        let file = FileDescriptor(
            owning: try check(ne_openat(directory ?? AT_FDCWD, path.systemPath, O_RDONLY | O_NONBLOCK, 0), "open", path)
        )
        var bytes = [UInt8](repeating: 0, count: max(0, limit))
        var length = 0
        while length < bytes.count {
            let count = bytes.withUnsafeMutableBytes {
                readSome(file.raw, UnsafeMutableRawBufferPointer(rebasing: $0[length...]))
            }
            if try check(count, "read", path) == 0 { break }
            length += count
        }
        return Array(bytes.prefix(length))
    }

    /// Creates or replaces a file with `bytes`, close-on-exec, not through a symbolic link.
    public static func write(_ bytes: [UInt8], to path: String, in directory: CInt? = nil, mode: mode_t = 0o600)
        throws(SystemError)
    {
        let flags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW
        let file = FileDescriptor(
            owning: try check(ne_openat(directory ?? AT_FDCWD, path.systemPath, flags, mode), "open", path))
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { writeSome(file.raw, $0) }
            rest = rest.dropFirst(try check(count, "write", path))
        }
    }

    /// Removes a file; one that is not there is no error.
    public static func remove(_ path: String, in directory: CInt? = nil) throws(SystemError) {
        guard unlinkat(directory ?? AT_FDCWD, path.systemPath, 0) != 0, errno != ENOENT else { return }
        throw SystemError(call: "unlink", code: errno, subject: path)
    }
}

/// read(2) that goes on after a signal; bytes, 0 at the end, or -errno.
func readSome(_ fd: CInt, _ room: UnsafeMutableRawBufferPointer) -> Int {
    while true {
        let count = Glibc.read(fd, room.baseAddress, room.count)
        if count >= 0 { return count }
        let code = errno
        if code != EINTR { return -Int(code) }
    }
}

/// write(2) that goes on after a signal; bytes or -errno.
func writeSome(_ fd: CInt, _ bytes: UnsafeRawBufferPointer) -> Int {
    while true {
        let count = Glibc.write(fd, bytes.baseAddress, bytes.count)
        if count >= 0 { return count }
        let code = errno
        if code != EINTR { return -Int(code) }
    }
}
