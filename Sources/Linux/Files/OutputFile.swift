// Opening a file to write where somebody else may have put something first. In a directory that others can write too,
// a symbolic link is followed only when it is ours or the directory's owner's, and what lies there already is written
// only when it is: the rules of fs.protected_symlinks and fs.protected_regular (proc_sys_fs(5)), whatever the kernel is
// set to, and without its need for a sticky bit. Nothing waits: a FIFO without a reader is ENXIO. What somebody has
// locked is not written blindly: it is guest memory, or another program's own.

import CLinux
import Glibc

/// A file for writing.
public enum OutputFile {
    /// As many links in a row as the kernel follows.
    private static let linkLimit = 40

    /// Opens, or makes, a file: non-blocking and close-on-exec.
    /// - Parameters:
    ///   - path: of any bytes but 0.
    ///   - flags: O_WRONLY or O_RDWR, with O_APPEND or without.
    ///   - mode: of a file that is made.
    ///   - empties: what a regular file held is gone; one that is refused keeps it.
    /// - Throws: EACCES about `path` for a link or a file that is not to be trusted; EBUSY for a file that is locked, where
    ///   it is opened with O_WRONLY. Whoever asks for O_RDWR looks at locks himself.
    public static func open(
        _ path: String, _ flags: CInt, mode: mode_t, empties: Bool = false
    ) throws(SystemError) -> FileDescriptor {
        do throws(SystemError) {
            let file = try openFollowing(path.systemBytes, flags | O_CREAT | O_NONBLOCK | O_NOCTTY, mode)
            if flags & O_ACCMODE == O_WRONLY, ne_is_locked(file.raw) == 1 {
                throw SystemError(call: "open", code: EBUSY)
            }
            var status = stat()
            if empties, fstat(file.raw, &status) == 0, status.st_mode & S_IFMT == S_IFREG, ftruncate(file.raw, 0) != 0 {
                throw SystemError(call: "ftruncate", code: errno)
            }
            return file
        } catch {
            throw SystemError(call: error.call, code: error.code, subject: path)
        }
    }

    private static func openFollowing(_ path: [UInt8], _ flags: CInt, _ mode: mode_t) throws(SystemError)
        -> FileDescriptor
    {
        var rest = path
        var place = FileDescriptor(owning: try check(ne_open_directory(AT_FDCWD, "."), "open"))
        for _ in 0..<linkLimit {
            let (folder, name) = split(rest)
            if let folder { place = FileDescriptor(owning: try check(ne_open_directory(place.raw, folder), "open")) }
            let raw = ne_openat(place.raw, name, flags | O_NOFOLLOW, mode)
            if raw != -ELOOP {
                let file = FileDescriptor(owning: try check(raw, "open"))
                try admit(file.raw, in: place.raw)
                return file
            }
            let link = FileDescriptor(owning: try check(ne_open_place(place.raw, name), "open"))
            // The kernel's own links name no path, and no stranger makes them.
            if ne_is_procfs(link.raw) == 1 {
                return FileDescriptor(owning: try check(ne_openat(place.raw, name, flags, mode), "open"))
            }
            rest = try target(of: link.raw, in: place.raw)
        }
        throw SystemError(call: "open", code: ELOOP)
    }

    /// The directory part, if there is one, and the name, each with its final zero.
    private static func split(_ path: [UInt8]) -> (folder: [CChar]?, name: [CChar]) {
        func word(_ bytes: some Sequence<UInt8>) -> [CChar] { bytes.map { CChar(bitPattern: $0) } + [0] }
        guard let slash = path.lastIndex(of: UInt8(ascii: "/")) else { return (nil, word(path)) }
        // `x/` is a directory, whatever x is.
        let name = slash == path.count - 1 ? Array(".".utf8) : Array(path[(slash + 1)...])
        return (word(path[...slash]), word(name))
    }

    private static func target(of link: CInt, in directory: CInt) throws(SystemError) -> [UInt8] {
        var found = stat()
        var place = stat()
        guard fstat(link, &found) == 0, fstat(directory, &place) == 0, found.st_mode & S_IFMT == S_IFLNK else {
            throw SystemError(call: "open", code: ELOOP)
        }
        let othersWrite = place.st_mode & 0o022 != 0
        guard !othersWrite || found.st_uid == geteuid() || found.st_uid == place.st_uid else {
            throw SystemError(call: "open", code: EACCES)
        }
        var room = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = try check(ne_read_link(link, &room, room.count), "readlink")
        guard count > 0, count < room.count else { throw SystemError(call: "readlink", code: ENAMETOOLONG) }
        return room[..<count].map { UInt8(bitPattern: $0) }
    }

    /// Somebody who could make the file there before us would read what we write.
    private static func admit(_ file: CInt, in directory: CInt) throws(SystemError) {
        var found = stat()
        var place = stat()
        guard fstat(file, &found) == 0, fstat(directory, &place) == 0 else {
            throw SystemError(call: "fstat", code: errno)
        }
        let anybodyWrites = place.st_mode & 0o002 != 0
        guard !anybodyWrites || found.st_uid == geteuid() || found.st_uid == place.st_uid else {
            throw SystemError(call: "open", code: EACCES)
        }
    }
}
