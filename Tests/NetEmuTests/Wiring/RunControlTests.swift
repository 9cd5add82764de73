// stop, cont, system_reset and -S with a scripted guest and cards.

import Testing

@testable import NetEmu

@Suite("run control")
struct RunControlTests {
    private static let network = ["netdev_add scripted,id=n0", "device_add virtio-net-pci,netdev=n0,id=d0"]

    private static func script(isRunning: Bool = true) throws -> MachineScript {
        let script = try MachineScript(isRunning: isRunning)
        for command in network { #expect(script.type(command) == ["> "]) }
        return script
    }

    @Test("stop answers when the guest stands still and its cards move nothing")
    func stop() throws {
        let script = try Self.script()
        script.guest.isSlow = true
        #expect(script.type("stop") == [] && script.card("d0")?.isSuspended == false)
        script.guest.catchUp()
        #expect(script.answer() == ["> "] && script.card("d0")?.isSuspended == true)
        #expect(script.type("info status") == ["VM status: paused", "> "])
        #expect(script.type("stop") == ["> "])
        #expect(script.type("cont") == ["> "] && script.card("d0")?.isSuspended == false)
        #expect(script.guest.log == ["resume", "pause", "resume"])
    }

    @Test("a second stop is answered when the first one is, not before")
    func twice() throws {
        let script = try Self.script()
        script.guest.isSlow = true
        var answers = 0
        for _ in 0..<2 { script.run.pause { answers += 1 } }
        #expect(answers == 0)
        script.guest.catchUp()
        #expect(answers == 2)
        script.run.pause { answers += 1 }
        #expect(answers == 3 && script.guest.log == ["resume", "pause"])
    }

    @Test("a stop behind a cont that came in between is a stop of its own")
    func stopContStop() throws {
        let script = try Self.script()
        script.guest.isSlow = true
        var answers: [Int] = []
        script.run.pause { answers.append(1) }
        script.run.resume()
        script.run.pause { answers.append(2) }
        script.guest.catchUp()
        #expect(answers == [1, 2] && script.card("d0")?.isSuspended == true)
        #expect(script.guest.log == ["resume", "pause", "resume", "pause"])
    }

    @Test("a guest that goes on before it stood still keeps its cards moving, and stop is answered all the same")
    func resumedEarly() throws {
        let script = try Self.script()
        script.guest.isSlow = true
        #expect(script.type("stop") == [])
        script.run.resume()
        script.guest.catchUp()
        #expect(script.answer() == ["> "] && script.card("d0")?.isSuspended == false)
        #expect(script.type("info status") == ["VM status: running", "> "])
    }

    @Test("a card that comes while everything stands still does so, too")
    func addedWhileStopped() throws {
        let script = try Self.script()
        #expect(script.type("stop") == ["> "])
        #expect(script.type("netdev_add scripted,id=n1") == ["> "])
        #expect(script.type("device_add virtio-net-pci,netdev=n1,id=d1") == ["> "])
        #expect(script.card("d1")?.isSuspended == true)
        #expect(script.type("cont") == ["> "] && script.card("d1")?.isSuspended == false)
    }

    @Test("before everything is ready nothing runs, whoever types cont")
    func notReady() throws {
        let script = try Self.script(isRunning: false)
        #expect(script.type("cont") == ["> "] && script.guest.log == [])
        #expect(script.type("info status") == ["VM status: paused (prelaunch)", "> "])
        script.run.isAllowed = true
        #expect(script.type("cont") == ["> "] && script.guest.log == ["resume"])
    }

    @Test("system_reset is the guest's")
    func reset() throws {
        let script = try Self.script()
        #expect(script.type("system_reset") == ["> "])
        #expect(script.guest.log == ["resume", "reset"])
        #expect(script.type("info status") == ["VM status: running", "> "])
    }
}
