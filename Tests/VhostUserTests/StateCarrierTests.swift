// A back-end's state over a real socket and a real pipe: pieces, slow ends, ends that go.

import Bytes
import Glibc
import Linux
import Testing
import Virtio

@testable import VhostUser

@Suite("State through a pipe") struct StateCarrierTests {
    private typealias Saved = Result<[UInt8]?, VhostUserError>
    private typealias Loaded = Result<Bool, VhostUserError>

    init() { signal(SIGPIPE, SIG_IGN) }

    private static let sample = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) }

    private func connected(
        _ script: ScriptedBackEnd = .passt, configure: (inout FrontEndOptions) -> Void = { _ in }
    ) throws -> WireBench {
        let bench = try WireBench(configure: configure)
        try bench.connect(script)
        try bench.run("the handshake") { bench.frontEnd.isConnected }
        return bench
    }

    /// Does what a back-end does with its end, as much as it takes at once; true when all is done.
    private func write(_ bytes: [UInt8], from position: inout Int, to end: SharedDescriptor) -> Bool {
        _ = fcntl(end.raw, F_SETFL, O_NONBLOCK)
        let count = bytes.withUnsafeBytes { Glibc.write(end.raw, $0.baseAddress! + position, $0.count - position) }
        position += max(0, count)
        return position == bytes.count
    }

    private func read(_ end: SharedDescriptor, into bytes: inout [UInt8]) -> Bool {
        var room = [UInt8](repeating: 0, count: 50_000)
        _ = fcntl(end.raw, F_SETFL, O_NONBLOCK)
        let count = Glibc.read(end.raw, &room, room.count)
        bytes += room[..<max(0, count)]
        return count == 0
    }

    @Test(
        "3 MB come byte for byte, through our pipe and through a descriptor of the back-end's",
        arguments: [false, true])
    func save(_ isBackEnds: Bool) throws {
        var script = ScriptedBackEnd.passt
        if isBackEnds { script.faults[.setDeviceStateDescriptor] = (0, .silence) }
        let bench = try connected(script)
        var saved: Saved?
        bench.frontEnd.saveState { saved = $0 }
        var end: SharedDescriptor?
        try bench.run("a descriptor") { bench.backEnd?.stateEnd != nil }
        if isBackEnds {
            let pipe = try Pipe()
            end = pipe.writing
            let reply = Reply(to: Request.setDeviceStateDescriptor, .u64(0)).encoded()
            bench.backEnd?.inject(reply, descriptors: [pipe.reading.raw])
        } else {
            end = bench.backEnd?.stateEnd
        }
        bench.backEnd?.stateEnd = nil
        var position = 0
        try bench.run("all of it") {
            if let open = end, write(Self.sample, from: &position, to: open) { end = nil }
            return saved != nil
        }
        #expect(saved == .success(Self.sample))
        #expect(bench.backEnd?.script.log.last == .checkDeviceState)
        #expect(bench.disconnections.isEmpty)
    }

    @Test("3 MB go byte for byte to a back-end that reads slowly, and end with an end of file")
    func load() throws {
        let bench = try connected()
        var loaded: Loaded?
        bench.frontEnd.loadState(Self.sample) { loaded = $0 }
        var taken: [UInt8] = []
        try bench.run("all of it") {
            if let end = bench.backEnd?.stateEnd, read(end, into: &taken) { bench.backEnd?.stateEnd = nil }
            return loaded != nil
        }
        #expect(loaded == .success(true))
        #expect(taken == Self.sample)
    }

    @Test("nothing is a state, too, and the device can be used afterwards")
    func empty() throws {
        let bench = try connected()
        var saved: Saved?
        bench.frontEnd.saveState { saved = $0 }
        try bench.run("the end of it") {
            bench.backEnd?.stateEnd = nil
            return saved != nil
        }
        #expect(saved == .success([]))
        var loaded: Loaded?
        bench.frontEnd.loadState([]) { loaded = $0 }
        try bench.run("the end of it") { loaded != nil }
        #expect(loaded == .success(true))
        try bench.guest.boot()
        try bench.run("running rings") { bench.frontEnd.state == .running }
    }

    @Test("a back-end that stops reading is asked why")
    func earlyEnd() throws {
        for answer: UInt64 in [22, 0] {
            var script = ScriptedBackEnd.passt
            script.faults[.checkDeviceState] = (0, .value(answer))
            let bench = try connected(script)
            var loaded: Loaded?
            bench.frontEnd.loadState(Self.sample) { loaded = $0 }
            try bench.run("the end of it") {
                bench.backEnd?.stateEnd = nil
                return loaded != nil
            }
            #expect(loaded == .failure(answer == 0 ? .stateCut : .stateRefused(.load, value: 22)))
            #expect(bench.disconnections.isEmpty)
        }
    }

    @Test("a state above the limit is not kept, and none is sent")
    func limit() throws {
        let bench = try connected { $0.stateLimit = 1 << 20 }
        var loaded: Loaded?
        bench.frontEnd.loadState(Self.sample) { loaded = $0 }
        try bench.run("an answer") { loaded != nil }
        #expect(loaded == .failure(.stateTooLarge(limit: 1 << 20)))
        #expect(bench.backEnd?.script.log.contains { $0.request == .setDeviceStateDescriptor } == false)
        var saved: Saved?
        var position = 0
        bench.frontEnd.saveState { saved = $0 }
        try bench.run("an answer") {
            if let end = bench.backEnd?.stateEnd { _ = write(Self.sample, from: &position, to: end) }
            return saved != nil
        }
        #expect(saved == .failure(.stateTooLarge(limit: 1 << 20)))
        #expect(bench.disconnections == [.stateTooLarge(limit: 1 << 20)])
    }

    @Test("a back-end that dies in the middle ends the transfer with its reason; the next one is asked anew")
    func death() throws {
        let bench = try connected()
        var saved: Saved?
        var position = 0
        bench.frontEnd.saveState { saved = $0 }
        try bench.run("a part of it") {
            if let end = bench.backEnd?.stateEnd { _ = write(Self.sample, from: &position, to: end) }
            return position > 100_000
        }
        bench.kill()
        try bench.run("an answer") { saved != nil }
        // The end of the pipe may be seen before the end of the socket.
        #expect(saved == .failure(.endOfFile) || saved == .failure(.shortHeader(read: 0, request: .checkDeviceState)))
        saved = nil
        try bench.connect(.passt)
        try bench.run("the handshake") { bench.frontEnd.isConnected }
        bench.frontEnd.saveState { saved = $0 }
        try bench.run("an answer") {
            bench.backEnd?.stateEnd = nil
            return saved != nil
        }
        #expect(saved == .success([]))
    }

    @Test("a descriptor through which nothing can be waited for ends the connection")
    func oddDescriptor() throws {
        var script = ScriptedBackEnd.passt
        script.faults[.setDeviceStateDescriptor] = (0, .silence)
        let bench = try connected(script)
        var saved: Saved?
        bench.frontEnd.saveState { saved = $0 }
        try bench.run("a descriptor") { bench.backEnd?.stateEnd != nil }
        let file = try #require(tmpfile())
        defer { fclose(file) }
        let reply = Reply(to: Request.setDeviceStateDescriptor, .u64(0)).encoded()
        bench.backEnd?.inject(reply, descriptors: [fileno(file)])
        try bench.run("an answer") { saved != nil }
        guard case .failure(.system) = saved else {
            Issue.record("\(String(describing: saved))")
            return
        }
    }

    @Test("a back-end without states says so, without an error")
    func none() throws {
        let bench = try connected(.old)
        var (saved, loaded): (Saved?, Loaded?)
        bench.frontEnd.saveState { saved = $0 }
        bench.frontEnd.loadState([1]) { loaded = $0 }
        try bench.run("answers") { saved != nil && loaded != nil }
        #expect(saved == .success(nil))
        #expect(loaded == .success(false))
        #expect(!bench.frontEnd.hasState)
    }
}
