// A monitor behind a character device: slices of what is typed, and a far end that reads late.

import Testing

@testable import NetEmu

/// A device whose far end is the test.
private final class ScriptedDevice: CharacterDevice {
    let filename = "scripted"
    let isOpen = true
    weak var user: (any CharacterUser)?
    var hasRoom = true
    private(set) var isPaused = false
    private(set) var text = ""

    func start() { user?.opened() }
    func write(_ bytes: some Collection<UInt8>) { text += String(decoding: bytes, as: UTF8.self) }
    func pauseInput(_ isPaused: Bool) { self.isPaused = isPaused }
    func stop() {}
    /// What was answered when the user said that nothing more comes.
    private(set) var answeredAtRest = ""
    func userCameToRest() { answeredAtRest = text }
    func type(_ text: String) { user?.received(Array(text.utf8)) }
}

/// A monitor on it, and the turns of a loop.
private final class MonitorStage {
    let device = ScriptedDevice()
    let target = FakeTarget()
    private let user: MonitorUser
    private let turns = Turns()
    private final class Turns { var work: [() -> Void] = [] }

    init() {
        user = MonitorUser(MonitorSession(target: target), device, isShared: false) { [turns] in turns.work.append($0) }
        device.user = user
        device.start()
    }

    var isIdle: Bool { turns.work.isEmpty }

    func turn() {
        let now = turns.work
        turns.work = []
        for action in now { action() }
    }

    /// How many `info status` were answered.
    var answers: Int { device.text.split(separator: "VM status: running").count - 1 }
}

@Suite("a monitor behind a device")
struct MonitorUserTests {
    @Test("many commands at once are carried out in slices, and no more is read before they are")
    func slices() {
        let stage = MonitorStage()
        stage.device.type(String(repeating: "info status\n", count: 100))
        #expect(stage.answers == MonitorSession.commandsPerCall && stage.device.isPaused)
        stage.turn()
        #expect(stage.answers == 2 * MonitorSession.commandsPerCall && stage.device.isPaused)
        for _ in 0..<10 { stage.turn() }
        #expect(stage.answers == 100 && !stage.device.isPaused && stage.isIdle)
        #expect(stage.device.text.hasSuffix("VM status: running\r\n(netemu) "))
    }

    @Test("who does not read is not answered on, and gets the rest when he reads again")
    func lateReader() {
        let stage = MonitorStage()
        stage.device.hasRoom = false
        stage.device.type(String(repeating: "info status\n", count: 20))
        #expect(stage.answers == MonitorSession.commandsPerCall && stage.device.isPaused && stage.isIdle)
        stage.device.hasRoom = true
        stage.device.user?.roomCame()
        stage.turn()
        #expect(stage.answers == 20 && !stage.device.isPaused)
    }

    @Test("what is typed while a command waits is kept, however much: reading stops before it is too much")
    func typedAhead() {
        let stage = MonitorStage()
        stage.device.type("netdev_add passt,id=x\n")
        var typed = 0
        while !stage.device.isPaused, typed < 100_000 {
            stage.device.type("info status\n")
            typed += 1
        }
        #expect(typed < 100_000 && stage.answers == 0)
        stage.target.waiting[0](nil)
        for _ in 0...typed { stage.turn() }
        #expect(stage.answers == typed && !stage.device.isPaused)
    }

    @Test("it is at rest when the last of what was typed is answered, not before")
    func rest() {
        let stage = MonitorStage()
        stage.device.type("netdev_add passt,id=x\ninfo status\ninfo version\n")
        #expect(stage.device.user?.isAtRest == false && !stage.device.answeredAtRest.contains("netdev_add"))
        stage.target.waiting[0](nil)
        #expect(stage.device.user?.isAtRest == true)
        #expect(stage.device.answeredAtRest.hasSuffix("info version\r\n0.1.0\r\n(netemu) "))
        stage.device.type(String(repeating: "info status\n", count: 40) + "info ver")
        #expect(stage.device.user?.isAtRest == false)
        for _ in 0..<10 { stage.turn() }
        #expect(stage.device.user?.isAtRest == true && stage.device.answeredAtRest == stage.device.text)
    }

    @Test("of a user who has gone nothing is carried out any more")
    func gone() {
        let stage = MonitorStage()
        stage.device.type(String(repeating: "info status\n", count: 40))
        let text = stage.device.text
        stage.device.user?.closed()
        stage.turn()
        #expect(stage.device.text == text && stage.isIdle)
        stage.device.user?.opened()
        stage.device.type("info status\n")
        #expect(stage.answers == MonitorSession.commandsPerCall + 1)
    }
}
