// A file that becomes memory: opened or made, locked against a second user, long enough, its room reserved. Where room
// cannot be reserved, or somebody cuts the file later, SharedMemory's guard is what is left.

import CLinux
import Glibc

/// A file for memory, and what of it is used.
public struct MemoryFile: Sendable {
    /// Where it lies.
    public enum Place: Equatable, Sendable {
        /// A file, made if it is missing; in a directory a file without a name.
        case path(String)
        /// POSIX shared memory without a name (shm_overview(7)).
        case shared
    }

    /// Why there is no memory in it.
    public enum Failure: Error, Equatable, Sendable {
        /// It cannot be opened or made.
        case cannotOpen(SystemError)
        /// It is no file with bytes in it, or cannot be mapped.
        case cannotMap(SystemError)
        /// It has bytes, and too few of them.
        case tooShort(bytes: Int)
        /// A lock of somebody else lies on the bytes.
        case inUse
        /// It cannot be made longer.
        case cannotGrow(SystemError)
        /// Its file system has no room for the bytes.
        case noRoom(SystemError)
    }

    /// Where it lies.
    public let place: Place
    /// Bytes that are used, from `offset` on; multiples of the page size.
    public let size: Int
    /// Where the bytes begin.
    public var offset = 0
    /// Of the mapping; a power of two.
    public var alignment = 0
    /// What is written goes to the file.
    public var isShared = true
    /// The file is only read; what is written is not shared then.
    public var isReadOnly = false
    /// Room for all bytes is taken in advance.
    public var isReserved = true

    /// All of a file.
    public init(_ place: Place, size: Int) {
        self.place = place
        self.size = size
    }

    /// Opens, locks, sizes and maps it. A file that was made for a failure is gone, one that was empty is empty again.
    /// - Returns: the memory; `hasRoom` false: its file system cannot reserve room, or was not asked to.
    public func open() throws(Failure) -> (memory: SharedMemory, hasRoom: Bool) {
        let isNew = isMissing
        let file = try openFile()
        do throws(Failure) {
            let length = try admit(file.raw)
            do throws(Failure) { return try map(file, grows: length == 0) } catch {
                if length == 0 { ftruncate(file.raw, 0) }
                throw error
            }
        } catch {
            if isNew, case .path(let path) = place, error != .inUse { unlink(path.systemPath) }
            throw error
        }
    }

    // MARK: opening

    private var isMissing: Bool {
        var status = stat()
        guard case .path(let path) = place else { return false }
        return lstat(path.systemPath, &status) != 0
    }

    private func openFile() throws(Failure) -> FileDescriptor {
        do throws(SystemError) {
            guard case .path(let path) = place else { return try Self.nameless(in: "/dev/shm") }
            if isReadOnly {
                return FileDescriptor(
                    owning: try check(ne_open(path.systemPath, O_RDONLY | O_NONBLOCK, 0), "open", path))
            }
            do throws(SystemError) { return try OutputFile.open(path, O_RDWR, mode: 0o600) } catch {
                var status = stat()
                guard error.code == EISDIR, stat(path.systemPath, &status) == 0 else { throw error }
                return try Self.nameless(in: path)
            }
        } catch { throw .cannotOpen(error) }
    }

    /// A file of nobody else: its name is gone before anything is in it.
    private static func nameless(in directory: String) throws(SystemError) -> FileDescriptor {
        for _ in 0..<16 {
            let path = "\(directory)/netemu-\(getpid())-\(UInt64.random(in: 0...UInt64.max))"
            let raw = ne_open(path.systemPath, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
            if raw == -EEXIST { continue }
            let file = FileDescriptor(owning: try check(raw, "open", directory))
            unlink(path.systemPath)
            return file
        }
        throw SystemError(call: "open", code: EEXIST, subject: directory)
    }

    /// Bytes of the file, when they are for us alone and enough, or none at all.
    private func admit(_ file: CInt) throws(Failure) -> Int {
        var status = stat()
        guard fstat(file, &status) == 0 else { throw .cannotOpen(SystemError(call: "fstat", code: errno)) }
        if status.st_mode & S_IFMT == S_IFDIR { throw .cannotOpen(SystemError(call: "open", code: EISDIR)) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .cannotMap(SystemError(call: "mmap", code: ENODEV)) }
        let code = ne_lock_range(file, isShared ? 1 : 0, Int64(offset), Int64(size))
        // A file system without locks has none to be respected.
        if code == -EAGAIN || code == -EACCES { throw .inUse }
        let length = Int(status.st_size)
        guard length == 0 && !isReadOnly || length >= offset && length - offset >= size else {
            throw .tooShort(bytes: length)
        }
        return length
    }

    // MARK: bytes

    private func map(_ file: borrowing FileDescriptor, grows: Bool) throws(Failure) -> (SharedMemory, Bool) {
        let hasRoom = try makeRoom(file.raw, grows: grows)
        do throws(SystemError) {
            let memory = try SharedMemory(
                try file.duplicate(), size: size, offset: offset, alignment: alignment, isShared: isShared)
            return (memory, hasRoom)
        } catch { throw .cannotMap(error) }
    }

    private func makeRoom(_ file: CInt, grows: Bool) throws(Failure) -> Bool {
        if grows, ftruncate(file, offset + size) != 0 { throw .cannotGrow(SystemError(call: "ftruncate", code: errno)) }
        guard isReserved, !isReadOnly else { return false }
        let code = ne_fallocate(file, Int64(offset), Int64(size))
        if code == -EOPNOTSUPP || code == -ENOSYS { return false }
        do throws(SystemError) { _ = try check(code, "fallocate", "\(size) bytes") } catch { throw .noRoom(error) }
        return true
    }
}
