// A passt back-end in this process: nothing is started, the test plays the program. What a card is told when passt
// comes up, dies, hangs or is ended.

import Glibc
import Link
import Linux
import PasstLauncher
import TestSupport
import Testing
import Virtio

@testable import NetEmu

/// A back-end, and the passt that it believes to have started.
private final class PasstStage: ProcessSpawner {
    let reactor: Reactor
    let directory: RuntimeDirectory
    let said = SaidLines()
    let card = ScriptedPort()
    private(set) var netdev: PasstNetdev?
    private(set) var events: [NetdevEvent] = []
    private(set) var signals: [Int32] = []
    private(set) var started = 0
    private var onEvent: ((ChildEvent) -> Void)?
    private var listener: SharedDescriptor?
    private(set) var peer: SharedDescriptor?

    init() throws {
        reactor = try Reactor()
        directory = try RuntimeDirectory(below: "/tmp")
        try SmallFile.write(Array("#!/bin/false\n".utf8), to: "passt", in: directory.raw, mode: 0o755)
        var options = PasstOptions()
        options.vhostUser = false
        let launch = PasstLaunch(
            options: options, program: try PasstProgram(directory.path + "/passt"), files: files,
            directory: directory, tools: PasstTools(spawner: self, reactor: reactor), voice: said.voice)
        let netdev = try PasstNetdev("n0", location: "-netdev passt,id=n0", launch: launch)
        netdev.onEvent = { [unowned self] in events.append($0) }
        link(netdev)?.connect(card, at: .card)
        self.netdev = netdev
    }

    deinit { directory.removeAll() }

    private var files: PasstFiles { PasstFiles(number: 0) }
    func link(_ netdev: PasstNetdev?) -> FrameLink? {
        if case .frames(let link)? = netdev?.door { link } else { nil }
    }
    var info: String? { netdev?.info }

    // MARK: passt

    func spawn(_ request: SpawnRequest, onEvent: @escaping (ChildEvent) -> Void) throws(SpawnError) -> ChildID {
        started += 1
        self.onEvent = onEvent
        let pid = pid
        reactor.atEndOfTurn { onEvent(.started(pid: pid)) }
        return ChildID(number: UInt32(started))
    }

    func signal(_ child: ChildID, _ number: Int32) { signals.append(number) }

    var pid: Int32 { 4000 + Int32(started) }

    /// It listens and says so; the back-end connects.
    func comeUp() throws -> Bool {
        let count = started
        listener = SharedDescriptor(try UnixSocket.listen(at: files.socket, in: directory.raw))
        try SmallFile.write(Array("\(pid)\n".utf8), to: files.pid, in: directory.raw)
        let isUp = try reactor.turn { self.netdev?.isUp == true && started == count }
        if isUp, let listener { peer = SharedDescriptor(try UnixSocket.accept(listener.descriptor)) }
        return isUp
    }

    func closeConnection() { peer = nil }

    func die(_ end: ProcessEnd) {
        peer = nil
        listener = nil
        onEvent?(.ended(end))
    }

    /// The next frame that it got.
    func receive() throws -> [UInt8] {
        guard let peer else { return [] }
        var room = [UInt8](repeating: 0, count: 4096)
        var count = 0
        _ = try reactor.turn {
            count = recv(peer.raw, &room, room.count, Int32(MSG_DONTWAIT))
            return count > 0
        }
        return Array(room.prefix(max(0, count)).dropFirst(4))
    }
}

@Suite("a passt back-end without passt")
struct PasstNetdevTests {
    @Test("it is ready when it is connected; frames go both ways")
    func comesUp() throws {
        let stage = try PasstStage()
        #expect(stage.info == "launching passt" && stage.netdev?.isReady == false)
        stage.netdev?.start()
        #expect(try stage.comeUp())
        #expect(stage.events == [.connected] && stage.info == "stream,connected to pid 4001")
        let link = try #require(stage.link(stage.netdev))
        #expect(link.send([testFrame(100)], from: .card) == 1)
        #expect(try stage.receive() == testFrame(100))
        let peer = try #require(stage.peer)
        let wire = [0, 0, 0, 70] + testFrame(70)
        #expect(wire.withUnsafeBytes { send(peer.raw, $0.baseAddress, $0.count, 0) } == wire.count)
        #expect(try stage.reactor.turn { !stage.card.frames.isEmpty })
        #expect(stage.card.takeFrames() == [testFrame(70)])
    }

    @Test("one that dies before it was ready is a failure, with the option, and has ended")
    func neverReady() throws {
        let stage = try PasstStage()
        stage.netdev?.start()
        #expect(try stage.reactor.turn { stage.started == 1 })
        stage.die(.exited(3))
        #expect(try stage.reactor.turn { stage.netdev?.isGone == true })
        let error = EmulationError(location: "-netdev passt,id=n0", text: "Passt exited with code 3")
        #expect(stage.events == [.failed(error), .ended])
    }

    @Test("one that dies is started again: the card loses its carrier and gets it back")
    func restart() throws {
        let stage = try PasstStage()
        stage.netdev?.start()
        #expect(try stage.comeUp())
        stage.die(.exited(3))
        #expect(try stage.reactor.turn { stage.info?.hasPrefix("restarting passt (attempt 1 in ") == true })
        #expect(stage.netdev?.isUp == false && stage.netdev?.isReady == true)
        #expect(stage.info?.hasSuffix("Passt exited with code 3") == true)
        #expect(try stage.reactor.turn { stage.started == 2 })
        #expect(try stage.comeUp())
        #expect(stage.info == "stream,connected to pid 4002" && stage.events.last == .connected)
        #expect(stage.events.dropFirst().dropLast().allSatisfy { $0 == .disconnected })
        #expect(stage.said.lines.contains { $0.hasPrefix("netemu: warning: n0: Passt exited with code 3; starting") })
    }

    @Test("one that closes its connection and lives on is killed")
    func hung() throws {
        let stage = try PasstStage()
        stage.netdev?.start()
        #expect(try stage.comeUp())
        stage.closeConnection()
        #expect(try stage.reactor.turn { stage.netdev?.isUp == false })
        #expect(stage.signals == [])
        #expect(try stage.reactor.turn { stage.signals == [SIGKILL] })
        stage.die(.signalled(SIGKILL))
        #expect(try stage.reactor.turn { stage.started == 2 })
        #expect(try stage.comeUp())
    }

    @Test("one that is ended is asked to go, and is gone when it went")
    func stop() throws {
        let stage = try PasstStage()
        stage.netdev?.start()
        #expect(try stage.comeUp())
        stage.netdev?.stop()
        #expect(stage.signals == [SIGTERM] && stage.netdev?.isGone == false)
        stage.die(.signalled(SIGTERM))
        #expect(try stage.reactor.turn { stage.netdev?.isGone == true })
        #expect(stage.events == [.connected, .ended] && stage.info == "passt has ended")
    }
}
