// A seccomp allow-list (seccomp(2)) by libseccomp: any other system call kills the process.

import CLinux
import CSeccomp
import Glibc

/// Why a filter could not be put in place.
public enum SystemCallFilterError: Error, Equatable, Sendable {
    /// libseccomp gave no filter context.
    case unavailable
    /// This architecture has no system call of that name.
    case unknownCall(String)
    /// The kernel or libseccomp refused: errno.
    case refused(CInt)
}

/// An allow-list of system calls. Loading it cannot be undone.
public enum SystemCallFilter {
    /// Sets no_new_privs, then allows exactly `names`; every other call kills the process (SIGSYS).
    public static func allowOnly(_ names: [String]) throws(SystemCallFilterError) {
        // SCMP_ACT_KILL_PROCESS and SCMP_ACT_ALLOW are cast macros that are not imported.
        let killProcess: UInt32 = 0x8000_0000
        let allow: UInt32 = 0x7fff_0000
        guard let filter = seccomp_init(killProcess) else { throw .unavailable }
        defer { seccomp_release(filter) }
        for name in names {
            let number = seccomp_syscall_resolve_name(name)
            guard number >= 0 else { throw .unknownCall(name) }
            let status = seccomp_rule_add_array(filter, allow, number, 0, nil)
            guard status == 0 else { throw .refused(-status) }
        }
        let status = seccomp_load(filter)
        guard status == 0 else { throw .refused(-status) }
    }
}
