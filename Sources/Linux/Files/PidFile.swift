// A pid file: locked while its process lives, removed by it.

import CLinux
import Glibc

/// The pid of this process in a file.
public final class PidFile {
    private let file: FileDescriptor
    private let place: PlacedFile

    /// Creates or takes over the file, locks it and writes the pid and a line end. When that fails, a file that nobody
    /// else holds is gone.
    /// - Throws: `fcntl(F_SETLK)` when another process holds it.
    public init(_ path: String) throws(SystemError) {
        do throws(SystemError) {
            file = try OutputFile.open(path, O_RDWR, mode: 0o600)
        } catch { throw SystemError(call: "Cannot open pid file", code: error.code) }
        var lock = flock()
        lock.l_type = Int16(F_WRLCK)
        lock.l_whence = Int16(SEEK_SET)
        guard fcntl(file.raw, F_SETLK, &lock) == 0 else { throw SystemError(call: "Cannot lock pid file", code: errno) }
        var status = stat()
        guard fstat(file.raw, &status) == 0 else { throw SystemError(call: "Cannot read pid file", code: errno) }
        // A device or a pipe is no file of ours: it is neither written to nor removed.
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw SystemError(call: "Cannot truncate pid file", code: EINVAL)
        }
        place = PlacedFile(path, FileIdentity(of: file.raw))
        do throws(SystemError) { try write() } catch {
            remove()
            throw error
        }
    }

    private func write() throws(SystemError) {
        guard ftruncate(file.raw, 0) == 0 else { throw SystemError(call: "Cannot truncate pid file", code: errno) }
        let text = Array("\(getpid())\n".utf8)
        guard text.withUnsafeBytes({ pwrite(file.raw, $0.baseAddress, $0.count, 0) }) == text.count else {
            throw SystemError(call: "Failed to write pid file", code: errno)
        }
    }

    /// Removes the file, unless somebody put another in its place.
    public func remove() { place.remove() }
}
