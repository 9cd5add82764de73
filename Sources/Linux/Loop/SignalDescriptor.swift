// Signals as readable events (signalfd(2)): blocked in this thread, read in the loop. Children get
// default dispositions and an empty mask from `ProcessSpawner`, never these.

import CLinux
import Glibc

/// A signalfd for a fixed set of signals, which stay blocked for the life of the process.
public final class SignalDescriptor {
    /// What ends a process that says nothing about it, whoever sends it. Not SIGKILL, which cannot be read; not SIGPIPE
    /// and SIGXFSZ (`ProcessStart`); not what the kernel sends for a mistake of the process itself (SIGSEGV …).
    public static let ending: [CInt] =
        [
            SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGTERM, stackFault, SIGXCPU, SIGVTALRM, SIGPROF,
            SIGPOLL, powerFailure,
        ] + realTime
    /// SIGSTKFLT and SIGPWR, by their numbers on every machine but MIPS and SPARC.
    private static let (stackFault, powerFailure): (CInt, CInt) = (16, 30)
    /// SIGRTMIN to SIGRTMAX; the C library keeps the two below for itself.
    private static let realTime = Array(CInt(34)...64)

    /// The signalfd; the signals are blocked for the life of the process.
    public let descriptor: FileDescriptor

    /// A signal that arrived.
    public struct Arrival: Equatable, Sendable {
        /// The signal that came.
        public let number: CInt
        /// The sender's pid; 0 when the kernel sent it.
        public let sender: pid_t
    }

    /// Call before any thread is started, so that every thread has them blocked.
    public init(_ signals: [CInt]) throws(SystemError) {
        descriptor = FileDescriptor(owning: try check(ne_signalfd(signals, signals.count), "signalfd"))
    }

    /// The next signal that arrived; nil when there is none.
    public func next() -> Arrival? {
        var sender: CInt = 0
        let number = ne_read_signal(descriptor.raw, &sender)
        return number > 0 ? Arrival(number: number, sender: sender) : nil
    }

    /// Stops this process as Ctrl-Z would; returns when it is continued.
    public static func stopProcess() {
        _ = ne_default_signal(SIGTSTP)
        _ = Glibc.kill(getpid(), SIGTSTP)
        _ = ne_block_signal(SIGTSTP)
    }
}
