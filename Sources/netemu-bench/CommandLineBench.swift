// How long a long command line takes to be read: scanned, checked against the tables and put into a topology.
// Nothing is started.

import NetEmu

enum CommandLineBench {
    private static let repetitions = 11

    /// Milliseconds for 200 options each; medians of 11.
    @Sendable static func run() -> Int32 {
        let lines = [
            ("100 × -netdev passt, 100 × -device virtio-net", pairs { "passt,id=n\($0),param=--mtu,param=\($0)" }),
            (
                "100 × -netdev stream, 100 × -device virtio-net",
                pairs { "stream,id=n\($0),addr.type=unix,addr.path=/run/n\($0).sock,reconnect-ms=500" }
            ),
            (
                "100 × -netdev '{JSON}', 100 × -device virtio-net",
                pairs { #"{"type":"stream","id":"n\#($0)","addr":{"type":"unix","path":"/run/n\#($0).sock"}}"# }
            ),
            ("200 × -netdev hubport on one hub", (0..<200).flatMap { ["-netdev", "hubport,id=p\($0),hubid=0"] }),
        ]
        Bench.say("| 200 options | median ms | p90 ms |")
        Bench.say("|---|---|---|")
        for (name, words) in lines {
            let times = (0..<repetitions).compactMap { _ in milliseconds(words) }
            guard times.count == repetitions else {
                Bench.complain("netemu-bench: a line is refused: \(name)")
                return 1
            }
            Bench.say("| \(name) | \(fixed(median(times), 2)) | \(fixed(percentile(times, 0.9), 2)) |")
        }
        return 0
    }

    private static func pairs(_ netdev: (Int) -> String) -> [String] {
        (0..<100).flatMap { ["-netdev", netdev($0), "-device", "virtio-net-pci,id=c\($0),netdev=n\($0),csum=off"] }
    }

    /// nil when the line is refused.
    private static func milliseconds(_ words: [String]) -> Double? {
        let start = monotonic()
        guard case .run? = try? ConfigurationBuilder.build(words, random: { 0 }) else { return nil }
        return Double(monotonic() - start) / 1e6
    }
}
