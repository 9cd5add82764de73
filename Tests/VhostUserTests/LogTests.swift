// A back-end that marks what it writes, as the machine sees it: QEMU's order, every way to be answered, refused or left
// alone, and back.

import Bytes
import Linux
import Testing
import Virtio

@testable import VhostUser

@Suite("A log of what a back-end writes") struct LogTests {
    private func running(
        _ backEnd: ScriptedBackEnd = .passt, configure: (inout FrontEndOptions) -> Void = { _ in }
    ) throws -> MachineBench {
        var bench = try MachineBench.connected(backEnd, configure: configure)
        bench.start()
        return bench
    }

    private func begin(_ bench: inout MachineBench) throws {
        let region = try LogRegion(size: 0x2000, offset: 0)
        bench.call { machine, now in machine.beginLog(Attachment(openDescriptors(1)[0]), region, now: now) }
    }

    /// What was sent since `count` messages, with ring addresses cut to whether they are logged.
    private func sent(_ bench: MachineBench, since count: Int) -> [String] {
        bench.trace.dropFirst(count).map { String($0.split(separator: " at 0x")[0]) }
    }

    @Test("the log, then features and rings that say so; back without a word about the log")
    func order() throws {
        var bench = try running()
        let before = bench.trace.count
        try begin(&bench)
        #expect(
            sent(bench, since: before) == [
                "SET_LOG_BASE +1", "SET_FEATURES ack 0x144008002", "SET_VRING_ADDR ack ring 0 log 1",
                "SET_VRING_ADDR ack ring 1 log 1",
            ])
        #expect(bench.logged == [nil])
        let during = bench.trace.count
        bench.call { machine, now in machine.endLog(now: now) }
        #expect(
            sent(bench, since: during) == [
                "SET_FEATURES 0x140008002", "SET_VRING_ADDR ring 0 log 0", "SET_VRING_ADDR ring 1 log 0",
            ])
        #expect(bench.machine.state == .running && bench.logged == [nil])
        try begin(&bench)
        #expect(bench.logged == [nil, nil])
    }

    @Test("per queue pair, with the status asked for in between")
    func pairs() throws {
        var bench = try running(.everything) { $0.queuePairs = 2 }
        let before = bench.trace.count
        try begin(&bench)
        let words = sent(bench, since: before).map { $0.split(separator: " ")[0] }
        #expect(words == ["SET_LOG_BASE"] + Array(repeating: pair, count: 2).flatMap { $0 })
        #expect(bench.logged == [nil])
    }
    private let pair: [Substring] = ["SET_FEATURES", "GET_STATUS", "SET_VRING_ADDR", "SET_VRING_ADDR"]

    @Test("without acknowledgements a question behind each word tells when it took effect")
    func barriers() throws {
        var backEnd = ScriptedBackEnd.passt
        backEnd.protocolFeatures &= ~8
        var bench = try running(backEnd)
        let before = bench.trace.count
        try begin(&bench)
        #expect(
            sent(bench, since: before) == [
                "SET_LOG_BASE +1", "SET_FEATURES 0x144008002", "GET_FEATURES", "SET_VRING_ADDR ring 0 log 1",
                "GET_FEATURES", "SET_VRING_ADDR ring 1 log 1", "GET_FEATURES",
            ])
        #expect(bench.logged == [nil])
    }

    @Test("rings that start later are logged from the beginning, and stop being so with the next start")
    func beforeStart() throws {
        var bench = try MachineBench(.passt)
        bench.connect()
        try begin(&bench)
        #expect(bench.logged == [nil])
        bench.start()
        #expect(bench.trace.contains("SET_FEATURES 0x144008002"))
        #expect(bench.trace.count { $0.contains(" log 1 ") } == 2)
        bench.stop()
        bench.call { machine, now in machine.endLog(now: now) }
        let before = bench.trace.count
        bench.start()
        #expect(!bench.trace.dropFirst(before).contains { $0.contains(" log 1 ") })
    }

    @Test("the answer may be nothing, a number or the structure (CFE-17)")
    func answers() throws {
        let region = try LogRegion(size: 0x2000, offset: 0)
        let replies: [Payload] = [.empty, .u64(0x2000), .u64(0), .log(region)]
        for payload in replies {
            var backEnd = ScriptedBackEnd.passt
            backEnd.faults[.setLogBase] = (0, .bytes(Reply(to: Request.setLogBase, payload).encoded()))
            var bench = try running(backEnd)
            try begin(&bench)
            #expect(bench.logged == [nil], "\(payload)")
        }
    }

    @Test("a back-end that offers no log is not asked")
    func notOffered() throws {
        for (features, protocolFeatures) in [(1 << 26 as UInt64, 0 as UInt64), (0, 2)] {
            var backEnd = ScriptedBackEnd.passt
            backEnd.features &= ~features
            backEnd.protocolFeatures &= ~protocolFeatures
            var bench = try running(backEnd)
            let before = bench.trace.count
            try begin(&bench)
            #expect(bench.logged == [.noLog] && bench.trace.count == before)
        }
    }

    @Test("no answer in time: the rings run on, and an answer that comes late means nothing")
    func silence() throws {
        var backEnd = ScriptedBackEnd.passt
        backEnd.faults[.setLogBase] = (0, .silence)
        var bench = try running(backEnd) { $0.logDeadline = .milliseconds(300) }
        try begin(&bench)
        #expect(bench.logged == [])
        bench.wait(.seconds(10))
        #expect(bench.logged == [.timeout(.setLogBase, after: .milliseconds(300))])
        #expect(!bench.isClosed && bench.machine.state == .running)
        bench.feed(Reply(to: Request.setLogBase, .u64(0x2000)).encoded())
        #expect(!bench.isClosed && bench.trace.last?.hasPrefix("SET_LOG_BASE") == true)
        // It is not asked a second time, and works on.
        try begin(&bench)
        #expect(bench.logged.last == .some(.noLog))
        bench.stop()
        #expect(bench.stops.count == 1 && bench.machine.state == .ready)
    }

    @Test("a refusal of features or of a ring takes everything back, and the connection lives", arguments: [0, 1, 2])
    func refusal(at message: Int) throws {
        var backEnd = ScriptedBackEnd.passt
        // Before that they are not asked with an acknowledgement.
        let requests: [Request] = [.setFeatures, .setVringAddress, .setVringAddress]
        backEnd.faults[requests[message]] = ([1, 2, 3][message], .refusal(1))
        var bench = try running(backEnd)
        try begin(&bench)
        #expect(bench.logged == [.refused(requests[message], value: 1)])
        #expect(!bench.isClosed && bench.machine.state == .running)
        #expect(
            sent(bench, since: bench.trace.count - 3) == [
                "SET_FEATURES 0x140008002", "SET_VRING_ADDR ring 0 log 0", "SET_VRING_ADDR ring 1 log 0",
            ])
    }

    @Test("who is not connected, stops, or has a log already says so")
    func wrongTime() throws {
        var bench = try MachineBench(.passt)
        try begin(&bench)
        #expect(bench.logged == [.notConnected])
        bench.connect()
        bench.start()
        try begin(&bench)
        try begin(&bench)
        #expect(bench.logged == [.notConnected, nil, .logIsBusy])
        bench.call { machine, _ in machine.fail(.closedByOwner) }
        #expect(bench.logged.last == .some(.notConnected))
        bench.connect()
        bench.start()
        #expect(bench.trace.last.map { _ in bench.machine.logState } == .off)
    }

    @Test("an end of the connection anywhere in the answer is its end, and the log's")
    func cuts() throws {
        for length in 0..<20 {
            var backEnd = ScriptedBackEnd.passt
            backEnd.faults[.setLogBase] = (0, .cut(length))
            var bench = try running(backEnd)
            try begin(&bench)
            #expect(bench.isClosed && bench.logged == [.notConnected])
        }
    }
}
