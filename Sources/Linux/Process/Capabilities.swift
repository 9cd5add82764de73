// Capabilities of this process (capabilities(7)) by libcap: what it has, and dropping all but a few.

import CCap
import CLinux
import Glibc

/// A capability by the kernel's number.
public enum Capability: Int32, Sendable {
    /// CAP_NET_BIND_SERVICE
    case netBindService = 10
    /// CAP_NET_ADMIN
    case netAdmin = 12
    /// CAP_NET_RAW
    case netRaw = 13
    /// CAP_SYS_ADMIN
    case sysAdmin = 21
}

/// The capabilities of the calling process.
public enum Capabilities {
    /// Whether `capability` is in the permitted set (and so can be made effective).
    public static func isPermitted(_ capability: Capability) -> Bool {
        guard let current = cap_get_proc() else { return false }
        defer { cap_free(UnsafeMutableRawPointer(current)) }
        var value = CAP_CLEAR
        return cap_get_flag(current, capability.rawValue, CAP_PERMITTED, &value) == 0 && value == CAP_SET
    }

    /// Keeps `kept` (which must be permitted) as the permitted and effective set; clears the inheritable and
    /// ambient sets, and the bounding set as far as the process may (that takes CAP_SETPCAP).
    public static func keepOnly(_ kept: [Capability]) throws(SystemError) {
        _ = ne_clear_ambient()
        for number in 0..<64 where !kept.contains(where: { $0.rawValue == number }) {
            if ne_drop_bounding(Int32(number)) != 0 { break }
        }
        guard let wanted = cap_init() else { throw SystemError(call: "cap_init", code: errno) }
        defer { cap_free(UnsafeMutableRawPointer(wanted)) }
        var numbers = kept.map { cap_value_t($0.rawValue) }
        for flag in [CAP_PERMITTED, CAP_EFFECTIVE] where !numbers.isEmpty {
            guard cap_set_flag(wanted, flag, CInt(numbers.count), &numbers, CAP_SET) == 0 else {
                throw SystemError(call: "cap_set_flag", code: errno)
            }
        }
        guard cap_set_proc(wanted) == 0 else { throw SystemError(call: "cap_set_proc", code: errno) }
    }
}
