// Becoming a daemon (daemon(7)): the caller's process returns when the work behind it is ready, or has
// failed; what goes on has no terminal, and gives up the standard streams when it is ready. It stays in its directory, so
// that relative names keep their meaning. Whoever ends the command before it returns wants no daemon: the pipe to it tells.

import CLinux
import Glibc

/// A process that was detached and has not said yet that it is ready.
public final class Daemon {
    /// The pipe to the command that waits.
    private var gate: FileDescriptor?
    private var watch: (reactor: Reactor, id: WatchID)?

    private init(_ gate: consuming FileDescriptor) { self.gate = consume gate }

    /// Forks; call while there is one thread. Returns in the child, in a session of its own. The parent waits, and ends
    /// with status 0 when the child calls `ready`, with `failureStatus` when it ends before that.
    /// - Parameters:
    ///   - failureStatus: of the parent whose child never became ready.
    ///   - killed: called in the parent with the signal that ended the child before it was ready: one that ends by itself has
    ///     said why.
    public static func detach(failureStatus: CInt, killed: (CInt) -> Void) throws(SystemError) -> Daemon {
        var ends: [CInt] = [-1, -1]
        _ = try check(ne_pipe(&ends), "pipe2")
        let pid = try check(ne_fork(), "fork")
        guard pid == 0 else {
            close(ends[1])
            var byte: UInt8 = 0
            var count: Int
            repeat { count = read(ends[0], &byte, 1) } while count < 0 && errno == EINTR
            if count == 1 { _exit(0) }
            if let signal = endingSignal(of: pid) { killed(signal) }
            _exit(failureStatus)
        }
        close(ends[0])
        setsid()
        return Daemon(FileDescriptor(owning: ends[1]))
    }

    /// Waits for the end of a child; nil when it ended by itself.
    private static func endingSignal(of pid: pid_t) -> CInt? {
        var status: CInt = 0
        var found: pid_t
        repeat { found = waitpid(pid, &status, 0) } while found < 0 && errno == EINTR
        // WIFSIGNALED, WTERMSIG.
        let signal = status & 0x7f
        return found == pid && signal != 0 ? signal : nil
    }

    deinit { stopWatching() }

    /// Calls `gone` when the parent ends before `ready`.
    public func watchParent(on reactor: Reactor, gone: @escaping () -> Void) throws(SystemError) {
        guard let raw = gate?.raw, watch == nil else { return }
        // A pipe without a reader is an error of its writing end (pipe(7), poll(2)).
        let id = try reactor.watch(raw, for: .failed) { [weak self] _ in
            self?.stopWatching()
            gone()
        }
        watch = (reactor, id)
    }

    private func stopWatching() {
        if let watch { watch.reactor.remove(watch.id) }
        watch = nil
    }

    /// The parent may return. Standard streams become /dev/null, except standard error when it is kept.
    /// - Throws: EPIPE when there is no parent any more; standard error is what it was then. SIGPIPE has to be ignored.
    public func ready(keepsErrors: Bool) throws(SystemError) {
        guard let raw = gate?.raw else { return }
        stopWatching()
        let errors = FileDescriptor(owning: fcntl(2, F_DUPFD_CLOEXEC, 3))
        let null = open("/dev/null", O_RDWR | O_CLOEXEC)
        for number: CInt in keepsErrors ? [0, 1] : [0, 1, 2] where null >= 0 { dup2(null, number) }
        if null > 2 { close(null) }
        var byte: UInt8 = 0
        let count = withUnsafeBytes(of: &byte) { writeSome(raw, $0) }
        gate = nil
        guard count != 1 else { return }
        if errors.raw >= 0 { dup2(errors.raw, 2) }
        throw SystemError(call: "write", code: CInt(-count), subject: "to the command that waits")
    }
}
