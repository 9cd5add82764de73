// The node's door to the host's files. Regular files only: anything else could make a call wait.

import Glibc
import GuestNode
import Linux

/// Files relative to the directory netemu was started in.
final class HostFiles: FileDoor {
    private var files: [FileToken: SharedDescriptor] = [:]
    private var names: [FileToken: (path: String, use: FileUse)] = [:]

    func open(_ path: String, for use: FileUse) throws(FileError) -> FileToken {
        let file: SharedDescriptor
        do throws(SystemError) { file = SharedDescriptor(try Self.descriptor(path, use)) } catch {
            throw FileError(path: path, reason: error.reason)
        }
        let raw = file.raw
        var status = stat()
        guard fstat(raw, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            let isDirectory = status.st_mode & S_IFMT == S_IFDIR
            throw FileError(path: path, reason: isDirectory ? "Is a directory" : "not a regular file")
        }
        // Only now: a file that is refused keeps what is in it.
        if use == .write, ftruncate(raw, 0) != 0 {
            throw FileError(path: path, reason: String(cString: strerror(errno)))
        }
        let token = FileToken(rawValue: raw)
        files[token] = file
        names[token] = (path, use)
        return token
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

    /// Where a file stands, for another netemu. This one opens nothing for a node that comes from elsewhere.
    func place(of file: FileToken) -> MovedFile? {
        guard let name = names[file] else { return nil }
        let offset = lseek(file.rawValue, 0, SEEK_CUR)
        return offset < 0 ? nil : MovedFile(path: name.path, use: name.use, offset: UInt64(offset))
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
