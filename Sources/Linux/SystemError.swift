// A failed system call as a value: which call, which errno, on what.

import CLinux
import Glibc

/// A system call that failed.
public struct SystemError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The call's name, such as `memfd_create`.
    public let call: String
    /// The value of errno.
    public let code: CInt
    /// What the call was about (a path, a name); empty when there is nothing to add.
    public let subject: String

    /// - Parameters:
    ///   - call: the system call's name.
    ///   - code: errno, positive.
    ///   - subject: what it was about; empty when there is nothing to add.
    public init(call: String, code: CInt, subject: String = "") {
        self.call = call
        self.code = code
        self.subject = subject
    }

    /// The kernel's words for `code`, such as "No such file or directory".
    public var reason: String { Self.reason(code) }

    /// The kernel's words for a value of errno.
    public static func reason(_ code: CInt) -> String { String(cString: strerror(code)) }

    public var description: String { subject.isEmpty ? "\(call): \(reason)" : "\(call) \(subject): \(reason)" }
}

/// Turns the `-errno` convention of CLinux into a value or a `SystemError`.
@inlinable
public func check<T: SignedInteger>(
    _ result: T, _ call: @autoclosure () -> String, _ subject: @autoclosure () -> String = ""
)
    throws(SystemError) -> T
{
    guard result < 0 else { return result }
    throw SystemError(call: call(), code: CInt(truncatingIfNeeded: -result), subject: subject())
}
