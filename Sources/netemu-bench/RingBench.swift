// `bench ring`: what a frame costs between a driver's queue and a device. The measuring stick is the same loop in C, compiled by the toolchain's clang and run in turns
// with ours in slices so short that both meet the same machine.

import BenchLoops
import CLinux
import Glibc

enum RingBench {
    static func run() -> Int32 {
        guard let swift = RingLoop(), let c = CRingLoop(), let receive = ReceiveLoop() else { return 1 }
        Bench.say("One thread, ring of 256, batch 64, EVENT_IDX; ns per frame, median of 11.\n")
        Bench.say("| frame | sent | the same in C | ratio | received |\n|---:|---:|---:|---:|---:|")
        for length in [64, 1514] {
            var rows: [[Double]] = []
            for _ in 0..<12 {
                rows.append(
                    best([
                        { swift.run(rounds: 200, batch: 64, length: length) },
                        { c.run(rounds: 200, batch: 64, length: length) },
                        { receive.run(rounds: 200, batch: 64, length: length) },
                    ]))
            }
            // The first repetition warms up.
            rows.removeFirst()
            let (ours, theirs) = (median(rows.map { $0[0] }), median(rows.map { $0[1] }))
            let ratio = median(rows.map { $0[0] / $0[1] })
            let received = median(rows.map { $0[2] })
            Bench.say(
                "| \(length) | \(fixed(ours, 1)) | \(fixed(theirs, 1)) | \(fixed(ratio, 2)) | \(fixed(received, 1)) |")
        }
        return RingThreads.run()
    }

    /// ns per unit that each of `works` reports: the best of 40 short slices in turns, so that a slice during which
    /// another process had the core counts for nobody.
    private static func best(_ works: [() -> Int]) -> [Double] {
        var best = [Double](repeating: .infinity, count: works.count)
        for _ in 0..<40 {
            for (index, work) in works.enumerated() {
                let start = ne_monotonic_ns()
                let units = work()
                best[index] = min(best[index], Double(ne_monotonic_ns() - start) / Double(max(1, units)))
            }
        }
        return best
    }
}
