// Moving TCP connections: a node on one real passt, then on another on the same host, with netemu-repair and with
// passt-repair. Times are those of the whole save (switching, dumping, writing) and load as the front-end sees them.

import CLinux
import Glibc
import Linux
import PasstSession
import TestSupport

enum RepairBench {
    /// The most that one run opens may be lowered: `NETEMU_BENCH_FLOWS=500`.
    private static let most = getenv("NETEMU_BENCH_FLOWS").flatMap { Int(String(cString: $0)) } ?? 10_000

    @Sendable static func sessions() -> Int32 {
        NodeBench.guarded {
            Bench.say("| helper | flows | state bytes | bytes per flow | save ms | load ms | down ms | afterwards |")
            Bench.say("|---|---|---|---|---|---|---|---|")
            for flows in [1, 100, 1000, 10_000] where flows <= most {
                for program in RepairProgram.allCases { try row(flows, program) }
            }
        }
    }

    /// From the start of nsenter and setpriv, which both helpers need here, to the connection; memory then.
    @Sendable static func start() -> Int32 {
        NodeBench.guarded {
            Bench.say("| helper | start to connection, median ms | p90 ms | RssAnon KiB | RssFile KiB |")
            Bench.say("|---|---|---|---|---|")
            for program in RepairProgram.allCases {
                var times: [Double] = []
                var memory: [(anonymous: Int, file: Int)] = []
                try withTemporaryDirectory { directory in
                    try withNamespace(as: .mapped) { namespace in
                        for round in 0..<20 {
                            let path = "\(directory.path)/\(round).repair"
                            let (time, resident) = try started(program, at: path, in: namespace)
                            times.append(time)
                            memory.append(resident)
                        }
                    }
                }
                let sizes = [median(memory.map { Double($0.anonymous) }), median(memory.map { Double($0.file) })]
                Bench.say(
                    "| \(program.rawValue) | \(fixed(median(times), 1)) | \(fixed(percentile(times, 0.9), 1)) | "
                        + "\(sizes.map { fixed($0, 0) }.joined(separator: " | ")) |")
            }
        }
    }

    private static func started(
        _ program: RepairProgram, at path: String, in namespace: Namespace
    ) throws -> (milliseconds: Double, (anonymous: Int, file: Int)) {
        let listener = try UnixSocket.listen(at: path)
        let start = ne_monotonic_ns()
        let helper = try namespace.start([try program.peer.require(), path])
        var entry = pollfd(fd: listener.raw, events: Int16(POLLIN), revents: 0)
        guard poll(&entry, 1, 10_000) == 1 else { throw TestFailure(description: "no helper\n\(helper.transcript)") }
        let time = Double(ne_monotonic_ns() - start) / 1e6
        let resident = residentMemory(of: helper.pid)
        helper.end()
        return (time, resident)
    }

    private static func row(_ flows: Int, _ program: RepairProgram) throws {
        try withTemporaryDirectory { directory in
            try withNamespace(as: .mapped) { namespace in
                let peer = try namespace.start([
                    "prlimit", "--nofile=20000:20000", try Peers.built("host-peer").require(), "echo:9007",
                ])
                try peer.wait(for: "ready")
                let source = try RepairablePasst("src", in: namespace, directory, helpedBy: program)
                let destination = try RepairablePasst("dst", in: namespace, directory, helpedBy: program)
                let node = try MovableNode(on: source, memoryBytes: 512 << 20)
                let set = try FlowSet(flows, on: node, port: 9007, bytesEach: 2000)
                // Idle at the moment of the move, so that the bytes are those of the connections alone.
                try set.talk(until: 0.5, isIdleAfterwards: true)
                let move: Move
                do {
                    move = try node.move(to: destination)
                    try set.talk(until: 1, patience: 3)
                } catch  where program == .passtRepair {
                    // With its connections lost, passt itself may end: a fault of that pair, shown as one.
                    let ends = [source, destination].filter { $0.passt.status != nil }.map { "passt \($0.name) ended" }
                    return Bench.say(
                        "| \(program.rawValue) | \(flows) | | | | | | \(ends.joined(separator: ", ")): \(error) |")
                }
                let numbers = [move.saveMilliseconds, move.loadMilliseconds, move.downMilliseconds].map { fixed($0, 1) }
                Bench.say(
                    "| \(program.rawValue) | \(flows) | \(move.stateBytes) | \(move.stateBytes / flows) | "
                        + "\(numbers.joined(separator: " | ")) | \(set.outcome) |")
            }
        }
    }
}
