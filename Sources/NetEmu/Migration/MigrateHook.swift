// The user's command at a guest's move to another host or network namespace: connections live on only where their address
// is, and netemu moves no addresses. A shell runs the command, told by its environment, and by $1 to $3, what it is for:
//
//     NETEMU_MIGRATE_SIDE    source, destination
//     NETEMU_MIGRATE_PHASE   saved: connections are silent here, their address may go
//                            load: they are about to be put up here, their address has to be there
//                            back: the guest does not move after all; what the other phase did is to be undone
//     NETEMU_MIGRATE_URI     as it was typed

import Glibc
import Linux

/// `-migrate-hook`: the command, and the one run of it that is under way.
final class MigrateHook {
    enum Side: String { case source, destination }
    enum Phase: String { case saved, load, back }

    /// One call.
    private struct Call {
        let side: Side
        let phase: Phase
        let uri: String
        let done: (String?) -> Void
    }

    /// How long a run may take.
    private static let patience: UInt64 = 10_000_000_000
    private static let program = "/bin/sh"

    private let command: String
    private let directory: SharedDescriptor?
    private let spawner: any ProcessSpawner
    private let reactor: Reactor
    private let voice: Voice
    private var waiting: [Call] = []
    private var current: Call?
    private var child: ChildID?
    private var lastLine: String?
    private lazy var alarm = Alarm(on: reactor) { [weak self] in self?.timeCame() }
    private var onIdle: (() -> Void)?

    /// Relative names in the command are seen from the directory in which netemu is now.
    init(_ command: String, spawner: any ProcessSpawner, on reactor: Reactor, _ voice: Voice) {
        (self.command, self.spawner, self.reactor, self.voice) = (command, spawner, reactor, voice)
        let here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        directory = here >= 0 ? SharedDescriptor(FileDescriptor(owning: here)) : nil
    }

    /// What the minder has to know: this command and no other, whatever is asked later.
    static func minded(_ command: String) -> MindedProgram {
        MindedProgram(path: program) { arguments in
            let head = ["-c", script(command), "migrate-hook"]
            return arguments.count == head.count + 3 && Array(arguments.prefix(head.count)) == head
                ? nil : "a command is started as sh -c COMMAND"
        }
    }

    private static func script(_ command: String) -> String {
        "export NETEMU_MIGRATE_SIDE=\"$1\" NETEMU_MIGRATE_PHASE=\"$2\" NETEMU_MIGRATE_URI=\"$3\"\n\(command)"
    }

    /// Runs the command when a former run is over; `done` with why it failed, within its patience.
    func run(_ side: Side, _ phase: Phase, uri: String, _ done: @escaping (String?) -> Void) {
        waiting.append(Call(side: side, phase: phase, uri: uri, done: done))
        if current == nil { next() }
    }

    /// Calls `done` when no run is under way and none waits: within the call when that is so.
    func whenIdle(_ done: @escaping () -> Void) {
        if current == nil { done() } else { onIdle = done }
    }

    private func next() {
        guard !waiting.isEmpty else {
            let done = onIdle
            onIdle = nil
            return done?() ?? ()
        }
        let call = waiting.removeFirst()
        (current, lastLine) = (call, nil)
        alarm.set(reactor.nowNanoseconds &+ Self.patience)
        let request = SpawnRequest(
            path: Self.program,
            arguments: ["sh", "-c", Self.script(command), "migrate-hook"]
                + [call.side.rawValue, call.phase.rawValue, call.uri],
            directory: directory?.raw)
        do throws(SpawnError) {
            var started: ChildID?
            started = try spawner.spawn(request) { [weak self] event in self?.said(event, of: started) }
            child = started
        } catch { reactor.atEndOfTurn { [weak self] in self?.over("\(error)") } }
    }

    private func said(_ event: ChildEvent, of who: ChildID?) {
        // Of one that took too long nothing more counts.
        guard who == child else { return }
        switch event {
        case .started, .linesDropped: break
        case .failed(let error): over("\(error)")
        case .line(let line):
            lastLine = line
            voice.say("migrate-hook: \(line)")
        case .ended(.exited(0)): over(nil)
        case .ended(let end): over("it \(end)" + (lastLine.map { ": \($0)" } ?? ""))
        }
    }

    private func timeCame() {
        if let child { spawner.signal(child, SIGKILL) }
        over("it did not end within \(Self.patience / 1_000_000_000) s and was killed")
    }

    private func over(_ why: String?) {
        guard let call = current else { return }
        (current, child) = (nil, nil)
        alarm.set(nil)
        call.done(why.map { "the migrate-hook failed at the \(call.side.rawValue) (\(call.phase.rawValue)): \($0)" })
        next()
    }
}
