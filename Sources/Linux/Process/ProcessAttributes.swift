// Attributes of this process that confine it (prctl(2), getrlimit(2)).

import CLinux
import Glibc

/// What the calling process forbids itself, and may.
public enum ProcessAttributes {
    /// No core dumps, no ptrace by the same user (PR_SET_DUMPABLE 0).
    public static func forbidDumping() throws(SystemError) {
        _ = try check(ne_set_dumpable(0), "prctl(PR_SET_DUMPABLE)")
    }

    /// execve grants nothing any more (PR_SET_NO_NEW_PRIVS).
    public static func forbidNewPrivileges() throws(SystemError) {
        _ = try check(ne_set_no_new_privs(), "prctl(PR_SET_NO_NEW_PRIVS)")
    }

    /// Whether this kernel (6.9 and newer) signals the group of a process by the process's descriptor
    /// (PIDFD_SIGNAL_PROCESS_GROUP). Elsewhere a group can be reached by its number only.
    public static func canSignalGroupsByDescriptor() -> Bool {
        let raw = ne_pidfd_open(getpid())
        guard raw >= 0 else { return false }
        let own = FileDescriptor(owning: raw)
        return ne_pidfd_signal_group(own.raw, 0) != -EINVAL
    }

    /// Raises the soft limit of open descriptors to the hard one; the limit that holds then.
    public static func raiseDescriptorLimit() -> Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1024 }
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return Int(clamping: limit.rlim_cur)
    }
}
