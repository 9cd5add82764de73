// Hubs: who hears what, who waits for whom, and hubs joined in a ring. Ports are scripted, turns are run
// by hand.

import TestSupport
import Testing

@testable import Link

/// A hub whose ports sit at the `card` ends of links; a scripted port is at the other end of each.
private final class HubScript {
    let turn = TurnEnd()
    let hub = Hub()
    private(set) var links: [FrameLink] = []
    private(set) var peers: [ScriptedPort] = []
    private(set) var ports: [HubPort] = []

    init(ports count: Int) { for _ in 0..<count { add() } }

    func add() {
        let link = FrameLink(atEndOfTurn: turn.door)
        let peer = ScriptedPort()
        link.connect(peer, at: .netdev)
        links.append(link)
        peers.append(peer)
        ports.append(hub.addPort(on: link, at: .card))
    }

    /// What the peer at `port` says; how many frames it can forget.
    func say(_ frames: [[UInt8]], at port: Int) -> Int { links[port].send(frames, from: .netdev) }

    /// The peer at `port` takes `count` frames from now on.
    func allow(_ count: Int, at port: Int) {
        peers[port].room = count
        links[port].hasRoom(.netdev)
        turn.run()
    }
}

struct HubTests {
    @Test("what one port hears all others say, in order, and not the one it came from")
    func everybody() {
        let script = HubScript(ports: 3)
        let frames = (0..<5).map { testFrame(60 + $0, $0) }
        #expect(script.say(frames, at: 1) == 5)
        #expect(script.peers[0].frames == frames && script.peers[2].frames == frames)
        #expect(script.peers[1].frames.isEmpty)
    }

    @Test("offloads and the pieces of a frame pass as they are")
    func lentAsIs() {
        let script = HubScript(ports: 2)
        #expect(script.links[0].send([testFrame(90)], pieces: 3, from: .netdev) == 1)
        #expect(script.peers[1].spans == [3] && script.peers[1].frames == [testFrame(90)])
    }

    @Test("a slow port holds up nobody: it gets copies when it has room, in order, none lost and none twice")
    func slowPort() {
        let script = HubScript(ports: 3)
        let frames = (0..<100).map { testFrame(60 + $0, $0) }
        script.peers[2].room = 3
        for first in stride(from: 0, to: 100, by: 10) {
            #expect(script.say(Array(frames[first..<first + 10]), at: 0) == 10)
        }
        #expect(script.peers[1].frames == frames && script.peers[2].frames == Array(frames[..<3]))
        script.allow(40, at: 2)
        #expect(script.peers[2].frames == Array(frames[..<43]))
        #expect(script.say([testFrame(64, 100)], at: 1) == 1, "behind those that wait")
        script.allow(.max, at: 2)
        #expect(script.peers[2].frames == frames + [testFrame(64, 100)])
        #expect(script.ports.allSatisfy { $0.dropped == 0 })
    }

    @Test("a copy keeps the offload it came with")
    func copiesKeepOffload() {
        let script = HubScript(ports: 3)
        script.peers[2].room = 0
        for port in 1...2 {
            script.peers[port].capabilities = LinkCapabilities(checksum: true)
            script.links[port].capabilitiesChanged(.netdev)
        }
        let offload = Offload(pendingChecksum: .init(start: 34, offset: 16))
        testFrame(90).withUnsafeBytes { bytes in
            _ = FrameView.withOneSpan(bytes, offload: offload) { script.links[0].send($0, from: .netdev) }
        }
        script.allow(.max, at: 2)
        #expect(script.peers[1].offloads == [offload] && script.peers[2].offloads == [offload])
    }

    @Test("a sender is refused when all others are blocked, and told when one has room again")
    func allBlocked() {
        let script = HubScript(ports: 3)
        for port in [1, 2] { script.peers[port].room = 0 }
        #expect(script.say([testFrame(60, 1)], at: 0) == 1, "kept for both")
        #expect(script.say([testFrame(60, 2)], at: 0) == 0)
        script.turn.run()
        #expect(script.peers[0].told == 0)
        script.allow(.max, at: 2)
        #expect(script.peers[0].told == 1)
        #expect(script.say([testFrame(60, 2)], at: 0) == 1)
        script.allow(.max, at: 1)
        for port in [1, 2] { #expect(script.peers[port].frames == [testFrame(60, 1), testFrame(60, 2)]) }
    }

    @Test("a port that comes while all others are blocked lets the refused sender go on")
    func newcomer() {
        let script = HubScript(ports: 2)
        script.peers[1].room = 0
        #expect(script.say([testFrame(60, 1), testFrame(60, 2)], at: 0) == 2)
        #expect(script.say([testFrame(60, 3)], at: 0) == 0)
        script.add()
        script.turn.run()
        #expect(script.peers[0].told == 1)
        #expect(script.say([testFrame(60, 3)], at: 0) == 1)
        #expect(script.peers[2].frames == [testFrame(60, 3)])
    }

    @Test("no more than a bounded number waits for a port; the rest is dropped for that port and counted")
    func bounded() {
        let script = HubScript(ports: 3)
        script.peers[2].room = 0
        let frames = (0..<Hub.waitingLimit + 7).map { testFrame(60, $0) }
        #expect(script.say(frames, at: 0) == frames.count)
        #expect(script.peers[1].frames == frames && script.ports[2].dropped == 7)
        script.allow(.max, at: 2)
        #expect(script.peers[2].frames == Array(frames[..<Hub.waitingLimit]))
        #expect(script.ports[1].dropped == 0)
    }

    @Test("a hub of one port takes everything and says it to nobody")
    func alone() {
        let script = HubScript(ports: 1)
        #expect(script.say([testFrame(60)], at: 0) == 1 && script.peers[0].frames.isEmpty)
    }

    @Test("a port whose cable is out is not waited for")
    func cableOut() {
        let script = HubScript(ports: 3)
        script.peers[2].room = 0
        #expect(script.say([testFrame(60, 1)], at: 0) == 1)
        script.links[2].setUp(false)
        script.turn.run()
        #expect(script.links[2].counters(.card).droppedWhileDown == 1)
        #expect(script.say([testFrame(60, 2)], at: 0) == 1)
        #expect(script.links[2].counters(.card).droppedWhileDown == 2 && script.peers[2].frames.isEmpty)
        script.links[2].setUp(true)
        script.allow(.max, at: 2)
        #expect(script.say([testFrame(60, 3)], at: 0) == 1)
        #expect(script.peers[2].frames == [testFrame(60, 3)])
    }

    // MARK: removing

    @Test("a removed port hears nothing any more, and those who waited for it are told")
    func remove() {
        let script = HubScript(ports: 3)
        script.peers[1].room = 0
        script.peers[2].room = 0
        #expect(script.say([testFrame(60, 1)], at: 0) == 1)
        #expect(script.say([testFrame(60, 2)], at: 0) == 0)
        script.hub.remove(script.ports[1])
        script.turn.run()
        #expect(script.peers[0].told == 1 && script.links[1].port(at: .card) == nil)
        #expect(script.say([testFrame(60, 2)], at: 1) == 1, "dropped: nothing is at the other end")
        script.hub.remove(script.ports[2])
        #expect(script.say([testFrame(60, 3)], at: 0) == 1)
        script.hub.remove(script.ports[2])
        #expect(script.peers[1].frames.isEmpty && script.peers[2].frames.isEmpty)
    }

    @Test("a port removed while its waiting frames are handed on ends that quietly")
    func removedWhileSending() {
        let script = HubScript(ports: 3)
        final class Remover: FrameWatcher {
            let action: () -> Void
            init(_ action: @escaping () -> Void) { self.action = action }
            func saw(_ frames: UnsafeBufferPointer<FrameView>, from end: LinkEnd) { action() }
        }
        script.peers[2].room = 0
        #expect(script.say([testFrame(60, 1), testFrame(60, 2)], at: 0) == 2)
        script.links[2].add(Remover { [unowned script] in script.hub.remove(script.ports[2]) })
        script.allow(.max, at: 2)
        #expect(script.peers[2].frames == [testFrame(60, 1)])
    }

    // MARK: hubs joined

    /// Joins `a` and `b` by `count` cables.
    private func join(_ a: HubScript, _ b: HubScript, cables count: Int) -> [FrameLink] {
        (0..<count).map { _ in
            let link = FrameLink(atEndOfTurn: a.turn.door)
            _ = a.hub.addPort(on: link, at: .card)
            _ = b.hub.addPort(on: link, at: .netdev)
            return link
        }
    }

    @Test("two hubs on one cable are one hub")
    func joined() {
        let (a, b) = (HubScript(ports: 2), HubScript(ports: 2))
        let cables = join(a, b, cables: 1)
        #expect(a.say([testFrame(60, 1)], at: 0) == 1 && b.say([testFrame(60, 2)], at: 1) == 1)
        #expect(a.peers[0].frames == [testFrame(60, 2)] && a.peers[1].frames == [testFrame(60, 1), testFrame(60, 2)])
        #expect(b.peers[0].frames == [testFrame(60, 1), testFrame(60, 2)] && b.peers[1].frames == [testFrame(60, 1)])
        #expect(a.hub.looped == 0 && b.hub.looped == 0 && cables[0].counters(.card).frames == 1)
    }

    @Test("in a ring of two hubs a frame does not circle: what comes back is dropped and counted")
    func ring() {
        let (a, b) = (HubScript(ports: 2), HubScript(ports: 1))
        let cables = join(a, b, cables: 2)
        for number in 0..<10 { #expect(a.say([testFrame(60, number)], at: 0) == 1) }
        #expect(a.turn.run() && b.turn.run())
        #expect(a.peers[0].frames.isEmpty && a.peers[1].frames.count == 10 && a.hub.looped == 20)
        withExtendedLifetime(cables) {}
    }

    @Test("in a ring of hubs with slow ports frames that waited do not circle either")
    func slowRing() {
        let (a, b) = (HubScript(ports: 2), HubScript(ports: 1))
        let cables = join(a, b, cables: 2)
        b.peers[0].room = 0
        for link in cables { link.setUp(false) }
        cables[0].setUp(true)
        for number in 0..<10 { _ = a.say([testFrame(60, number)], at: 0) }
        cables[1].setUp(true)
        for number in 10..<20 { _ = a.say([testFrame(60, number)], at: 0) }
        let before = cables.map { $0.counters(.card).frames + $0.counters(.netdev).frames }.reduce(0, +)
        b.allow(.max, at: 0)
        #expect(a.turn.run() && b.turn.run(), "the hubs come to rest")
        let after = cables.map { $0.counters(.card).frames + $0.counters(.netdev).frames }.reduce(0, +)
        #expect(after - before <= 80, "no frame passed a cable more than twice")
        #expect(a.peers[0].frames.isEmpty, "nobody hears what he said himself")
    }

    @Test("a hub with both ends of a cable does not hang")
    func shortCircuit() {
        let script = HubScript(ports: 2)
        let link = FrameLink(atEndOfTurn: script.turn.door)
        _ = script.hub.addPort(on: link, at: .card)
        _ = script.hub.addPort(on: link, at: .netdev)
        #expect(script.say([testFrame(60)], at: 0) == 1)
        #expect(script.turn.run() && script.peers[1].frames == [testFrame(60)] && script.hub.looped == 2)
    }
}
