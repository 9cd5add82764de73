// An eventfd that travels to another process: how the two sides of a ring wake each other. Its description is
// one for both, with its flags and its counter: who has it can clear O_NONBLOCK, fill the counter and take away
// what was found readable, at any moment. So it is never read, and written by a way that cannot wait.

import CLinux

/// An eventfd with counter 0 that others may hold and do with as they like; nothing here waits for them.
public final class SharedEvent: Sendable {
    private let descriptor: FileDescriptor
    /// The number, to be sent along with a message.
    public var raw: CInt { descriptor.raw }

    /// - Throws: also when the kernel has no asynchronous I/O to spare (fs.aio-max-nr), without which there is no way to
    ///   signal that cannot be made to wait.
    public init() throws(SystemError) {
        _ = try check(ne_event_prepare(), "io_setup", "(fs.aio-max-nr)")
        descriptor = FileDescriptor(owning: try check(ne_eventfd(), "eventfd"))
    }

    /// Makes the descriptor readable. False: the kernel refuses, and nobody was woken.
    @discardableResult
    public func signal() -> Bool { ne_event_signal(raw) == 0 }

    /// Calls `handler` each time that somebody signalled since the last turn. The counter is left alone: it would take
    /// 2^64 signals to fill, or one by somebody who then harms only himself.
    public func watch(on reactor: Reactor, _ handler: @escaping () -> Void) throws(SystemError) -> WatchID {
        try reactor.watch(raw, for: [.readable, .edges]) { _ in handler() }
    }
}
