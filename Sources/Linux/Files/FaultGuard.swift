// A mapping whose pages may go while it is in use. The kernel tells that by SIGBUS, in the middle of whatever touched
// the page; CLinux puts a page of zeros there and leaves a note, so that the touch ends and the loop can be told.

import CLinux

/// Keeps the loss of pages of one mapping from ending the process.
final class FaultGuard: Sendable {
    private let event: EventDescriptor
    private let slot: CInt

    /// - Parameter page: bytes of a page of the mapping.
    init(_ base: UnsafeMutableRawPointer, size: Int, page: Int) throws(SystemError) {
        event = try EventDescriptor()
        slot = try check(ne_guard_memory(base, size, page, event.raw), "sigaction(SIGBUS)")
    }

    /// Calls `handler` in the turn after a page was lost.
    func watch(on reactor: Reactor, _ handler: @escaping () -> Void) throws(SystemError) -> WatchID {
        try reactor.watch(event.raw, for: .readable) { [event] _ in
            event.drain()
            handler()
        }
    }

    /// Before the mapping goes: what lies there later is somebody else's.
    func end() { ne_unguard_memory(slot) }
}
