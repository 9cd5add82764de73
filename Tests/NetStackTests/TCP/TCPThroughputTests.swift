// How fast a stream is over wires of many kinds, as a table that is compared line by line: a change in
// congestion control shows as a change of numbers. Times are simulated, so the table is exact.

import Bytes
import Testing

@testable import NetStack

@Suite struct TCPThroughputTests {
    private struct Row {
        var name: String
        var wire: WireBehaviour
        var mtu: Int
        var bytes: Int
    }

    private static let rows = [
        Row(name: "1 Gbit/s, 50 us", wire: WireBehaviour(rate: 1_000_000_000), mtu: 1500, bytes: 2_000_000),
        Row(
            name: "10 Gbit/s, 50 us, MTU 65520", wire: WireBehaviour(rate: 10_000_000_000), mtu: 65_520,
            bytes: 8_000_000),
        Row(
            name: "100 Mbit/s, 10 ms", wire: WireBehaviour(delay: .milliseconds(10), rate: 100_000_000), mtu: 1500,
            bytes: 2_000_000),
        Row(
            name: "100 Mbit/s, 10 ms, queue 20",
            wire: WireBehaviour(delay: .milliseconds(10), rate: 100_000_000, queue: 20), mtu: 1500, bytes: 2_000_000),
        Row(
            name: "100 Mbit/s, 10 ms, loss 0.1 %",
            wire: WireBehaviour(delay: .milliseconds(10), rate: 100_000_000, loss: 0.001), mtu: 1500, bytes: 2_000_000),
        Row(
            name: "100 Mbit/s, 10 ms, loss 1 %",
            wire: WireBehaviour(delay: .milliseconds(10), rate: 100_000_000, loss: 0.01), mtu: 1500, bytes: 2_000_000),
        Row(
            name: "1 Gbit/s, 50 us, loss 1 %", wire: WireBehaviour(rate: 1_000_000_000, loss: 0.01), mtu: 1500,
            bytes: 2_000_000),
        Row(
            name: "1 Gbit/s, 50 us, reordering 1 %", wire: WireBehaviour(rate: 1_000_000_000, reordering: 0.01),
            mtu: 1500, bytes: 2_000_000),
    ]

    /// Mbit/s of payload, rounded; the time includes slow start and FIN.
    private static let snapshot = """
        1 Gbit/s, 50 us: 948 948 948
        10 Gbit/s, 50 us, MTU 65520: 3438 3438 3438
        100 Mbit/s, 10 ms: 43 43 43
        100 Mbit/s, 10 ms, queue 20: 15 15 15
        100 Mbit/s, 10 ms, loss 0.1 %: 26 43 43
        100 Mbit/s, 10 ms, loss 1 %: 6 6 8
        1 Gbit/s, 50 us, loss 1 %: 758 660 892
        1 Gbit/s, 50 us, reordering 1 %: 755 817 815
        """

    @Test("the throughput table is as it was")
    func table() {
        let lines = Self.rows.map { row in
            let rates = (1...3).map { seed -> Double in
                let network = SimulatedNetwork(row.wire, mtu: row.mtu, seed: UInt64(seed))
                guard let time = network.transfer(forth: row.bytes, back: 0) else { return 0 }
                return Double(row.bytes) * 8000 / Double(time)
            }
            return "\(row.name): " + rates.map { "\(Int($0.rounded()))" }.joined(separator: " ")
        }
        #expect(lines.joined(separator: "\n") == Self.snapshot)
    }
}
