// What goes wrong while a guest moves between two netemus: never do both run it, it goes on where the rules say, its
// connection with it, and nothing is left behind.

import Glibc
import TestSupport
import Testing

@Suite("faults while a guest moves", .serialized)
struct MoveFaultTests {
    private func carryOut(_ rows: [FaultRow], workers: Int) {
        let results = inParallel(workers, over: rows, { Result { try FaultStage() } }, carryOutOne)
        for (row, complaints) in zip(rows, results) {
            for complaint in complaints { Issue.record("\(row): \(complaint)") }
        }
    }

    private func carryOutOne(_ row: FaultRow, _ number: Int, _ stage: Result<FaultStage, any Error>) -> [String] {
        let start = milliseconds()
        let complaints =
            switch stage {
            case .success(let stage): FaultRun.complaints(row, number, stage)
            case .failure(let error): ["\(error)"]
            }
        if getenv("NETEMU_MIGRATION_TIMES") != nil {
            print("\(milliseconds() - start) ms: \(row)\(complaints.isEmpty ? "" : " FAULT")")
        }
        return complaints
    }

    private func milliseconds() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec * 1000 + time.tv_nsec / 1_000_000
    }

    @Test("fifty of them", .enabled(if: !Extent.isWhole))
    func some() { carryOut(Extent.part.map { FaultTable.rows(with: $0) } ?? FaultTable.choice(50), workers: 4) }

    @Test("every fault in every phase", .enabled(if: Extent.isWhole))
    func phases() { carryOut(FaultTable.phases, workers: 4) }

    @Test("nobody waits for ever", .enabled(if: Extent.isWhole))
    func deadlines() { carryOut(FaultTable.slow, workers: 12) }

    @Test("a connection that is cut behind any message, and anywhere in one", .enabled(if: Extent.isWhole))
    func cuts() { carryOut(FaultTable.messages + FaultTable.cuts(100), workers: 4) }
}
