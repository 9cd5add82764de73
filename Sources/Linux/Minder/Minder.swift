// netemu's end of the minder: starts it, asks it to start programs, hears of their ends. The
// conversation is drawn in MinderMessage.swift.

import CLinux
import Glibc

/// The process that minds netemu's children. They, and the run-time directory, are gone when netemu
/// is, however it ends.
public final class Minder: ProcessSpawner {
    /// Made and removed by the minder.
    public let directory: RuntimeDirectory
    /// The minder's own.
    public let pid: Int32
    /// Told once if the minder ends before `finish`: no program can be started any more.
    public var onEnd: (() -> Void)?

    private struct Child {
        let onEvent: (ChildEvent) -> Void
        let hasOwnGroup: Bool
        var process: (pid: pid_t, descriptor: SharedDescriptor)?
    }

    private let socket: SharedDescriptor
    private let pidDescriptor: FileDescriptor
    private var reactor: Reactor?
    private var watch: WatchID?
    private var children: [UInt32: Child] = [:]
    private var nextID: UInt32 = 1
    private var outbox: [(bytes: [UInt8], descriptors: [SharedDescriptor])] = []
    private var isFinished = false

    /// Forks the minder. No other thread may exist yet.
    /// - Parameter programs: all that can ever be started through it.
    public static func start(_ programs: [MindedProgram]) throws(SpawnError) -> Minder {
        let threads = ne_thread_count()
        guard threads <= 1 else { throw .threads(Int(threads)) }
        do throws(SystemError) {
            let (mine, its) = try UnixSocket.pair(.sequencedPackets)
            let owner = getpid()
            let pid = try check(ne_fork(), "fork")
            if pid == 0 { MinderProcess.run(socket: its.raw, programs: programs, owner: owner) }
            do throws(SystemError) { return try Minder(mine, pid: pid) } catch {
                // At the end of file it removes what it has made.
                shutdown(mine.raw, CInt(SHUT_RDWR))
                reap(pid, withinMilliseconds: 3000)
                throw error
            }
        } catch {
            throw .system(error)
        }
    }

    private init(_ socket: SharedDescriptor, pid: pid_t) throws(SystemError) {
        let process = FileDescriptor(owning: try check(ne_pidfd_open(pid), "pidfd_open", "minder"))
        let (path, opened) = try Self.firstWord(socket.raw)
        self.socket = socket
        self.pid = pid
        directory = RuntimeDirectory(path: path, descriptor: try opened.descriptor.duplicate())
        pidDescriptor = process
    }

    /// Waits for what the minder says first: its directory, or why it has none.
    private static func firstWord(_ socket: CInt) throws(SystemError) -> (path: String, SharedDescriptor) {
        var entry = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
        let deadline = ne_monotonic_ns() &+ 5_000_000_000
        while ne_monotonic_ns() < deadline {
            guard poll(&entry, 1, 100) > 0 else { continue }
            switch receive(socket) {
            case .report(.ready(let path), let descriptors):
                if let opened = descriptors.first { return (path, opened) }
            case .report(.cannotPrepare(let error), _): throw error
            case .withoutDescriptors: throw SystemError(call: "recvmsg", code: EMFILE, subject: "from the minder")
            case .nothing: continue
            case .report, .end: break
            }
            break
        }
        throw SystemError(call: "fork", code: EIO, subject: "the minder said nothing")
    }

    deinit { finish() }

    /// Delivers events on `reactor`'s thread from now on.
    public func attach(to reactor: Reactor) throws(SystemError) {
        self.reactor = reactor
        watch = try reactor.watch(socket.raw, for: .readable) { [weak self] in self?.turn($0) }
    }

    /// As `ProcessSpawner.spawn`; the minder checks the request by the program's own rules first.
    public func spawn(_ request: SpawnRequest, onEvent: @escaping (ChildEvent) -> Void) throws(SpawnError) -> ChildID {
        try SpawnLimit.check(request)
        guard !isFinished else { throw .noMinder }
        let id = nextID
        nextID &+= 1
        let message = MinderRequest.spawn(id: id, MinderSpawn(request))
        let sources = (request.directory.map { [$0] } ?? []) + request.placements.map(\.source)
        do throws(SystemError) {
            try send(message.message.encoded, sources)
        } catch {
            throw .system(error)
        }
        children[id] = Child(onEvent: onEvent, hasOwnGroup: request.hasOwnGroup)
        return ChildID(number: id)
    }

    /// As `ProcessSpawner.signal`; a child that has ended is not signalled.
    public func signal(_ child: ChildID, _ number: Int32) {
        guard children[child.number] != nil, !isFinished else { return }
        try? send(MinderRequest.signal(id: child.number, number: number).message.encoded, [])
    }

    /// Ends all children and the minder, and waits for that; true when it went in time.
    @discardableResult
    public func finish(withinMilliseconds limit: Int32 = 3000) -> Bool {
        guard !isFinished else { return true }
        isFinished = true
        if let watch { reactor?.remove(watch) }
        shutdown(socket.raw, CInt(SHUT_WR))
        var entry = pollfd(fd: pidDescriptor.raw, events: Int16(POLLIN), revents: 0)
        let deadline = ne_monotonic_ns() &+ UInt64(max(0, limit)) * 1_000_000
        var isGone = false
        while !isGone, ne_monotonic_ns() < deadline { isGone = poll(&entry, 1, 100) > 0 }
        if !isGone { abandon() }
        end()
        return isGone
    }

    // MARK: the socket

    private enum Received {
        case report(MinderReport, [SharedDescriptor])
        /// This process has no room for a descriptor that came with it.
        case withoutDescriptors(MinderMessage)
        case nothing, end
    }

    private static func receive(_ socket: CInt) -> Received {
        withUnsafeTemporaryAllocation(byteCount: MinderMessage.sizeLimit, alignment: 8) { room in
            do throws(SystemError) {
                return read(try UnixSocket.receive(socket, into: room, descriptorLimit: 2), room)
            } catch {
                return .end
            }
        }
    }

    private static func read(_ packet: ReceivedPacket?, _ room: UnsafeMutableRawBufferPointer) -> Received {
        guard let packet else { return .nothing }
        guard packet.count > 0, let message = MinderMessage(UnsafeRawBufferPointer(rebasing: room[..<packet.count]))
        else { return .end }
        guard !packet.isTruncated else { return .withoutDescriptors(message) }
        guard let report = MinderReport(message, descriptorCount: packet.descriptors.count) else { return .end }
        return .report(report, packet.descriptors)
    }

    /// What the socket cannot take at once goes when it can; the descriptors are kept until then.
    private func send(_ bytes: [UInt8], _ descriptors: [CInt]) throws(SystemError) {
        if outbox.isEmpty, try transmit(bytes, descriptors) { return }
        var kept: [SharedDescriptor] = []
        for fd in descriptors {
            kept.append(
                SharedDescriptor(FileDescriptor(owning: try check(fcntl(fd, F_DUPFD_CLOEXEC, 0), "fcntl", "fd \(fd)"))))
        }
        outbox.append((bytes, kept))
        if let watch { reactor?.change(watch, to: [.readable, .writable]) }
    }

    private func transmit(_ bytes: [UInt8], _ descriptors: [CInt]) throws(SystemError) -> Bool {
        try UnixSocket.send(socket.raw, message: bytes, descriptors: descriptors)
    }

    private func turn(_ readiness: Readiness) {
        if readiness.contains(.writable) { emptyOutbox() }
        while !isFinished {
            switch Self.receive(socket.raw) {
            case .report(let report, let descriptors): deliver(report, descriptors)
            case .nothing: return
            case .withoutDescriptors(let message):
                guard let id = MinderReport.startedChild(in: message) else { return lost() }
                refuse(id)
            case .end: return lost()
            }
        }
    }

    private func emptyOutbox() {
        while let first = outbox.first {
            do throws(SystemError) {
                guard try transmit(first.bytes, first.descriptors.map(\.raw)) else { return }
            } catch {
                return outbox.removeAll()
            }
            outbox.removeFirst()
        }
        if let watch { reactor?.change(watch, to: .readable) }
    }

    private func deliver(_ report: MinderReport, _ descriptors: [SharedDescriptor]) {
        switch report {
        case .started(let id, let pid):
            children[id]?.process = descriptors.first.map { (pid, $0) }
            children[id]?.onEvent(.started(pid: pid))
        case .failed(let id, let error): children.removeValue(forKey: id)?.onEvent(.failed(error))
        case .line(let id, let text): children[id]?.onEvent(.line(text))
        case .dropped(let id, let count): children[id]?.onEvent(.linesDropped(count))
        case .ended(let id, let end): children.removeValue(forKey: id)?.onEvent(.ended(end))
        case .ready, .cannotPrepare: break
        }
    }

    /// The child runs, but what would end it without the minder has not come: it counts as not started, and is ended.
    private func refuse(_ id: UInt32) {
        guard let child = children.removeValue(forKey: id) else { return }
        try? send(MinderRequest.signal(id: id, number: SIGKILL).message.encoded, [])
        child.onEvent(.failed(.system(SystemError(call: "recvmsg", code: EMFILE, subject: "from the minder"))))
    }

    // MARK: a minder that is gone

    /// Somebody killed it, or it spoke nonsense: its work is done here as well as it can be.
    private func lost() {
        guard !isFinished else { return }
        isFinished = true
        if let watch { reactor?.remove(watch) }
        abandon()
        end()
        let orphans = children.values
        children = [:]
        for child in orphans { child.onEvent(.ended(.signalled(SIGKILL))) }
        onEnd?()
    }

    /// A stopped leader keeps its group's number from being given to others.
    private func abandon() {
        for child in children.values {
            guard let (pid, descriptor) = child.process, ne_pidfd_send_signal(descriptor.raw, SIGSTOP) == 0 else {
                continue
            }
            // Older kernels know no group behind a pidfd; there the sandbox lets this pass.
            if child.hasOwnGroup, ne_pidfd_signal_group(descriptor.raw, SIGKILL) == -EINVAL { kill(-pid, SIGKILL) }
            _ = ne_pidfd_send_signal(descriptor.raw, SIGKILL)
        }
        directory.removeAll()
    }

    /// By its descriptor: a process in the sandbox sends signals to nobody by number.
    private func end() {
        _ = ne_pidfd_send_signal(pidDescriptor.raw, SIGKILL)
        Self.reap(pid)
    }

    private static func reap(_ pid: pid_t) {
        while waitpid(pid, nil, 0) < 0, errno == EINTR {}
    }

    /// One that does not go by itself is killed.
    private static func reap(_ pid: pid_t, withinMilliseconds limit: Int) {
        for _ in 0..<limit / 5 {
            guard waitpid(pid, nil, WNOHANG) == 0 else { return }
            usleep(5000)
        }
        kill(pid, SIGKILL)
        reap(pid)
    }
}
