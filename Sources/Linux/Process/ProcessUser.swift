// Another user for this process (credentials(7)): groups, group, user, in that order, for good.

import Glibc

/// A user that a process can become.
public struct ProcessUser: Equatable, Sendable {
    /// User.
    public let uid: uid_t
    /// Primary group.
    public let gid: gid_t
    /// For the user's other groups; nil when only numbers were given.
    public let name: String?

    /// `NAME`, or `UID:GID`; nil when there is no such user.
    public init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        if parts.count == 2, let uid = uid_t(parts[0]), let gid = gid_t(parts[1]) {
            (self.uid, self.gid, name) = (uid, gid, nil)
            return
        }
        guard let entry = getpwnam(text) else { return nil }
        (uid, gid, name) = (entry.pointee.pw_uid, entry.pointee.pw_gid, text)
    }

    /// Becomes that user; there is no way back.
    public func become() throws(SystemError) {
        let groups = name.map { initgroups($0, gid) } ?? setgroups(0, nil)
        guard groups == 0 || geteuid() != 0 && geteuid() == uid else {
            throw SystemError(call: "setgroups", code: errno)
        }
        guard setgid(gid) == 0 else { throw SystemError(call: "setgid(\(gid))", code: errno) }
        guard setuid(uid) == 0 else { throw SystemError(call: "setuid(\(uid))", code: errno) }
        guard uid == 0 || setuid(0) != 0 else { throw SystemError(call: "setuid(0) after dropping", code: EPERM) }
    }
}
