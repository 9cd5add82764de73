// The node's door to the host's files. Regular files only: anything else could make a call wait. Files of tools that come
// from elsewhere with a migration are opened again beneath one folder only, which this side's command line names: whoever
// sends state must not choose files of the host.

import Glibc
import GuestNode
import Linux

/// Files relative to the directory netemu was started in.
final class HostFiles: FileDoor {
    /// `moved-files=`; nil: a node that comes from elsewhere gets no files.
    private let movedFiles: Folder?
    private var files: [FileToken: SharedDescriptor] = [:]
    private var names: [FileToken: (path: String, use: FileUse)] = [:]

    init(movedFiles: Folder? = nil) { self.movedFiles = movedFiles }

    func open(_ path: String, for use: FileUse) throws(FileError) -> FileToken {
        let file: SharedDescriptor
        do throws(SystemError) { file = SharedDescriptor(try Self.descriptor(path, use)) } catch {
            throw FileError(path: path, reason: error.reason)
        }
        _ = try Self.regular(file.raw, path)
        // Only now: a file that is refused keeps what is in it.
        if use == .write, ftruncate(file.raw, 0) != 0 {
            throw FileError(path: path, reason: String(cString: strerror(errno)))
        }
        return add(file, path, use)
    }

    private func add(_ file: SharedDescriptor, _ path: String, _ use: FileUse) -> FileToken {
        let token = FileToken(rawValue: file.raw)
        files[token] = file
        names[token] = (path, use)
        return token
    }

    /// What a regular file is like; anything else is refused.
    private static func regular(_ file: CInt, _ path: String) throws(FileError) -> stat {
        var status = stat()
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            let isDirectory = status.st_mode & S_IFMT == S_IFDIR
            throw FileError(path: path, reason: isDirectory ? "Is a directory" : "not a regular file")
        }
        return status
    }

    private static func descriptor(_ path: String, _ use: FileUse) throws(SystemError) -> FileDescriptor {
        switch use {
        case .read:
            let raw = Glibc.open(path.systemPath, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
            guard raw >= 0 else { throw SystemError(call: "open", code: errno, subject: path) }
            return FileDescriptor(owning: raw)
        case .write: return try OutputFile.open(path, O_WRONLY, mode: 0o666)
        case .append: return try OutputFile.open(path, O_WRONLY | O_APPEND, mode: 0o666)
        }
    }

    func read(_ file: FileToken, into room: UnsafeMutableRawBufferPointer) throws(FileError) -> Int {
        try counted(file) { Glibc.read(file.rawValue, room.baseAddress, room.count) }
    }

    func write(_ file: FileToken, _ bytes: UnsafeRawBufferPointer) throws(FileError) -> Int {
        try counted(file) { Glibc.write(file.rawValue, bytes.baseAddress, bytes.count) }
    }

    func close(_ file: FileToken) {
        files[file] = nil
        names[file] = nil
    }

    /// Where a file stands, for another netemu.
    func place(of file: FileToken) -> MovedFile? {
        guard let name = names[file] else { return nil }
        let offset = lseek(file.rawValue, 0, SEEK_CUR)
        return offset < 0 ? nil : MovedFile(path: name.path, use: name.use, offset: UInt64(offset))
    }

    // MARK: files of a node that comes from elsewhere

    /// Opens beneath the folder what is there already: nothing is made or emptied. A path that began at the root of the
    /// other side is taken as if it began at the folder.
    func reopen(_ moved: MovedFile) throws(FileError) -> FileToken {
        func refused(_ reason: String) -> FileError { FileError(path: moved.path, reason: reason) }
        guard let folder = movedFiles else {
            throw refused("a node that comes from elsewhere gets no files here without -guest node,moved-files=DIR")
        }
        let file: SharedDescriptor
        do throws(SystemError) { file = SharedDescriptor(try Self.descriptor(moved, in: folder)) } catch {
            throw refused(Self.reason(error.code, folder))
        }
        let status = try Self.regular(file.raw, moved.path)
        // Somebody who could make the file there would read what is written.
        guard moved.use == .read || status.st_uid == geteuid() || status.st_uid == folder.owner else {
            throw refused("it belongs to somebody else")
        }
        guard let offset = off_t(exactly: moved.offset), offset <= status.st_size else {
            throw refused("it has \(status.st_size) bytes here, and was read or written up to byte \(moved.offset)")
        }
        guard lseek(file.raw, offset, SEEK_SET) == offset else { throw refused(String(cString: strerror(errno))) }
        return add(file, moved.path, moved.use)
    }

    private static func descriptor(_ moved: MovedFile, in folder: Folder) throws(SystemError) -> FileDescriptor {
        let name = String(moved.path.drop { $0 == "/" })
        guard !name.isEmpty, !name.utf8.contains(0) else { throw SystemError(call: "openat2", code: ENOENT) }
        let use =
            switch moved.use {
            case .read: O_RDONLY
            case .write: O_WRONLY
            case .append: O_WRONLY | O_APPEND
            }
        return try folder.open(beneath: name, use | O_NONBLOCK | O_NOCTTY)
    }

    static func reason(_ code: CInt, _ folder: Folder) -> String {
        switch code {
        case EXDEV: "it is not beneath \(folder.path) (moved-files=)"
        case ELOOP: "its way beneath \(folder.path) leads over a symbolic link"
        case ENOSYS: "the kernel has no openat2(2), by which a file is kept beneath \(folder.path) (moved-files=)"
        default: String(cString: strerror(code))
        }
    }

    private func counted(_ file: FileToken, _ call: () -> Int) throws(FileError) -> Int {
        guard files[file] != nil else { throw FileError(path: "file \(file.rawValue)", reason: "not open") }
        while true {
            let count = call()
            if count >= 0 { return count }
            if errno != EINTR {
                throw FileError(path: names[file]?.path ?? "", reason: String(cString: strerror(errno)))
            }
        }
    }
}
