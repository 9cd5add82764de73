// Parts of an emulation in the hand of a test: a kind of back-end, a guest, a card. Each does as it is told and keeps a
// log of what it was asked for.

import GuestNode
import Link
import Linux
import TestSupport
import VhostUser
import Virtio

@testable import NetEmu

/// A back-end that comes up, dies and ends when the test says so.
final class ScriptedNetdev: Netdev {
    let door: NetdevDoor
    /// What is behind it, on frames.
    let port = ScriptedPort()
    private let lingers: Bool
    private(set) var isUp: Bool
    private(set) var isReady: Bool
    private(set) var isGone = false
    private(set) var log: [String] = []
    var onEvent: ((NetdevEvent) -> Void)?

    init(_ kind: ScriptedKind, _ site: NetdevSite) throws {
        (isUp, isReady, lingers) = (kind.isReady, kind.isReady, kind.lingers)
        if kind.worksOnRings {
            door = .rings(RingPeer(on: site.reactor))
        } else {
            let link = FrameLink(atEndOfTurn: { [unowned reactor = site.reactor] in reactor.atEndOfTurn($0) })
            link.connect(port, at: .netdev)
            door = .frames(link)
        }
    }

    var link: FrameLink? { if case .frames(let link) = door { link } else { nil } }
    var info: String { isUp ? "up" : "down" }

    func start() { log.append("start") }

    func stop() {
        log.append("stop")
        if !lingers { isGone = true }
    }

    func connect() {
        (isUp, isReady) = (true, true)
        onEvent?(.connected)
    }

    func lose() {
        isUp = false
        onEvent?(.disconnected)
    }

    /// It never comes up.
    func fail(_ text: String) {
        isGone = true
        onEvent?(.failed(EmulationError(location: "-netdev scripted", text: text)))
        onEvent?(.ended)
    }

    /// One that lingers holds nothing any more.
    func end() {
        isGone = true
        onEvent?(.ended)
    }
}

/// `scripted`: ready=off waits for `connect`, lingers=on for `end`, rings=on wants the card's rings.
struct ScriptedKind: NetdevKind {
    static let name = "scripted"
    static let keys = KeyTable(
        title: name,
        rows: [
            KeyRow("ready", .boolean, ""), KeyRow("lingers", .boolean, ""), KeyRow("rings", .boolean, ""),
            KeyRow("broken", .boolean, ""),
        ])
    let isReady: Bool
    let lingers: Bool
    let worksOnRings: Bool
    private let isBroken: Bool

    init(_ list: KeyValueList) throws(OptionError) {
        let values = try Self.keys.read(list)
        isReady = values.boolean("ready") ?? true
        lingers = values.boolean("lingers") ?? false
        worksOnRings = values.boolean("rings") ?? false
        isBroken = values.boolean("broken") ?? false
    }

    func make(_ site: NetdevSite) throws(EmulationError) -> any Netdev {
        guard !isBroken else { throw EmulationError(text: "it is broken") }
        do { return try ScriptedNetdev(self, site) } catch { throw EmulationError(text: "\(error)") }
    }
}

/// A card of a guest that gives and takes frames.
final class ScriptedCard: CardDevice {
    let name: String
    let rings: NetDevice?
    let port = ScriptedPort()
    private(set) var link: FrameLink?
    private(set) var isUp = false
    private(set) var isSuspended = false
    private(set) var isConnected = false

    init(_ name: String, rings: NetDevice? = nil) { (self.name, self.rings) = (name, rings) }

    var queues: [CardQueue] {
        [CardQueue(number: 0, direction: "receive", kicks: 3, calls: 4, frames: nil)]
    }

    func connect(to link: FrameLink) {
        self.link = link
        link.connect(port, at: .card)
        isConnected = true
    }

    func disconnect(_ done: @escaping () -> Void) {
        link?.connect(nil, at: .card)
        isConnected = false
        done()
    }

    func setLink(isUp: Bool) {
        self.isUp = isUp
        link?.setUp(isUp)
    }

    func suspend(_ done: @escaping () -> Void) {
        isSuspended = true
        done()
    }

    func resume() { isSuspended = false }

    private(set) var delivered: [[UInt8]] = []
    /// It takes no frame that is delivered to it.
    var isFull = false

    func divert(to other: (any FramePort)?) -> Bool {
        link?.connect(other ?? port, at: .card)
        return link != nil
    }

    func deliver(_ frame: UnsafeRawBufferPointer) -> Bool {
        if !isFull { delivered.append(Array(frame)) }
        return !isFull
    }
}

/// A guest that lets go of cards, stands still and says good-bye at once, or when the test says so.
final class ScriptedGuest: MovingGuest {
    let console: (any GuestConsole)? = nil
    let words = ScriptedOutput()
    let output: (any GuestOutput)?
    var onEvent: ((GuestEvent) -> Void)?
    private(set) var cards: [ScriptedCard] = []
    private(set) var log: [String] = []
    private(set) var isBegun = false
    /// Where its cards have rings, which nobody works on; nil: they have frames only.
    var ringMemory: (memory: GuestMemory, reactor: Reactor)?
    /// It takes its time: what it was asked for is done by `catchUp`.
    var isSlow = false
    private var late: [() -> Void] = []

    init(hasTask: Bool = false) { output = hasTask ? words : nil }

    func plug(_ card: CardIdentity) throws(EmulationError) -> any CardDevice {
        let rings = try ringMemory.map { place throws(EmulationError) in
            try VirtioCard.make(card, memory: place.memory, on: place.reactor).device
        }
        let made = ScriptedCard(card.name, rings: rings)
        cards.append(made)
        return made
    }

    func unplug(_ device: any CardDevice, done: @escaping () -> Void) {
        answer("unplug") { [weak self] in
            self?.cards.removeAll { $0 === device }
            done()
        }
    }

    func begin() { isBegun = true }
    func resume() { log.append("resume") }
    func pause(_ done: @escaping () -> Void) { answer("pause", done) }
    func reset() { log.append("reset") }

    let kind = "scripted"
    var state: [UInt8] = [1, 2, 3]
    /// What it took up; nil: nothing.
    private(set) var taken: [UInt8]?
    /// Why it takes nothing up.
    var refusal: String?
    func markWrites() {}
    func save() -> [UInt8] { state }
    func restore(_ state: [UInt8]) throws(EmulationError) {
        if let refusal { throw EmulationError(text: refusal) }
        taken = state
    }
    func announce(_ parameters: AnnounceSchedule.Parameters, id: String, by devices: [any CardDevice]?) {
        let names = devices.map { $0.map { ($0 as? ScriptedCard)?.name ?? "?" } }
        log.append("announce \(parameters.rounds) '\(id)' by \(names?.joined(separator: "+") ?? "all")")
    }
    func end(within patience: UInt64, done: @escaping () -> Void) { answer("end", done) }

    func catchUp() {
        let now = late
        late = []
        for action in now { action() }
    }

    private func answer(_ word: String, _ done: @escaping () -> Void) {
        log.append(word)
        if isSlow { late.append(done) } else { done() }
    }
}

/// What a task has said.
final class ScriptedOutput: GuestOutput {
    func outputLost(_ reason: String) -> Int32? { nil }
    private var bytes: [UInt8] = []
    var hasOutput: Bool { !bytes.isEmpty }
    func say(_ text: String) { bytes += Array(text.utf8) }
    func drainStreams(_ body: (UnsafeRawBufferPointer, OutputKind) -> Int) {
        bytes.removeFirst(bytes.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0.prefix(4096)), .data) })
    }
}

/// `-guest scripted`.
struct ScriptedGuestKind: GuestKind {
    static let name = "scripted"
    static let usage = "scripted"
    static let keys = KeyTable(title: name, rows: [])
    var hasTask = false

    init(_ values: CheckedValues) {}
    init(hasTask: Bool) { self.hasTask = hasTask }
    func makeGuest(_ site: GuestSite) -> any Guest { ScriptedGuest(hasTask: hasTask) }
}

/// Lines that were said.
final class SaidLines {
    private(set) var lines: [String] = []
    var voice: Voice { Voice { [self] text in lines += text.split(separator: "\n").map(String.init) } }
}

extension Reactor {
    /// Turns until `condition` holds; false when it does not within the time.
    func turn(seconds: UInt64 = 20, until condition: () -> Bool) throws -> Bool {
        let deadline = nowNanoseconds + seconds * 1_000_000_000
        while !condition() {
            guard nowNanoseconds < deadline else { return false }
            try turn(maxWaitNanoseconds: 20_000_000)
        }
        return true
    }
}
