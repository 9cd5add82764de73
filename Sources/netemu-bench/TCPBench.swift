// `bench tcp`: the processor's time for a segment, with and without checksums.

import BenchLoops
import Glibc

enum TCPBench {
    static let benches = [Measurement(name: "tcp") { measure() }]

    private static func measure() -> Int32 {
        Bench.say("   MTU  checksum on arrival  Gbit/s  ns/segment")
        for mtu in [1500, 9000, 65_520] {
            for trusted in [true, false] {
                let rows = (0..<5).map { _ in run(mtu: mtu, trusted: trusted) }.sorted { $0.0 < $1.0 }
                let (gigabits, nanoseconds) = rows[rows.count / 2]
                Bench.say(
                    pad("\(mtu)", 6) + pad(trusted ? "trusted" : "verified", 21) + pad(tenths(gigabits), 8)
                        + pad(tenths(nanoseconds), 12))
            }
        }
        return 0
    }

    private static func pad(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.utf8.count)) + text
    }

    private static func tenths(_ value: Double) -> String {
        "\(Int(value * 10) / 10).\(Int(value * 10) % 10)"
    }

    private static func run(mtu: Int, trusted: Bool) -> (Double, Double) {
        let total = mtu < 9000 ? 512 << 20 : 2 << 30
        let pair = TCPPair(mtu: mtu, trusted: trusted, timestamps: true)
        let start = clock()
        guard pair.move(total) == total else { return (0, 0) }
        let seconds = Double(clock() - start) / 1e9
        return (Double(total) * 8 / seconds / 1e9, seconds * 1e9 / Double(pair.segments))
    }

    /// Processor time of this thread, so that other load does not count.
    private static func clock() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
