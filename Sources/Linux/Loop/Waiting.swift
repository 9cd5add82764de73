// Waiting for one descriptor without a reactor, for small programs that do nothing else.

import CLinux
import Glibc

/// Waits until `fd` is readable or hung up; false after `milliseconds` (nil: never). EINTR is retried, with the
/// whole time anew.
public func waitReadable(_ fd: CInt, milliseconds: Int?) throws(SystemError) -> Bool {
    while true {
        let result = ne_wait_readable(fd, milliseconds.map { CInt(clamping: $0) } ?? -1)
        if result != -EINTR { return try check(result, "poll") > 0 }
    }
}
