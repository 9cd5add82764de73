// A guest that is stopped and goes on, and its card meanwhile.

import Bytes
import GuestNode
import Link
import Linux
import TestSupport
import Testing

@testable import NetEmu

@Suite("a guest that stands still")
struct StandStillTests {
    private func later(_ seconds: Double, _ stand: CardStand) throws {
        let at = stand.reactor.nowNanoseconds + UInt64(seconds * 1e9)
        #expect(try stand.reactor.turn { stand.reactor.nowNanoseconds >= at })
    }

    @Test("its clock stands still with it, and goes on where it stood")
    func clock() throws {
        let stand = try CardStand()
        let guest = try #require(stand.guest as? NodeGuest)
        #expect(try stand.reactor.turn { !stand.port.frames.isEmpty })
        stand.guest.pause {}
        let stood = guest.node.own(guest.now)
        try later(0.3, stand)
        #expect(guest.node.own(guest.now) == stood)
        stand.guest.resume()
        #expect(guest.node.own(guest.now) == stood)
        try later(0.1, stand)
        let since = guest.node.own(guest.now).since(stood)
        #expect(since >= .milliseconds(100) && since < .seconds(10))
    }

    @Test("one that goes elsewhere left when it stopped")
    func departure() throws {
        let here = try CardStand()
        here.guest.pause {}
        try later(0.3, here)
        let guest = try #require(here.guest as? NodeGuest)
        let state = try NodeGuestState(guest.save())
        #expect(state.away() >= .milliseconds(300) && state.away() < .seconds(60))
    }

    @Test("a card whose frames were refused hears of room, also when somebody was in its place meanwhile")
    func room() throws {
        let stand = try CardStand(room: 0)
        #expect(try stand.reactor.turn { stand.link.counters(.card).blocked > 0 })
        let other = ScriptedPort()
        #expect(stand.card.divert(to: other))
        stand.port.room = .max
        stand.link.hasRoom(.netdev)
        #expect(try stand.reactor.turn { other.told > 0 })
        #expect(stand.card.divert(to: nil))
        #expect(try stand.reactor.turn { !stand.port.frames.isEmpty })
    }
}
