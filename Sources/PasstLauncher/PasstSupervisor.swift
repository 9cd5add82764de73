// The shell around the machine: spawner, timers, the files in the run-time directory. What a frame or
// a ring is, it does not know.

import Glibc
import Linux

/// Keeps one passt running: starts it, tells when to connect, restarts it when it dies or hangs.
public final class PasstSupervisor {
    /// Told on the reactor's thread at the end of a turn.
    public var onEvent: ((PasstEvent) -> Void)?
    /// The names that passt makes below `directory`.
    public let files: PasstFiles
    /// Where it runs.
    public let directory: RuntimeDirectory

    /// What is started, from the next start on.
    public var program: PasstProgram { didSet { machine.path = program.path } }

    private let options: PasstOptions
    private let spawner: any ProcessSpawner
    private let reactor: Reactor
    private var machine: PasstMachine
    private var child: ChildID?
    private lazy var alarm = Alarm(on: reactor) { [weak self] in self?.timeCame() }
    private var pollTimer: TimerID?
    private var pollCount = 0
    private var lookTimer: TimerID?
    /// Between two looks at a running passt.
    private static let lookPause: UInt64 = 400_000_000

    /// - Throws: for `param=` words that would break supervision.
    public init(
        _ options: PasstOptions, program: PasstProgram, files: PasstFiles, in directory: RuntimeDirectory,
        tools: PasstTools, limits: PasstLimits = PasstLimits()
    ) throws(PasstError) {
        try options.validate()
        self.options = options
        self.program = program
        self.files = files
        self.directory = directory
        spawner = tools.spawner
        reactor = tools.reactor
        machine = PasstMachine(path: program.path, limits: limits)
    }

    deinit {
        if let child { spawner.signal(child, SIGKILL) }
        if let pollTimer { reactor.cancel(pollTimer) }
        if let lookTimer { reactor.cancel(lookTimer) }
    }

    /// The running passt's pid; nil while there is none.
    public var pid: Int32? { machine.pid }
    /// It is ready and has not been seen to die.
    public var isReady: Bool { if case .running = machine.state { true } else { false } }
    /// Nothing runs and nothing will by itself.
    public var isIdle: Bool { machine.state == .idle || machine.state == .failed }

    /// The whole command line, with the program's name.
    public var commandLine: [String] { [program.name] + options.arguments + files.arguments }

    /// Starts it; `ready` or `failed` follows.
    public func start() {
        machine.start(now: reactor.nowNanoseconds)
        perform()
    }

    /// Ends it for good; `stopped` follows.
    public func stop() {
        machine.stop(now: reactor.nowNanoseconds)
        perform()
    }

    /// It does not answer: kill it and start another. Only while it is ready.
    public func reportHung() {
        machine.reportHung(now: reactor.nowNanoseconds)
        perform()
    }

    /// Ends it at once and starts another in its place: `replaced` and `ready` follow. False when none is ready; one that
    /// rests, or starts, will be ready by itself.
    public func replace() -> Bool {
        defer { perform() }
        return machine.replace()
    }

    /// Connects to it; after `ready`. A hung passt can be connected to as well, once; then it is EAGAIN.
    public func connect() throws(SystemError) -> FileDescriptor {
        try UnixSocket.connect(to: directory.path + "/" + files.socket)
    }

    // MARK: the machine's actions

    private func perform() {
        for action in machine.takeActions() {
            switch action {
            case .spawn: spawn()
            case .signal(let number): if let child { spawner.signal(child, number) }
            case .report(let event): report(event)
            }
        }
        rearm()
    }

    private func report(_ event: PasstEvent) {
        switch event {
        case .failed, .down, .stopped: removeFiles()
        case .ready, .line, .replaced: break
        }
        reactor.atEndOfTurn { [weak self] in self?.onEvent?(event) }
    }

    private func spawn() {
        removeFiles()
        pollCount = 0
        guard directory.isInPlace else {
            return reactor.atEndOfTurn { [weak self] in self?.hasNoDirectory() }
        }
        let request = SpawnRequest(path: program.path, arguments: commandLine, directory: directory.raw)
        do throws(SpawnError) {
            child = try spawner.spawn(request) { [weak self] in self?.childSaid($0) }
        } catch {
            reactor.atEndOfTurn { [weak self] in self?.startFailed(error) }
        }
    }

    /// passt leaves its files behind, and replaces whatever lies at its socket's name.
    private func removeFiles() {
        for name in [files.socket, files.repair, files.pid] { directory.remove(name) }
    }

    private func childSaid(_ event: ChildEvent) {
        switch event {
        case .started(let pid): machine.started(pid: pid)
        case .failed(let error): return startFailed(error)
        case .line(let text): machine.line(text)
        case .linesDropped(let count): machine.line("(\(count) lines more)")
        case .ended(let end):
            child = nil
            machine.ended(end, now: reactor.nowNanoseconds)
        }
        perform()
    }

    private func startFailed(_ error: SpawnError) {
        child = nil
        if case .system(let cause) = error {
            machine.startFailed(.cannotStart(path: program.name, cause), now: reactor.nowNanoseconds)
        } else {
            machine.startFailed(.notStarted(error), now: reactor.nowNanoseconds)
        }
        perform()
    }

    private func hasNoDirectory() {
        machine.startFailed(.noDirectory(path: directory.path), now: reactor.nowNanoseconds)
        perform()
    }

    // MARK: time

    private func rearm() {
        alarm.set(machine.nextDeadline)
        if case .starting = machine.state, pollTimer == nil { pollLater() }
        if isReady, lookTimer == nil, !options.vhostUser { lookLater() }
    }

    /// Over a socket there is nothing that passt must answer, so the kernel is asked whether it runs. (A vhost-user
    /// back-end is asked itself, by its front-end.)
    private func lookLater() {
        lookTimer = reactor.schedule(atNanoseconds: reactor.nowNanoseconds &+ Self.lookPause) { [weak self] in
            self?.look()
        }
    }

    private func look() {
        lookTimer = nil
        guard isReady, let pid else { return }
        machine.looked(isStopped: ProcessState.isStopped(pid), now: reactor.nowNanoseconds)
        perform()
    }

    private func timeCame() {
        machine.advance(to: reactor.nowNanoseconds)
        perform()
    }

    /// The pid file is looked at often while passt usually starts (10 ms), rarely afterwards.
    private func pollLater() {
        let pause: UInt64 = pollCount < 100 ? 500_000 : pollCount < 200 ? 5_000_000 : 20_000_000
        pollCount += 1
        pollTimer = reactor.schedule(atNanoseconds: reactor.nowNanoseconds &+ pause) { [weak self] in self?.poll() }
    }

    private func poll() {
        pollTimer = nil
        guard case .starting = machine.state else { return }
        if let bytes = directory.contents(of: files.pid, limit: 32), !bytes.isEmpty {
            machine.pidFile(bytes, now: reactor.nowNanoseconds)
        }
        perform()
    }
}

/// What a supervisor works with.
public struct PasstTools {
    /// Starts passt and signals it.
    public let spawner: any ProcessSpawner
    /// Its timers and its turn.
    public let reactor: Reactor

    /// `DirectSpawner` of the same reactor, where there is no minder.
    public init(spawner: any ProcessSpawner, reactor: Reactor) {
        self.spawner = spawner
        self.reactor = reactor
    }
}
