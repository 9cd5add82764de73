// A supervised passt behind a minder, steered by lines on standard input.

import Glibc
import Linux
import PasstLauncher

final class PasstProbe {
    private let minder: Minder
    private let reactor: Reactor
    private let supervisor: PasstSupervisor
    private var isOver = false

    init(_ path: String) throws {
        let program = try PasstProgram(path)
        minder = try Minder.start([program.minded])
        reactor = try Reactor()
        try minder.attach(to: reactor)
        supervisor = try PasstSupervisor(
            PasstOptions(), program: program, files: PasstFiles(number: 0), in: minder.directory,
            tools: PasstTools(spawner: minder, reactor: reactor))
    }

    func run() throws {
        Probe.say("minder \(minder.pid)")
        Probe.say("directory \(minder.directory.path)")
        supervisor.onEvent = { [unowned self] in heard($0) }
        _ = try reactor.watch(0, for: .readable) { [unowned self] _ in
            var room = [UInt8](repeating: 0, count: 256)
            let count = read(0, &room, room.count)
            if count <= 0 { isOver = true }
            for word in String(decoding: room.prefix(max(0, count)), as: UTF8.self).split(separator: "\n") {
                obey(word)
            }
        }
        supervisor.start()
        while !isOver { try reactor.turn(maxWaitNanoseconds: nil) }
        Probe.say("finished \(minder.finish())")
    }

    private func obey(_ word: Substring) {
        switch word {
        case "kill": if let pid = supervisor.pid { kill(pid, SIGKILL) }
        case "hang": if let pid = supervisor.pid { kill(pid, SIGSTOP) }
        case "hung": supervisor.reportHung()
        case "stop-it": supervisor.stop()
        case "connect": connect()
        default: isOver = true
        }
    }

    private func connect() {
        do {
            let socket = try supervisor.connect()
            let peer = try UnixSocket.peerCredentials(socket.raw)
            Probe.say("connected \(peer.pid)")
        } catch {
            Probe.say("error \(error)")
        }
    }

    private func heard(_ event: PasstEvent) {
        switch event {
        case .ready(let pid): Probe.say("ready \(pid)")
        case .line(let text): Probe.say("line \(text)")
        case .replaced: Probe.say("replaced")
        case .failed(let error):
            for line in error.lines { Probe.say("last \(line)") }
            Probe.say("failed \(error)")
            isOver = true
        case .down(let error, let rest): Probe.say("down \(error) \(rest)")
        case .stopped: Probe.say("stopped")
        }
    }
}
