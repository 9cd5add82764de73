// The whole program against real passt: node ↔ passt ↔ TCP on the host, both ways, at two MTUs; how long it takes from
// exec to the first echo; how much memory that is. Rows are Markdown, for the README's table.

import CLinux
import Glibc
import TestSupport

enum NodeBench {
    /// Gbit/s and processor seconds per GiB; interleaved repetitions, medians.
    @Sendable static func throughput() -> Int32 {
        guarded {
            Bench.say("| MTU | direction | Gbit/s | netemu CPU s/GiB | passt CPU s/GiB |")
            Bench.say("|---|---|---|---|---|")
            var rows: [String: [Transfer]] = [:]
            for _ in 0..<5 {
                for mtu in [1500, 65520] {
                    for isDownload in [true, false] {
                        rows["\(mtu) | \(isDownload ? "host → node" : "node → host")", default: []]
                            .append(try transfer(mtu: mtu, isDownload: isDownload))
                    }
                }
            }
            for (name, runs) in rows.sorted(by: { $0.key < $1.key }) {
                Bench.say("| \(name) | \(medians(of: runs)) |")
            }
        }
    }

    /// The cells of a row.
    static func medians(of runs: [Transfer]) -> String {
        [\Transfer.gigabits, \.netemu, \.passt].map { key in fixed(median(runs.map { $0[keyPath: key] }), 2) }
            .joined(separator: " | ")
    }

    /// exec → passt ready → lease → first echo in milliseconds, and memory then; median of 20.
    @Sendable static func start() -> Int32 {
        guarded {
            var leases: [Double] = []
            var echoes: [Double] = []
            var memory: [(anonymous: Int, file: Int)] = []
            for _ in 0..<20 {
                try withGround(as: .mapped) { ground in
                    let script = "ip addr; ping -c 1 \(gateway); sleep 30"
                    let start = ne_monotonic_ns()
                    let netemu = try ground.start([
                        "-nic", "passt,model=virtio,vhost-user=on,path={passt}", "-guest", "node,run=\(script)",
                    ])
                    try netemu.wait(for: "inet \(NamespaceAddress.host4)")
                    leases.append(Double(ne_monotonic_ns() - start) / 1e6)
                    try netemu.wait(for: "1 received")
                    echoes.append(Double(ne_monotonic_ns() - start) / 1e6)
                    memory.append(residentMemory(of: netemu.pid))
                }
            }
            Bench.say("| from exec to | median ms | p90 ms |")
            Bench.say("|---|---|---|")
            Bench.say("| lease | \(fixed(median(leases), 1)) | \(fixed(percentile(leases, 0.9), 1)) |")
            Bench.say("| first echo | \(fixed(median(echoes), 1)) | \(fixed(percentile(echoes, 0.9), 1)) |")
            let anonymous = median(memory.map { Double($0.anonymous) / 1024 })
            let file = median(memory.map { Double($0.file) / 1024 })
            Bench.say("")
            Bench.say(
                "Memory of netemu: \(fixed(anonymous + file, 1)) MiB "
                    + "(RssAnon \(fixed(anonymous, 1)), RssFile \(fixed(file, 1)))")
        }
    }

    struct Transfer {
        var gigabits: Double
        /// Processor seconds per GiB.
        var netemu: Double
        var passt: Double
    }

    /// One connection for about two seconds; the first half second does not count.
    static func transfer(mtu: Int, isDownload: Bool, isStream: Bool = false) throws -> Transfer {
        try withTemporaryDirectory { directory in
            try withNamespace(as: .mapped) { namespace in
                let ground = try Ground(namespace, directory, services: ["fast:7001", "discard:7002"])
                let mode = isStream ? "off" : "on"
                let session = try ground.session(
                    words: ["-nic", "passt,model=virtio,vhost-user=\(mode),path={passt},mtu=\(mtu)"])
                try session.waitForLease()
                guard let passt = try session.passtPID() else { throw TestFailure(description: "no passt") }
                session.console.write(
                    isDownload ? "nc \(gateway) 7001 > /dev/null\n" : "nc --send-bytes 1000G \(gateway) 7002\n")
                usleep(500_000)
                let before = try sample(ground.peer.pid, session.child.pid, passt, isDownload)
                usleep(1_500_000)
                let after = try sample(ground.peer.pid, session.child.pid, passt, isDownload)
                let bytes = after.bytes - before.bytes
                let gibibytes = max(bytes / 1_073_741_824, 1e-9)
                return Transfer(
                    gigabits: bytes * 8 / Double(after.time - before.time),
                    netemu: (after.netemu - before.netemu) / gibibytes,
                    passt: (after.passt - before.passt) / gibibytes)
            }
        }
    }

    /// Bytes are those that the peer has written or read (/proc/PID/io).
    private static func sample(
        _ peer: pid_t, _ netemu: pid_t, _ passt: pid_t, _ isDownload: Bool
    ) throws -> (time: UInt64, bytes: Double, netemu: Double, passt: Double) {
        let key = isDownload ? "wchar: " : "rchar: "
        let line = (textOfFile("/proc/\(peer)/io") ?? "").split(separator: "\n").first { $0.hasPrefix(key) }
        guard let line, let bytes = Double(line.dropFirst(key.count)) else {
            throw TestFailure(description: "/proc/\(peer)/io cannot be read")
        }
        return (ne_monotonic_ns(), bytes, processorTime(of: netemu), processorTime(of: passt))
    }

    static func guarded(_ body: () throws -> Void) -> Int32 {
        do {
            try body()
            return 0
        } catch {
            Bench.complain("netemu-bench: \(error)")
            return 1
        }
    }
}
