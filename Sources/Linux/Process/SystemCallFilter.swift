// A seccomp filter (seccomp(2)) by libseccomp: rules by the calls' names, and what happens to all others. It holds for
// every thread, and for whatever they start.

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

/// What becomes of a system call.
public enum SystemCallAction: Equatable, Sendable {
    /// The call is made.
    case allow
    /// The process ends by SIGSYS.
    case kill
    /// The call is not made and gives this errno.
    case fail(CInt)

    /// SCMP_ACT_ALLOW, SCMP_ACT_KILL_PROCESS and SCMP_ACT_ERRNO are cast macros that are not imported.
    fileprivate var number: UInt32 {
        switch self {
        case .allow: 0x7fff_0000
        case .kill: 0x8000_0000
        case .fail(let code): 0x0005_0000 | UInt32(truncatingIfNeeded: code & 0xffff)
        }
    }
}

/// What an argument has to be: `argument & mask == value`, in all 64 bits of a register.
public struct ArgumentTest: Equatable, Sendable {
    let index: UInt32
    let mask: UInt64
    let value: UInt64

    /// - Parameters:
    ///   - index: 0 is the first argument.
    ///   - mask: the bits that are looked at.
    ///   - value: what they must be.
    public init(_ index: UInt32, mask: UInt64 = .max, is value: UInt64) {
        self.index = index
        self.mask = mask
        self.value = value
    }
}

/// Some system calls, and what becomes of them when their arguments are so.
public struct SystemCallRule: Equatable, Sendable {
    let names: [String]
    let action: SystemCallAction
    let tests: [ArgumentTest]

    /// - Parameters:
    ///   - action: what becomes of the calls.
    ///   - names: the kernel's.
    ///   - tests: of different arguments; all have to hold.
    public init(_ action: SystemCallAction, _ names: [String], when tests: ArgumentTest...) {
        self.names = names
        self.action = action
        self.tests = tests
    }

    /// Whether the rule is about this call.
    package func holds(for name: String, _ arguments: [UInt64]) -> Bool {
        names.contains(name)
            && tests.allSatisfy { test in
                Int(test.index) < arguments.count && arguments[Int(test.index)] & test.mask == test.value
            }
    }
}

/// A filter of system calls. Loading it cannot be undone.
public enum SystemCallFilter {
    /// Sets no_new_privs, then allows exactly `names`; every other call kills the process (SIGSYS).
    /// - Throws: `unknownCall` for a name that this architecture does not have.
    public static func allowOnly(_ names: [String]) throws(SystemCallFilterError) {
        for name in names where seccomp_syscall_resolve_name(name) < 0 { throw .unknownCall(name) }
        try enter([SystemCallRule(.allow, names)], otherwise: .kill)
    }

    /// Sets no_new_privs and loads the rules for all threads; names that this architecture, or this libseccomp, does
    /// not have are skipped: such a call is one of the others.
    public static func enter(
        _ rules: [SystemCallRule], otherwise: SystemCallAction
    ) throws(SystemCallFilterError) {
        guard let filter = seccomp_init(otherwise.number) else { throw .unavailable }
        defer { seccomp_release(filter) }
        seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1)
        for rule in rules where rule.action != otherwise { try add(rule, to: filter) }
        try accept(seccomp_load(filter))
    }

    private static func add(_ rule: SystemCallRule, to filter: scmp_filter_ctx) throws(SystemCallFilterError) {
        for name in rule.names {
            let number = seccomp_syscall_resolve_name(name)
            guard number >= 0 else { continue }
            let comparisons = rule.tests.map { test in
                scmp_arg_cmp(arg: test.index, op: SCMP_CMP_MASKED_EQ, datum_a: test.mask, datum_b: test.value)
            }
            try accept(
                seccomp_rule_add_array(
                    filter, rule.action.number, number, UInt32(comparisons.count), comparisons))
        }
    }

    private static func accept(_ status: CInt) throws(SystemCallFilterError) {
        guard status == 0 else { throw .refused(-status) }
    }
}
