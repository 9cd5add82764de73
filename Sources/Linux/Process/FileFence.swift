// Which parts of the file tree this thread, and all that it starts, can never open again (landlock(7)). The kernel
// also keeps what is fenced in from looking into processes outside: ptrace(2), /proc/PID/mem and all else that asks
// for the same right.

import CLinux
import Glibc

/// A fence in the file tree.
public enum FileFence {
    /// Landlock's rights as bits, by their order in <linux/landlock.h>.
    private enum Right {
        static let execute: UInt64 = 1 << 0
        static let read: UInt64 = 1 << 2 | 1 << 3
        /// What can be asked of a file that is no directory: execute, write, read, truncate, ioctl of a device.
        static let ofFiles: UInt64 = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 14 | 1 << 15
        static let removeFile: UInt64 = 1 << 5
        static let makeDevices: UInt64 = 1 << 6 | 1 << 11
        static let makeSocket: UInt64 = 1 << 9

        /// Those that a version of Landlock knows.
        static func all(version: CInt) -> UInt64 {
            switch version {
            case 1: 1 << 13 - 1
            case 2: 1 << 14 - 1
            case 3, 4: 1 << 15 - 1
            default: 1 << 16 - 1
            }
        }
    }

    /// Everything below the root stays as it is, except: `/proc` is out of reach, `/sys` can only be read, no device file
    /// is made, nothing is executed unless that is asked for, and directly in the root only sockets are made.
    /// Sets no_new_privs. Call while there is one thread: others are not fenced in.
    /// - Returns: false on a kernel without Landlock; nothing has changed then.
    public static func enter(allowsExecution: Bool) throws(SystemError) -> Bool {
        let version = ne_landlock_version()
        // EPERM: a container's filter answers so for calls that it does not know.
        if [-ENOSYS, -EOPNOTSUPP, -EPERM].contains(version) { return false }
        let all = Right.all(version: try check(version, "landlock_create_ruleset"))
        let ruleset = FileDescriptor(owning: try check(ne_landlock_ruleset(all), "landlock_create_ruleset"))
        let granted = all & ~Right.makeDevices & ~(allowsExecution ? 0 : Right.execute)
        let root = FileDescriptor(owning: try check(ne_open("/", O_RDONLY | O_DIRECTORY, 0), "open", "/"))
        for name in try directoryNames(root.raw) where ![".", "..", "proc"].contains(name) {
            try grant(name == "sys" ? all & Right.read : granted, name, root.raw, ruleset.raw)
        }
        _ = try check(
            ne_landlock_grant(ruleset.raw, root.raw, all & (Right.makeSocket | Right.removeFile)), "landlock_add_rule",
            "/")
        try ProcessAttributes.forbidNewPrivileges()
        _ = try check(ne_landlock_enter(ruleset.raw), "landlock_restrict_self")
        return true
    }

    /// A name that cannot be looked at now is out of reach later, too. A symbolic link needs nothing: what it leads to has
    /// a place of its own.
    private static func grant(_ rights: UInt64, _ name: String, _ root: CInt, _ ruleset: CInt) throws(SystemError) {
        let raw = ne_open_place(root, name)
        guard raw >= 0 else { return }
        let entry = FileDescriptor(owning: raw)
        var status = stat()
        guard fstat(entry.raw, &status) == 0, status.st_mode & S_IFMT != S_IFLNK, ne_is_procfs(entry.raw) == 0 else {
            return
        }
        let isDirectory = status.st_mode & S_IFMT == S_IFDIR
        let code = ne_landlock_grant(ruleset, entry.raw, isDirectory ? rights : rights & Right.ofFiles)
        _ = try check(code, "landlock_add_rule", "/" + name)
    }
}
