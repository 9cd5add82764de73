// The minder itself: a small process that is the parent of all children and outlives netemu by as
// long as it takes to end them. It was forked before any thread existed and starts none. It knows
// which programs may be started and asks each one's own table about its arguments; it trusts netemu
// no further.

import CLinux
import Glibc

/// A program that the minder may start.
public struct MindedProgram: Sendable {
    /// Absolute; a request must name exactly this. nil: any absolute path.
    public let path: String?
    /// Why these arguments (argv without its first word) are refused; nil when they are not.
    public let objection: @Sendable ([String]) -> String?

    /// - Parameters:
    ///   - path: absolute.
    ///   - objection: why a program must not be started with these arguments; nil when it may.
    public init(path: String, objection: @escaping @Sendable ([String]) -> String?) {
        self.path = path
        self.objection = objection
    }

    /// Whatever file: only its arguments are looked at.
    /// - Parameter objection: why a program must not be started with these arguments; nil when it may.
    public init(anyFile objection: @escaping @Sendable ([String]) -> String?) {
        path = nil
        self.objection = objection
    }

    fileprivate func isMeant(by wanted: String) -> Bool {
        guard let path else { return wanted.utf8.first == UInt8(ascii: "/") }
        return path.utf8.elementsEqual(wanted.utf8)
    }
}

/// The loop of the minder.
final class MinderProcess {
    /// How long children have between SIGTERM and SIGKILL.
    static let grace: UInt64 = 1_000_000_000
    /// How long it tries to be rid of descendants that do not go.
    static let patience: UInt64 = 5_000_000_000
    /// The descriptor of its socket; all others of netemu are closed.
    static let socketNumber: CInt = 3

    private let programs: [MindedProgram]
    private let reactor: Reactor
    private let spawner: DirectSpawner
    private let signals: SignalDescriptor
    private var children: [UInt32: ChildID] = [:]
    private var outbox: [(bytes: [UInt8], descriptor: SharedDescriptor?)] = []
    private var dropped: [UInt32: Int] = [:]
    private var watch: WatchID?
    private var isEnding = false

    private init(_ programs: [MindedProgram]) throws(SystemError) {
        self.programs = programs
        signals = try SignalDescriptor([SIGCHLD])
        reactor = try Reactor()
        spawner = DirectSpawner(reactor: reactor)
    }

    /// What a freshly forked process does to be the minder of process `owner`.
    static func run(socket: CInt, programs: [MindedProgram], owner: pid_t) -> Never {
        leaveOwner(keeping: socket)
        _ = ne_set_subreaper()
        chdir("/")
        do throws(SystemError) {
            let process = try MinderProcess(programs)
            let directory = try RuntimeDirectory.create(owner: owner)
            defer { directory.removeAll() }
            process.report(.ready(path: directory.path), with: SharedDescriptor(try directory.descriptor.duplicate()))
            try process.serve()
            process.endChildren()
        } catch {
            let bytes = MinderReport.cannotPrepare(error).message.encoded
            _ = try? UnixSocket.send(socketNumber, message: bytes)
        }
        _exit(0)
    }

    /// Leaves everything of netemu behind but one socket. Ctrl-C and the like are netemu's to act on. It stays outside of
    /// netemu's sandbox, so nobody of the same user looks into it or traces it.
    static func leaveOwner(keeping socket: CInt) {
        _ = ne_set_dumpable(0)
        ne_reset_signals()
        let ignored = SignalDescriptor.ending + [SIGPIPE, SIGTSTP, SIGTTIN, SIGTTOU, SIGXFSZ]
        for number in ignored { _ = ne_ignore_signal(number) }
        setpgid(0, 0)
        _ = ne_set_name("netemu-minder")
        if socket != socketNumber { dup2(socket, socketNumber) }
        _ = ne_set_cloexec(socketNumber, 1)
        _ = ne_close_range(UInt32(socketNumber) + 1, .max)
        let null = ne_open("/dev/null", O_RDWR, 0)
        for number: CInt in 0...2 where null >= 0 { dup2(null, number) }
        if null > socketNumber { close(null) }
    }

    private func serve() throws(SystemError) {
        watch = try reactor.watch(Self.socketNumber, for: [.readable, .peerClosed]) { [unowned self] in turn($0) }
        _ = try reactor.watch(signals.descriptor.raw, for: .readable) { [unowned self] _ in
            while signals.next() != nil {}
            spawner.reapAll()
        }
        while !isEnding { try reactor.turn(maxWaitNanoseconds: nil) }
        if let watch { reactor.remove(watch) }
    }

    // MARK: requests

    /// With netemu gone for good, what it still asked for is not started any more.
    private func turn(_ readiness: Readiness) {
        if !readiness.isDisjoint(with: [.hangUp, .failed]) {
            isEnding = true
            return
        }
        if readiness.contains(.writable) { empty() }
        while !isEnding, receive() {}
    }

    private func receive() -> Bool {
        withUnsafeTemporaryAllocation(byteCount: MinderMessage.sizeLimit, alignment: 8) { room in
            do throws(SystemError) {
                let limit = SpawnLimit.placements + 1
                guard let packet = try UnixSocket.receive(Self.socketNumber, into: room, descriptorLimit: limit)
                else { return false }
                take(packet, UnsafeRawBufferPointer(rebasing: room[..<packet.count]))
                return true
            } catch {
                isEnding = true
                return false
            }
        }
    }

    /// At the end of file it ends, and when netemu says what it never says: whoever speaks is not to be served.
    private func take(_ packet: ReceivedPacket, _ bytes: UnsafeRawBufferPointer) {
        guard let message = MinderMessage(bytes) else {
            isEnding = true
            return
        }
        if packet.isTruncated, let id = MinderRequest.child(wantedBy: message) {
            // Children have taken what descriptors there are.
            report(.failed(id: id, .system(SystemError(call: "recvmsg", code: EMFILE, subject: "to the minder"))))
        } else if !packet.isTruncated,
            let request = MinderRequest(message, descriptorCount: packet.descriptors.count)
        {
            perform(request, packet.descriptors)
        } else {
            isEnding = true
        }
    }

    private func perform(_ request: MinderRequest, _ descriptors: [SharedDescriptor]) {
        switch request {
        case .signal(let id, let number):
            if let child = children[id] { spawner.signal(child, number) }
        case .spawn(let id, let spawn):
            let wanted = spawn.request(descriptors)
            do throws(SpawnError) {
                guard children[id] == nil else { throw .refused("child \(id) exists") }
                try allow(wanted)
                children[id] = try spawner.spawn(wanted) { [unowned self] in tell($0, of: id) }
            } catch {
                report(.failed(id: id, error))
            }
        }
    }

    /// Only programs that were named at the start, with arguments that one of their own tables lets pass.
    private func allow(_ request: SpawnRequest) throws(SpawnError) {
        let arguments = Array(request.arguments.dropFirst())
        var objection: String?
        for program in programs where program.isMeant(by: request.path) {
            guard let found = program.objection(arguments) else { return }
            objection = objection ?? found
        }
        throw .refused(objection ?? "\(request.path) is not a program that was named at the start")
    }

    // MARK: reports

    private func tell(_ event: ChildEvent, of id: UInt32) {
        // Of one that was given up nothing more is said.
        guard children[id] != nil else { return }
        switch event {
        case .started(let pid): started(id, pid)
        case .failed(let error): report(.failed(id: id, error))
        case .line(let text): tellLine(text, of: id)
        case .linesDropped(let count): dropped[id, default: 0] += count
        case .ended(let end):
            children[id] = nil
            tellDropped(of: id)
            report(.ended(id: id, end))
        }
    }

    private func started(_ id: UInt32, _ pid: pid_t) {
        do throws(SystemError) {
            guard let child = children[id], let descriptor = try spawner.processDescriptor(of: child) else { return }
            report(.started(id: id, pid: pid), with: SharedDescriptor(descriptor))
        } catch {
            if let child = children.removeValue(forKey: id) { spawner.signal(child, SIGKILL) }
            report(.failed(id: id, .system(error)))
        }
    }

    /// Lines are the only thing that is dropped when netemu does not read.
    private func tellLine(_ text: String, of id: UInt32) {
        guard outbox.isEmpty else {
            dropped[id, default: 0] += 1
            return
        }
        tellDropped(of: id)
        let bytes = MinderReport.line(id: id, text).message.encoded
        if (try? UnixSocket.send(Self.socketNumber, message: bytes)) == false { dropped[id, default: 0] += 1 }
    }

    private func tellDropped(of id: UInt32) {
        if let count = dropped.removeValue(forKey: id), count > 0 { report(.dropped(id: id, count)) }
    }

    private func report(_ report: MinderReport, with descriptor: SharedDescriptor? = nil) {
        outbox.append((report.message.encoded, descriptor))
        empty()
    }

    private func empty() {
        while let first = outbox.first {
            let descriptors = first.descriptor.map { [$0.raw] } ?? []
            do throws(SystemError) {
                guard try UnixSocket.send(Self.socketNumber, message: first.bytes, descriptors: descriptors) else {
                    break
                }
            } catch {
                // The end of file says the same to the loop.
                outbox.removeAll()
                break
            }
            outbox.removeFirst()
        }
        guard let watch, !isEnding else { return }
        reactor.change(watch, to: outbox.isEmpty ? [.readable, .peerClosed] : [.readable, .peerClosed, .writable])
    }

    // MARK: the end

    /// SIGTERM, a moment, SIGKILL; then whatever was orphaned to this process, until nothing is left.
    private func endChildren() {
        spawner.signalAll(SIGTERM)
        spawner.signalAll(SIGCONT)
        wait(Self.grace) { spawner.runningCount == 0 }
        spawner.signalAll(SIGKILL)
        wait(Self.patience) {
            ne_kill_children(SIGKILL)
            spawner.reapAll()
            return ne_peek_exit() == -ECHILD
        }
    }

    private func wait(_ limit: UInt64, until isDone: () -> Bool) {
        let deadline = ne_monotonic_ns() &+ limit
        while !isDone(), ne_monotonic_ns() < deadline {
            guard (try? reactor.turn(maxWaitNanoseconds: 5_000_000)) != nil else { return }
        }
    }
}
