// A seccomp deny-list (seccomp(2)): the listed system calls kill the process, all others pass. For a program
// whose libraries may call anything, but which must not start programs or change who it is.

import CLinux
import CSeccomp
import Glibc

/// System calls that are forbidden from now on, in every thread.
public struct SystemCallBan: Sendable {
    /// Calls that no program of today needs.
    public static let obsolete = [
        "readahead", "_sysctl", "bdflush", "create_module", "get_kernel_syms", "query_module", "sgetmask", "ssetmask",
        "sysfs", "uselib", "ustat",
    ]
    /// Becoming somebody else.
    public static let elevation = [
        "setuid", "setgid", "setpgid", "setsid", "setreuid", "setregid", "setresuid", "setresgid", "setfsuid",
        "setfsgid", "setgroups", "capset",
    ]
    /// Starting programs; threads may be made.
    public static let spawning = ["fork", "vfork", "execve", "execveat"]
    /// Taking more of the processor than others.
    public static let resources = [
        "setpriority", "sched_setparam", "sched_setscheduler", "sched_setaffinity", "sched_setattr", "ioprio_set",
    ]

    private let names: [String]
    private let allowsThreadsOnly: Bool

    /// - Parameter allowsThreadsOnly: clone(2) makes threads and no processes.
    public init(_ names: [String], allowsThreadsOnly: Bool) {
        self.names = names
        self.allowsThreadsOnly = allowsThreadsOnly
    }

    /// Sets no_new_privs and loads the list. Calls that this architecture does not have are skipped.
    public func enter() throws(SystemCallFilterError) {
        let (kill, allow, noSuchCall): (UInt32, UInt32, UInt32) = (0x8000_0000, 0x7fff_0000, 0x0005_0000 | 38)
        guard let filter = seccomp_init(allow) else { throw .unavailable }
        defer { seccomp_release(filter) }
        seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1)
        for name in names {
            let number = seccomp_syscall_resolve_name(name)
            guard number >= 0 else { continue }
            try Self.accept(seccomp_rule_add_array(filter, kill, number, 0, nil))
        }
        if allowsThreadsOnly {
            let thread = scmp_datum_t(0x0001_0000)
            var test = scmp_arg_cmp(arg: 0, op: SCMP_CMP_MASKED_EQ, datum_a: thread, datum_b: 0)
            try Self.accept(seccomp_rule_add_array(filter, kill, seccomp_syscall_resolve_name("clone"), 1, &test))
            // Its flags lie in memory: the C library falls back to clone.
            try Self.accept(
                seccomp_rule_add_array(filter, noSuchCall, seccomp_syscall_resolve_name("clone3"), 0, nil))
        }
        try Self.accept(seccomp_load(filter))
    }

    private static func accept(_ status: CInt) throws(SystemCallFilterError) {
        guard status == 0 else { throw .refused(-status) }
    }
}
