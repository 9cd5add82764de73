// What goes along with a node beside the node.

import Bytes
import Linux
import Testing
import Virtio

@testable import NetEmu

@Suite("a guest's state on its way")
struct NodeGuestStateTests {
    @Test("it is written byte for byte as it is said to be")
    func golden() {
        let state = NodeGuestState(
            hasBooted: true, node: [7, 8, 9], timeLeft: .milliseconds(1500), departure: 0x0102_0304)
        #expect(
            state.bytes == [
                0, 0, 0, 10,  // a kind of ten letters
            ] + Array("node-guest".utf8) + [
                0, 1,  // version
                0, 0, 0, 25,  // length
                1,  // it had booted
                1, 0, 0, 0, 0, 0x59, 0x68, 0x2f, 0x00,  // there is a limit: 1.5 s are left
                0, 0, 0, 0, 1, 2, 3, 4,  // when it left
                0, 0, 0, 3, 7, 8, 9,  // the node
            ])
    }

    @Test("it comes back as it was; a limit that is over, none, and no node at all, too")
    func roundTrip() throws {
        for time in [nil, .zero, .seconds(86_400)] as [Interval?] {
            for node in [[], [1], [UInt8](repeating: 3, count: 100_000)] as [[UInt8]] {
                let state = NodeGuestState(hasBooted: true, node: node, timeLeft: time, departure: .max)
                #expect(try NodeGuestState(state.bytes) == state)
            }
        }
    }

    @Test("what was cut off, has something behind it or cannot be is refused")
    func refused() {
        let whole = NodeGuestState(hasBooted: true, node: [7, 8, 9], timeLeft: .seconds(3), departure: 5).bytes
        for length in whole.indices { #expect(throws: StateError.self) { try NodeGuestState(Array(whole[..<length])) } }
        #expect(throws: StateError.self) { try NodeGuestState(whole + [0]) }
        #expect(throws: StateError.impossible("what is left of a script's time")) {
            try NodeGuestState(
                NodeGuestState(hasBooted: true, node: [], timeLeft: Interval(nanoseconds: -1), departure: 5).bytes)
        }
        var random = SeededGenerator(seed: 4)
        for _ in 0..<2000 {
            var bytes = whole
            bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
            _ = try? NodeGuestState(bytes).away(at: 9)
        }
    }

    @Test("a clock that is behind, or a year ahead, gives no time away")
    func away() {
        let state = NodeGuestState(hasBooted: true, node: [], timeLeft: nil, departure: 1_000_000_000_000)
        #expect(state.away(at: 1_000_250_000_000) == .milliseconds(250))
        #expect(state.away(at: 1) == .zero && state.away(at: .max) == .zero)
        let now = NodeGuestState(hasBooted: true, node: [], timeLeft: nil)
        #expect(now.departure > 1_700_000_000_000_000_000 && now.away() < .seconds(3600))
    }

    /// A node without cards, as its option describes it.
    private func guest(_ text: String) throws -> NodeGuest {
        let kind = try GuestOption.plan(try KeyValueList(parsing: text, implied: "type"))
        let site = GuestSite(memory: try GuestMemory(size: 16 << 20), reactor: try Reactor(), say: { _ in })
        let guest = NodeGuest(try #require(kind as? NodeGuestKind), site)
        guest.begin()
        return guest
    }

    @Test("a script takes what is left of its time along; where it was, that stands still until it goes on there")
    func scriptTime() throws {
        let source = try guest("node,run=sleep 5000,timeout=1000")
        source.resume()
        source.pause {}
        let state = source.save()
        #expect(source.timeLeft == nil && source.save().count == state.count)
        for text in ["node", "node,run=echo,timeout=9"] {
            let destination = try guest(text)
            try destination.restore(state)
            let left = try #require(destination.timeLeft)
            #expect(left > .seconds(900) && left <= .seconds(1000) && destination.output != nil)
        }
        source.resume()
        let kept = try #require(source.timeLeft)
        #expect(kept > .seconds(900) && kept <= .seconds(1000))
    }

    @Test("without a limit there none has one here; a script that was not begun has this side's")
    func noTime() throws {
        let source = try guest("node,run=sleep 5000")
        let unbegun = source.save()
        source.resume()
        source.pause {}
        let begun = source.save()
        let destination = try guest("node,run=echo,timeout=9")
        try destination.restore(begun)
        #expect(destination.timeLeft == nil)
        let other = try guest("node,run=echo,timeout=900")
        try other.restore(unbegun)
        #expect(other.timeLeft.map { $0 > .seconds(800) } == true)
    }
}
