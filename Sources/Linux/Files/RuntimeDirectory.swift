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
        for place in places() {
            do { return try RuntimeDirectory(below: place, owner: pid) } catch { failure = error }
        }
        throw failure
    }

    /// Makes a directory below `place`.
    public init(below place: String, owner pid: pid_t = getpid()) throws(SystemError) {
        let pattern = "\(place)/netemu-\(pid)-XXXXXX"
        var template = Array(pattern.utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError(call: "mkdtemp", code: errno, subject: pattern) }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        descriptor = FileDescriptor(
            owning: try check(ne_open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0), "open", path))
    }

    /// Removes one file in it; a missing one is no error.
    public func remove(_ name: String) { unlinkat(raw, name, 0) }

    /// Removes it with everything in it. Call it from its maker only.
    public func removeAll() {
        _ = ne_remove_contents(raw, 8)
        rmdir(path)
    }

    /// A small file's content from its start, at most `limit` bytes; nil when it cannot be read.
    public func contents(of name: String, limit: Int = 64) -> [UInt8]? {
        try? SmallFile.read(name, in: raw, limit: limit)
    }

    private static func places() -> [String] {
        func variable(_ name: String) -> String? {
            getenv(name).map { String(cString: $0) }.flatMap { $0.hasPrefix("/") ? $0 : nil }
        }
        return [variable("XDG_RUNTIME_DIR"), variable("TMPDIR"), "/tmp"].compactMap { $0 }
    }
}
