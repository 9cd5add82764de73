// What a program does before anything else, so that nothing that its caller left behind makes it do something strange.

import CLinux
import Glibc

/// The first steps of a program.
public enum ProcessStart {
    /// Standard descriptors that the caller closed are opened, on nothing: no file or socket that is opened later may come
    /// to be 0, 1 or 2, or words for the user would go there. What is written to a standard output that was closed is an
    /// error as before (EBADF): the caller who closed it gets nothing of what was asked for. A reader that is gone and a
    /// file that reached the limit of its size (RLIMIT_FSIZE) are errors of a write, not the end of the process.
    public static func prepare() {
        for descriptor: CInt in 0...2 where fcntl(descriptor, F_GETFD) < 0 {
            // Without /dev/null a descriptor that can be neither read nor written does as well.
            let mode = descriptor == STDOUT_FILENO ? O_RDONLY : O_RDWR
            if open("/dev/null", mode) < 0 { _ = ne_open_directory(AT_FDCWD, "/") }
        }
        _ = ne_ignore_signal(SIGPIPE)
        _ = ne_ignore_signal(SIGXFSZ)
    }
}
