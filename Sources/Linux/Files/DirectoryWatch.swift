// A directory whose new names are of interest (inotify(7)).

import CLinux
import Glibc

/// Watches a directory for names that appear, and lists those that are there.
public struct DirectoryWatch: ~Copyable {
    /// What happened while it was waited.
    public enum Arrival: Equatable, Sendable {
        /// These names appeared, in this order.
        case names([String])
        /// More than the kernel kept: list again.
        case lost
        /// The directory was removed or moved: nothing appears in it under its path any more.
        case gone
    }

    private static let appearing = UInt32(IN_CREATE) | UInt32(IN_MOVED_TO)
    private static let leaving =
        UInt32(IN_DELETE_SELF) | UInt32(IN_MOVE_SELF) | UInt32(IN_IGNORED) | UInt32(IN_UNMOUNT)

    private let path: String
    private let identity: FileIdentity?
    /// It does not keep the directory open: the end of one that somebody has open is not told.
    private let inotify: FileDescriptor

    /// Throws when there is no such directory, or no inotify instance is left.
    public init(_ path: String) throws(SystemError) {
        self.path = path
        identity = FileIdentity(at: path, followsLinks: true)
        let inotify = FileDescriptor(owning: inotify_init1(CInt(IN_CLOEXEC | IN_NONBLOCK)))
        let wanted = Self.appearing | UInt32(IN_DELETE_SELF) | UInt32(IN_MOVE_SELF) | UInt32(IN_ONLYDIR)
        guard inotify.raw >= 0, inotify_add_watch(inotify.raw, path.systemPath, wanted) >= 0 else {
            throw SystemError(call: "inotify", code: errno, subject: path)
        }
        self.inotify = inotify
    }

    /// The path still leads to the directory that is watched. A directory above it that is moved, or a link that is made
    /// to lead elsewhere, is no event.
    public var isInPlace: Bool { identity != nil && identity == FileIdentity(at: path, followsLinks: true) }

    /// Every name in the directory now, in no order.
    public func names() throws(SystemError) -> [String] {
        let directory = FileDescriptor(
            owning: try check(ne_open(path.systemPath, O_RDONLY | O_DIRECTORY, 0), "open", path))
        return try directoryNames(directory.raw)
    }

    /// Waits until a name appears, at most `milliseconds` (nil: for ever); nil when none did.
    public func wait(milliseconds: Int?) throws(SystemError) -> Arrival? {
        guard try waitReadable(inotify.raw, milliseconds: milliseconds) else { return nil }
        return withUnsafeTemporaryAllocation(byteCount: 16384, alignment: 8) { room in
            var names: [String] = []
            while true {
                let count = read(inotify.raw, room.baseAddress, room.count)
                guard count > 0 else { return .names(names) }
                switch Self.arrival(in: UnsafeRawBufferPointer(rebasing: room[..<count])) {
                case .names(let found): names += found
                case let other: return other
                }
            }
        }
    }

    /// Of events: wd, mask, cookie and length, 32 bits each, then the name with zeros behind it.
    private static func arrival(in events: UnsafeRawBufferPointer) -> Arrival {
        var names: [String] = []
        var rest = events
        while rest.count >= 16 {
            let mask = rest.loadUnaligned(fromByteOffset: 4, as: UInt32.self)
            if mask & leaving != 0 { return .gone }
            if mask & UInt32(IN_Q_OVERFLOW) != 0 { return .lost }
            let length = min(Int(rest.loadUnaligned(fromByteOffset: 12, as: UInt32.self)), rest.count - 16)
            let name = rest[16..<16 + length].prefix { $0 != 0 }
            if !name.isEmpty { names.append(String(systemBytes: name)) }
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(16 + length))
        }
        return .names(names)
    }
}

/// The names in an open directory from where it is read, `.` and `..` among them.
func directoryNames(_ directory: CInt) throws(SystemError) -> [String] {
    var names: [String] = []
    let status = withUnsafeMutablePointer(to: &names) { names in
        ne_list_directory(directory, names) { context, name in
            context?.assumingMemoryBound(to: [String].self).pointee.append(String(systemText: name))
        }
    }
    _ = try check(status, "getdents64")
    return names
}
