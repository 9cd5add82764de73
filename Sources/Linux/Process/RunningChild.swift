// One child of a `DirectSpawner`: its pidfd, its output, its end.

import CLinux
import Glibc

/// A started program.
final class RunningChild {
    /// Bytes of output that are still read once the program has ended: a grandchild may keep the pipe open.
    private static let restLimit = 256 * 1024

    let pid: pid_t
    let pidDescriptor: FileDescriptor
    let onEvent: (ChildEvent) -> Void
    private(set) var output: SharedDescriptor?
    var exitWatch: WatchID?
    var outputWatch: WatchID?
    var isAnnounced = false
    var end: ProcessEnd?
    private let hasOwnGroup: Bool
    private var splitter = LineSplitter()
    private var limit: LineLimit

    init(_ request: SpawnRequest, now: UInt64, onEvent: @escaping (ChildEvent) -> Void) throws(SystemError) {
        self.onEvent = onEvent
        limit = LineLimit(now: now)
        hasOwnGroup = request.hasOwnGroup
        let pipe = try Pipe()
        let null = FileDescriptor(owning: try check(ne_open("/dev/null", O_RDWR, 0), "open", "/dev/null"))
        var placements = request.placements
        let placed = Set(placements.map(\.target))
        if !placed.contains(0) { placements.append(DescriptorPlacement(null.raw, as: 0)) }
        for target: CInt in [1, 2] where !placed.contains(target) {
            placements.append(DescriptorPlacement(pipe.writing.raw, as: target))
        }
        output = pipe.reading
        pid = try Self.start(request, placements)
        let pidfd = ne_pidfd_open(pid)
        guard pidfd >= 0 else {
            Glibc.kill(pid, SIGKILL)
            waitpid(pid, nil, 0)
            throw SystemError(call: "pidfd_open", code: -pidfd, subject: request.path)
        }
        pidDescriptor = FileDescriptor(owning: pidfd)
    }

    private static func start(_ request: SpawnRequest, _ placements: [DescriptorPlacement]) throws(SystemError) -> pid_t
    {
        let words = request.arguments.map { strdup($0.systemPath) }
        defer { for word in words { free(word) } }
        let places = placements.map { ne_placement(source: $0.source, target: $0.target) }
        var stage: CInt = 0
        let pid = request.path.systemPath.withUnsafeBufferPointer { path in
            (words + [nil]).withUnsafeBufferPointer { argv in
                places.withUnsafeBufferPointer { places -> pid_t in
                    guard let path = path.baseAddress, let words = argv.baseAddress, let first = places.baseAddress
                    else { return -EINVAL }
                    var program = ne_program(
                        path: path, argv: words, directory: request.directory ?? -1, placements: first,
                        placement_count: places.count, own_group: request.hasOwnGroup ? 1 : 0)
                    return ne_start_program(&program, &stage)
                }
            }
        }
        return try check(pid, stageName(stage), request.path)
    }

    private static func stageName(_ stage: CInt) -> String {
        switch Int(stage) {
        case Int(NE_STAGE_DIRECTORY): "fchdir"
        case Int(NE_STAGE_DESCRIPTORS): "dup2"
        case Int(NE_STAGE_EXEC): "execve"
        default: "fork"
        }
    }

    func signal(_ number: CInt) {
        guard end == nil else { return }
        // The pid cannot have been given to somebody else: only `reap` makes it free.
        if !hasOwnGroup || Glibc.kill(-pid, number) != 0 { Glibc.kill(pid, number) }
    }

    /// How it ended, once it has; the rest of its group ends with it.
    func reap() -> ProcessEnd? {
        var status: CInt = -1
        var signal: CInt = -1
        guard hasEnded else { return nil }
        if hasOwnGroup { Glibc.kill(-pid, SIGKILL) }
        let result = ne_reap(pid, &status, &signal)
        if result == 0 { return nil }
        return signal > 0 ? .signalled(signal) : .exited(result > 0 ? status : 127)
    }

    /// For the end of the spawner's own life.
    func reapBlocking() {
        guard end == nil else { return }
        while waitpid(pid, nil, 0) < 0, errno == EINTR {}
        end = .signalled(SIGKILL)
    }

    private var hasEnded: Bool {
        var entry = pollfd(fd: pidDescriptor.raw, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, 0) != 0
    }

    // MARK: output

    /// Reads what is there, one piece a call: other descriptors must have their turn.
    func readOutput(_ reactor: Reactor) { _ = readPiece(reactor) }

    /// Reads to the end of what the ended program wrote.
    func readRest(_ reactor: Reactor) {
        var total = 0
        while output != nil, total < Self.restLimit {
            let count = readPiece(reactor)
            guard count > 0 else { break }
            total += count
        }
        splitter.finish { emit($0, reactor.nowNanoseconds) }
        tellDropped()
    }

    private func readPiece(_ reactor: Reactor) -> Int {
        guard let output else { return 0 }
        let now = reactor.nowNanoseconds
        let count = withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { room in
            let count = readSome(output.raw, room)
            if count > 0 { splitter.feed(UnsafeRawBufferPointer(rebasing: room[..<count])) { emit($0, now) } }
            return count
        }
        if count == 0 || (count < 0 && count != -Int(EAGAIN)) { closeOutput(reactor) }
        return count
    }

    private func emit(_ line: String, _ now: UInt64) {
        guard limit.admit(now: now) else { return }
        tellDropped()
        onEvent(.line(line))
    }

    private func tellDropped() {
        let dropped = limit.takeDropped()
        if dropped > 0 { onEvent(.linesDropped(dropped)) }
    }

    private func closeOutput(_ reactor: Reactor) {
        if let outputWatch { reactor.remove(outputWatch) }
        outputWatch = nil
        output = nil
    }

    func stopWatchingExit(_ reactor: Reactor) {
        if let exitWatch { reactor.remove(exitWatch) }
        exitWatch = nil
    }

    func stopWatching(_ reactor: Reactor) {
        stopWatchingExit(reactor)
        closeOutput(reactor)
    }
}
