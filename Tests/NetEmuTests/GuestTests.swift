// The seam between the wiring and a guest: tasks, their output and status, cards without rings, kinds.

import Glibc
import Link
import Linux
import Testing
import VhostUser
import Virtio

@testable import NetEmu

/// A guest in this process, turned until it has ended.
private final class GuestScript {
    let reactor: Reactor
    let guest: any Guest
    private(set) var output = ""
    private let words = Box()
    var said: [String] { words.lines }
    private(set) var endStatus: Int32?
    private(set) var failure: EmulationError?

    init(_ text: String) throws {
        let reactor = try Reactor()
        self.reactor = reactor
        let kind = try GuestOption.plan(try KeyValueList(parsing: text, implied: "type"))
        guest = kind.makeGuest(
            GuestSite(
                memory: try GuestMemory(size: 16 << 20), reactor: reactor, say: { [words] in words.lines.append($0) }))
        guest.onEvent = { [unowned self] in self.changed($0) }
        reactor.schedule(atNanoseconds: reactor.nowNanoseconds + 30_000_000_000) { [unowned self] in
            self.reactor.stop()
        }
    }

    private final class Box { var lines: [String] = [] }

    private func changed(_ event: GuestEvent) {
        guest.output?.drainStreams({ bytes, _ in
            output += String(decoding: bytes, as: UTF8.self)
            return bytes.count
        })
        switch event {
        case .output, .consoleChanged: return
        case .taskEnded(let status): endStatus = status
        case .failed(let error): failure = error
        }
        reactor.stop()
    }

    /// Runs the guest until it has ended or failed.
    /// - Parameter isStopped: as with `-S`.
    func run(isStopped: Bool = false) throws {
        // Within the loop: a guest may fail at once.
        reactor.atEndOfTurn { [guest] in
            guest.begin()
            if !isStopped { guest.resume() }
        }
        try reactor.run()
    }
}

/// A card of a guest that has frames to give, and no rings.
private final class FramesOnly: CardDevice {
    let rings: NetDevice? = nil
    let queues: [CardQueue] = []
    func connect(to link: FrameLink) {}
    func disconnect(_ done: @escaping () -> Void) { done() }
    func setLink(isUp: Bool) {}
    func suspend(_ done: @escaping () -> Void) { done() }
    func resume() {}
    func divert(to port: (any FramePort)?) -> Bool { false }
    func deliver(_ frame: UnsafeRawBufferPointer) -> Bool { true }
}

/// A back-end that works on rings.
private final class OnRings: Netdev {
    let info = ""
    let door: NetdevDoor
    let isUp = true
    let isReady = true
    let isGone = true
    var onEvent: ((NetdevEvent) -> Void)?
    init(_ reactor: Reactor) throws {
        door = .rings(RingPeer(on: reactor))
    }
    func start() {}
    func stop() {}
}

struct GuestTests {
    @Test("a guest with a task tells its output, and its status when that is over")
    func task() throws {
        let script = try GuestScript("node,run=echo hi; false")
        try script.run()
        #expect(script.output == "hi\n" && script.endStatus == 1 && script.failure == nil)
    }

    @Test("a script's time counts from the start: while its text is awaited, and while the guest does not run, too")
    func timeout() throws {
        var ends: [CInt] = [0, 0]
        #expect(pipe(&ends) == 0)
        defer { for end in ends { close(end) } }
        for (keys, isStopped) in [
            ("script=/dev/fd/\(ends[0])", false), ("run=echo no", true), ("run=sleep 100; echo no", false),
        ] {
            let script = try GuestScript("node,\(keys),timeout=1")
            try script.run(isStopped: isStopped)
            #expect(script.endStatus == 124 && script.output.isEmpty && script.failure == nil, "\(keys)")
            #expect(script.said == ["the script's time is over: it was ended"])
        }
        let quick = try GuestScript("node,run=echo hi,timeout=1")
        try quick.run()
        #expect(quick.endStatus == 0 && quick.said == [])
    }

    @Test("a guest without a task has neither")
    func noTask() throws {
        let script = try GuestScript("node")
        #expect(script.guest.output == nil && script.endStatus == nil && script.guest.console != nil)
        let none = try GuestScript("none")
        #expect(none.guest.output == nil && none.guest.console == nil)
    }

    @Test("a script that cannot be read is the guest's failure, with the option and the reason")
    func unreadable() throws {
        let script = try GuestScript("node,script=/nonexistent/script")
        try script.run()
        let failure = try #require(script.failure)
        #expect(failure.message.contains("-guest node,script=/nonexistent/script: "))
        #expect(failure.message.contains("No such file"))
    }

    @Test("a pause is complete when it says so, and the task goes on after resume")
    func pause() throws {
        let script = try GuestScript("node,run=sleep 0.05; echo later")
        script.guest.resume()
        var isPaused = false
        script.guest.pause { isPaused = true }
        #expect(isPaused && script.output.isEmpty)
        try script.run()
        #expect(script.output == "later\n" && script.endStatus == 0)
    }

    @Test("a back-end on rings is refused where the guest has frames only, with a way out")
    func framesOnly() throws {
        let reactor = try Reactor()
        var topology = Topology()
        let made = try topology.add(
            CardPlan(origin: .device, id: "d0", model: CardModel(named: "virtio")), random: { 0 })
        let id = try #require(made)
        let client = try #require(topology[id])
        let identity = try #require(CardIdentity(client, CardSettings()))
        let card = NetworkCard(identity, FramesOnly(), on: reactor)
        let error = #expect(throws: EmulationError.self) { try card.connect(to: OnRings(reactor)) }
        #expect(error?.text == "d0: the back-end works on a card's rings, and the guest has none")
        card.connectToNothing()
    }

    @Test("what is said of kinds of guest comes from the list of kinds")
    func kinds() throws {
        let row = try #require(OptionTable.row(named: "guest"))
        for kind in GuestOption.kinds {
            #expect(row.argument?.contains(kind.usage) == true)
            #expect(GuestOption.grammar.help("help")?.contains("\n  \(kind.name)") == true)
            for key in kind.taskKeys { #expect(OptionScanner.asksForScript(["-guest", "\(kind.name),\(key)=x"])) }
        }
        #expect(GuestOption.grammar.help("node,help")?.contains("  run=") == true)
    }
}
