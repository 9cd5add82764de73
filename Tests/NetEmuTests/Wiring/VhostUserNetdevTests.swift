// A vhost-user back-end behind a socket, in this process: who comes and goes before a handshake was done.

import Link
import Linux
import TestSupport
import Testing
import Virtio

@testable import NetEmu

/// A back-end on a chardev of either role, and whoever is at the other end.
private final class VhostUserStage {
    let reactor: Reactor
    let said = SaidLines()
    let chardevs: ChardevTable
    let netdev: any Netdev
    private(set) var events: [NetdevEvent] = []

    init(_ chardev: String, programs: NetdevPrograms = NetdevPrograms()) throws {
        reactor = try Reactor()
        chardevs = ChardevTable(on: reactor, said.voice)
        try chardevs.add(try ChardevOption.plan("socket,id=c0,\(chardev)", location: nil))
        let kind = try VhostUserKind(KeyValueList(pairs: [.init("chardev", "c0")]))
        netdev = try kind.make(
            NetdevSite(
                name: "n0", location: "-netdev vhost-user,id=n0", reactor: reactor, chardevs: chardevs,
                programs: programs, voice: said.voice))
        netdev.onEvent = { [unowned self] in events.append($0) }
        chardevs.startSockets()
        netdev.start()
    }
}

@Suite("a vhost-user back-end before its handshake")
struct VhostUserNetdevTests {
    @Test("whoever connects to a server and speaks nonsense is left, and the next one is served")
    func nonsense() throws {
        try withTemporaryDirectory { directory in
            let path = directory.path + "/s"
            let stage = try VhostUserStage("path=\(path),server=on,wait=off")
            #expect(stage.netdev.isReady && stage.netdev.info == "vhost-user0 to c0,disconnected")
            for round in 1...2 {
                let client = try UnixClient(path: path)
                client.write(String(repeating: "nonsense ", count: 20))
                #expect(try stage.reactor.turn { stage.events.count == round })
                #expect(stage.events.last == .disconnected && stage.netdev.isReady && !stage.netdev.isGone)
            }
            #expect(stage.said.lines.first?.hasPrefix("netemu: warning: vhost-user on c0: ") == true)
            stage.netdev.stop()
            #expect(stage.netdev.isGone)
        }
    }

    @Test("a client whose only peer closes has failed, with the option")
    func closed() throws {
        try withTemporaryDirectory { directory in
            let path = directory.path + "/s"
            let listener = try UnixSocket.listen(at: path)
            let stage = try VhostUserStage("path=\(path)")
            var peer: SharedDescriptor? = SharedDescriptor(try UnixSocket.accept(listener))
            #expect(try stage.reactor.turn { !stage.netdev.isReady })
            #expect(peer != nil)
            peer = nil
            #expect(try stage.reactor.turn { !stage.events.isEmpty })
            guard case .failed(let error)? = stage.events.first else {
                Issue.record("\(stage.events)")
                return
            }
            #expect(error.message.hasPrefix("netemu: -netdev vhost-user,id=n0: vhost-user on c0: "))
        }
    }

    @Test("a back-end that is removed gives its socket back")
    func givesBack() throws {
        try withTemporaryDirectory { directory in
            let stage = try VhostUserStage("path=\(directory.path)/s,server=on,wait=off")
            #expect(throws: EmulationError.self) { try stage.chardevs.remove("c0") }
            #expect(stage.netdev.chardev == "c0")
            stage.netdev.stop()
            stage.chardevs.giveBack("c0")
            try stage.chardevs.remove("c0")
            #expect(stage.chardevs.ids == [])
        }
    }
}
