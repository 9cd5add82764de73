// The event loop: epoll, timers, end-of-turn work. One reactor per thread; it is not Sendable, so
// the compiler keeps it there. Time is read once per turn. Stale events of a descriptor that was
// removed in the same turn are recognised by a generation number and dropped. A turn that finds
// nothing new allocates nothing.

import CLinux
import Glibc

/// What a descriptor is watched for, and what was found (epoll(7)). Hang-up and error are always reported.
public struct Readiness: OptionSet, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    public static let readable = Readiness(rawValue: EPOLLIN.rawValue)
    public static let writable = Readiness(rawValue: EPOLLOUT.rawValue)
    public static let peerClosed = Readiness(rawValue: EPOLLRDHUP.rawValue)
    public static let hangUp = Readiness(rawValue: EPOLLHUP.rawValue)
    public static let failed = Readiness(rawValue: EPOLLERR.rawValue)
    /// Asked for, never found: readiness is told when it comes and not again while it lasts. For what is not read.
    public static let edges = Readiness(rawValue: EPOLLET.rawValue)
}

/// Names a watched descriptor until it is removed.
public struct WatchID: Hashable, Sendable {
    let slot: UInt32
    let generation: UInt32
    var tag: UInt64 { UInt64(generation) << 32 | UInt64(slot) }
}

/// An event loop for one thread.
public final class Reactor {
    private struct Slot {
        var generation: UInt32 = 0
        var fd: CInt = -1
        var handler: ((Readiness) -> Void)?
    }

    /// Actions of one turn may ask for more end-of-turn work this often; the rest is for the next turn.
    private static let endOfTurnRounds = 16

    private let epoll: FileDescriptor
    private let events: UnsafeMutableBufferPointer<epoll_event>
    private var slots: [Slot] = []
    private var free: [UInt32] = []
    private var timers = TimerQueue()
    private var due: [TimerID] = []
    private var endOfTurn: [() -> Void] = []
    private var endOfTurnWork: [() -> Void] = []
    private var isStopping = false

    /// CLOCK_MONOTONIC at the start of this turn, in nanoseconds.
    public private(set) var nowNanoseconds: UInt64

    public init() throws(SystemError) {
        epoll = FileDescriptor(owning: try check(ne_epoll_create(), "epoll_create1"))
        events = .allocate(capacity: 64)
        nowNanoseconds = ne_monotonic_ns()
    }

    deinit { events.deallocate() }

    /// How many descriptors are watched.
    public var watchCount: Int { slots.count - free.count }
    /// How many timers are pending.
    public var timerCount: Int { timers.count }

    /// Calls `handler` on this thread whenever `fd` is ready, until `remove`. The caller keeps `fd` open.
    public func watch(_ fd: CInt, for events: Readiness, handler: @escaping (Readiness) -> Void)
        throws(SystemError) -> WatchID
    {
        let index = free.popLast() ?? UInt32(slots.count)
        if index == slots.count { slots.append(Slot()) }
        slots[Int(index)].fd = fd
        slots[Int(index)].handler = handler
        let id = WatchID(slot: index, generation: slots[Int(index)].generation)
        do {
            _ = try check(
                ne_epoll_control(epoll.raw, EPOLL_CTL_ADD, fd, events.rawValue, id.tag), "epoll_ctl", "fd \(fd)")
        } catch {
            retire(index)
            throw error
        }
        return id
    }

    /// Changes what a descriptor is watched for; a removed id is ignored.
    public func change(_ id: WatchID, to events: Readiness) {
        guard isCurrent(id) else { return }
        _ = ne_epoll_control(epoll.raw, EPOLL_CTL_MOD, slots[Int(id.slot)].fd, events.rawValue, id.tag)
    }

    /// Stops watching; call before closing the descriptor. A removed id is ignored.
    public func remove(_ id: WatchID) {
        guard isCurrent(id) else { return }
        _ = ne_epoll_control(epoll.raw, EPOLL_CTL_DEL, slots[Int(id.slot)].fd, 0, 0)
        retire(id.slot)
    }

    /// Calls `action` once, in the first turn at or after `deadline` (CLOCK_MONOTONIC nanoseconds).
    @discardableResult
    public func schedule(atNanoseconds deadline: UInt64, _ action: @escaping () -> Void) -> TimerID {
        timers.add(deadline: deadline, action)
    }

    /// A timer that fired or was cancelled is ignored.
    public func cancel(_ id: TimerID) { _ = timers.take(id) }

    /// Runs `action` when the handlers of this turn are done: nothing calls back inside a call.
    public func atEndOfTurn(_ action: @escaping () -> Void) { endOfTurn.append(action) }

    /// Turns until `stop` is called.
    public func run() throws(SystemError) {
        isStopping = false
        while !isStopping { try turn(maxWaitNanoseconds: nil) }
    }

    public func stop() { isStopping = true }

    /// Waits for readiness or the next timer (at most `maxWait`; nil is for ever) and handles it.
    public func turn(maxWaitNanoseconds maxWait: UInt64?) throws(SystemError) {
        nowNanoseconds = ne_monotonic_ns()
        guard let room = events.baseAddress else { return }
        let count = ne_epoll_wait(epoll.raw, room, CInt(events.count), waitTime(maxWait))
        if count < 0, count != -EINTR { throw SystemError(call: "epoll_wait", code: -count) }
        nowNanoseconds = ne_monotonic_ns()
        for index in 0..<max(0, Int(count)) { dispatch(events[index]) }
        fireTimers()
        finishTurn()
    }

    private func waitTime(_ maxWait: UInt64?) -> Int64 {
        if !endOfTurn.isEmpty { return 0 }
        var wait = maxWait
        if let deadline = timers.nextDeadline {
            let left = deadline > nowNanoseconds ? deadline - nowNanoseconds : 0
            wait = min(wait ?? left, left)
        }
        return wait.map { Int64(min($0, 1 << 62)) } ?? -1
    }

    private func dispatch(_ event: epoll_event) {
        let id = WatchID(slot: UInt32(truncatingIfNeeded: event.data.u64), generation: UInt32(event.data.u64 >> 32))
        guard isCurrent(id), let handler = slots[Int(id.slot)].handler else { return }
        handler(Readiness(rawValue: event.events))
    }

    /// Timers that an action adds wait for the next turn, also when they are due at once.
    private func fireTimers() {
        timers.popDue(at: nowNanoseconds, into: &due)
        for id in due { timers.take(id)?() }
        due.removeAll(keepingCapacity: true)
    }

    private func finishTurn() {
        for _ in 0..<Reactor.endOfTurnRounds where !endOfTurn.isEmpty {
            swap(&endOfTurn, &endOfTurnWork)
            for action in endOfTurnWork { action() }
            endOfTurnWork.removeAll(keepingCapacity: true)
        }
    }

    private func isCurrent(_ id: WatchID) -> Bool {
        Int(id.slot) < slots.count && slots[Int(id.slot)].generation == id.generation
            && slots[Int(id.slot)].handler != nil
    }

    private func retire(_ index: UInt32) {
        slots[Int(index)].generation &+= 1
        slots[Int(index)].handler = nil
        slots[Int(index)].fd = -1
        free.append(index)
    }
}
