// `-sandbox on`: what is left of netemu once everything is set up. The system calls of this list, no capability, no
// look into another process, no program. docs/decisions/0015 says why it is this list; netemu-repair has a shorter one.

import Glibc
import Linux

/// netemu's own sandbox.
public enum ProgramSandbox {
    /// Why the process cannot be confined.
    public enum Failure: Error, Equatable, Sendable {
        /// Capabilities, or the fence.
        case system(SystemError)
        /// The filter of system calls.
        case filter(SystemCallFilterError)
    }

    /// The fence in the file tree. Call when the minder is forked and before any thread is started.
    public static func fence(_ plan: SandboxPlan) throws(Failure) {
        do throws(SystemError) { _ = try FileFence.enter(allowsExecution: plan.allowsSpawn) } catch {
            throw .system(error)
        }
    }

    /// Drops capabilities and loads the filter, for every thread. What no list names fails with ENOSYS, as on a kernel
    /// that does not have it: a C library that knows newer calls falls back.
    public static func enter(_ plan: SandboxPlan) throws(Failure) {
        do throws(SystemError) {
            if !plan.allowsElevation { try Capabilities.keepOnly([]) }
            try ProcessAttributes.forbidNewPrivileges()
        } catch { throw .system(error) }
        let rules = rules(plan, killsGroupsByNumber: !ProcessAttributes.canSignalGroupsByDescriptor())
        do throws(SystemCallFilterError) { try SystemCallFilter.enter(rules, otherwise: .fail(ENOSYS)) } catch {
            throw .filter(error)
        }
    }

    /// - Parameter killsGroupsByNumber: the kernel knows no other way to end what a child has started (before 6.9), which
    ///   is netemu's business when its minder has been killed.
    static func rules(_ plan: SandboxPlan, killsGroupsByNumber: Bool = false) -> [SystemCallRule] {
        func kind(_ names: [String], _ isAllowed: Bool) -> SystemCallRule {
            SystemCallRule(isAllowed ? .allow : .kill, names)
        }
        return [
            SystemCallRule(.allow, files + memory + waiting + sockets + time + threads + ownProcess),
            kind(obsolete, plan.allowsObsolete), kind(elevation, plan.allowsElevation),
            kind(spawning, plan.allowsSpawn), kind(resources, plan.allowsResourceControl),
        ] + (plan.allowsSpawn ? [SystemCallRule(.allow, ["clone", "clone3"])] : threadsOnly) + restricted
            + (killsGroupsByNumber ? groups : [])
    }

    // MARK: calls that are allowed whatever their arguments

    /// Captures, the node's files, sockets with names, the resolver's files.
    private static let files = [
        "read", "readv", "pread64", "preadv", "preadv2", "write", "writev", "pwrite64", "pwritev", "pwritev2",
        "open", "openat", "openat2", "close", "close_range", "dup", "dup2", "dup3", "lseek", "ftruncate", "fallocate",
        "fsync", "fdatasync", "flock", "stat", "lstat", "fstat", "newfstatat", "statx", "statfs", "fstatfs", "access",
        "faccessat", "faccessat2", "readlink", "readlinkat", "getcwd", "getdents64", "unlink", "unlinkat", "rmdir",
        "pipe", "pipe2", "umask",
    ]
    /// The allocator; guest memory and rings of a card that is plugged in later; libraries of the resolver.
    private static let memory = [
        "brk", "mmap", "munmap", "mremap", "mprotect", "madvise", "memfd_create", "membarrier",
    ]
    /// The reactor; signals to back-ends that cannot wait; a wait that a stop or the freezer interrupted.
    private static let waiting = [
        "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "ppoll", "select",
        "pselect6",
        "eventfd2", "signalfd4", "io_setup", "io_submit", "io_getevents", "io_pgetevents", "io_destroy",
        "restart_syscall",
        "inotify_init1", "inotify_add_watch", "inotify_rm_watch",
    ]
    private static let sockets = [
        "bind", "listen", "accept", "accept4", "connect", "getsockname", "getpeername", "sendto", "sendmsg", "sendmmsg",
        "recvfrom", "recvmsg", "recvmmsg", "shutdown",
    ]
    private static let time = [
        "clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "time", "times",
    ]
    /// A name is looked up on a thread of its own.
    private static let threads = [
        "futex", "futex_wait", "futex_wake", "set_robust_list", "get_robust_list", "set_tid_address", "rseq",
        "sched_yield", "sched_getaffinity", "sched_getparam", "sched_getscheduler", "getcpu", "arch_prctl",
    ]
    /// Signals to children by descriptors that the minder gave; what the libraries ask about this process.
    private static let ownProcess = [
        "exit", "exit_group", "getpid", "gettid", "getppid", "getpgrp", "getpgid", "getsid", "getuid", "geteuid",
        "getgid", "getegid", "getresuid", "getresgid", "getgroups", "capget", "uname", "sysinfo", "getrandom",
        "getrusage",
        "getrlimit", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigpending", "rt_sigsuspend",
        "rt_sigtimedwait", "sigaltstack", "wait4", "waitid", "pidfd_send_signal",
    ]

    // MARK: QEMU's kinds, each denied unless it is allowed

    /// Calls that no program of today needs.
    private static let obsolete = [
        "readahead", "_sysctl", "bdflush", "create_module", "get_kernel_syms", "query_module", "sgetmask", "ssetmask",
        "sysfs", "uselib", "ustat",
    ]
    /// Becoming somebody else.
    private static let elevation = [
        "setuid", "setgid", "setpgid", "setsid", "setreuid", "setregid", "setresuid", "setresgid", "setfsuid",
        "setfsgid", "setgroups", "capset",
    ]
    /// Starting programs.
    private static let spawning = ["fork", "vfork", "execve", "execveat"]
    private static let resources = [
        "setpriority", "sched_setparam", "sched_setscheduler", "sched_setaffinity", "sched_setattr", "ioprio_set",
    ]

    // MARK: calls that depend on an argument

    /// clone3 keeps its flags in memory, where no filter looks; without it the C library uses clone.
    private static let threadsOnly: [SystemCallRule] = {
        let thread: UInt64 = 0x10000
        return [
            SystemCallRule(.allow, ["clone"], when: ArgumentTest(0, mask: thread, is: thread)),
            SystemCallRule(.kill, ["clone"], when: ArgumentTest(0, mask: thread, is: 0)),
        ]
    }()

    /// Half of an argument counts where the kernel takes an int.
    private static func one(_ index: UInt32, of values: [UInt64], _ names: [String]) -> [SystemCallRule] {
        values.map { SystemCallRule(.allow, names, when: ArgumentTest(index, mask: 0xffff_ffff, is: $0)) }
    }

    private static var restricted: [SystemCallRule] {
        let own = UInt64(UInt32(bitPattern: getpid()))
        return one(0, of: socketFamilies, ["socket"]) + one(0, of: [1], ["socketpair"])
            // Options below 64: none of them gives a descriptor of the peer's process (SO_PEERPIDFD, SO_PASSPIDFD).
            + [SystemCallRule(.allow, ["getsockopt", "setsockopt"], when: ArgumentTest(2, mask: 0xffff_ffc0, is: 0))]
            + one(1, of: requests, ["ioctl"]) + one(1, of: fileCommands, ["fcntl"])
            + one(0, of: processOptions, ["prctl"])
            // Signals by number, and limits, of this process only.
            + one(0, of: [own], ["kill", "tgkill"]) + one(0, of: [0], ["prlimit64"])
    }

    /// SIGKILL for one group, a number from -2^22 (the kernel's largest pid) to -2; not -1, which is every process: a zero
    /// stands somewhere in the lower 22 bits.
    private static let groups: [SystemCallRule] = (0..<22).map { bit in
        SystemCallRule(
            .allow, ["kill"], when: ArgumentTest(0, mask: 0xffc0_0000 | 1 << bit, is: 0xffc0_0000),
            ArgumentTest(1, mask: 0xffff_ffff, is: UInt64(SIGKILL)))
    }

    /// AF_UNIX, AF_INET, AF_INET6, AF_NETLINK (getaddrinfo), AF_VSOCK.
    private static let socketFamilies: [UInt64] = [1, 2, 10, 16, 40]
    /// TCGETS, TCSETS, TCSETSW, TCSETSF and their successors, TIOCOUTQ, TIOCGWINSZ, FIONREAD, FIONBIO, SIOCGIFNAME,
    /// SIOCGIFINDEX; not TIOCSTI, which types into the terminal.
    private static let requests: [UInt64] = [
        0x5401, 0x5402, 0x5403, 0x5404, 0x802c_542a, 0x402c_542b, 0x402c_542c, 0x402c_542d, 0x5411, 0x5413, 0x541b,
        0x5421, 0x8910, 0x8933,
    ]
    /// Duplicates, flags, locks of both kinds, sizes of pipes, seals; not F_SETOWN and F_SETSIG, by which a descriptor sends
    /// any signal to any process.
    private static let fileCommands: [UInt64] = Array(0...7) + [36, 37, 38, 1030, 1031, 1032, 1033, 1034]
    /// PR_SET_NAME, PR_GET_NAME, PR_SET_VMA (names of the allocator's memory).
    private static let processOptions: [UInt64] = [15, 16, 0x5356_4d41]
}
