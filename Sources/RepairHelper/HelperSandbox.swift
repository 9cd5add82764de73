// What is left of the process when it starts to listen to a peer: CAP_NET_ADMIN, and the system calls
// of this list. Each entry says who needs it; a test removes every one in turn and sees the helper die.

import Linux

/// The helper's sandbox.
public enum HelperSandbox {
    #if arch(x86_64)
        /// poll(2) that a stop signal or the freezer interrupted is gone on with by restart_syscall(2).
        private static let poll = ["poll", "restart_syscall"]
    #else
        /// ppoll(2) is called again under its own number.
        private static let poll = ["ppoll"]
    #endif

    /// System calls by the kernel's names.
    public static let systemCalls =
        [
            "recvmsg", "sendmsg",  // the conversation, sock_diag
            "getsockopt", "setsockopt",  // SO_PROTOCOL, SO_COOKIE, SO_PEERCRED, SO_MARK, TCP_REPAIR
            "socket", "connect",  // reaching the server; connect(AF_UNSPEC)
            "bind", "listen",  // silent ports
            "getsockname", "getpeername",  // the port that is to be silent, the connection that is to come back
            "close", "exit_group", "write",
            "openat", "newfstatat",  // the directory, the kind of PATH
            "inotify_init1", "inotify_add_watch", "read", "getdents64",  // directory mode
            "brk", "mmap", "munmap",  // the allocator
        ] + poll  // waiting for a message or a name

    /// Why the process cannot be confined.
    public enum Failure: Error, Equatable, Sendable {
        /// CAP_NET_ADMIN is not to be had.
        case noCapability
        /// A system call failed.
        case system(SystemError)
        /// The filter could not be loaded.
        case filter(SystemCallFilterError)
    }

    /// Drops every capability but CAP_NET_ADMIN, forbids core dumps, tracing and new privileges, loads the filter.
    public static func enter(systemCalls: [String] = systemCalls) throws(Failure) {
        guard Capabilities.isPermitted(.netAdmin) else { throw .noCapability }
        do {
            try Capabilities.keepOnly([.netAdmin])
            try ProcessAttributes.forbidDumping()
            try ProcessAttributes.forbidNewPrivileges()
        } catch {
            throw .system(error)
        }
        do { try SystemCallFilter.allowOnly(systemCalls) } catch { throw .filter(error) }
    }
}
