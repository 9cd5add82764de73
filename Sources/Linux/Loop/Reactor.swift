// The event loop: epoll, timers, end-of-turn work. One reactor per thread; it is not Sendable, so
// the compiler keeps it there. Time is read once per turn. Any number of parts may watch one descriptor
// (WatchTable); stale events of one that was removed in the same turn are dropped. A turn that finds
// nothing new allocates nothing.

import CLinux
import Glibc

/// An event loop for one thread.
public final class Reactor {
    /// Actions of one turn may ask for more end-of-turn work this often; the rest is for the next turn.
    private static let endOfTurnRounds = 16

    private let epoll: FileDescriptor
    private let events: UnsafeMutableBufferPointer<epoll_event>
    private var table = WatchTable()
    private var timers = TimerQueue()
    private var due: [TimerID] = []
    private var endOfTurn: [() -> Void] = []
    private var endOfTurnWork: [() -> Void] = []
    private var isStopping = false
    /// Whether a wait begins awake. Set before the first turn; by default the loop sleeps at once.
    public var spin = AdaptiveSpin()

    /// CLOCK_MONOTONIC at the start of this turn, in nanoseconds.
    public private(set) var nowNanoseconds: UInt64

    /// Throws when epoll is to be had no more.
    public init() throws(SystemError) {
        epoll = FileDescriptor(owning: try check(ne_epoll_create(), "epoll_create1"))
        events = .allocate(capacity: 64)
        nowNanoseconds = ne_monotonic_ns()
    }

    deinit { events.deallocate() }

    /// How many watches there are.
    public var watchCount: Int { table.count }
    /// How many timers are pending.
    public var timerCount: Int { timers.count }

    /// Calls `handler` on this thread whenever `fd` is ready, until `remove`. The caller keeps `fd` open. Several
    /// watches of one descriptor are each told of what they watch for.
    public func watch(_ fd: CInt, for events: Readiness, handler: @escaping (Readiness) -> Void)
        throws(SystemError) -> WatchID
    {
        guard fd >= 0 else { throw SystemError(call: "epoll_ctl", code: EBADF, subject: "fd \(fd)") }
        let id = table.add(fd, events, handler)
        do throws(SystemError) { try register(fd) } catch {
            table.remove(id)
            throw error
        }
        return id
    }

    /// Tells epoll of one more watch of `fd`.
    private func register(_ fd: CInt) throws(SystemError) {
        if table.registration(of: fd).watchers > 1 {
            let code = control(EPOLL_CTL_MOD, fd)
            guard code == -ENOENT else {
                _ = try check(code, "epoll_ctl", "fd \(fd)")
                return
            }
            // The descriptor was closed while it was watched, and its number has been given out again.
            table.keepNewest(fd)
        }
        _ = try check(control(EPOLL_CTL_ADD, fd), "epoll_ctl", "fd \(fd)")
    }

    private func control(_ operation: CInt, _ fd: CInt) -> CInt {
        let registration = table.registration(of: fd)
        return ne_epoll_control(epoll.raw, operation, fd, registration.events, registration.tag)
    }

    /// Changes what a descriptor is watched for; for nothing, nothing at all is told, not even a hang-up. A removed
    /// id is ignored. This cannot fail: epoll has the descriptor already.
    public func change(_ id: WatchID, to events: Readiness) {
        guard let fd = table.change(id, to: events) else { return }
        _ = control(EPOLL_CTL_MOD, fd)
    }

    /// Stops watching; call before closing the descriptor. A removed id is ignored.
    public func remove(_ id: WatchID) {
        guard let fd = table.remove(id) else { return }
        _ = control(table.registration(of: fd).watchers > 0 ? EPOLL_CTL_MOD : EPOLL_CTL_DEL, fd)
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

    /// `run` returns when this turn is over.
    public func stop() { isStopping = true }

    /// Waits for readiness or the next timer (at most `maxWait`; nil is for ever) and handles it.
    public func turn(maxWaitNanoseconds maxWait: UInt64?) throws(SystemError) {
        let last = nowNanoseconds
        nowNanoseconds = ne_monotonic_ns()
        guard let room = events.baseAddress else { return }
        let count = wait(into: room, for: waitTime(maxWait), afterWork: nowNanoseconds &- last)
        if count < 0, count != -EINTR { throw SystemError(call: "epoll_wait", code: -count) }
        nowNanoseconds = ne_monotonic_ns()
        for index in 0..<max(0, Int(count)) { dispatch(events[index]) }
        fireTimers()
        finishTurn()
    }

    /// epoll_wait, perhaps asked several times before it may sleep.
    private func wait(into room: UnsafeMutablePointer<epoll_event>, for time: Int64, afterWork work: UInt64) -> CInt {
        let capacity = CInt(events.count)
        guard time != 0 else { return ne_epoll_wait(epoll.raw, room, capacity, 0) }
        let longest = min(spin.time(afterWork: work), time < 0 ? .max : UInt64(time))
        if longest > 0 {
            let count = spun(into: room, for: longest)
            guard count == 0 else { return count }
        }
        let count = ne_epoll_wait(epoll.raw, room, capacity, longest == 0 ? time : left(of: time, after: longest))
        if count > 0 { spin.slept(ne_monotonic_ns() &- nowNanoseconds, afterWork: work) }
        return count
    }

    /// Asks again and again; 0 when nothing came in time, or the processor was taken away.
    private func spun(into room: UnsafeMutablePointer<epoll_event>, for longest: UInt64) -> CInt {
        let end = nowNanoseconds &+ longest
        while nowNanoseconds < end {
            let count = ne_epoll_wait(epoll.raw, room, CInt(events.count), 0)
            let last = nowNanoseconds
            nowNanoseconds = ne_monotonic_ns()
            if nowNanoseconds &- last > AdaptiveSpin.longestGap {
                spin.lostProcessor()
                return count
            }
            guard count == 0 else {
                spin.hit()
                return count
            }
        }
        spin.miss()
        return 0
    }

    private func left(of time: Int64, after spun: UInt64) -> Int64 {
        time < 0 ? -1 : max(0, time - Int64(spun))
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
        for id in table.watches(tag: event.data.u64) {
            guard let (handler, readiness) = table.call(id, Readiness(rawValue: event.events)) else { continue }
            handler(readiness)
        }
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
}
