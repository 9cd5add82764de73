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
        /// Its pages cannot be made in advance.
        case cannotPopulate(SystemError)
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
    /// Every page is made in advance.
    public var isPopulated = false

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
        do throws(Failure) { return try fill(file) } catch {
            // Where it is in use, it is that one's.
            if isNew, case .path(let path) = place, error != .inUse {
                PlacedFile(path, FileIdentity(of: file.raw)).remove()
            }
            throw error
        }
    }

    private func fill(_ file: borrowing FileDescriptor) throws(Failure) -> (SharedMemory, Bool) {
        let hold = try admit(file.raw)
        do throws(Failure) {
            let made = try map(file, grows: hold.isEmpty)
            if hold.isWhole { narrow(file.raw) }
            return made
        } catch {
            if hold.isWhole { ftruncate(file.raw, 0) }
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

    // MARK: whose bytes they are

    /// Locks what is used, and all of a file that is empty, so that nobody begins to use another part of it meanwhile.
    /// - Returns: whether it is empty, and whether all of it is locked.
    private func admit(_ file: CInt) throws(Failure) -> (isEmpty: Bool, isWhole: Bool) {
        try checkKind(of: file)
        _ = try lock(file, isExclusive: isShared, from: offset, size)
        if !isReadOnly, try length(of: file) == 0 {
            let isWhole = try lock(file, isExclusive: true, from: 0, 0)
            // Somebody may have filled it before that.
            if try length(of: file) == 0 { return (true, isWhole) }
            narrow(file)
        }
        let length = try length(of: file)
        guard length >= offset, length - offset >= size else { throw .tooShort(bytes: length) }
        return (false, false)
    }

    private func checkKind(of file: CInt) throws(Failure) {
        let kind = try status(of: file).st_mode & S_IFMT
        if kind == S_IFDIR { throw .cannotOpen(SystemError(call: "open", code: EISDIR)) }
        guard kind == S_IFREG else { throw .cannotMap(SystemError(call: "mmap", code: ENODEV)) }
    }

    private func length(of file: CInt) throws(Failure) -> Int { Int(try status(of: file).st_size) }

    private func status(of file: CInt) throws(Failure) -> stat {
        var status = stat()
        guard fstat(file, &status) == 0 else { throw .cannotOpen(SystemError(call: "fstat", code: errno)) }
        return status
    }

    /// - Returns: false for a file system without locks, which has none to be respected.
    private func lock(_ file: CInt, isExclusive: Bool, from start: Int, _ count: Int) throws(Failure) -> Bool {
        let code = ne_lock_range(file, isExclusive ? 1 : 0, Int64(start), Int64(count))
        if code == -EAGAIN || code == -EACCES { throw .inUse }
        return code == 0
    }

    /// Of the whole file only what is used stays locked.
    private func narrow(_ file: CInt) {
        _ = ne_lock_range(file, isShared ? 1 : 0, Int64(offset), Int64(size))
        if offset > 0 { _ = ne_unlock_range(file, 0, Int64(offset)) }
        _ = ne_unlock_range(file, Int64(offset + size), 0)
    }

    // MARK: bytes

    private func map(_ file: borrowing FileDescriptor, grows: Bool) throws(Failure) -> (SharedMemory, Bool) {
        let hasRoom = try makeRoom(file.raw, grows: grows)
        let memory: SharedMemory
        do throws(SystemError) {
            memory = try SharedMemory(
                try file.duplicate(), size: size, offset: offset, alignment: alignment, isShared: isShared)
        } catch { throw .cannotMap(error) }
        if isPopulated { try populate(memory) }
        return (memory, hasRoom)
    }

    private func populate(_ memory: SharedMemory) throws(Failure) {
        do throws(SystemError) { try memory.populate() } catch {
            // What would be SIGBUS is EFAULT there: the file is long enough, so there is no room for the page.
            guard error.code == EFAULT else { throw .cannotPopulate(error) }
            throw .noRoom(SystemError(call: error.call, code: ENOSPC, subject: error.subject))
        }
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
