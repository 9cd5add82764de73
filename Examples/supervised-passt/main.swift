// A passt that is kept running: started, awaited, killed to see it come back, and ended in order.
//
//   swift run example-supervised-passt [PASST]

import Glibc
import Linux
import PasstLauncher

final class Program {
    private let reactor: Reactor
    private let directory: RuntimeDirectory
    private let supervisor: PasstSupervisor
    private var starts = 0

    /// - Parameter path: passt; nil looks it up in PATH.
    init(_ path: String?) throws {
        reactor = try Reactor()
        directory = try RuntimeDirectory.create()
        supervisor = try PasstSupervisor(
            PasstOptions(), program: PasstProgram(path), files: PasstFiles(number: 0), in: directory,
            tools: PasstTools(spawner: DirectSpawner(reactor: reactor), reactor: reactor))
        supervisor.onEvent = { [unowned self] in heard($0) }
    }

    func run() throws {
        defer { directory.removeAll() }
        supervisor.start()
        try reactor.run()
    }

    private func heard(_ event: PasstEvent) {
        switch event {
        case .ready(let pid): ready(pid)
        case .down(let reason, let rest): print("down (\(reason)), next start in \(rest / 1_000_000) ms")
        case .line(let text): print("passt: \(text)")
        case .replaced: print("replaced")
        case .failed(let reason):
            print("failed: \(reason)")
            reactor.stop()
        case .stopped:
            print("stopped")
            reactor.stop()
        }
    }

    private func ready(_ pid: Int32) {
        starts += 1
        let isConnected = (try? supervisor.connect()) != nil
        print("start \(starts): ready, \(isConnected ? "connected" : "not to be connected to")")
        if starts == 1 { kill(pid, SIGKILL) } else { supervisor.stop() }
    }
}

try Program(CommandLine.arguments.dropFirst().first).run()
