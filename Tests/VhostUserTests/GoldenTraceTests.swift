// CFE-01 and CFE-02: the order of messages, against recordings.

import Testing
import VhostUser

@Suite("Golden traces") struct GoldenTraceTests {
    @Test("messages are in QEMU's order with a back-end that offers everything (CFE-01)")
    func everything() throws {
        try replay(GoldenTraces.everything, on: MachineBench(.everything))
    }

    @Test("messages are in QEMU's order with a back-end without protocol features (CFE-01)")
    func withoutProtocolFeatures() throws {
        try replay(GoldenTraces.withoutProtocolFeatures, on: MachineBench(.old))
    }

    @Test("messages are in QEMU's order with two queue pairs (CFE-01)")
    func twoPairs() throws {
        var backEnd = ScriptedBackEnd.everything
        backEnd.protocolFeatures = 0x9_003f
        try replay(GoldenTraces.twoPairs, on: MachineBench(backEnd) { $0.queuePairs = 2 }, features: 0x1_7040_9983)
    }

    @Test("without acknowledgements a GET_FEATURES stands behind each ENABLE and nowhere else (CFE-02)")
    func barriers() throws {
        var backEnd = ScriptedBackEnd.everything
        backEnd.protocolFeatures &= ~8
        var bench = try MachineBench(backEnd)
        bench.connect()
        bench.start()
        let trace = bench.trace
        #expect(!trace.contains { $0.contains(" ack ") })
        let barriers = trace.indices.dropFirst(2).filter { trace[$0] == "GET_FEATURES" && $0 > 8 }
        #expect(barriers.count == 2)
        for index in barriers { #expect(trace[index - 1].hasPrefix("SET_VRING_ENABLE")) }
        #expect(bench.machine.state == .running)
    }

    /// Runs the owner's words of a recording and compares what is sent.
    private func replay(_ recording: String, on bench: MachineBench, features: UInt64 = MachineBench.pairFeatures)
        throws
    {
        var bench = bench
        for line in recording.split(separator: "\n") where line.hasPrefix("@") {
            let words = line.dropFirst().split(separator: " ")
            switch words[0] {
            case "connect": bench.connect()
            case "reset": bench.call { $0.reset(now: $1) }
            case "start": bench.start(features: features)
            case "stop": bench.stop()
            case "enable": bench.call { $0.setEnable(pair: Int(words[1]) ?? -1, isOn: true, now: $1) }
            default: Issue.record("the recording asks for \(line)")
            }
        }
        let expected = recording.split(separator: "\n").filter { !$0.hasPrefix("@") }.map(String.init)
        for (index, (sent, recorded)) in zip(bench.trace, expected).enumerated() where sent != recorded {
            Issue.record("message \(index): sent \(sent), recorded \(recorded)")
            return
        }
        #expect(bench.trace.count == expected.count)
    }
}
