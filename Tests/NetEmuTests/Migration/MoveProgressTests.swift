// What a terminal shows of a move.

import Bytes
import Migration
import Testing

@testable import NetEmu

@Suite("the progress of a move")
struct MoveProgressTests {
    private func status(_ word: MigrationStatus.Word, remaining: UInt64 = 0, total: Interval = .zero) -> MigrationStatus
    {
        var status = MigrationStatus()
        (status.word, status.remaining, status.total) = (word, remaining, total)
        status.totalRAM = 128 << 20
        return status
    }

    @Test("how much of the memory is there, how fast it goes, how long it takes")
    func line() {
        var half = status(.active, remaining: 64 << 20, total: .seconds(1))
        half.iterations = 2
        half.transferred = 64 << 20
        half.pages.normal = 16384
        #expect(MoveProgress.line(half) == "migrate: round 2, 64 MiB of 128 MiB, 64 MiB/s, 1.0 s left")
        half.total = .seconds(100)
        #expect(MoveProgress.line(half).hasSuffix(", 655 KiB/s, 1 min 40 s left"))
    }

    @Test("before the first page, and when the guest stands still")
    func ends() {
        #expect(MoveProgress.line(status(.setup)) == "migrate: waiting for the destination")
        #expect(MoveProgress.line(status(.device)) == "migrate: the guest is handed over")
        #expect(MoveProgress.line(status(.active)) == "migrate: round 1, 128 MiB of 128 MiB, 0 B/s")
    }
}
