// Which file a name means (stat(2)), so that only what was put there is taken away again: meanwhile somebody may have
// removed it and put something of his own in its place.

import Glibc

/// A file as the kernel knows it, whatever its names. It is good while somebody keeps the file: a number that nobody
/// has any more is given to the next file.
public struct FileIdentity: Equatable, Sendable {
    private let device: UInt64
    private let inode: UInt64

    private init(_ status: stat) {
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
    }

    /// What `descriptor` has open; nil when that cannot be known. A socket is not the file that it is bound to.
    public init?(of descriptor: CInt) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return nil }
        self.init(status)
    }

    /// What lies at a path now; nil when nothing does.
    /// - Parameters:
    ///   - path: of any bytes but 0.
    ///   - followsLinks: a symbolic link means the file that it leads to.
    public init?(at path: String, followsLinks: Bool = false) {
        var status = stat()
        guard (followsLinks ? stat(path.systemPath, &status) : lstat(path.systemPath, &status)) == 0 else { return nil }
        self.init(status)
    }
}

/// A file that was put at a path, and is removed from there again.
public struct PlacedFile: Sendable {
    private let path: String
    private let identity: FileIdentity?

    /// What lies at `path` now: call as soon as it has been made, and keep it open.
    public init(_ path: String) { self.init(path, FileIdentity(at: path)) }

    /// - Parameters:
    ///   - path: where it lies.
    ///   - identity: of what was put there.
    public init(_ path: String, _ identity: FileIdentity?) {
        self.path = path
        self.identity = identity
    }

    /// It still lies there.
    public var isInPlace: Bool { identity != nil && identity == FileIdentity(at: path) }

    /// Removes it, unless something else lies there by now; true when it was removed. A directory has to be empty.
    @discardableResult
    public func remove() -> Bool {
        guard isInPlace else { return false }
        if unlink(path.systemPath) == 0 { return true }
        return errno == EISDIR && rmdir(path.systemPath) == 0
    }
}
