import Glibc

/// How the tests, and the programs that they start, were built.
public enum Sanitizer {
    /// With one (`make sanitize`), whose shadow takes terabytes of addresses: there is no limit for these.
    public static let isOn = dlsym(nil, "__asan_init") != nil || dlsym(nil, "__tsan_init") != nil
}
