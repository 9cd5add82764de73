// What passt's own list of migrations has (its test/migrate), and more: one row is one way in which connections stand when
// the guest moves.

import Glibc
import TestSupport
import Testing

/// A guest with something under way, which moves; bytes are looked at from end to end.
struct MoveRow: Sendable, CustomTestStringConvertible {
    let name: String
    /// Words of the command line, besides the network.
    var words: [String] = []
    /// The kernel has to reset connections here.
    var isReset = false
    let play: @Sendable (MoveStage) throws -> Void

    init(
        _ name: String, words: [String] = [], isReset: Bool = false,
        _ play: @escaping @Sendable (MoveStage) throws -> Void
    ) {
        (self.name, self.words, self.isReset, self.play) = (name, words, isReset, play)
    }

    var testDescription: String { name }

    /// Plays the row on a ground of its own.
    func run(as privilege: Privilege = .mapped) throws {
        try withGround(as: privilege) { ground in
            let stage = try MoveStage(ground, more: words)
            try play(stage)
            try stage.end(isReset: isReset)
        }
    }

    static let all = streams + states + moments

    /// Those that every run has, a minute of them; all of them, or some by a part of their names (`Extent`).
    static var chosen: [MoveRow] {
        if let part = Extent.part { return all.filter { $0.name.contains(part) } }
        return Extent.isWhole ? all : [basic, bulkOut, bulkIn, flows(20), guestHalf, chain, forwardedIn, passtRestart]
    }
}
