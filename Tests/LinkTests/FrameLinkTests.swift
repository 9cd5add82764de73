// The cable: what it counts, whom it tells, what it drops.

import TestSupport
import Testing

@testable import Link

/// A link with a scripted port at each end.
private final class LinkScript {
    let turn = TurnEnd()
    let link: FrameLink
    let card = ScriptedPort()
    let netdev = ScriptedPort()

    init() {
        link = FrameLink(atEndOfTurn: turn.door)
        link.connect(card, at: .card)
        link.connect(netdev, at: .netdev)
    }
}

private final class Watcher: FrameWatcher {
    var seen: [(LinkEnd, [UInt8])] = []
    func saw(_ frames: UnsafeBufferPointer<FrameView>, from end: LinkEnd) {
        for frame in frames { seen.append((end, frame.bytes)) }
    }
}

struct FrameLinkTests {
    @Test("frames pass both ways and are counted at the end that sent them")
    func counters() {
        let script = LinkScript()
        #expect(script.link.send([testFrame(60, 1), testFrame(70, 2)], from: .card) == 2)
        #expect(script.link.send([testFrame(80, 3)], pieces: 4, from: .netdev) == 1)
        #expect(
            script.netdev.frames == [testFrame(60, 1), testFrame(70, 2)] && script.card.frames == [testFrame(80, 3)])
        let (card, netdev) = (script.link.counters(.card), script.link.counters(.netdev))
        #expect(card.frames == 2 && card.bytes == 130 && netdev.frames == 1 && netdev.bytes == 80)
        #expect(card.blocked == 0 && card.droppedWhileDown == 0)
    }

    @Test("a port that takes fewer is blocked; its sender is told once, at the end of a turn")
    func blocked() {
        let script = LinkScript()
        script.netdev.room = 1
        #expect(script.link.send([testFrame(60, 1), testFrame(60, 2)], from: .card) == 1)
        #expect(script.link.counters(.card).frames == 1 && script.link.counters(.card).blocked == 1)
        script.link.hasRoom(.netdev)
        script.link.hasRoom(.netdev)
        #expect(script.card.told == 0)
        script.turn.run()
        #expect(script.card.told == 1)
        script.link.hasRoom(.netdev)
        script.turn.run()
        #expect(script.card.told == 1 && script.netdev.told == 0, "nobody waits any more")
    }

    @Test("a sender that is refused again while it is told is told again")
    func blockedAgain() {
        let script = LinkScript()
        script.netdev.room = 0
        script.card.onRoom = { [unowned script] in _ = script.link.send([testFrame(60)], from: .card) }
        #expect(script.link.send([testFrame(60)], from: .card) == 0)
        for round in 1...3 {
            script.link.hasRoom(.netdev)
            script.turn.run()
            #expect(script.card.told == round)
        }
        script.netdev.room = 1
        script.link.hasRoom(.netdev)
        script.turn.run()
        #expect(script.netdev.frames == [testFrame(60)] && script.card.told == 4)
    }

    @Test("a link that is down, or open at its other end, drops and counts")
    func down() {
        let script = LinkScript()
        script.link.setUp(false)
        #expect(script.link.send([testFrame(60)], from: .card) == 1 && script.netdev.frames.isEmpty)
        #expect(script.link.counters(.card).droppedWhileDown == 1 && script.link.counters(.card).frames == 0)
        #expect(script.card.linkStates == [false] && script.netdev.linkStates == [false])
        script.link.setUp(false)
        script.link.setUp(true)
        #expect(script.card.linkStates == [false, true])
        script.link.connect(nil, at: .netdev)
        #expect(script.link.send([testFrame(60)], from: .card) == 1)
        #expect(script.link.counters(.card).droppedWhileDown == 2)
    }

    @Test(
        "a sender that waits goes on when the cable is pulled, or the other port leaves or is replaced",
        arguments: 0..<3)
    func waitingEnds(how: Int) {
        let script = LinkScript()
        let successor = ScriptedPort()
        script.netdev.room = 0
        #expect(script.link.send([testFrame(60)], from: .card) == 0)
        switch how {
        case 0: script.link.setUp(false)
        case 1: script.link.connect(nil, at: .netdev)
        default: script.link.connect(successor, at: .netdev)
        }
        script.turn.run()
        #expect(script.card.told == 1)
        #expect(script.link.send([testFrame(60)], from: .card) == 1)
        #expect(successor.frames.count == (how == 2 ? 1 : 0))
    }

    @Test("watchers see what was taken, and no more")
    func watchers() {
        let script = LinkScript()
        let watcher = Watcher()
        script.link.add(watcher)
        script.netdev.room = 1
        _ = script.link.send([testFrame(60, 1), testFrame(60, 2)], from: .card)
        _ = script.link.send([testFrame(60, 3)], from: .netdev)
        script.link.setUp(false)
        _ = script.link.send([testFrame(60, 4)], from: .netdev)
        script.link.setUp(true)
        script.link.remove(watcher)
        _ = script.link.send([testFrame(60, 5)], from: .netdev)
        #expect(
            watcher.seen.map(\.0) == [.card, .netdev] && watcher.seen.map(\.1) == [testFrame(60, 1), testFrame(60, 3)])
    }

    @Test("a port that answers nonsense is believed only within the batch", arguments: [-1, 5, Int.max, Int.min])
    func nonsense(answer: Int) {
        final class Liar: FramePort {
            let answer: Int
            init(_ answer: Int) { self.answer = answer }
            func take(_ frames: UnsafeBufferPointer<FrameView>) -> Int { answer }
            func peerHasRoom() {}
        }
        let script = LinkScript()
        let liar = Liar(answer)
        script.link.connect(liar, at: .netdev)
        #expect(script.link.send([testFrame(60), testFrame(60)], from: .card) == (answer < 0 ? 0 : 2))
        withExtendedLifetime(liar) {}
    }

    @Test("a link does not keep its ports")
    func weakPorts() {
        let script = LinkScript()
        do {
            let passing = ScriptedPort()
            script.link.connect(passing, at: .netdev)
        }
        #expect(script.link.port(at: .netdev) == nil && script.link.send([testFrame(60)], from: .card) == 1)
    }
}
