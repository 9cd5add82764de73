// A directory whose new names are of interest (inotify(7)).

import CLinux
import Glibc

/// Watches a directory for names that appear, and lists those that are there.
public struct DirectoryWatch: ~Copyable {
    private let inotify: FileDescriptor
    /// The directory, for names relative to it.
    public let directory: FileDescriptor

    /// Throws when there is no such directory, or no inotify instance is left.
    public init(_ path: String) throws(SystemError) {
        let directory = FileDescriptor(owning: try check(ne_open(path, O_RDONLY | O_DIRECTORY, 0), "open", path))
        let inotify = FileDescriptor(owning: inotify_init1(CInt(IN_CLOEXEC | IN_NONBLOCK)))
        guard inotify.raw >= 0, inotify_add_watch(inotify.raw, path, UInt32(IN_CREATE) | UInt32(IN_MOVED_TO)) >= 0
        else { throw SystemError(call: "inotify", code: errno, subject: path) }
        self.directory = directory
        self.inotify = inotify
    }

    /// Every name in the directory now, in no order.
    public func names() throws(SystemError) -> [String] {
        lseek(directory.raw, 0, SEEK_SET)
        var names: [String] = []
        let status = withUnsafeMutablePointer(to: &names) { names in
            ne_list_directory(directory.raw, names) { context, name in
                context?.assumingMemoryBound(to: [String].self).pointee.append(String(cString: name))
            }
        }
        _ = try check(status, "getdents64")
        return names
    }

    /// Waits until a name may have appeared, at most `milliseconds` (nil: for ever). Events are swallowed: list again.
    public func wait(milliseconds: Int?) throws(SystemError) {
        guard try waitReadable(inotify.raw, milliseconds: milliseconds) else { return }
        withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 8) { room in
            while read(inotify.raw, room.baseAddress, room.count) > 0 {}
        }
    }
}
