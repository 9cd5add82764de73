// netemu-bench: `bench NAME` measures time. Each room adds its entries to `benches`; nothing here knows what they do.
// Instructions are counted by netemu-gates.

import Glibc

/// A measurement that prints its rows.
struct Measurement: Sendable {
    let name: String
    let run: @Sendable () -> Int32
}

enum Bench {
    static let benches: [Measurement] =
        [
            Measurement(name: "ring", run: RingBench.run),
            Measurement(name: "throughput", run: NodeBench.throughput),
            Measurement(name: "stream", run: StreamBench.run),
            Measurement(name: "round-trip", run: RoundTripBench.run),
            Measurement(name: "start", run: NodeBench.start),
            Measurement(name: "repair", run: RepairBench.sessions),
            Measurement(name: "repair-start", run: RepairBench.start),
            Measurement(name: "command-line", run: CommandLineBench.run),
            Measurement(name: "move", run: MoveBench.run),
        ] + TCPBench.benches

    /// The path of this program.
    static var program: String {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        return String(decoding: buffer[..<max(0, count)].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    static func main(arguments: [String]) -> Int32 {
        switch (arguments.first, arguments.dropFirst().first) {
        case ("benches", nil): for bench in benches { say(bench.name) }
        case ("bench", let name?):
            guard let bench = benches.first(where: { $0.name == name }) else { return unknown(name) }
            return bench.run()
        case ("echo-client", _?): return EchoClient.run(arguments.dropFirst())
        case ("move-peer", _?): return MovePeer.run(arguments.dropFirst())
        default:
            complain("usage: netemu-bench benches | bench NAME")
            return 2
        }
        return 0
    }

    private static func unknown(_ name: String) -> Int32 {
        complain("netemu-bench: no bench \(name); `netemu-bench benches` lists them")
        return 2
    }

    static func say(_ line: String) { write(line, to: 1) }
    static func complain(_ line: String) { write(line, to: 2) }

    private static func write(_ line: String, to fd: CInt) {
        let bytes = Array((line + "\n").utf8)
        _ = bytes.withUnsafeBytes { Glibc.write(fd, $0.baseAddress, $0.count) }
    }
}
