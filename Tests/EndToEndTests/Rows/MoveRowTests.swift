// The rows: some in every run; with NETEMU_MIGRATION=whole (make test-migration) all of them, without root and as root, and
// those that matter most again and again.

import Glibc
import TestSupport
import Testing

@Suite("connections of a guest that moves, in every state", .serialized)
struct MoveRowTests {
    private static let isRoot = geteuid() == 0

    @Test("each row", arguments: MoveRow.chosen)
    func each(row: MoveRow) throws { try row.run() }

    @Test("each row, as root", .enabled(if: Extent.isWhole && isRoot), arguments: MoveRow.all)
    func root(row: MoveRow) throws { try row.run(as: .root) }

    @Test("500 connections", .enabled(if: Extent.isWhole))
    func many() throws { try MoveRow.flows(500).run() }

    @Test("twenty times without a flake", .enabled(if: Extent.isWhole), arguments: MoveRow.often)
    func again(row: MoveRow) throws { for _ in 0..<20 { try row.run() } }
}

extension MoveRow {
    fileprivate static let often = [basic, bulkOut, bulkIn, bothWays, sixteenOut, flows(20), guestHalf]
}
