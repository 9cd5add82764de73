// posix_spawn from one thread that lives as long as the process. PR_SET_PDEATHSIG fires when the *thread* that
// started a child ends, so children of a thread pool's threads could be ended at any moment.

import CLinux
import Glibc
import Linux

/// What to start; the two output descriptors are borrowed for the call.
struct SpawnRequest: Sendable {
    let arguments: [String]
    let input: ChildInput
    let output: CInt
    let errors: CInt
    let environment: [String: String]
}

/// The pid and the write end of the input pipe (-1 without one).
typealias Spawned = (pid: pid_t, input: CInt)

/// A POSIX mutex and condition guard the mailbox: ThreadSanitizer sees them, and nobody polls.
final class SpawnThread: @unchecked Sendable {
    static let shared = SpawnThread()

    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var requests: [(UInt64, SpawnRequest)] = []
    private var answers: [UInt64: Result<Spawned, SystemError>] = [:]
    private var lastID: UInt64 = 0

    private init() {
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(changed, nil)
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { argument in
                if let argument { Unmanaged<SpawnThread>.fromOpaque(argument).takeUnretainedValue().serve() }
                return nil
            }, Unmanaged.passRetained(self).toOpaque())
    }

    /// Starts the program on the lasting thread and waits for the answer, which comes within milliseconds.
    func spawn(_ request: SpawnRequest) throws(SystemError) -> Spawned {
        pthread_mutex_lock(mutex)
        lastID += 1
        let id = lastID
        requests.append((id, request))
        pthread_cond_broadcast(changed)
        let answer = waitWhileLocked { answers.removeValue(forKey: id) }
        pthread_mutex_unlock(mutex)
        return try answer.get()
    }

    private func serve() {
        while true {
            pthread_mutex_lock(mutex)
            let (id, request) = waitWhileLocked { requests.isEmpty ? nil : requests.removeFirst() }
            pthread_mutex_unlock(mutex)
            let answer = Result { () throws(SystemError) in try spawnNow(request) }
            pthread_mutex_lock(mutex)
            answers[id] = answer
            pthread_cond_broadcast(changed)
            pthread_mutex_unlock(mutex)
        }
    }

    /// The mutex is held, and given up while there is nothing yet.
    private func waitWhileLocked<Value>(_ value: () -> Value?) -> Value {
        while true {
            if let found = value() { return found }
            pthread_cond_wait(changed, mutex)
        }
    }
}

/// A fresh signal mask and default dispositions, no descriptor but the standard three.
private func spawnNow(_ request: SpawnRequest) throws(SystemError) -> Spawned {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    var pipe: [CInt] = [-1, -1]
    if request.input == .pipe { _ = try check(ne_pipe(&pipe), "pipe2") }
    defer { if pipe[0] >= 0 { close(pipe[0]) } }

    if request.input == .pipe {
        posix_spawn_file_actions_adddup2(&actions, pipe[0], 0)
    } else {
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    }
    posix_spawn_file_actions_adddup2(&actions, request.output, 1)
    posix_spawn_file_actions_adddup2(&actions, request.errors, 2)

    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    sigfillset(&signals)
    posix_spawnattr_setsigdefault(&attributes, &signals)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

    var pid: pid_t = 0
    let code = withCStrings(request.arguments) { arguments in
        withCStrings(environmentLines(request.environment)) { environment in
            posix_spawn(&pid, request.arguments[0], &actions, &attributes, arguments, environment)
        }
    }
    guard code == 0 else {
        if pipe[1] >= 0 { close(pipe[1]) }
        throw SystemError(call: "posix_spawn", code: code, subject: request.arguments[0])
    }
    return (pid, pipe[1])
}

/// This process's environment with `changes` on top.
private func environmentLines(_ changes: [String: String]) -> [String] {
    var lines: [String] = []
    var entry = environ
    while let text = entry.pointee {
        let line = String(cString: text)
        let key = line.prefix { $0 != "=" }
        if changes[String(key)] == nil { lines.append(line) }
        entry += 1
    }
    return lines + changes.map { "\($0.key)=\($0.value)" }
}

private func withCStrings<R>(_ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> R) -> R {
    let copies = strings.map { strdup($0) }
    defer { for copy in copies { free(copy) } }
    return body(copies + [nil])
}
