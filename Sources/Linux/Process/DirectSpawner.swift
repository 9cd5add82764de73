// Children of this very process. They do not end with it when it is killed: netemu itself uses the
// minder, which has one of these inside.

import CLinux
import Glibc

/// A spawner whose children are this process's own. What still runs at the end of its life is killed.
public final class DirectSpawner: ProcessSpawner {
    private let reactor: Reactor
    private var children: [UInt32: RunningChild] = [:]
    private var nextNumber: UInt32 = 1

    /// Children are watched on `reactor`.
    public init(reactor: Reactor) {
        self.reactor = reactor
        // An inherited SIG_IGN would let the kernel reap children before they are looked at.
        _ = ne_unignore_signal(SIGCHLD)
    }

    deinit {
        for child in children.values {
            child.signal(SIGKILL)
            child.reapBlocking()
            child.stopWatching(reactor)
        }
    }

    /// Children that have not ended.
    public var runningCount: Int { children.count }

    /// As `ProcessSpawner.spawn`; the child is one of this process.
    public func spawn(_ request: SpawnRequest, onEvent: @escaping (ChildEvent) -> Void) throws(SpawnError) -> ChildID {
        try SpawnLimit.check(request)
        do throws(SystemError) {
            let child = try RunningChild(request, now: reactor.nowNanoseconds, onEvent: onEvent)
            let number = nextNumber
            nextNumber &+= 1
            do throws(SystemError) {
                try watch(child, number)
            } catch {
                child.signal(SIGKILL)
                child.reapBlocking()
                child.stopWatching(reactor)
                throw error
            }
            children[number] = child
            reactor.atEndOfTurn { [weak self] in self?.announce(number) }
            return ChildID(number: number)
        } catch {
            throw .system(error)
        }
    }

    /// As `ProcessSpawner.signal`.
    public func signal(_ child: ChildID, _ number: Int32) { children[child.number]?.signal(number) }

    /// A descriptor of a child's process, good for a child that has ended and was not told of yet, too: its number alone
    /// may be somebody else's by then. nil: it is told of, or was none.
    func processDescriptor(of child: ChildID) throws(SystemError) -> FileDescriptor? {
        guard let child = children[child.number] else { return nil }
        return try child.pidDescriptor.duplicate()
    }

    /// Sends a signal to every child.
    func signalAll(_ number: Int32) {
        for child in children.values { child.signal(number) }
    }

    /// Reaps everything that has ended: its own children are reported, adopted orphans vanish. For a
    /// process that is a subreaper.
    func reapAll() {
        while true {
            let pid = ne_peek_exit()
            guard pid > 0 else { return }
            if let (number, child) = children.first(where: { $0.value.pid == pid && $0.value.end == nil }) {
                finish(number, child)
            } else {
                var status: CInt = 0
                var signal: CInt = 0
                _ = ne_reap(pid, &status, &signal)
            }
        }
    }

    private func watch(_ child: RunningChild, _ number: UInt32) throws(SystemError) {
        child.exitWatch = try reactor.watch(child.pidDescriptor.raw, for: .readable) { [weak self, weak child] _ in
            if let child { self?.finish(number, child) }
        }
        guard let output = child.output else { return }
        child.outputWatch = try reactor.watch(output.raw, for: .readable) { [weak self, weak child] _ in
            if let self, let child, child.isAnnounced { child.readOutput(reactor) }
        }
    }

    private func announce(_ number: UInt32) {
        guard let child = children[number] else { return }
        child.isAnnounced = true
        child.onEvent(.started(pid: child.pid))
        if let end = child.end { report(end, of: number, child) }
    }

    /// The child has ended: what it still had to say comes first.
    private func finish(_ number: UInt32, _ child: RunningChild) {
        guard child.end == nil, let end = child.reap() else { return }
        child.end = end
        child.stopWatchingExit(reactor)
        if child.isAnnounced { report(end, of: number, child) }
    }

    private func report(_ end: ProcessEnd, of number: UInt32, _ child: RunningChild) {
        child.readRest(reactor)
        child.stopWatching(reactor)
        children[number] = nil
        child.onEvent(.ended(end))
    }
}
