// Telnet as a monitor's socket sees it (RFC 854): commands are taken out, data stays, wherever the bytes are cut.

import Bytes
import Testing

@testable import NetEmu

private let iac: UInt8 = 255

@Suite("telnet")
struct TelnetFilterTests {
    static func typed(_ pieces: [UInt8]...) -> [UInt8] {
        var filter = TelnetFilter()
        return pieces.flatMap { filter.receive($0) }
    }

    @Test(
        "commands are taken out, data stays",
        arguments: [
            ("text", Array("info".utf8), Array("info".utf8)),
            ("IAC IAC is one byte of data", [97, iac, iac, 98], [97, iac, 98]),
            ("IAC IAC IAC IAC is two", [iac, iac, iac, iac], [iac, iac]),
            // WILL, WONT, DO, DONT: one byte of option follows, whatever it is.
            ("WILL", [iac, 251, 1, 97], [97]), ("WONT", [iac, 252, 255, 97], [97]), ("DO", [iac, 253, 3, 97], [97]),
            ("DONT", [iac, 254, 13, 97], [97]),
            // NOP, DM, BRK, IP, AO, AYT, EC, EL, GA: two bytes.
            ("NOP", [97, iac, 241, 98], [97, 98]), ("DM", [iac, 242, 98], [98]), ("BRK", [iac, 243, 98], [98]),
            ("IP", [iac, 244, 98], [98]), ("AO", [iac, 245, 98], [98]), ("AYT", [iac, 246, 98], [98]),
            ("EC", [iac, 247, 98], [98]), ("EL", [iac, 248, 98], [98]), ("GA", [iac, 249, 98], [98]),
            // SB TERMINAL-TYPE IS "vt" IAC SE.
            ("subnegotiation", [97, iac, 250, 24, 0, 118, 116, iac, 240, 98], [97, 98]),
            (
                "IAC IAC inside a subnegotiation is its data, and so is the SE after it",
                [iac, 250, 24, iac, iac, 240, 99, iac, 240, 98], [98]
            ),
            ("a subnegotiation that never ends", [97, iac, 250, 24, 1, 2, 3], [97]),
            ("a command in another's place", [iac, 251, iac, 97], [97]),
            // CR LF and CR NUL are one key; a CR alone is one, too.
            ("CR LF", [97, 13, 10, 98], [97, 13, 98]), ("CR NUL", [97, 13, 0, 98], [97, 13, 98]),
            ("CR text", [13, 97], [13, 97]), ("CR CR LF", [13, 13, 10], [13, 13]), ("LF", [10, 97], [10, 97]),
            ("CR IAC NOP LF", [13, iac, 241, 10], [13, 10]), ("CR IAC IAC", [13, iac, iac], [13, iac]),
            ("NUL without CR is data", [0, 97], [0, 97]), ("SE outside", [iac, 240, 97], [97]),
        ] as [(String, [UInt8], [UInt8])])
    func commands(_ name: String, _ sent: [UInt8], _ typed: [UInt8]) {
        #expect(Self.typed(sent) == typed, "\(name)")
        for cut in 0...sent.count {
            #expect(Self.typed(Array(sent[..<cut]), Array(sent[cut...])) == typed, "\(name), cut at \(cut)")
        }
        var filter = TelnetFilter()
        #expect(sent.flatMap { filter.receive([$0]) } == typed, "\(name), byte by byte")
    }

    @Test("what the server sends has 255 twice and reads as itself")
    func escaping() {
        #expect(TelnetFilter.escaped([1, iac, 2, iac, iac]) == [1, iac, iac, 2, iac, iac, iac, iac])
        var random = SeededGenerator(seed: 9)
        for _ in 0..<500 {
            // Without CR: the other end would send CR NUL.
            let bytes = (0..<random.next() % 20).map { _ in UInt8(truncatingIfNeeded: random.next() | 0x80) }
            #expect(Self.typed(TelnetFilter.escaped(bytes)) == bytes)
        }
    }

    @Test("the greeting is commands and nothing else: WILL ECHO, WILL SUPPRESS-GO-AHEAD, WILL and DO BINARY")
    func greeting() {
        #expect(TelnetFilter.greeting == [iac, 251, 1, iac, 251, 3, iac, 251, 0, iac, 253, 0])
        #expect(Self.typed(TelnetFilter.greeting) == [])
    }

    @Test("no bytes trap, and what is typed is never more than what came")
    func anyBytes() {
        var random = SeededGenerator(seed: 4)
        let favourites: [UInt8] = [255, 250, 240, 251, 253, 13, 10, 0, 97]
        for _ in 0..<2000 {
            let bytes = (0..<random.next() % 30).map { _ in favourites[Int(random.next() % 9)] }
            #expect(Self.typed(bytes).count <= bytes.count)
        }
    }
}

/// A device of a test's own: what it shows, and whether it is read.
private final class FakeDevice: CharacterDevice {
    let filename = "fake"
    var isOpen = true
    weak var user: (any CharacterUser)?
    var hasRoom = true
    var shown: [UInt8] = []
    var isPaused = false
    func start() { user?.opened() }
    func write(_ bytes: some Collection<UInt8>) { shown += bytes }
    func pauseInput(_ isPaused: Bool) { self.isPaused = isPaused }
    func stop() {}
    func takeShown() -> String {
        defer { shown = [] }
        return String(decoding: shown, as: UTF8.self)
    }
}

/// Says what happened to it.
private final class FakeUser: CharacterUser {
    var log: [String] = []
    func opened() { log.append("opened") }
    func closed() { log.append("closed") }
    func received(_ bytes: [UInt8]) { log.append(String(decoding: bytes, as: UTF8.self)) }
    func roomCame() { log.append("room") }
    func focusCame() { log.append("focus") }
    func focusLeft() { log.append("left") }
    func redraw() { log.append("redraw") }
    func takeLog() -> [String] {
        defer { log = [] }
        return log
    }
}

@Suite("a device that three users share")
struct SharedDeviceTests {
    private let device = FakeDevice()
    private let shared: MultiplexedDevice
    private let users = [FakeUser(), FakeUser(), FakeUser()]
    private let seats: [any CharacterDevice]

    init() {
        shared = MultiplexedDevice(device)
        var seats: [any CharacterDevice] = []
        for user in users {
            let seat = shared.addSeat()
            seat.user = user
            seats.append(seat)
        }
        self.seats = seats
        device.start()
    }

    private var logs: [[String]] { users.map { $0.takeLog() } }

    @Test("all hear that it opened, the first has the focus; closing and room are told to all")
    func events() {
        #expect(logs == [["opened", "focus"], ["opened"], ["opened"]])
        shared.roomCame()
        #expect(logs == [["room"], ["room"], ["room"]])
        shared.closed()
        #expect(logs == [["closed"], ["closed"], ["closed"]])
    }

    @Test("what is typed goes to the focus, which goes round; everybody may write")
    func focus() {
        _ = logs
        shared.received(Array("a\u{1}cb\u{1}cc\u{1}cd".utf8))
        #expect(logs == [["a", "left", "focus", "d"], ["focus", "b", "left"], ["focus", "c", "left"]])
        for (number, seat) in seats.enumerated() { seat.write("\(number)".utf8) }
        #expect(device.takeShown() == "012")
    }

    @Test("Ctrl-A is taken apart over two reads, twice it is typed, unknown keys are swallowed")
    func escape() {
        _ = logs
        shared.received([1])
        shared.received(Array("c".utf8))
        #expect(logs == [["left"], ["focus"], []])
        shared.received([1, 1, 1])
        shared.received(Array("zx".utf8))
        #expect(logs == [[], ["\u{1}", "x"], []])
    }

    @Test("help is shown and the line drawn again by whoever has the focus; x ends")
    func commands() {
        _ = logs
        var exits = 0
        shared.onExit = { exits += 1 }
        shared.received(Array("\u{1}c\u{1}h".utf8))
        #expect(device.takeShown() == Multiplexer.help)
        #expect(logs == [["left"], ["focus", "redraw"], []])
        shared.received([1, 120])
        #expect(exits == 1)
        #expect(device.takeShown() == "netemu: Terminated\n\r")
    }

    @Test("only the one with the focus stops the reading")
    func pausing() {
        seats[1].pauseInput(true)
        #expect(!device.isPaused)
        seats[0].pauseInput(true)
        #expect(device.isPaused)
        seats[2].pauseInput(false)
        #expect(device.isPaused)
        seats[0].pauseInput(false)
        #expect(!device.isPaused)
    }

    @Test("a client that left after Ctrl-A leaves nothing to the next one: its first x is typed")
    func halfAnEscape() {
        var exits = 0
        shared.onExit = { exits += 1 }
        shared.received([1])
        shared.closed()
        _ = logs
        shared.opened()
        shared.received(Array("x".utf8))
        #expect(exits == 0)
        #expect(logs == [["opened", "focus", "x"], ["opened"], ["opened"]])
    }
}
