// A program with a minder, for tests that need one: `Minder` forks, which a test process with its
// threads cannot do. It says on standard output what it hears, and ends itself where it is told to.
//
//   minder-probe PHASE PROGRAM [ARGUMENT]...     PHASE: see `Phase`
//   minder-probe threads                         tries with two threads
//   minder-probe leaks PROGRAM [ARGUMENT]...     runs it 40 times, then counts descriptors
//   minder-probe passt PROGRAM                   a supervised passt; reads: kill, stop-it, hung, connect, quit

import Glibc
import Linux

enum Probe {
    /// When the probe sends itself SIGKILL, or what it does instead.
    enum Phase: String {
        case afterFork, afterSpawn, afterStarted, afterLine
        /// `finish` after the first line, then exit 0.
        case finish
        /// Runs until the child has ended.
        case run
        /// SIGKILL for the minder after the first line.
        case killMinder
        /// A request for a program that was not named at the start.
        case otherProgram
        /// No descriptor is left here, or in the minder, when the child is started; the next one has room again.
        case noRoom, noRoomInMinder
        /// As `run`, where every file may be started.
        case anyFile
    }

    static func run(_ words: [String]) -> Int32 {
        do {
            switch words.first {
            case "threads": try withThread()
            case "leaks": try Leaks.run(Array(words.dropFirst()))
            case "passt": try PasstProbe(words[1]).run()
            default:
                guard let phase = words.first.flatMap(Phase.init), words.count > 1 else { return 2 }
                try PhaseProbe(phase, Array(words.dropFirst())).run()
            }
            return 0
        } catch {
            say("error \(error)")
            return 1
        }
    }

    /// A line at once: the probe may be killed next.
    static func say(_ line: String) {
        let bytes = Array((line + "\n").utf8)
        _ = bytes.withUnsafeBytes { write(1, $0.baseAddress, $0.count) }
    }

    static func dieNow() {
        kill(getpid(), SIGKILL)
        while true { pause() }
    }

    /// Refuses arguments that contain "forbidden".
    static func program(_ path: String) -> MindedProgram {
        MindedProgram(path: path) { $0.contains("forbidden") ? "forbidden is not for this program" : nil }
    }

    private static func withThread() throws {
        var thread = pthread_t()
        pthread_create(&thread, nil, sleeper, nil)
        _ = try Minder.start([])
    }
}

private func sleeper(_: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    sleep(60)
    return nil
}

/// One child, one phase.
final class PhaseProbe {
    private var phase: Probe.Phase
    private let words: [String]
    private var minder: Minder?
    private var isOver = false

    init(_ phase: Probe.Phase, _ words: [String]) {
        self.phase = phase
        self.words = words
    }

    func run() throws {
        let program = Probe.program(words[0])
        let minder = try Minder.start([phase == .anyFile ? MindedProgram(anyFile: program.objection) : program])
        self.minder = minder
        Probe.say("minder \(minder.pid)")
        Probe.say("directory \(minder.directory.path)")
        if phase == .afterFork { Probe.dieNow() }
        let reactor = try Reactor()
        try minder.attach(to: reactor)
        minder.onEnd = { Probe.say("minder ended") }
        if phase == .noRoomInMinder { Room.leave(none: true, of: minder.pid) }
        try spawn()
        if phase == .noRoom { Room.leave(none: true, of: getpid()) }
        if phase == .afterSpawn { Probe.dieNow() }
        while !isOver { try reactor.turn(maxWaitNanoseconds: nil) }
    }

    private func spawn() throws {
        guard let minder else { return }
        let path = phase == .otherProgram ? "/bin/cat" : words[0]
        let request = SpawnRequest(path: path, arguments: words, directory: minder.directory.raw)
        _ = try minder.spawn(request) { [unowned self] in heard($0) }
    }

    /// Another child, now that there is room.
    private func again() {
        for pid in [getpid(), minder?.pid ?? 0] { Room.leave(none: false, of: pid) }
        phase = .run
        do { try spawn() } catch { Probe.say("error \(error)") }
    }

    private func heard(_ event: ChildEvent) {
        switch event {
        case .started(let pid):
            Probe.say("started \(pid)")
            if phase == .afterStarted { Probe.dieNow() }
        case .line(let text):
            Probe.say("line \(text)")
            lineCame()
        case .linesDropped(let count): Probe.say("dropped \(count)")
        case .failed(let error):
            Probe.say("failed \(error)")
            if phase == .noRoom || phase == .noRoomInMinder { again() } else { isOver = true }
        case .ended(let end):
            Probe.say("ended \(end)")
            isOver = true
        }
    }

    private func lineCame() {
        switch phase {
        case .afterLine: Probe.dieNow()
        case .killMinder: if let minder { kill(minder.pid, SIGKILL) }
        case .finish:
            Probe.say("finished \(minder?.finish() == true)")
            isOver = true
        default: break
        }
    }
}

/// Room for descriptors.
enum Room {
    /// Sets the limit of a process to three, which all have, or to what it may be at most.
    static func leave(none: Bool, of pid: pid_t) {
        let kind = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limit = rlimit()
        getrlimit(kind, &limit)
        limit.rlim_cur = none ? 3 : limit.rlim_max
        if pid == getpid() {
            if setrlimit(kind, &limit) != 0 { Probe.say("error setrlimit \(errno)") }
        } else {
            run(["/usr/bin/prlimit", "--pid", String(pid), "--nofile=\(limit.rlim_cur):\(limit.rlim_max)"])
        }
    }

    private static func run(_ words: [String]) {
        var argv: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        defer { for word in argv { free(word) } }
        var pid: pid_t = 0
        var status: CInt = -1
        guard posix_spawn(&pid, words[0], nil, nil, &argv, environ) == 0, waitpid(pid, &status, 0) == pid, status == 0
        else { return Probe.say("error \(words) \(status)") }
    }
}

/// Descriptors of the probe and of its minder before and after many children.
enum Leaks {
    static func run(_ words: [String]) throws {
        let minder = try Minder.start([Probe.program(words[0])])
        let reactor = try Reactor()
        try minder.attach(to: reactor)
        try once(words, minder, reactor)
        let before = settled(minder.pid)
        for _ in 0..<40 { try once(words, minder, reactor) }
        Probe.say("before \(before)")
        Probe.say("after \(settled(minder.pid))")
        Probe.say("memory \(memory(minder.pid))")
    }

    private static func once(_ words: [String], _ minder: Minder, _ reactor: Reactor) throws {
        var isOver = false
        let request = SpawnRequest(
            path: words[0], arguments: words, directory: minder.directory.raw,
            placements: [DescriptorPlacement(minder.directory.raw, as: 7)])
        _ = try minder.spawn(request) { event in if case .ended = event { isOver = true } }
        while !isOver { try reactor.turn(maxWaitNanoseconds: nil) }
    }

    /// Once the minder sleeps in its loop: it tells an end before it closes the last descriptor.
    private static func settled(_ minder: Int32) -> String {
        var last = ""
        var same = 0
        while same < 20 {
            let now = "\(count(getpid())) \(count(minder))"
            same = now == last ? same + 1 : 0
            last = now
            usleep(1000)
        }
        return last
    }

    private static func count(_ pid: Int32) -> Int {
        guard let stream = opendir("/proc/\(pid)/fd") else { return -1 }
        defer { closedir(stream) }
        var count = 0
        while readdir(stream) != nil { count += 1 }
        return count
    }

    /// RssAnon in kB.
    private static func memory(_ pid: Int32) -> String {
        let status = (try? SmallFile.read("/proc/\(pid)/status")) ?? []
        let lines = String(decoding: status, as: UTF8.self).split(separator: "\n")
        return lines.first { $0.hasPrefix("RssAnon") }.map(String.init) ?? "?"
    }
}
