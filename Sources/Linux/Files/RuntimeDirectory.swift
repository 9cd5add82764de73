// The directory for sockets and pid files of one run: private (0700), made fresh, removed with
// everything in it. Programs are started inside it and name their files relative to it, because the
// path of a UNIX socket may have 107 bytes only.

import CLinux
import Glibc

/// A private directory, `netemu-PID-XXXXXX` in $XDG_RUNTIME_DIR, else in $TMPDIR, else in /tmp.
public final class RuntimeDirectory {
    /// Absolute.
    public let path: String
    /// The directory, open for the life of the value.
    public let descriptor: FileDescriptor
    /// Its number.
    public var raw: CInt { descriptor.raw }

    /// A directory that another process made and removes.
    init(path: String, descriptor: consuming FileDescriptor) {
        self.path = path
        self.descriptor = descriptor
    }

    /// - Throws: the failure at the last place that was tried; its subject names the place.
    public static func create(owner pid: pid_t = getpid()) throws(SystemError) -> RuntimeDirectory {
        var failure = SystemError(call: "mkdtemp", code: ENOENT)
        for (place, isOwnOnly) in places() {
            do throws(SystemError) {
                try admit(place, isOwnOnly: isOwnOnly)
            } catch {
                failure = error
                continue
            }
            do { return try RuntimeDirectory(below: place, owner: pid) } catch { failure = error }
        }
        throw failure
    }

    /// Makes a directory below `place`.
    public init(below place: String, owner pid: pid_t = getpid()) throws(SystemError) {
        let pattern = "\(place)/netemu-\(pid)-XXXXXX"
        var template = pattern.systemPath
        guard mkdtemp(&template) != nil else { throw SystemError(call: "mkdtemp", code: errno, subject: pattern) }
        path = String(systemText: template)
        let raw = ne_open(template, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0)
        if raw < 0 { rmdir(template) }
        descriptor = FileDescriptor(owning: try check(raw, "open", path))
    }

    /// Removes one file in it; a missing one is no error.
    public func remove(_ name: String) { unlinkat(raw, name.systemPath, 0) }

    /// Removes it with everything in it. Call it from its maker only.
    public func removeAll() {
        _ = ne_remove_contents(raw, 8)
        PlacedFile(path, FileIdentity(of: raw)).remove()
    }

    /// False when somebody has removed or moved it: nothing can be made in it any more, or nobody finds it there.
    public var isInPlace: Bool { PlacedFile(path, FileIdentity(of: raw)).isInPlace }

    /// A small file's content from its start, at most `limit` bytes; nil when it cannot be read.
    public func contents(of name: String, limit: Int = 64) -> [UInt8]? {
        try? SmallFile.read(name, in: raw, limit: limit)
    }

    private static func places() -> [(path: String, isOwnOnly: Bool)] {
        func variable(_ name: String) -> String? {
            getenv(name).map { String(systemText: $0) }.flatMap { $0.utf8.first == UInt8(ascii: "/") ? $0 : nil }
        }
        let found = [(variable("XDG_RUNTIME_DIR"), true), (variable("TMPDIR"), false), ("/tmp", false)]
        return found.compactMap { path, isOwnOnly in path.map { ($0, isOwnOnly) } }
    }

    /// XDG_RUNTIME_DIR has to be the user's own with mode 0700 (XDG Base Directory Specification); elsewhere nobody but
    /// the user, root and the directory's sticky bit may decide about names.
    private static func admit(_ place: String, isOwnOnly: Bool) throws(SystemError) {
        var status = stat()
        guard stat(place.systemPath, &status) == 0 else {
            throw SystemError(call: "stat", code: errno, subject: place)
        }
        let isOwn = status.st_uid == geteuid()
        let isSafe =
            isOwnOnly
            ? isOwn && status.st_mode & 0o077 == 0
            : status.st_mode & 0o022 == 0 || status.st_mode & S_ISVTX != 0
        guard isSafe else { throw SystemError(call: "others may change", code: EACCES, subject: place) }
    }
}
