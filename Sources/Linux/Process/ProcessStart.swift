// What a program does before anything else, so that nothing that its caller left behind makes it do something strange.

import CLinux
import Glibc

/// The first steps of a program.
public enum ProcessStart {
    /// Standard descriptors that the caller closed are opened, on nothing: no file or socket that is opened later may come
    /// to be 0, 1 or 2, or words for the user would go there. A reader that is gone and a file that reached the
    /// limit of its size (RLIMIT_FSIZE) are errors of a write, not the end of the process.
    public static func prepare() {
        for descriptor: CInt in 0...2 where fcntl(descriptor, F_GETFD) < 0 {
            // Without /dev/null a descriptor that can be neither read nor written does as well.
            if open("/dev/null", O_RDWR) < 0 { _ = ne_open_directory(AT_FDCWD, "/") }
        }
        _ = ne_ignore_signal(SIGPIPE)
        _ = ne_ignore_signal(SIGXFSZ)
    }
}
