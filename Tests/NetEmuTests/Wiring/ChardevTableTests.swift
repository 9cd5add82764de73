// Character devices in this process: what becomes of them, and of what they have not delivered, when they are removed.

import Glibc
import Linux
import TestSupport
import Testing

@testable import NetEmu

@Suite("character devices that go")
struct ChardevTableTests {
    @Test("a device that is removed keeps nobody waiting, and a slow reader gets what it had said")
    func removed() throws {
        try withTemporaryDirectory { directory in
            let reactor = try Reactor()
            let chardevs = ChardevTable(on: reactor, SaidLines().voice)
            let path = directory.path + "/s"
            try chardevs.add(try ChardevOption.plan("socket,id=c0,path=\(path),server=on,wait=off", location: nil))
            chardevs.startSockets()
            let client = try UnixSocket.connect(to: path)
            let device = try chardevs.take("c0").device
            for _ in 0..<1000 where !device.isOpen { try reactor.turn(maxWaitNanoseconds: 20_000_000) }
            let bytes = [UInt8](repeating: 0x61, count: 4 << 20)
            device.write(bytes)
            chardevs.giveBack("c0")
            try chardevs.remove("c0")
            // At once, as far as others see.
            #expect(chardevs.ids == [] && directory.entries == [])
            var room = [UInt8](repeating: 0, count: 1 << 16)
            var count = 0
            while count < bytes.count {
                let piece = read(client.raw, &room, room.count)
                guard piece != 0 else { break }
                count += max(0, piece)
                try reactor.turn(maxWaitNanoseconds: 0)
            }
            #expect(count == bytes.count)
            // Then the connection ends, and nothing is left.
            for _ in 0..<100 where reactor.watchCount > 0 { try reactor.turn(maxWaitNanoseconds: 20_000_000) }
            #expect(try waitReadable(client.raw, milliseconds: 20_000) && read(client.raw, &room, 1) == 0)
            #expect(reactor.watchCount == 0 && reactor.timerCount == 0)
        }
    }

    @Test("a reader who takes nothing is left after a while; the end of the program does not wait for him")
    func deaf() throws {
        try withTemporaryDirectory { directory in
            let reactor = try Reactor()
            let chardevs = ChardevTable(on: reactor, SaidLines().voice)
            let path = directory.path + "/s"
            try chardevs.add(try ChardevOption.plan("socket,id=c0,path=\(path),server=on,wait=off", location: nil))
            chardevs.startSockets()
            let client = try UnixSocket.connect(to: path)
            let device = try chardevs.take("c0").device
            for _ in 0..<1000 where !device.isOpen { try reactor.turn(maxWaitNanoseconds: 20_000_000) }
            device.write([UInt8](repeating: 0x61, count: 4 << 20))
            chardevs.giveBack("c0")
            try chardevs.remove("c0")
            #expect(reactor.timerCount == 1)
            chardevs.stop()
            #expect(reactor.timerCount == 0 && reactor.watchCount == 0 && client.raw >= 0)
        }
    }
}
