// A node of a simulation that moves again and again.

import Bytes
import NetStack
import Testing

@testable import GuestNode

/// A station whose node goes on in another one, again and again, on clocks that stand anywhere.
final class MovingNode: Station {
    private(set) var current: SimulatedNode
    private(set) var moves = 0
    private(set) var transcript = ""
    private var random: SeededGenerator
    private var lead: UInt64 = 0
    /// Moves after so many turns on average; 0: never.
    private let cadence: Int

    init(_ node: SimulatedNode, cadence: Int, seed: UInt64) {
        (current, self.cadence) = (node, cadence)
        random = SeededGenerator(seed: seed)
    }

    private func here(_ now: Instant) -> Instant { Instant(nanoseconds: now.nanoseconds &+ lead) }

    func turn(_ now: Instant) -> [[UInt8]] {
        let frames = current.turn(here(now))
        if cadence > 0, Int.random(in: 0..<cadence, using: &random) == 0 { move(now) }
        // Output that nobody has taken moves, too.
        let isFull = [current.node.console, current.node.script].contains { $0?.streams.output.room == 0 }
        if Int.random(in: 0..<3, using: &random) == 0 || isFull { take() }
        return frames
    }

    func take() {
        transcript += current.node.console.takeOutput()
        transcript += current.node.script?.takeOutput() ?? ""
    }

    func move(_ now: Instant) {
        let old = here(now)
        let clock = UInt64.random(in: 0..<1 << 50, using: &random)
        do {
            current = try current.moved(now: old, to: Instant(nanoseconds: clock))
            lead = clock &- now.nanoseconds
            moves += 1
        } catch { Issue.record("\(error)") }
    }

    func arrive(_ frame: [UInt8], _ now: Instant) -> Bool { current.arrive(frame, here(now)) }

    var nextDeadline: Instant? {
        guard let next = current.nextDeadline, next.nanoseconds > 0 else { return current.nextDeadline }
        return Instant(nanoseconds: next.nanoseconds &- lead)
    }
}
